"""Decisions from runs whose truth is known, and their flips, recomputed on both sides."""

import json
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.__main__ import main
from benchmark.coldstart.plan import ColdPlan
from benchmark.cost.prices import load_prices
from benchmark.cost.traffic import BURSTS, OFFICE, STEADY
from benchmark.decision.decide import (
    Decision,
    Flip,
    Holds,
    Needs,
    NeedsError,
    Outcome,
    availability_n,
    cold_share,
    decide,
)
from benchmark.decision.findings import Findings, Side, configuration_of, find, gather
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Failure
from benchmark.record.plan import ComparePlan
from benchmark.record.recording import add_finished_run
from benchmark.record.run import Run, RunState
from benchmark.record.samples import Samples, from_rows
from benchmark.record.store import Store
from benchmark.statistics.estimates import wilson
from tests.benchmark.cold_runs import TrueStart, cold_run
from tests.benchmark.runs import EQUAL_FACTS, make_run, pairs, row, with_facts

PRICES = load_prices()
SIDES = (Side("api", "FastAPI", "http://api.example"), Side("function", "Cloud Function", "http://function.example"))
SAID: Mapping[str, str] = {**EQUAL_FACTS, "concurrency": "80"}
EQUAL = {key: dict(SAID) for key in ("api", "function")}


def noisy(middle_ms: float, n: int, seed: int) -> list[float]:
    """Around `middle_ms`, by a tenth of it at most."""
    noise = random.Random(seed)  # noqa: S311
    return [middle_ms * noise.uniform(0.9, 1.1) for _ in range(n)]


def compared(first_ms: float, second_ms: float, n: int = 400, **manifest: Any) -> tuple[Run, Samples]:
    facts = manifest.pop("facts", EQUAL)
    return make_run(ComparePlan(pairs=n, warmup=0), facts=facts, **manifest), pairs(
        noisy(first_ms, n, 1), noisy(second_ms, n, 2)
    )


def findings_of(*recorded: tuple[Run, Samples]) -> Findings:
    named = [(replace(run, id=f"{index:08x}"), samples) for index, (run, samples) in enumerate(recorded)]
    samples = {run.id: found for run, found in named}
    found = find([run for run, _ in named], lambda run: samples[run.id], SIDES)
    assert found is not None
    return found


def ladder(api_idle_s: float, function_idle_s: float, repeats: int = 5) -> tuple[Run, Samples]:
    plan = ColdPlan("ladder", repeats, idle_s=(60.0, 300.0, 900.0, 1800.0))
    starts = {"api": TrueStart(idle_s=api_idle_s), "function": TrueStart(idle_s=function_idle_s)}
    run, samples = cold_run(plan, starts)
    entries = [{**entry, "url": f"http://{entry['key']}.example"} for entry in run.manifest["endpoints"]]
    return replace(run, manifest={**run.manifest, "endpoints": entries}), samples


def spawned(api_ms: float, function_ms: float) -> tuple[Run, Samples]:
    starts = {"api": TrueStart(cold_ms=api_ms), "function": TrueStart(cold_ms=function_ms)}
    return cold_run(ColdPlan("spawn", 20), starts)


def answer(needs: Needs, *recorded: tuple[Run, Samples]) -> Decision:
    return decide(needs, findings_of(*recorded), PRICES)


def holds(decision: Decision, key: str) -> list[Holds]:
    return [one.holds for one in decision.objectives if one.key == key]


# --- Who is chosen


def test_the_clearly_faster_one_is_chosen_with_its_interval() -> None:
    decision = answer(Needs(), compared(50, 80))
    assert (decision.outcome, decision.key) == (Outcome.CHOICE, "api")
    assert decision.sentence.startswith("Choose FastAPI at 5 million requests a month: it answers faster by ")
    assert "(95% " in decision.sentence and "n = 400" in decision.sentence
    (source,) = decision.sources
    assert (source.run_id, source.kind) == ("00000000", "compare")
    assert "400 answers of FastAPI" in source.samples and "reused connections" in source.conditions
    assert answer(Needs(), compared(80, 50)).key == "function"


