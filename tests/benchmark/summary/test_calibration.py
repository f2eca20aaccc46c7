"""What a run is said to show is as often right as promised: counted over many runs whose truth is known.

Each goes the whole way of a run, from its raw samples to the verdict. The seeds are fixed, so that the counts are too.
"""

from dataclasses import replace
from typing import Any

import pytest

from benchmark.record.plan import ComparePlan, OpenLoopPlan
from benchmark.record.samples import Samples
from benchmark.summary.summarise import Summary, summarise
from benchmark.synthetic.power import count_verdicts
from benchmark.synthetic.simulate import Machine, TrueEndpoint, Truth, simulate_compare, simulate_load
from tests.benchmark.runs import make_run

PLAIN: dict[str, Any] = {"warmup": 0, "margin_ms": 0.0, "margin_pct": 0.0}
"""Without a margin, which would hide false winners."""
DRIFTING = Machine(drift_per_minute=0.2)


def compared(samples: Samples, seed: int, **plan: Any) -> Summary:
    return summarise(make_run(ComparePlan(seed=seed, **PLAIN | plan)), samples)


def loaded(truth: Truth, seed: int, rate: float = 20.0, duration_s: float = 20.0) -> Summary:
    plan = OpenLoopPlan(rate=rate, duration_s=duration_s, seed=seed, **PLAIN)
    return summarise(make_run(plan), simulate_load(truth, rate, duration_s, seed))


@pytest.mark.parametrize("correlation", [0.0, 0.5])
@pytest.mark.slow
def test_equal_endpoints_have_a_winner_in_at_most_5_of_100_comparisons(correlation: float) -> None:
    truth = Truth((TrueEndpoint(correlation=correlation),) * 2, DRIFTING)
    runs = (compared(simulate_compare(truth, 100 + 100 * (seed % 5), 0, seed), seed) for seed in range(500))
    assert sum(run.winner_key is not None for run in runs) <= 25


@pytest.mark.slow
def test_equal_endpoints_have_a_winner_in_at_most_5_of_100_loads() -> None:
    truth = Truth((TrueEndpoint(correlation=0.5),) * 2, DRIFTING)
    runs = (loaded(truth, seed, *((20, 20) if seed % 2 else (50, 10))) for seed in range(300))
    assert sum(run.winner_key is not None for run in runs) <= 15


def test_equal_endpoints_that_time_out_have_a_winner_in_at_most_5_of_100_loads() -> None:
    truth = Truth((TrueEndpoint(spread=1.0, correlation=0.5, instances=50, timeout_ms=100.0),) * 2)
    runs = [loaded(truth, seed) for seed in range(200)]
    assert min(side.failed / side.attempts for run in runs for side in run.endpoints) > 0.1
    assert all(run.verdict and run.verdict.pairs[0].effect.estimable for run in runs)
    assert sum(run.winner_key is not None for run in runs) <= 10


FOUR = Truth((TrueEndpoint(correlation=0.5),) * 4, DRIFTING)
ONE_SLOWER = Truth((TrueEndpoint(), TrueEndpoint(65.0), TrueEndpoint(), TrueEndpoint()), DRIFTING)
COMPARED = ComparePlan(pairs=100, **PLAIN)
LOADED = OpenLoopPlan(rate=20.0, duration_s=10.0, **PLAIN)


@pytest.mark.slow
@pytest.mark.parametrize("plan", [COMPARED, LOADED], ids=["compare", "load"])
def test_four_equal_endpoints_have_any_winner_in_at_most_5_of_100_runs(plan: ComparePlan | OpenLoopPlan) -> None:
    found = count_verdicts(FOUR, plan, 1000)
    print(f"{plan.kind}: any winner in {found.any_winner} of {found.runs} runs")
    assert found.any_winner <= 50


@pytest.mark.parametrize("plan", [COMPARED, LOADED], ids=["compare", "load"])
def test_four_equal_endpoints_seldom_have_any_winner(plan: ComparePlan | OpenLoopPlan) -> None:
    found = count_verdicts(FOUR, plan, 60)
    assert found.any_winner <= 7, "of a true 5 % more than 7 of 60 are seen once in 50"


@pytest.mark.parametrize("plan", [COMPARED, LOADED], ids=["compare", "load"])
def test_an_endpoint_that_is_slower_is_last_and_the_others_are_one_group(plan: ComparePlan | OpenLoopPlan) -> None:
    found = count_verdicts(ONE_SLOWER, replace(plan, margin_pct=5.0), 60)
    assert found.true_order >= 54


def test_a_drift_that_gives_sequential_blocks_a_winner_gives_pairs_none() -> None:
    truth = Truth((TrueEndpoint(), TrueEndpoint()), Machine(drift_per_minute=0.5))
    runs = range(100)
    naive = [compared(simulate_compare(truth, 300, 0, seed, sequential=True), seed).winner_key for seed in runs]
    paired = [compared(simulate_compare(truth, 300, 0, seed), seed).winner_key for seed in runs]
    assert naive.count("api") >= 95
    assert paired.count(None) >= 90


def test_a_true_difference_of_a_fifth_is_found_in_95_of_100_comparisons() -> None:
    truth = Truth((TrueEndpoint(50.0, 0.3, 0.5), TrueEndpoint(60.0, 0.3, 0.5)))
    runs = (compared(simulate_compare(truth, 500, 20, seed), seed, margin_pct=5.0) for seed in range(200))
    assert sum(run.winner_key == "api" for run in runs) >= 190


def test_cold_starts_of_the_warm_up_do_not_reach_the_effect() -> None:
    truth = Truth((TrueEndpoint(cold_ms=900, idle_ms=1e9), TrueEndpoint(cold_ms=900, idle_ms=1e9)))
    verdict = compared(simulate_compare(truth, 100, 20, 1), 1).verdict
    assert verdict is not None
    assert verdict.pairs[0].effect.n == 100
    assert (verdict.pairs[0].effect.high or 0) < 50
