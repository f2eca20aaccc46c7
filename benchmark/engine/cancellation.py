"""Cancel a run by a signal at any moment, so that the run is always closed in the record.

An event loop's own handlers end with the loop: a signal before the loop starts, or while the run is closed, would end
the process and leave a run that stays in progress in the record.
"""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from benchmark.record.run import RunState

_GRACE_S = 0.5
"""How long a task may take to clean up after a cancellation, which ends requests in flight at once."""


class Cancellation:
    """Handle SIGINT and SIGTERM as requests to cancel; a context for the main thread, around a run.

    Signals outside `wait` and `until_cancelled` interrupt nothing; the next call of these returns at once.
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
        self.ask()

    def ask(self) -> None:
        """Cancel as a signal does; from any thread."""
        self.is_asked = True
        with suppress(RuntimeError):  # the loop has just ended, so there is nothing to wake
            self._wake()

    async def wait(self) -> None:
        """Wait for a cancellation."""
        loop, asked = asyncio.get_running_loop(), asyncio.Event()
        self._wake = lambda: loop.call_soon_threadsafe(asked.set)  # only a threadsafe call wakes a waiting loop
        try:
            if not self.is_asked:
                await asked.wait()
        finally:
            self._wake = lambda: None  # the loop may already be closed

    async def until_cancelled(self, task: "asyncio.Task[None]") -> RunState:
        """Wait for `task`, and cancel it on a signal. Returns how it ended; raises the task's error."""
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