def test_of_unequal_conditions_it_speaks_of_two_deployments() -> None:
    decision = answer(Needs(), compared(50, 80, facts=with_facts("api", vCPU="2")))
    assert not decision.fair
    assert decision.sentence.startswith("Of these two deployments choose FastAPI")
    assert any("vCPU 2 against 1" in text for text in decision.assumptions)


def test_a_tie_is_said_as_a_tie() -> None:
    decision = answer(Needs(), compared(50, 50.01))
    assert (decision.outcome, decision.key) == (Outcome.TIE, None)
    assert decision.sentence.startswith("It is a tie")
    assert [one.is_tie for one in decision.preferences] == [True, True]


def test_what_ties_first_leaves_the_choice_to_what_matters_next() -> None:
    facts = {"api": dict(SAID), "function": {**SAID, "vCPU": "2"}}
    decision = answer(Needs(), compared(50, 50.01, facts=facts))
    assert (decision.outcome, decision.key) == (Outcome.CHOICE, "api")
    assert [one.matter for one in decision.preferences] == ["latency", "cost"]
    assert "costs less" in decision.sentence


def test_what_matters_most_decides_before_the_others() -> None:
    facts = {"api": {**SAID, "vCPU": "2"}, "function": dict(SAID)}
    run = compared(50, 80, facts=facts)
    assert answer(Needs(matters=("latency", "cost")), run).key == "api"
    assert answer(Needs(matters=("cost", "latency")), run).key == "function"


def test_cold_starts_decide_where_they_matter() -> None:
    runs = compared(50, 50.01), spawned(500, 900)
    assert answer(Needs(matters=("coldstart",)), *runs).key == "api"
    assert answer(Needs(matters=("coldstart",)), compared(50, 50.01), spawned(900, 500)).key == "function"
    kept = answer(Needs(matters=("coldstart",), min_instances=1), *runs)
    assert kept.outcome is Outcome.TIE


def test_the_endpoint_that_is_gone_sooner_makes_requests_wait_more() -> None:
    steady = Needs(requests_per_month=4320, traffic=STEADY, matters=("coldstart",))  # one every ten minutes
    assert answer(steady, compared(50, 50), ladder(300, 1800)).key == "function"
    assert answer(steady, compared(50, 50), ladder(1800, 300)).key == "api"


# --- Objectives


def test_an_objective_is_kept_broken_or_unknown_by_its_whole_interval() -> None:
    run = compared(50, 80)
    decision = answer(Needs(latency_ms=65.0), run)
    assert (holds(decision, "api"), holds(decision, "function")) == ([Holds.KEPT], [Holds.BROKEN])
    assert decision.key == "api" and "Cloud Function breaks" in decision.sentence
    p95 = findings_of(run).comparison
    assert p95 is not None
    assert holds(answer(Needs(latency_ms=p95.endpoints[0].service_ms[1].value), run), "api") == [Holds.UNKNOWN]


def test_both_breaking_something_is_neither() -> None:
    decision = answer(Needs(latency_ms=20.0), compared(50, 80))
    assert decision.outcome is Outcome.NEITHER
    assert "FastAPI breaks" in decision.sentence and "Cloud Function breaks" in decision.sentence


def test_too_few_samples_for_a_p99_lead_to_the_run_that_has_enough() -> None:
    decision = answer(Needs(percentile="p99", latency_ms=500.0), compared(50, 80, n=100))
    assert decision.outcome is Outcome.NOT_ENOUGH
    assert holds(decision, "api") == [Holds.UNKNOWN]
    (missing,) = decision.missing
    assert missing.command.startswith("python -m benchmark load --endpoint api=http://api.example ")
    assert decision.sentence.endswith(f"Run this: {missing.command}")
    words = missing.command.split()
    assert float(words[words.index("--rate") + 1]) * float(words[words.index("--duration") + 1]) >= 368


