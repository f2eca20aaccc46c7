"""Of two runs only what differs is shown, whatever it is, and whether a run comes from memory or from the record."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.record.plan import ComparePlan, Stage, StagedPlan, to_document
from benchmark.record.recording import add_finished_run, load_samples
from benchmark.record.samples import Samples
from benchmark.record.store import Store
from benchmark.summary.diff import Difference, differences
from benchmark.summary.summarise import Summary, summarise
from benchmark.synthetic.demo import DEMO, simulate_run
from benchmark.synthetic.simulate import TrueEndpoint, Truth
from tests.benchmark.runs import make_run, pairs, with_facts

NOISE = np.random.default_rng(1).lognormal(0, 0.1, (2, 400))


def samples(api_ms: float = 10.0, function_ms: float = 20.0) -> Samples:
    return pairs((api_ms * NOISE[0]).tolist(), (function_ms * NOISE[1]).tolist())


def of(measured: Samples | None = None, **manifest: Any) -> Summary:
    return summarise(make_run(**manifest), samples() if measured is None else measured)


def named(first: Summary, second: Summary) -> dict[str, tuple[str, str]]:
    return {line.name: (line.first, line.second) for line in differences(first, second)}


def test_a_run_does_not_differ_from_itself() -> None:
    assert differences(of(), of()) == []


def test_runs_of_three_differ_by_pair_and_by_their_order() -> None:
    def three(last_ms: float) -> Summary:
        truth = Truth((TrueEndpoint(50.0), TrueEndpoint(70.0), TrueEndpoint(last_ms)))
        return summarise(*simulate_run(truth, ComparePlan(pairs=200)))

    found = named(three(90.0), three(30.0))
    assert found["order"] == ("first < second < third", "third < first < second")
    assert found["verdict"] == ("winner First (simulated)", "winner Third (simulated)")
    assert "first minus third (ms)" in found and "second minus third (ms)" in found
    two = summarise(*simulate_run(Truth((TrueEndpoint(50.0), TrueEndpoint(70.0))), ComparePlan(pairs=200)))
    assert named(three(90.0), two)["second minus third (ms)"][1] == "-"


def test_what_a_run_is_called_and_when_it_was_is_no_difference() -> None:
    other = replace(make_run(), id="ffff", name="Weekly", started_at_utc="2026-02-03T00:00:00+00:00")
    assert differences(of(), summarise(other, samples())) == []


def test_another_plan_is_shown_by_what_was_changed() -> None:
    plan = ComparePlan(pairs=100, warmup=0, margin_ms=1.0, margin_pct=0.0, connection="new")
    assert differences(of(), of(plan=plan)) == [Difference("plan.connection", "reused", "new")]


def test_another_condition_of_one_endpoint_is_shown_with_its_name() -> None:
    changed = of(facts=with_facts("function", memory="1Gi", region=None))
    assert named(of(), changed) == {
        "facts.function.memory": ("512Mi", "1Gi"),
        "facts.function.region": ("europe-west1", "unknown"),
    }


def test_what_only_one_run_has_is_shown_against_a_dash() -> None:
    assert named(of(), of(against="http://127.0.0.1:1")) == {"against": ("-", "http://127.0.0.1:1")}
    moved = [{"key": "api", "name": "FastAPI", "url": "http://elsewhere"}, make_run().manifest["endpoints"][1]]
    assert named(of(), of(endpoints=moved)) == {"endpoints.api.url": ("http://api.example", "http://elsewhere")}


def test_what_each_run_measures_of_its_machine_is_no_difference() -> None:
    assert differences(of(resolution_ms=0.1), of(resolution_ms=0.2)) == []


def test_figures_that_differ_are_shown_and_those_that_do_not_are_not() -> None:
    found = named(of(), of(samples(api_ms=12.0)))
    before, after = (float(text.split()[0]) for text in found["api service p50 (ms)"])
    assert after == pytest.approx(1.2 * before, rel=0.01)
    assert not [name for name in found if name.startswith("function ")]
    assert "difference (ms)" in found
    assert "verdict" not in found, "the same endpoint wins both"


def test_another_winner_is_another_verdict() -> None:
    found = named(of(), of(samples(api_ms=20.0, function_ms=10.0)))
    assert found["verdict"] == ("winner FastAPI", "winner Cloud Function")


def test_an_endpoint_that_only_one_run_has_has_no_figures_to_compare() -> None:
    found = named(of(), of(samples(), keys=["api"]))
    assert found["endpoints.function.url"] == ("http://function.example", "-")
    assert not [name for name in found if name.startswith(("function ", "verdict", "difference"))]


def test_a_run_in_memory_and_the_same_from_the_record_do_not_differ(tmp_path: Path) -> None:
    run, measured = simulate_run(DEMO, ComparePlan(pairs=100))
    store = Store(tmp_path)
    add_finished_run(store, run, measured)
    recorded = summarise(store.run(run.id), load_samples(store, run.id)[0])
    assert json.loads(json.dumps(to_document(run.plan))) == recorded.run.manifest["plan"]
    assert differences(summarise(run, measured), recorded) == []


def test_entries_without_a_key_are_told_apart_by_their_place() -> None:
    first, second, same = TrueEndpoint(10.0), TrueEndpoint(12.0), TrueEndpoint(11.0)
    plan = ComparePlan(pairs=100)
    runs = [simulate_run(Truth(ends), plan) for ends in ((first, same), (second, same))]
    found = named(*(summarise(*run) for run in runs))
    assert found["truth.endpoints.1.base_ms"] == ("10.0", "12.0")
    assert "truth.endpoints.2.base_ms" not in found


def test_stages_of_loads_are_compared_each_with_its_own() -> None:
    def staged(spike_ms: float) -> Summary:
        plan = StagedPlan((Stage(4, 20), Stage(2, 100)), "constant", warmup=0, goodput_ms=50.0)
        run, measured = simulate_run(Truth((TrueEndpoint(20.0), TrueEndpoint(30.0))), plan)
        in_spike = (measured["scheduled_ms"] >= 4000) & (measured["endpoint"] == 0)
        measured["service_ms"][in_spike] += spike_ms
        return summarise(run, measured)

    calm, spiky = staged(0.0), staged(100.0)
    assert differences(calm, calm) == []
    found = named(calm, spiky)
    stages = {name for name in found if " stage " in name}
    assert {name.partition(":")[0] for name in stages} == {"first stage 2"}
    assert {"first stage 2: response p50 (ms)", "first stage 2: goodput, 50 ms (%)"} <= stages
