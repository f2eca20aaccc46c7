"""Work in the background: one at a time, seen by all, and ended when nobody wants it."""

import threading
import time
from collections.abc import Callable

import pytest

from dashboard.components.background import Background, Report


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_result_is_there_when_the_work_is_done() -> None:
    jobs: Background[int] = Background()
    go = threading.Event()

    def work(report: Report) -> int:
        report("counting", 1, 2)
        go.wait(20)
        return 7

    assert jobs.start(work)
    wait_for(lambda: jobs.state.step == "counting")
    assert (jobs.state.running, jobs.state.done, jobs.state.total, jobs.state.result) == (True, 1, 2, None)
    assert not jobs.start(lambda _: 8)
    go.set()
    wait_for(lambda: not jobs.state.running)
    assert (jobs.state.result, jobs.state.problem) == (7, None)


def test_a_cancel_ends_the_work_at_its_next_report_and_keeps_the_last_result() -> None:
    jobs: Background[int] = Background()
    jobs.start(lambda _: 7)
    wait_for(lambda: jobs.state.result == 7)
    reported = threading.Event()

    def endless(report: Report) -> int:
        while True:
            report("on and on", 0, 1)
            reported.set()
            time.sleep(0.001)

    jobs.start(endless)
    reported.wait(20)
    jobs.cancel()
    wait_for(lambda: not jobs.state.running)
    assert (jobs.state.result, jobs.state.problem) == (7, None)


def test_work_that_fails_is_over_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    jobs: Background[int] = Background()

    def broken(_: Report) -> int:
        raise ZeroDivisionError("by nothing")

    jobs.start(broken)
    wait_for(lambda: not jobs.state.running)
    assert jobs.state.problem == "failed (ZeroDivisionError)"
    assert "by nothing" in caplog.text
    assert jobs.start(lambda _: 1)
