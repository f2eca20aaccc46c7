"""Work that takes longer than a page should wait: it runs in a thread, also after the page's session has ended.

Only for what is not timed: measurements run in a separate process.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

T = TypeVar("T")
_LOG = logging.getLogger(__name__)

Report = Callable[[str, int, int], None]
"""Called with the current step, how much is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class State(Generic[T]):
    """Where the work stands. `result` is of the last work that succeeded; `problem` says how the last one failed."""

    running: bool = False
    step: str = ""
    done: int = 0
    total: int = 0
    result: T | None = None
    problem: str | None = None


class _Cancelled(Exception):
    """The work was cancelled."""


class Background(Generic[T]):
    """One piece of work at a time, for all who look at it. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: State[T] = State()
        self._cancelled = threading.Event()

    @property
    def state(self) -> State[T]:
        return self._state

    def start(self, work: Callable[[Report], T]) -> bool:
        """Start `work` unless some is running; returns whether it did. `work` can be cancelled wherever it reports."""
        with self._lock:
            if self._state.running:
                return False
            self._cancelled = threading.Event()
            self._state = State(running=True, result=self._state.result)
        threading.Thread(target=self._run, args=(work, self._cancelled), name="background", daemon=True).start()
        return True

    def cancel(self) -> None:
        """End the work at its next report; the last result stays."""
        self._cancelled.set()

    def _run(self, work: Callable[[Report], T], cancelled: threading.Event) -> None:
        def report(step: str, done: int, total: int) -> None:
            if cancelled.is_set():
                raise _Cancelled
            self._state = replace(self._state, step=step, done=done, total=total)

        try:
            self._state = State(result=work(report))
        except _Cancelled:
            self._state = State(result=self._state.result)
        except Exception as error:  # the page has to show that it has ended
            _LOG.exception("work in the background failed")
            self._state = State(result=self._state.result, problem=f"failed ({type(error).__name__})")
