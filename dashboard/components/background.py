"""Work that is too slow for a page to wait for. It runs in a thread and continues after the session has ended.

Use it only for untimed work: measurements run in a separate process.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

T = TypeVar("T")
_LOG = logging.getLogger(__name__)

Report = Callable[[str, int, int], None]
"""Called with the current step, the amount done and the total."""


@dataclass(frozen=True, slots=True)
class State(Generic[T]):
    """The state of the work. `result` is the last successful result; `problem` says how the last attempt failed."""

    running: bool = False
    step: str = ""
    done: int = 0
    total: int = 0
    result: T | None = None
    problem: str | None = None


class _Cancelled(Exception):
    """The work was cancelled."""


class Background(Generic[T]):
    """One piece of work at a time, shared by all sessions. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: State[T] = State()
        self._cancelled = threading.Event()

    @property
    def state(self) -> State[T]:
        return self._state

    def start(self, work: Callable[[Report], T]) -> bool:
        """Start `work` unless other work is running; return whether it started. It can be cancelled when it reports."""
        with self._lock:
            if self._state.running:
                return False
            self._cancelled = threading.Event()
            self._state = State(running=True, result=self._state.result)
        threading.Thread(target=self._run, args=(work, self._cancelled), name="background", daemon=True).start()
        return True

    def cancel(self) -> None:
        """Stop the work at its next report. The last result stays."""
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
        except Exception as error:  # the page has to show that the work has ended
            _LOG.exception("work in the background failed")
            self._state = State(result=self._state.result, problem=f"failed ({type(error).__name__})")
