"""`python -m benchmark.fleet.engine`: the engine of one worker, in a separate process.

Its standard input has the length of its packed task, the task, and then words: `beat`, `go`, `stop`. Its standard
output has frames of rows and messages. It ends at once if it hears no word for `SILENCE_S`: the worker, the scheduler
or the coordinator is gone then, and nobody else would stop it.
"""

import asyncio
import os
import signal
import struct
import sys
import threading
from collections.abc import Mapping
from time import perf_counter
from typing import IO, Any

import uvloop

from benchmark.engine.execute import Session, ask, connections_for
from benchmark.engine.overhead import null_server_if_any
from benchmark.fleet.frames import message_frame, rows_frame
from benchmark.fleet.sketch import by_second
from benchmark.fleet.task import Task, unpack
from benchmark.record.plan import PlanError, from_document
from benchmark.record.recording import Recorder
from benchmark.record.samples import Samples, join
from benchmark.record.samples import unpack as unpack_rows

SILENCE_S = 4.0
"""Well above the second between two words, and below the 5 s within which nothing may be sent any more."""
_TICK_S = 0.25
GO, STOP, BEAT = b"go", b"stop", b"beat"
LENGTH = struct.Struct("<Q")
ABANDONED = 3
"""The exit status after a silence."""


class DeadMan:
    """Ends this process if it hears nothing for too long, and when it continues after it was stopped for so long."""

    def __init__(self) -> None:
        self._heard_s = self._ticked_s = perf_counter()
        # A process that continues would first send everything that is overdue by now.
        signal.signal(signal.SIGCONT, lambda *_: self._check())

    def hear(self) -> None:
        """There was a word."""
        self._check()
        self._heard_s = perf_counter()

    async def watch(self) -> None:
        """Check until cancelled."""
        while True:
            self._check()
            self._ticked_s = perf_counter()
            await asyncio.sleep(_TICK_S)

    def _check(self) -> None:
        if perf_counter() - min(self._heard_s, self._ticked_s) > SILENCE_S:
            os._exit(ABANDONED)  # at once, with all connections


class Outbox:
    """Carries rows to the worker, as a log of the recorder; keeps a copy, of which the health is judged."""

    def __init__(self, pipe: IO[bytes], *, open_loop: bool) -> None:
        self.session: Session | None = None
        self._pipe = pipe
        self._open_loop = open_loop
        self._writing = threading.Lock()
        self._named = 0
        self._kept: list[Samples] = []

    def append(self, run_id: str, chunk: bytes | None, progress: Mapping[str, Any]) -> None:
        """Write packed rows with the instances that are new in them, and the progress with sketches of these rows."""
        frames, live = b"", []
        if chunk is not None:
            assert self.session  # rows are from its clients  # noqa: S101
            ids = self.session.instances
            new, self._named = ids[self._named :], len(ids)
            rows = unpack_rows(chunk)
            self._kept.append(rows)
            live = by_second(rows, open_loop=self._open_loop)
            frames = message_frame({"instances": new}) + rows_frame(chunk) if new else rows_frame(chunk)
        self._write(frames + message_frame({"progress": dict(progress), "live": live}))

    def say(self, message: dict[str, Any]) -> None:
        """Write a message."""
        self._write(message_frame(message))

    @property
    def rows(self) -> Samples:
        """All rows so far."""
        return join(self._kept)

    def _write(self, frames: bytes) -> None:
        with self._writing:
            self._pipe.write(frames)
            self._pipe.flush()


async def _listen(words: asyncio.StreamReader, dead_man: DeadMan, go: asyncio.Event, stop: asyncio.Event) -> None:
    while word := (await words.readline()).strip():
        dead_man.hear()
        if word == GO:
            go.set()
        elif word == STOP:
            stop.set()
            go.set()  # an engine that waits has nothing to stop
    os._exit(ABANDONED)  # the worker has gone


async def _carry_out(pipe: IO[bytes]) -> None:
    dead_man, go, stop = DeadMan(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    words = asyncio.StreamReader(limit=2**16)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin.buffer)
    watching = asyncio.create_task(dead_man.watch())
    (size,) = LENGTH.unpack(await words.readexactly(LENGTH.size))
    task = unpack(await words.readexactly(size))
    dead_man.hear()
    listening = asyncio.create_task(_listen(words, dead_man, go, stop))
    try:
        await _measure(task, pipe, go, stop)
    finally:
        listening.cancel()
        watching.cancel()


async def _measure(task: Task, pipe: IO[bytes], go: asyncio.Event, stop: asyncio.Event) -> None:
    plan = from_document(task.plan)
    outbox = Outbox(pipe, open_loop=plan.is_open_loop)
    endpoints = task.targets
    try:
        most = connections_for(plan, len(endpoints))
    except PlanError as error:
        outbox.say({"refused": str(error)})
        return
    await asyncio.to_thread(ask, endpoints)  # a protocol may learn from what an endpoint says of itself

    async def until_start() -> None:
        outbox.say({"ready": True})
        await go.wait()

    recorder = Recorder(outbox, task.run_id, task.requests)
    session = Session(
        plan, endpoints, task.bodies, task.card, recorder, lambda _: None, most, stop, task.share, until_start
    )
    outbox.session = session
    with null_server_if_any() as null_url:
        await session.measure(null_url)
    await asyncio.to_thread(recorder.flush)
    outbox.say({"outcome": session.outcome | session.judged(outbox.rows)})


def main() -> None:
    """Carry out the task on standard input."""
    pipe = sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing else may be between the frames
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_carry_out(pipe))


if __name__ == "__main__":
    main()
