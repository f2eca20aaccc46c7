"""A simulated run has the form of a real one, and does what its plan says."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.record.plan import (
    ClosedLoopPlan,
    ComparePlan,
    LoadPlan,
    OpenLoopPlan,
    PlanError,
    ReplayPlan,
    Stage,
    StagedPlan,
)
from benchmark.record.recording import add_finished_run, load_samples
from benchmark.record.run import RunState
from benchmark.record.store import Store
from benchmark.summary.summarise import summarise, to_document
from benchmark.synthetic.demo import DEMO, simulate_run
from benchmark.synthetic.simulate import TrueEndpoint, Truth

PLANS = [
    ComparePlan(pairs=300, warmup=10),
    OpenLoopPlan(rate=40, duration_s=10, warmup=10),
    ClosedLoopPlan(concurrency=3, total=310, warmup=10),
]


def test_the_demo_names_the_endpoint_that_is_faster_and_says_that_it_is_simulated() -> None:
    summary = summarise(*simulate_run(DEMO, ComparePlan()))
    assert summary.winner_key == "first"
    assert summary.mismatches == ()
    assert all("simulated" in side.name for side in summary.endpoints)
    assert summary.run.manifest["truth"]["endpoints"][0]["base_ms"] == 42.0


@pytest.mark.parametrize("plan", PLANS)
def test_a_simulated_run_is_recorded_and_read_like_a_real_one(tmp_path: Path, plan: ComparePlan | LoadPlan) -> None:
    run, samples = simulate_run(DEMO, plan)
    assert (run.kind, run.state, run.plan) == (plan.kind, RunState.FINISHED, plan)
    store = Store(tmp_path)
    add_finished_run(store, run, samples)
    recorded = summarise(store.run(run.id), load_samples(store, run.id)[0])
    assert json.dumps(to_document(recorded)) == json.dumps(to_document(summarise(run, samples)))


@pytest.mark.parametrize("plan", PLANS)
def test_the_warm_up_of_the_plan_is_one(plan: ComparePlan | LoadPlan) -> None:
    summary = summarise(*simulate_run(DEMO, plan))
    assert [side.warmup for side in summary.endpoints] == [10, 10]
    assert all(side.attempts == pytest.approx(300, abs=100) for side in summary.endpoints)


def test_callers_wait_for_their_answers() -> None:
    truth = Truth((TrueEndpoint(100.0, 0.0, instances=50), TrueEndpoint(100.0, 0.0, instances=50)))
    _, samples = simulate_run(truth, ClosedLoopPlan(concurrency=4, total=40, warmup=0))
    first = samples[samples["endpoint"] == 0]
    assert len(first) == 40
    in_flight = [np.count_nonzero((first["sent_ms"] <= at) & (first["sent_ms"] + 100 > at)) for at in (50, 350, 750)]
    assert in_flight == [4, 4, 4]


def test_the_rate_of_a_simulated_run_follows_its_plan() -> None:
    _, ramp = simulate_run(DEMO, OpenLoopPlan(rate=95.0, ramp=5.0, duration_s=20))
    _, staged = simulate_run(DEMO, StagedPlan((Stage(10, 27.5), Stage(10, 72.5)), "gamma", 0.5))
    for samples in (ramp, staged):
        halves = np.histogram(samples["scheduled_ms"], [0, 10_000, 20_000])[0]
        assert halves == pytest.approx([550, 1450], rel=0.25)


def test_a_replay_is_refused_as_it_cannot_be_simulated() -> None:
    with pytest.raises(PlanError, match="cannot replay a log"):
        simulate_run(DEMO, ReplayPlan("log", "", 10, 1.0, 10.0))


def test_one_seed_gives_one_run_under_another_id() -> None:
    (first, one), (second, same) = (simulate_run(DEMO, ComparePlan(seed=3)) for _ in range(2))
    assert one.tobytes() == same.tobytes()
    assert first.id != second.id
