"""Cancelling by a signal, at any moment and in order, so that a run is always closed in its record.

An event loop's own handlers end with it: a signal that comes before it, or while the run is being closed, would end the
process and leave a run that says for ever that it goes on.
"""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from benchmark.record.run import RunState

_GRACE_S = 0.5
"""How long a task may take to clear up after a cancel, which ends requests in flight at once."""


class Cancellation:
    """SIGINT and SIGTERM as a wish to end in order; used as a context, in the main thread, around a run.

    Where they come outside `wait` and `until_cancelled` nothing is broken off, and the next of these returns at once.
    """

    def __init__(self) -> None:
        self.is_asked = False
        self._wake: Callable[[], object] = lambda: None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {sign: signal.signal(sign, self._note) for sign in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sign, handler in self._before.items():
            signal.signal(sign, handler)

    def _note(self, sign: int, frame: FrameType | None) -> None:
        self.is_asked = True
        self._wake()

    async def wait(self) -> None:
        """Wait until it is asked for."""
        loop, asked = asyncio.get_running_loop(), asyncio.Event()
        self._wake = lambda: loop.call_soon_threadsafe(asked.set)  # anything less does not wake a loop that waits
        try:
            if not self.is_asked:
                await asked.wait()
        finally:
            self._wake = lambda: None  # the loop may be closed by then

    async def until_cancelled(self, task: "asyncio.Task[None]") -> RunState:
        """Wait for `task`, or cancel it when a signal asks for it. Gives how it ended; raises what it raised."""
        waiting = asyncio.create_task(self.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if task.done():
            task.result()
            return RunState.FINISHED
        task.cancel()
        await asyncio.wait({task}, timeout=_GRACE_S)
        if task.done() and not task.cancelled():
            task.result()
        return RunState.CANCELLED
