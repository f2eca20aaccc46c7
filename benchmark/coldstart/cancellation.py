"""Whether a run is to be cancelled: SIGINT and SIGTERM, from before it is recorded until it is closed.

An event loop's own handlers end with it: a signal that comes before it, or while the run is being closed, would end the
process and leave a run that says for ever that it goes on.
"""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class Cancellation:
    """Notes the signals while it is entered, which only the main thread may do; before and after they do as before."""

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

    async def wait(self) -> None:
        """Wait until it is asked for."""
        loop, asked = asyncio.get_running_loop(), asyncio.Event()
        self._wake = lambda: loop.call_soon_threadsafe(asked.set)  # anything less does not wake a loop that waits
        try:
            if not self.is_asked:
                await asked.wait()
        finally:
            self._wake = lambda: None  # the loop may be closed by then

    def _note(self, sign: int, frame: FrameType | None) -> None:
        self.is_asked = True
        self._wake()
