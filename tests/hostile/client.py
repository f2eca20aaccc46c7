"""A raw HTTP client that sends whatever bytes it is given and times what comes back."""

import re
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from tests.hostile.case import NAMED, Case, request

GIVE_UP_S = 9.0
"""After this long without an answer the client stops waiting, so that a hang ends the case and not the suite."""
QUIET_S = 0.1
_CHUNK_BYTES = 256 * 1024
_LENGTH = re.compile(rb"\d{1,12}")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """All that one connection gave.

    `waited_s` is the longest wait for an answer or for the end, counted from the connection or from the previous
    answer. `rest` is what came and is no complete answer.
    """

    answers: tuple[Answer, ...]
    rest: bytes
    waited_s: float
    raw: bytes

    @property
    def statuses(self) -> tuple[int, ...]:
        return tuple(answer.status for answer in self.answers)


def exchange(port: int, case: Case) -> Exchange:
    """Send the steps of `case` to `port` on a new connection and read as the case says."""
    with socket.create_connection(("127.0.0.1", port), timeout=GIVE_UP_S) as connection:
        return _Conversation(connection, case).run()


def predicts(port: int) -> bool:
    """Whether a valid request on a new connection is served."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=GIVE_UP_S) as connection:
            connection.sendall(request(body=NAMED, headers=("Connection: close",)))
            raw = b"".join(iter(lambda: connection.recv(65536), b""))
    except OSError:
        return False
    answers, _ = parse_answers(raw)
    return [answer.status for answer in answers] == [200] and b'"prediction":0' in answers[0].body


def parse_answers(raw: bytes, *, bodiless: bool = False) -> tuple[list[Answer], bytes]:
    """The complete answers at the start of `raw`, without the interim ones, and what is left."""
    answers: list[Answer] = []
    while True:
        head, end, rest = raw.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        status_line = re.fullmatch(rb"HTTP/1\.[01] ([1-5]\d\d)(?: [ -~]*)?", lines[0])
        if not end or not status_line:
            return answers, raw
        status = int(status_line[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
        length = headers.get("content-length", "0").encode()
        size = 0 if bodiless or status < 200 or status == 204 else int(length) if _LENGTH.fullmatch(length) else 0
        if len(rest) < size:
            return answers, raw
        raw = rest[size:]
        if status >= 200:
            answers.append(Answer(status, headers, rest[:size]))


class _Conversation:
    """Sends while it reads, because a refusal may come before the request has been sent."""

    def __init__(self, connection: socket.socket, case: Case) -> None:
        self._connection = connection
        self._case = case
        self._steps = deque(case.steps)
        self._unsent = memoryview(b"")
        self._raw = bytearray()
        self._answers: list[Answer] = []
        self._rest = b""
        self._since_s = self._last_s = time.monotonic()
        self._next_step_s = 0.0
        self._waited_s = 0.0

    def run(self) -> Exchange:
        self._connection.setblocking(False)
        while not self._finished():
            self._take_step()
            sending = [self._connection] if self._unsent else []
            readable, writable, _ = select.select([self._connection], sending, [], self._pause_s())
            if readable and not self._receive():
                break
            if writable:
                self._send()
        if self._case.reset:
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif not self._answers or self._case.until_closed:
            self._waited_s = max(self._waited_s, time.monotonic() - self._since_s)
        return Exchange(tuple(self._answers), self._rest, self._waited_s, bytes(self._raw))

    def _finished(self) -> bool:
        now_s = time.monotonic()
        if now_s - self._since_s > GIVE_UP_S:
            return not self._answers or self._case.until_closed or bool(self._rest)
        sent = not self._steps and not self._unsent
        if self._case.reset:
            return sent
        return bool(self._answers) and not self._case.until_closed and now_s - self._last_s > QUIET_S

    def _pause_s(self) -> float:
        until_next_step_s = self._next_step_s - time.monotonic() if self._steps else 1.0
        return max(0.0, min(until_next_step_s, 0.02))

    def _take_step(self) -> None:
        while not self._unsent and self._steps and time.monotonic() >= self._next_step_s:
            step = self._steps.popleft()
            if isinstance(step, float):
                self._next_step_s = time.monotonic() + step
            else:
                self._unsent = memoryview(step)
        if self._case.half_close and not self._steps and not self._unsent:
            try:
                self._connection.shutdown(socket.SHUT_WR)
            except OSError:
                return

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[self._connection.send(self._unsent[:_CHUNK_BYTES]) :]
        except BlockingIOError:
            return
        except OSError:  # closed by the server: what it has said can still be read
            self._unsent = memoryview(b"")
            self._steps.clear()

    def _receive(self) -> bool:
        """Read what there is; False when the server has closed."""
        try:
            data = self._connection.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        self._last_s = time.monotonic()
        self._raw += data
        answers, self._rest = parse_answers(bytes(self._raw), bodiless=self._case.bodiless)
        if len(answers) > len(self._answers):
            self._answers = answers
            self._waited_s = max(self._waited_s, self._last_s - self._since_s)
            self._since_s = self._last_s
        return True
