"""Wait for an exact moment in an event loop, whose own timers are accurate only to a millisecond."""

import asyncio
import ctypes
import os
from time import perf_counter_ns
from types import TracebackType
from typing import Self

_TIMER_FROM_NS = 20_000_000
"""Longer waits use the event loop until this much time remains."""
_OVERDUE_AT_ONCE = 8
_CLOCK_MONOTONIC = 1
_TIMER_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC


class _TimerSpec(ctypes.Structure):
    """`struct itimerspec` of timerfd_settime(2): no interval, and the time until it expires."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Pace:
    """Wakes its caller within some ten microseconds if the kernel supports timer file descriptors, as Linux does.

    A sleeping thread would wait up to 5 ms for the interpreter's lock when the loop is busy; active waiting would use
    the measured CPU. Use it as a context inside the event loop.
    """

    def __enter__(self) -> Self:
        self._descriptor: int | None = None
        self._rung: asyncio.Future[None] | None = None
        self._overdue = 0
        create = getattr(ctypes.CDLL(None), "timerfd_create", None)
        if create is not None and (descriptor := create(_CLOCK_MONOTONIC, _TIMER_FLAGS)) >= 0:
            self._descriptor = descriptor
            self._set = ctypes.CDLL(None).timerfd_settime
            asyncio.get_running_loop().add_reader(descriptor, self._ring)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)

    async def until(self, due_ns: int) -> None:
        """Return at `due_ns` of `perf_counter_ns`, never earlier.

        If that has passed, the loop still gets regular turns, so that overdue sends do not delay requests in flight.
        """
        if due_ns <= perf_counter_ns():
            self._overdue += 1
            if self._overdue % _OVERDUE_AT_ONCE == 0:
                await asyncio.sleep(0)
        while (left_ns := due_ns - perf_counter_ns()) > 0:
            if self._descriptor is None or left_ns > _TIMER_FROM_NS:
                await asyncio.sleep(max(left_ns - _TIMER_FROM_NS // 2, 0) / 1e9 if self._descriptor else left_ns / 1e9)
            else:
                self._rung = asyncio.get_running_loop().create_future()
                spec = _TimerSpec(0, 0, 0, left_ns)
                self._set(self._descriptor, 0, ctypes.byref(spec), None)
                await self._rung

    def _ring(self) -> None:
        assert self._descriptor is not None  # the timer was read  # noqa: S101
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return
        if self._rung and not self._rung.done():
            self._rung.set_result(None)
