"""Deadlines of many connections behind one timer, on a clock of their own."""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import cast

from inference.deadlines import Deadlines


class Loop:
    """What deadlines use of an event loop."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[tuple[float, Callable[[], object]]] = []

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, call: Callable[..., object], *arguments: object) -> None:
        self.timers.append((self.now_s + delay_s, lambda: call(*arguments)))

    def pass_until(self, time_s: float) -> None:
        while due := [timer for timer in self.timers if timer[0] <= time_s]:
            first = min(due, key=lambda timer: timer[0])
            self.timers.remove(first)
            self.now_s = first[0]
            first[1]()
        self.now_s = time_s

    @property
    def as_loop(self) -> AbstractEventLoop:
        return cast(AbstractEventLoop, self)


class One:
    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.late_at_s: list[float] = []

    def too_slow(self) -> None:
        self.late_at_s.append(self._loop.now_s)


def test_each_is_late_at_its_own_time() -> None:
    loop, deadlines = Loop(), Deadlines(4.0)
    ones = [One(loop) for _ in range(3)]
    for number, one in enumerate(ones):
        loop.pass_until(100.0 + number)
        deadlines.start(one, loop.as_loop)
    loop.pass_until(200.0)
    assert [one.late_at_s for one in ones] == [[104.0], [105.0], [106.0]]
    assert not loop.timers


def test_one_that_is_stopped_is_not_late_and_one_that_starts_again_has_all_its_time() -> None:
    loop, deadlines = Loop(), Deadlines(4.0)
    stopped, again, waiting = One(loop), One(loop), One(loop)
    for one in (stopped, again, waiting):
        deadlines.start(one, loop.as_loop)
    loop.pass_until(103.0)
    deadlines.stop(stopped)
    deadlines.stop(again)
    assert stopped not in deadlines and waiting in deadlines
    deadlines.start(again, loop.as_loop)
    loop.pass_until(200.0)
    assert (stopped.late_at_s, waiting.late_at_s, again.late_at_s) == ([], [104.0], [107.0])


def test_ten_thousand_requests_need_one_timer() -> None:
    loop, deadlines = Loop(), Deadlines(4.0)
    one = One(loop)
    for number in range(10_000):
        loop.pass_until(100.0 + number / 10_000)
        deadlines.start(one, loop.as_loop)
        assert len(loop.timers) == 1
        deadlines.stop(one)


def test_a_deadline_that_another_starts_by_being_late_is_kept() -> None:
    loop, deadlines = Loop(), Deadlines(4.0)
    follower = One(loop)

    class Leader(One):
        def too_slow(self) -> None:
            super().too_slow()
            deadlines.start(follower, loop.as_loop)

    deadlines.start(Leader(loop), loop.as_loop)
    loop.pass_until(200.0)
    assert follower.late_at_s == [108.0]
    assert not loop.timers