def test_an_availability_needs_as_many_requests_as_its_interval_does() -> None:
    assert wilson(n := availability_n(0.999), n).low == pytest.approx(0.999, abs=1e-6)
    decision = answer(Needs(availability_pct=99.9), compared(50, 80))
    assert decision.outcome is Outcome.NOT_ENOUGH and decision.missing
    assert answer(Needs(availability_pct=99.0), compared(50, 80)).key == "api"


def test_failures_break_an_availability() -> None:
    run = make_run(ComparePlan(pairs=400, warmup=0), facts=EQUAL)
    rows = [
        row(side, group, 50.0, **({"failure": Failure.SERVER_ERROR} if side == 0 and group % 10 == 0 else {}))
        for group in range(400)
        for side in (0, 1)
    ]
    decision = answer(Needs(availability_pct=99.0, latency_ms=100.0), (run, from_rows(rows)))
    assert holds(decision, "api") == [Holds.KEPT, Holds.BROKEN]
    assert decision.key == "function"


def test_a_budget_is_broken_by_the_bill_after_the_free_tier() -> None:
    # 5 000 000 x 100 ms: 8.88 net at 1 vCPU, and 12.00 more at 2 vCPU.
    facts = {"api": dict(SAID), "function": {**SAID, "vCPU": "2"}}
    run = compared(50, 50.01, facts=facts)
    decision = answer(Needs(budget_usd=8.88), run)
    assert [round(cost.net_usd, 2) for cost in decision.costs if cost] == [8.88, 20.88]
    assert (holds(decision, "api"), holds(decision, "function")) == ([Holds.KEPT], [Holds.BROKEN])
    assert decision.key == "api"
    assert answer(Needs(budget_usd=8.87), run).outcome is Outcome.NEITHER


def test_cold_starts_that_most_requests_meet_break_a_latency_that_warm_ones_keep() -> None:
    often = Needs(requests_per_month=1000, latency_ms=200.0)  # one every 43 minutes
    decision = answer(often, compared(50, 80), ladder(900, 900))
    assert holds(decision, "api") == holds(decision, "function") == [Holds.BROKEN]
    assert "meet a cold start" in decision.objectives[0].found
    assert holds(answer(replace(often, min_instances=1), compared(50, 80), ladder(900, 900)), "api") == [Holds.KEPT]


@pytest.mark.parametrize(
    ("traffic", "requests", "idle_s", "share"),
    [
        (STEADY, 720, 1800.0, 1.0),
        (STEADY, 720, 3601.0, 0.0),
        (BURSTS, 720_000, 900.0, 0.001),
        # A week of 5 days has 5 long gaps, a month 30 / 7 weeks.
        (OFFICE, 300_000, 3600.0, 5 * 30 / 7 / 300_000),
    ],
)
def test_the_share_of_cold_starts_follows_from_the_gaps_of_the_traffic(
    traffic: Any, requests: int, idle_s: float, share: float
) -> None:
    assert cold_share(traffic, requests, idle_s) == pytest.approx(share, rel=1e-3)


# --- Missing evidence


def test_without_any_run_it_says_what_to_run_and_guesses_nothing() -> None:
    decision = answer(Needs(latency_ms=100.0, availability_pct=99.0, budget_usd=10.0))
    assert decision.outcome is Outcome.NOT_ENOUGH
    assert {one.holds for one in decision.objectives} == {Holds.UNKNOWN}
    assert decision.costs == (None, None)
    assert decision.missing[0].command.startswith("python -m benchmark compare --endpoint api=http://api.example")


def test_too_few_pairs_name_no_winner() -> None:
    decision = answer(Needs(), compared(50, 80, n=3))
    assert decision.outcome is Outcome.NOT_ENOUGH
    assert "n = 3 is too few" in decision.sentence
    assert "--pairs" in decision.missing[0].command


