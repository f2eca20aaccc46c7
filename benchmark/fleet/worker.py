"""What runs in the process of a Dask worker: start an engine, keep its frames until they are collected, pass words on.

The long task waits in a thread and does nothing; the coordinator's calls run in the worker's event loop, once a second.
So the worker is a quiet neighbour of its engine. Nothing here makes up words: an engine hears from a coordinator that
is there, or not at all.
"""

import os
import platform
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import token_hex
from typing import IO, Any

from benchmark.fleet.engine import ABANDONED, LENGTH, SILENCE_S
from benchmark.fleet.frames import read_frames
from benchmark.fleet.program import ROOT, program_version

MOST_BYTES = 4 * 1024 * 1024
"""The most that one call collects, but for one frame."""
_BUFFER_BYTES = 64 * 1024 * 1024
"""What a worker keeps for a slow coordinator; beyond it the engine waits with writing, and goes on sending."""
_ABANDONED_S = 10.0
"""How long frames are kept after the last call."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker says when it is called."""

    attempt: str
    """of the engine: a worker that was restarted has another one"""
    frames: tuple[tuple[bytes, bytes], ...]
    is_over: bool
    """whether these are the last frames"""
    problem: str | None
    """why the engine ended, if not because it was done"""
    cpu_s: float
    """of the worker's own process since its engine was started"""


@dataclass(slots=True)
class _Engine:
    """One engine and its frames."""

    process: "subprocess.Popen[bytes]"
    attempt: str = field(default_factory=lambda: token_hex(8))
    frames: deque[tuple[bytes, bytes]] = field(default_factory=deque)
    held: int = 0
    is_over: bool = False
    is_told: bool = False
    problem: str | None = None
    called_at: float = field(default_factory=time.monotonic)
    started_cpu_s: float = field(default_factory=time.process_time)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def read(self, pipe: IO[bytes]) -> None:
        """Keep frames until the engine ends or nobody calls any more."""
        for frame in read_frames(pipe):
            with self.changed:
                while self.held > _BUFFER_BYTES and not self._is_abandoned():
                    self.changed.wait(1.0)
                if self._is_abandoned():
                    return
                self.frames.append(frame)
                self.held += len(frame[1])

    def end(self, problem: str | None) -> None:
        """There are no more frames; wait until the coordinator has the last and knows it."""
        with self.changed:
            self.is_over, self.problem = True, problem
            while not (self.is_told or self._is_abandoned()):
                self.changed.wait(1.0)

    def take(self) -> tuple[tuple[tuple[bytes, bytes], ...], bool]:
        """The next frames, no longer kept, and whether they are the last."""
        taken: list[tuple[bytes, bytes]] = []
        size = 0
        with self.changed:
            while self.frames and size < MOST_BYTES:
                taken.append(self.frames.popleft())
                size += len(taken[-1][1])
            self.held -= size
            self.is_told = self.is_over and not self.frames
            self.changed.notify_all()
            return tuple(taken), self.is_told

    def end_if_abandoned(self) -> None:
        """Kill the engine once nobody calls any more, also if it is stopped and cannot end itself."""
        self.called_at = time.monotonic()
        while self.process.poll() is None:
            if self._is_abandoned():
                self.process.kill()
            time.sleep(1.0)

    def _is_abandoned(self) -> bool:
        return time.monotonic() - self.called_at > _ABANDONED_S


_engines: dict[str, _Engine] = {}


def carry_out(key: str, packed: bytes) -> None:
    """The long task: run the engine on a packed task to its end. `key` names it for `call`."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmark.fleet.engine"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,  # Ctrl+C on a local cluster must reach the coordinator alone
    ) as process:
        assert process.stdin and process.stdout and process.stderr  # all are pipes  # noqa: S101
        said: deque[bytes] = deque(maxlen=20)
        hearing = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
        hearing.start()
        engine = _Engine(process)
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(LENGTH.pack(len(packed)) + packed)
                process.stdin.flush()
            _engines[key] = engine
            threading.Thread(target=engine.end_if_abandoned, daemon=True).start()
            engine.read(process.stdout)
            with suppress(BrokenPipeError):
                process.stdin.close()  # an engine that is not over ends now
            status = process.wait()
            hearing.join(1.0)
            engine.end(_problem(status, said))
        finally:
            process.kill()
            _engines.pop(key, None)


def _problem(status: int, said: Sequence[bytes]) -> str | None:
    """Why an engine ended with this exit status, after it wrote these lines to its standard error."""
    if status == 0:
        return None
    if status == ABANDONED:
        return f"it heard nothing for {SILENCE_S:.0f} s"
    if status < 0:
        return f"it was ended by signal {-status}"
    text = said[-1].decode(errors="replace").strip() if said else ""
    return text[:200] or "it ended without a word"


def call(key: str, words: Sequence[bytes]) -> Reply | None:
    """Pass `words` on to the engine, and take its frames; None if there is no such engine (yet)."""
    engine = _engines.get(key)
    if engine is None:
        return None
    engine.called_at = time.monotonic()
    pipe = engine.process.stdin
    assert pipe  # as above  # noqa: S101
    with suppress(BrokenPipeError, ValueError):  # it has ended, as the frames say
        pipe.write(b"".join(word + b"\n" for word in words))
        pipe.flush()
    frames, is_over = engine.take()
    return Reply(engine.attempt, frames, is_over, engine.problem, time.process_time() - engine.started_cpu_s)


def kill(key: str) -> None:
    """End the engine at once, even if it is stopped."""
    if (engine := _engines.get(key)) is not None:
        engine.process.kill()


def describe() -> dict[str, Any]:
    """The worker's program and machine."""
    return {
        "program": program_version(),
        "host": socket.gethostname(),
        "machine": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
    }
