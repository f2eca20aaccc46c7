"""The generator says of itself when its figures are its own as much as the endpoints'."""

import numpy as np
import pytest

from benchmark.engine.generator import CPU_LIMIT, LAG_LIMIT_MS, LATE_LIMIT_MS, OWN_LIMIT, Health, ProcessSnapshot, judge
from benchmark.record.plan import ClosedLoopPlan, ComparePlan, OpenLoopPlan
from benchmark.record.samples import ROW, Samples, empty


def arrivals(n: int = 1000, every_ms: float = 10.0, late_ms: float = 0.0, slower: float = 1.0) -> Samples:
    """Sends that were due at even times, and went out `late_ms` later and `slower` times as slowly."""
    samples = np.zeros(n, ROW)
    samples["scheduled_ms"] = np.arange(n) * every_ms
    samples["sent_ms"] = samples["scheduled_ms"] * slower + late_ms
    return samples


def open_loop(samples: Samples, lag_ms: float = 0.1, cpu: float = 0.3) -> Health:
    return judge(samples, OpenLoopPlan(), 1, 0.3, ProcessSnapshot(lag_ms, 10 * cpu, 10.0))


def callers(concurrency: int, p50_ms: float, cpu_ms: float, lag_ms: float = 0.1) -> Health:
    """A closed loop to two endpoints, of which each request has cost `cpu_ms` of the client's CPU."""
    samples = np.zeros(1000, ROW)
    samples["endpoint"][::2] = 1
    samples["service_ms"] = np.where(samples["endpoint"], p50_ms, 50 * p50_ms)
    plan = ClosedLoopPlan(concurrency=concurrency, total=500)
    return judge(samples, plan, 2, 0.06, ProcessSnapshot(lag_ms, cpu_ms, 10.0))


def test_a_generator_that_kept_up_is_not_limited() -> None:
    health = open_loop(arrivals(late_ms=0.25))
    assert health == Health(0.3, 0.1, 0.25, 0.3, ())
    assert not health.limited


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        (open_loop(arrivals(), lag_ms=LAG_LIMIT_MS + 1), "its event loop was 11 ms late (p99)"),
        (open_loop(arrivals(late_ms=LATE_LIMIT_MS + 1)), "sends were 11 ms behind their schedule (p99)"),
        (open_loop(arrivals(), cpu=CPU_LIMIT + 0.05), "it used 95% of a core"),
    ],
)
def test_each_limit_is_named_where_it_is_passed(health: Health, reason: str) -> None:
    assert health.reasons == (reason,)
    assert health.limited


def test_a_rate_that_was_not_reached_is_said() -> None:
    health = open_loop(arrivals(slower=1.25))
    assert health.reasons[-1] == "it reached 80% of the planned rate"


def test_limits_that_are_just_kept_are_kept() -> None:
    assert not open_loop(arrivals(late_ms=LATE_LIMIT_MS * 0.999), LAG_LIMIT_MS, CPU_LIMIT).limited


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_moments_delay_in_a_run_of_few_requests_is_no_missed_rate(n: int) -> None:
    assert not open_loop(arrivals(n, every_ms=1.0, late_ms=0.5)).limited


def test_a_few_late_sends_do_not_make_it_limited() -> None:
    samples = arrivals(1000)
    samples["sent_ms"][:9] += 500
    assert not open_loop(samples).limited
    samples["sent_ms"][:20] += 500
    assert open_loop(samples).limited


def test_pairs_have_no_schedule_and_share_the_clients_work_so_only_the_loops_lag_counts() -> None:
    late = arrivals(late_ms=900.0, slower=3.0)
    health = judge(late, ComparePlan(), 2, None, ProcessSnapshot(0.1, 10.0, 10.0))
    assert health == Health(None, 0.1, None, 1.0, ())
    assert judge(late, ComparePlan(), 2, None, ProcessSnapshot(LAG_LIMIT_MS + 1, 10.0, 10.0)).limited


def test_callers_that_wait_for_the_clients_work_on_each_other_are_limited_by_it() -> None:
    # 128 in flight, each of which costs 0.0125 ms: 1.6 ms, beside the faster endpoint's p50.
    assert callers(64, p50_ms=3.2, cpu_ms=0.0125).reasons == ("its own work was up to 50% of the p50",)
    assert not callers(64, p50_ms=1.6 / OWN_LIMIT * 1.001, cpu_ms=0.0125).limited
    assert not callers(1, p50_ms=3.2, cpu_ms=0.0125).limited
    assert callers(1, p50_ms=3.2, cpu_ms=0.0125, lag_ms=LAG_LIMIT_MS + 1).limited


def test_callers_without_an_answer_are_no_reason() -> None:
    refused = arrivals()
    refused["failure"] = 1
    assert not judge(refused, ClosedLoopPlan(concurrency=4, total=10), 1, 0.3, ProcessSnapshot(0.1, 10.0, 10.0)).limited


def test_a_run_without_requests_can_be_judged() -> None:
    assert open_loop(empty()) == Health(0.3, 0.1, None, 0.3, ())