def test_a_ladder_is_missing_only_where_the_traffic_has_gaps() -> None:
    assert not answer(Needs(), compared(50, 80)).missing
    (missing,) = answer(Needs(traffic=BURSTS), compared(50, 80)).missing
    assert "--idle" in missing.command and missing.page == "coldstart"
    assert not answer(Needs(traffic=BURSTS), compared(50, 80), ladder(900, 900)).missing
    assert not answer(Needs(traffic=BURSTS, min_instances=1), compared(50, 80)).missing


def test_unfinished_foreign_and_unreadable_runs_are_no_evidence() -> None:
    run, samples = compared(50, 80)
    entries = [{**entry, "url": "http://else.example"} for entry in run.manifest["endpoints"]]
    for wrong in (
        replace(run, state=RunState.CANCELLED),
        replace(run, manifest={**run.manifest, "endpoints": entries}),
        replace(run, manifest={**run.manifest, "plan": {"kind": "compare", "colour": "red"}}),
    ):
        assert not findings_of((wrong, samples)).runs


def test_the_newest_of_each_kind_is_taken() -> None:
    assert answer(Needs(), compared(80, 50), compared(50, 80)).key == "function"


def test_a_configuration_is_read_from_what_the_endpoint_says() -> None:
    found, assumed = configuration_of({"vCPU": "167m", "memory": "256Mi", "concurrency": "1"})
    assert (found.vcpu, found.memory_gib, found.concurrency, assumed) == (0.167, 0.25, 1, ())
    assert configuration_of({"vCPU": "2", "memory": "1 GiB"})[1] == ("concurrency",)
    assert configuration_of({"vCPU": "0.5", "memory": "1Gi", "concurrency": "80"})[1] == (
        "vCPU",
        "memory",
        "concurrency",
    )


# --- Flips


def assert_flips(needs: Needs, findings: Findings, flips: Sequence[Flip]) -> None:
    """Each flip is recomputed from nothing on both of its sides."""
    first = decide(needs, findings, PRICES)
    seen: dict[tuple[str, bool], tuple[Outcome, str | None]] = {}
    for flip in flips:
        inside = decide(replace(needs, **{flip.input: flip.inside}), findings, PRICES)
        beyond = decide(replace(needs, **{flip.input: flip.at}), findings, PRICES)
        side = (flip.input, flip.input != "matters" and flip.at > flip.inside)
        assert (inside.outcome, inside.key) == seen.get(side, (first.outcome, first.key)), flip
        assert (beyond.outcome, beyond.key) == flip.label != (inside.outcome, inside.key), flip
        seen[side] = flip.label


def test_every_flip_holds_when_it_is_recomputed_on_both_sides() -> None:
    facts = {"api": {**SAID, "vCPU": "2"}, "function": dict(SAID)}
    findings = findings_of(compared(50, 80, facts=facts), ladder(900, 900))
    needs = Needs(500_000, BURSTS, "p95", 95.0, 98.0, 30.0)
    flips = decide(needs, findings, PRICES).flips
    assert {flip.input for flip in flips} >= {"requests_per_month", "latency_ms", "availability_pct", "matters"}
    assert_flips(needs, findings, flips)


def test_a_bill_flips_to_the_single_request_from_which_on_the_other_is_cheaper() -> None:
    # 180 000 vCPU-s are free: at 100 ms a request that is 1 800 000 requests on 1 vCPU, and 900 000 on 2.
    facts = {"api": {**SAID, "vCPU": "2"}, "function": dict(SAID)}
    findings = findings_of(compared(50, 50.01, facts=facts))
    needs = Needs(10_000, matters=("cost",))
    decision = decide(needs, findings, PRICES)
    assert decision.outcome is Outcome.TIE
    (flip,) = [flip for flip in decision.flips if flip.input == "requests_per_month"]
    assert flip.at - flip.inside == 1 and flip.label == (Outcome.CHOICE, "function")
    # Beyond it the bills are half a cent apart: 0.005 / (0.1 s x 2 x 0.000024) requests.
    assert flip.at == pytest.approx(900_000 + 0.005 / (0.1 * 2 * 0.000024), abs=2)
    assert_flips(needs, findings, decision.flips)


