"""One deadline for each of many, all equally long, behind a single timer of the event loop.

A timer for each would be made and cancelled with every request; here starting and stopping a deadline is an entry of a
dictionary. Because all are equally long, the order in which they were started is the order in which they are due.
"""

from asyncio import AbstractEventLoop
from typing import Protocol


class Late(Protocol):
    """What has a deadline."""

    def too_slow(self) -> None:
        """Its deadline is over."""


class Deadlines:
    """`after_s` seconds for each one that is started, and a call of its `too_slow` unless it is stopped before."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._due_s: dict[Late, float] = {}
        """When each is due, on the loop's clock; the first entry is the earliest."""
        self._is_armed = False

    def start(self, one: Late, loop: AbstractEventLoop) -> None:
        """Start the deadline of `one`, which has none."""
        self._due_s[one] = loop.time() + self._after_s
        if not self._is_armed:
            self._arm(loop, self._after_s)

    def stop(self, one: Late) -> None:
        self._due_s.pop(one, None)

    def __contains__(self, one: Late) -> bool:
        return one in self._due_s

    def _arm(self, loop: AbstractEventLoop, after_s: float) -> None:
        # It is never cancelled: when it finds nothing due it waits for the next, or ends where there is none.
        self._is_armed = True
        loop.call_later(after_s, self._sweep, loop)

    def _sweep(self, loop: AbstractEventLoop) -> None:
        self._is_armed = False
        now_s = loop.time()
        for one in [one for one, due_s in self._due_s.items() if due_s <= now_s]:
            self.stop(one)
            one.too_slow()
        if self._due_s and not self._is_armed:
            # A loop whose clock has ticks may wake a tick early.
            self._arm(loop, max(0.001, next(iter(self._due_s.values())) - now_s))
