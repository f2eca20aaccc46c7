"""The sending process as all sessions share it: started with the first batch, and again if it has ended."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic

from benchmark.observation.messages import Reply, Request, read_replies, write_batch

_ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "benchmark.observation.process")
_OVERDUE_S = 10.0
"""How much longer than the longest timeout of a batch its replies may take, with the start of the process."""
_CLOSING_S = 2.0


class SenderError(Exception):
    """The requests were not sent, or their replies are lost; the message says why in a clause."""


class Batch:
    """Requests on their way. For one thread."""

    def __init__(self, process: "_Process", size: int, longest_s: float) -> None:
        self.pending = size
        """how many replies are still to come"""
        self._process = process
        self._unanswered = size
        self._due_s = monotonic() + longest_s + _OVERDUE_S
        self._arrived: SimpleQueue[list[Reply] | None] = SimpleQueue()

    def wait(self, within_s: float | None = None) -> list[Reply]:
        """The replies that have come since the last call, or come next; none if none comes `within_s`.

        Raises SenderError if the process has ended, or does not reply; it is then replaced.
        """
        left_s = max(0.0, self._due_s - monotonic())
        try:
            replies = self._arrived.get(timeout=left_s if within_s is None else min(within_s, left_s))
        except Empty:
            if within_s is not None and within_s < left_s:
                return []
            self._process.kill()
            raise SenderError("the sending process did not reply") from None
        if replies is None:
            raise SenderError("the sending process has ended")
        self.pending -= len(replies)
        return replies

    def give(self, replies: list[Reply] | None) -> None:
        """Called for replies as they arrive; with None if no more will."""
        self._unanswered -= len(replies or ())
        self._arrived.put(replies)

    @property
    def is_answered(self) -> bool:
        """Whether all replies have been given."""
        return self._unanswered == 0


class Sender:
    """Sends batches of requests through one process. Safe to share between threads.

    The process ends with the one that started it, because that end closes its standard input.
    """

    def __init__(self, command: Sequence[str] = ()) -> None:
        """`command` is the program to start, by default COMMAND; nothing is started yet."""
        self._command = command or COMMAND
        self._lock = threading.Lock()
        self._process: _Process | None = None

    @property
    def process_id(self) -> int | None:
        """The ID of the running process; None before the first batch, and after its end."""
        process = self._process
        return process.id if process and not process.has_ended else None

    def send(self, requests: Sequence[Request]) -> Batch:
        """Send `requests` at once, in their order. Raises SenderError.

        A process that has ended is replaced first. Requests that were on their way when it ended are not repeated,
        because they may have arrived, and may cost money.
        """
        for _ in range(2):
            with self._lock:
                if self._process is None or self._process.has_ended:
                    self._close()
                    self._process = _Process(self._command)
                batch = self._process.send(requests)
            if batch:
                return batch
        raise SenderError("the sending process ends at its start")

    def close(self) -> None:
        """End the process. The next batch would start another one."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._process:
            self._process.close()
            self._process = None


class _Process:
    """One start of the program, with a thread that reads its replies."""

    def __init__(self, command: Sequence[str]) -> None:
        """Raises SenderError."""
        try:
            self._child = subprocess.Popen(  # noqa: S603  our own program
                command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        except OSError as error:
            raise SenderError(f"the sending process could not be started ({error.strerror})") from error
        self.id = self._child.pid
        self._is_over = False
        self._numbers = count()
        self._batches: dict[int, Batch] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, name="sender", daemon=True)
        self._reader.start()

    def send(self, requests: Sequence[Request]) -> Batch | None:
        """Write a batch; None if the process has ended, which then has not read it. For one thread at a time."""
        number, longest_s = next(self._numbers), max(one.timeout_s for one in requests)
        batch = Batch(self, len(requests), longest_s)
        with self._lock:
            if self._is_over:  # its reader gives up no further batches
                return None
            self._batches[number] = batch
        assert self._child.stdin  # it is a pipe  # noqa: S101
        try:
            self._child.stdin.write(write_batch(number, requests))
            self._child.stdin.flush()
        except OSError:  # it reads whole lines only, so it has not read this one
            self._is_over = True
            return None
        return batch

    @property
    def has_ended(self) -> bool:
        return self._is_over or self._child.poll() is not None

    def kill(self) -> None:
        """End it at once; it takes no more batches."""
        self._is_over = True
        self._child.kill()

    def close(self) -> None:
        """Let it end, and reap it."""
        assert self._child.stdin  # it is a pipe  # noqa: S101
        with suppress(OSError):  # what it could no longer read
            self._child.stdin.close()
        try:
            self._child.wait(_CLOSING_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._reader.join()
        assert self._child.stdout  # it is a pipe  # noqa: S101
        self._child.stdout.close()

    def _read(self) -> None:
        assert self._child.stdout  # it is a pipe  # noqa: S101
        for line in self._child.stdout:
            number, replies = read_replies(line)
            batch = self._batches[number]
            batch.give(replies)
            if batch.is_answered:
                del self._batches[number]
        with self._lock:
            self._is_over = True
            lost = list(self._batches.values())
        for batch in lost:
            batch.give(None)