def test_a_latency_flips_where_the_interval_ends() -> None:
    run = compared(50, 80)
    findings = findings_of(run)
    assert findings.comparison is not None
    api = findings.comparison.endpoints[0].service_ms[1]
    flips = [one for one in decide(Needs(), findings, PRICES).flips if one.input == "latency_ms"]
    # Below the upper end it is not known, below the lower end neither keeps it.
    assert [flip.label[0] for flip in flips] == [Outcome.NOT_ENOUGH, Outcome.NEITHER]
    assert flips[0].at == pytest.approx(api.high, rel=1e-3)
    assert flips[1].at == pytest.approx(api.low, rel=1e-3)


# --- Inputs and the command


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests_per_month": 0},
        {"latency_ms": 0.0},
        {"latency_ms": float("nan")},
        {"availability_pct": 100.0},
        {"budget_usd": -1.0},
        {"min_instances": -1},
        {"matters": ()},
        {"matters": ("cost", "cost")},
    ],
)
def test_needs_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(NeedsError):
        Needs(**wrong)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record with a comparison, and cold starts of the same endpoints."""
    store = Store(tmp_path / "results")
    for index, (run, samples) in enumerate((compared(50, 80), spawned(500, 900))):
        add_finished_run(store, replace(run, id=f"abc0000{index}"), samples)
    return tmp_path / "results"


def test_the_record_gives_the_findings_of_given_endpoints_or_runs(record: Path) -> None:
    store = Store(record)
    ends = [Endpoint(side.key, side.name, side.url or "") for side in SIDES]
    found, alone = gather(store, ends), gather(store, run_ids=["abc00000"])
    assert found is not None and alone is not None
    assert [one.run.id for one in found.runs] == ["abc00000", "abc00001"]
    assert [one.run.id for one in alone.runs] == ["abc00000"] and alone.names == ("FastAPI", "Cloud Function")


def test_the_command_prints_the_decision_and_writes_it(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "decision.json"
    asked = ["--p95-ms", "70", "--matters", "cost,latency", "--budget-usd", "20", "--json", str(file)]
    assert main(["decide", "--results", str(record), *asked]) == 0
    printed = capsys.readouterr().out
    document = json.loads(file.read_text())
    assert printed.startswith(document["sentence"])
    assert (document["outcome"], document["key"]) == ("choice", "api")
    assert "BROKEN   Cloud Function, p95 of at most 70 ms" in printed
    assert document["needs"]["matters"] == ["cost", "latency"]
    assert document["costs"]["api"]["net_usd"] == pytest.approx(8.88)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--matters", "beauty"],
        ["--availability", "100"],
        ["--shape", "no-such-file.csv"],
        ["--requests-per-month", "-5"],
        ["ffffffff"],
    ],
)
def test_the_command_refuses_what_makes_no_sense(record: Path, arguments: list[str]) -> None:
    assert main(["decide", "--results", str(record), *arguments]) == 2


def test_an_empty_record_is_nothing_to_decide_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decide", "--results", str(tmp_path)]) == 2
    assert "python -m benchmark compare" in capsys.readouterr().err


def test_deciding_needs_no_plotly_and_no_pandas() -> None:
    imports = "import sys, benchmark.commands.decide, benchmark.reports.report"
    heavy = f"{imports}; print({{'plotly', 'pandas'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"


def test_a_run_whose_client_did_not_keep_up_is_said_to_be_one() -> None:
    run, samples = compared(20.0, 40.0)
    limited = replace(run, outcome={**run.outcome, "generator": {"limited": True, "reasons": ["late"]}})
    assert not any("generator-limited" in said for said in answer(Needs(), (run, samples)).assumptions)
    assert any("generator-limited" in said for said in answer(Needs(), (limited, samples)).assumptions)
