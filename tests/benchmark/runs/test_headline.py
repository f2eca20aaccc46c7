"""What a list says of a run, from the summary of each kind."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmark.coldstart.plan import IdleSweepPlan, SpawnPlan
from benchmark.record.plan import ClosedLoopPlan, ComparePlan, Plan
from benchmark.record.run import Run, RunState
from benchmark.record.samples import Samples
from benchmark.runs import KINDS, kind_named, kind_of_run
from benchmark.runs.headline import EQUIVALENT, INCONCLUSIVE, LIMITED, MAX_CHARACTERS, NOTHING, Headline
from tests.benchmark.capacity_runs import capacity_run
from tests.benchmark.cold_runs import TrueStart, cold_run
from tests.benchmark.runs.toy import Counted
from tests.dashboard.runs import GENERATOR, LOAD, simulated, simulated_many


def headline(run: Run, samples: Samples) -> Headline:
    kind = kind_of_run(run)
    return kind.headline(kind.summarise(run, samples))


def named(run: Run, *names: str) -> Run:
    entries = [{**one, "name": name} for one, name in zip(run.manifest["endpoints"], names or ("A", "B"), strict=False)]
    return replace(run, manifest={**run.manifest, "endpoints": entries})


def test_a_comparison_names_the_faster_endpoint_and_its_lead() -> None:
    run, samples = simulated(ComparePlan(pairs=400))
    summary = kind_of_run(run).summarise(run, samples)
    found = headline(run, samples)
    lead_ms = abs(summary.verdict.pairs[0].effect.value)
    assert found.verdict == f"{summary.verdict.winner} faster by {lead_ms:.2f} ms"
    assert found.latencies_ms == tuple((one.latency_ms[0].value, one.latency_ms[1].value) for one in summary.endpoints)


@pytest.mark.parametrize("plan", [LOAD, ClosedLoopPlan(2, 100)], ids=["open", "closed"])
def test_a_load_gives_the_latency_that_it_measures(plan: Plan) -> None:
    run, samples = simulated(plan)
    summary = kind_named("load").summarise(run, samples)
    found = kind_named("load").headline(summary)
    measured = [one.response_ms if plan.is_open_loop else one.service_ms for one in summary.endpoints]
    assert found.latencies_ms == tuple((one[0].value, one[1].value) for one in measured)


def test_equal_endpoints_have_no_relevant_difference() -> None:
    run, samples = simulated(ComparePlan(pairs=100, margin_ms=500.0))
    assert headline(run, samples).verdict == EQUIVALENT


def test_too_few_pairs_are_inconclusive() -> None:
    assert headline(*simulated(ComparePlan(pairs=3, warmup=0))).verdict == INCONCLUSIVE


def test_a_client_that_was_the_limit_is_said_first() -> None:
    run, samples = simulated(generator={**GENERATOR, "limited": True})
    found = headline(run, samples)
    assert found.verdict == LIMITED and found.latencies_ms[0][0] is not None


def test_an_endpoint_that_never_answered_is_named() -> None:
    run, samples = simulated()
    samples = samples.copy()
    samples["failure"][samples["endpoint"] == 1] = 1
    found = headline(named(run), samples)
    assert found.verdict == "B never answered"
    assert found.latencies_ms[0][0] is not None and found.latencies_ms[1] == (None, None)


def test_a_run_that_ended_before_its_first_request_measured_nothing() -> None:
    run, samples = simulated()
    assert headline(run, samples[:0]) == Headline(NOTHING, ((None, None), (None, None)))


def test_one_endpoint_has_figures_and_no_verdict() -> None:
    found = headline(*simulated_many(1))
    assert found.verdict == "" and len(found.latencies_ms) == 1


def test_the_winner_of_several_is_ahead_of_all_others() -> None:
    run, samples = simulated_many(4)
    plan = {**run.manifest["plan"], "margin_ms": 0.0, "margin_pct": 0.0}
    first = samples["endpoint"] == 0
    samples["service_ms"][first] /= 4  # far ahead; the others may be in any order
    assert headline(replace(run, manifest={**run.manifest, "plan": plan}), samples).verdict == "A faster than 3 others"


def test_a_winner_over_timeouts_is_ahead_by_at_least_so_much() -> None:
    run, samples = simulated(ComparePlan(pairs=100, warmup=0))
    samples = samples.copy()
    second = np.flatnonzero(samples["endpoint"] == 1)
    samples["failure"][second[:80]] = 1 + list(_failures()).index("timeout")
    samples["service_ms"][second[:80]] = 10_000
    verdict = headline(named(run), samples).verdict
    assert verdict.startswith("A faster by at least ") and verdict.endswith(" ms")


def _failures() -> list[str]:
    from benchmark.record.samples import FAILURES

    return [one.value for one in FAILURES]


def test_cold_starts_give_their_own_duration() -> None:
    both = {"api": TrueStart(cold_ms=800.0), "function": TrueStart(cold_ms=1200.0)}
    found = headline(*cold_run(SpawnPlan(12), both))
    assert found.verdict.startswith("FastAPI faster by ")
    (first, _), (second, _) = found.latencies_ms
    assert first is not None and second is not None and 700 < first < 900 < 1100 < second < 1300


def test_one_program_has_a_median_start() -> None:
    assert headline(*cold_run(SpawnPlan(12), {"api": TrueStart()})).verdict.startswith("median start ")


def test_an_endpoint_that_stays_warm_has_no_cold_start() -> None:
    run, samples = cold_run(IdleSweepPlan(2, idle_s=(60.0,)), {"api": TrueStart(), "function": TrueStart()})
    assert headline(run, samples) == Headline("no cold start", ((None, None), (None, None)))


def test_a_capacity_run_gives_the_ratio() -> None:
    run, samples = capacity_run()
    summary = kind_named("capacity").summarise(run, samples)
    found = headline(run, samples)
    assert found.verdict == f"FastAPI carries {summary.ratio.value:.2f} x"
    held = max((step for step in summary.endpoints[0].steps if step.held), key=lambda step: step.bounds.rate)
    assert found.latencies_ms[0] == held.percentiles_ms[:2]


def test_the_ratio_is_said_of_the_endpoint_that_carries_more() -> None:
    verdict = headline(*capacity_run(rates=(40.0, 80.0))).verdict
    assert verdict.startswith("Cloud Function carries ") and 1.5 < float(verdict.split()[-2]) < 2.5


def test_equal_capacities_are_inconclusive_and_one_capacity_is_a_rate() -> None:
    assert headline(*capacity_run(rates=(60.0, 60.0))).verdict == INCONCLUSIVE
    assert headline(*capacity_run(rates=(60.0,))).verdict.startswith("carries ")


def test_a_capacity_that_the_client_limited_says_so() -> None:
    run, samples = capacity_run()
    steps: list[dict[str, Any]] = [
        {**step, "limited": ["it was late"], "cpu": 1.0, "late_ms": 1e6} for step in run.outcome["steps"]
    ]
    run = replace(run, outcome={**run.outcome, "steps": steps})
    assert headline(run, samples).verdict == LIMITED


@pytest.mark.parametrize("name", ["<b>" * 100, "two\nlines", "\x1b[2J\u202e"])
def test_a_hostile_name_is_one_short_readable_line(name: str) -> None:
    run, samples = simulated()
    samples = samples.copy()
    samples["failure"][samples["endpoint"] == 1] = 1
    verdict = headline(named(run, "A", name), samples).verdict
    assert len(verdict) <= MAX_CHARACTERS and "\n" not in verdict and "\x1b" not in verdict and "\u202e" not in verdict


def test_a_kind_without_a_headline_of_its_own_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "toy", "tests.benchmark.runs.toy")
    run = Run("c0401234", "toy", "", RunState.FINISHED, "2026-01-02T03:04:05+00:00")
    assert kind_named("toy").headline(Counted(run, 3)) == Headline("")
