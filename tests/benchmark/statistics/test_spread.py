"""The spread between workers is in the interval, calibrated on endpoints whose truth is known."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from benchmark.endpoints.sample import Temperature
from benchmark.record.plan import OpenLoopPlan
from benchmark.record.samples import ROW, TEMPERATURES, Samples
from benchmark.statistics.estimates import Estimate
from benchmark.statistics.spread import with_spread
from benchmark.summary.summarise import Summary, summarise
from tests.benchmark.runs import make_run

WARM = TEMPERATURES.index(Temperature.WARM)
WORKERS = 4
PER_WORKER = 300
"""Requests to each endpoint."""


def test_the_interval_contains_that_of_all_requests_and_that_of_the_places() -> None:
    pooled = Estimate(1.0, 0.9, 1.1, 400)
    effects_ms = [0.0, 1.0, 2.0, 1.5]
    found = with_spread(pooled, effects_ms, 0.95)
    known = ttest_1samp(effects_ms, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((known.low, known.high))
    assert (found.value, found.n) == (1.0, 400)
    agreeing = with_spread(pooled, [1.0, 1.0001, 0.9999], 0.95)
    assert (agreeing.low, agreeing.high) == (0.9, 1.1)
    assert with_spread(pooled, [5.0], 0.95) == pooled


@pytest.mark.parametrize("effects_ms", [[], [1.0, float("inf")], [1.0, float("nan"), 2.0]])
def test_without_a_difference_at_each_place_there_is_no_interval(effects_ms: list[float]) -> None:
    assert with_spread(Estimate(1.0, 0.9, 1.1, 400), effects_ms, 0.95) == Estimate(1.0, None, None, 400)


def load(random: np.random.Generator, *, offset_ms: float, difference_ms: float) -> Samples:
    """Equal endpoints from four workers, but for `difference_ms` everywhere and, at the last worker, `offset_ms`."""
    parts = []
    for worker in range(WORKERS):
        for position in range(2):
            samples = np.full(PER_WORKER, np.zeros(1, ROW))
            samples["endpoint"], samples["worker"], samples["temperature"] = position, worker + 1, WARM
            samples["scheduled_ms"] = samples["sent_ms"] = np.sort(random.uniform(0, 10_000, PER_WORKER))
            shift_ms = (difference_ms + offset_ms * (worker == WORKERS - 1)) * (position == 1)
            samples["service_ms"] = 20 + random.gamma(4, 1.5, PER_WORKER) + shift_ms
            parts.append(samples)
    found = np.concatenate(parts)
    return found[np.argsort(found["sent_ms"])]


def summary(samples: Samples) -> Summary:
    plan = OpenLoopPlan(60.0, 10.0, warmup=0, margin_ms=0.2, margin_pct=0.0)
    workers = [{"name": f"w{number}", "host": "h", "machine": "m", "cpus": 1} for number in range(WORKERS)]
    return summarise(make_run(plan, workers=workers), samples)


def winners(runs: int, *, offset_ms: float, difference_ms: float = 0.0, forget: bool = False) -> int:
    random = np.random.default_rng(7)
    found = 0
    for _ in range(runs):
        samples = load(random, offset_ms=offset_ms, difference_ms=difference_ms)
        if forget:
            samples["worker"] = 0
        found += summary(samples).winner_key is not None
    return found


def test_more_workers_are_proposed_where_they_differ_and_more_requests_where_they_do_not() -> None:
    random = np.random.default_rng(3)
    verdict = summary(load(random, offset_ms=8.0, difference_ms=0.0)).verdict
    assert verdict and "more workers would settle it rather than more requests" in verdict.sentence
    assert verdict.more_pairs is None
    alike = [summary(load(random, offset_ms=0.0, difference_ms=0.0)).verdict for _ in range(40)]
    proposals = [one.pairs[0].effect.is_spread for one in alike if one]
    assert sum(proposals) <= 8  # one in twenty, by chance


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_worker_with_its_own_offset_makes_no_winner() -> None:
    assert winners(1000, offset_ms=5.0) <= 50
    # The test can fail: as if one process had sent them all, the offset is a difference.
    assert winners(100, offset_ms=5.0, forget=True) > 90


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_equal_endpoints_seldom_have_a_winner_and_a_real_difference_is_found() -> None:
    assert winners(1000, offset_ms=0.0) <= 50
    assert winners(200, offset_ms=0.0, difference_ms=20.0) >= 198


def test_a_real_difference_is_found_and_one_place_alone_makes_none() -> None:
    assert winners(3, offset_ms=0.0, difference_ms=20.0) == 3
    assert winners(3, offset_ms=20.0) == 0
