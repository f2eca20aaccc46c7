"""Decisions from runs whose truth is known, and their sensitivity, recomputed on both sides of each change."""

import json
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.__main__ import main
from benchmark.coldstart.plan import ForcedPlan, IdleSweepPlan, SpawnPlan, parse_gaps
from benchmark.cost.prices import load_prices
from benchmark.cost.traffic import BURSTS, OFFICE, STEADY
from benchmark.decision.answer import Choice, Label
from benchmark.decision.answer import answer as conclude
from benchmark.decision.decide import Decision, decide
from benchmark.decision.evidence import Evidence, NoBill
from benchmark.decision.findings import Findings, Side
from benchmark.decision.gaps import cold_share
from benchmark.decision.gather import find, gather
from benchmark.decision.measurement import command
from benchmark.decision.missing import availability_n
from benchmark.decision.needs import Needs, NeedsError
from benchmark.decision.reported import configuration_of
from benchmark.decision.sensitivity import Change, axes
from benchmark.decision.slos import Holds
from benchmark.decision.text import no_bill, slo_evidence
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Failure
from benchmark.record.plan import ComparePlan, to_document
from benchmark.record.recording import add_finished_run
from benchmark.record.run import Run, RunState
from benchmark.record.samples import TIMEOUT, Samples, from_rows
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


def idle_sweep(api_idle_s: float, function_idle_s: float, cold_ms: float = 800.0) -> tuple[Run, Samples]:
    return swept({"api": TrueStart(cold_ms, idle_s=api_idle_s), "function": TrueStart(cold_ms, idle_s=function_idle_s)})


def swept(starts: Mapping[str, TrueStart]) -> tuple[Run, Samples]:
    run, samples = cold_run(IdleSweepPlan(5, idle_s=(60.0, 300.0, 900.0, 1800.0)), starts)
    return at_addresses(run), samples


def at_addresses(run: Run) -> Run:
    entries = [{**entry, "url": f"http://{entry['key']}.example"} for entry in run.manifest["endpoints"]]
    return replace(run, manifest={**run.manifest, "endpoints": entries})


def spawned(api_ms: float, function_ms: float) -> tuple[Run, Samples]:
    """Of programs that were started here: they have no address."""
    starts = {"api": TrueStart(cold_ms=api_ms), "function": TrueStart(cold_ms=function_ms)}
    return cold_run(SpawnPlan(20), starts)


def forced(api: TrueStart, function: TrueStart, repeats: int = 20) -> tuple[Run, Samples]:
    return forced_of({"api": api, "function": function}, repeats)


def forced_of(starts: Mapping[str, TrueStart], repeats: int = 20) -> tuple[Run, Samples]:
    run, samples = cold_run(ForcedPlan(repeats), starts)
    return at_addresses(run), samples


def later(recorded: tuple[Run, Samples], minutes: int) -> tuple[Run, Samples]:
    run, samples = recorded
    return replace(run, started_at_utc=f"2026-05-05T01:{minutes:02d}:00+00:00"), samples


def answer(needs: Needs, *recorded: tuple[Run, Samples]) -> Decision:
    return decide(needs, findings_of(*recorded), PRICES)


def holds(decision: Decision, key: str) -> list[Holds]:
    return [one.holds for one in decision.slos if one.key == key]


# --- Who is chosen


def test_the_clearly_faster_one_is_chosen_with_its_interval() -> None:
    decision = answer(Needs(), compared(50, 80))
    assert (decision.outcome, decision.key) == (Choice.CHOICE, "api")
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
    assert (decision.outcome, decision.key) == (Choice.TIE, None)
    assert decision.sentence.startswith("It is a tie")
    assert [one.is_tie for one in decision.judgements] == [True, True]


def test_what_ties_first_leaves_the_choice_to_what_matters_next() -> None:
    facts = {"api": dict(SAID), "function": {**SAID, "vCPU": "2"}}
    decision = answer(Needs(), compared(50, 50.01, facts=facts))
    assert (decision.outcome, decision.key) == (Choice.CHOICE, "api")
    assert [one.criterion for one in decision.judgements] == ["latency", "cost"]
    assert "costs less" in decision.sentence


def test_what_matters_most_decides_before_the_others() -> None:
    facts = {"api": {**SAID, "vCPU": "2"}, "function": dict(SAID)}
    run = compared(50, 80, facts=facts)
    assert answer(Needs(criteria=("latency", "cost")), run).key == "api"
    assert answer(Needs(criteria=("cost", "latency")), run).key == "function"


def test_cold_starts_decide_where_they_matter() -> None:
    quick, slow = TrueStart(500), TrueStart(900)
    runs = compared(50, 50.01), forced(quick, slow)
    assert answer(Needs(criteria=("coldstart",)), *runs).key == "api"
    assert answer(Needs(criteria=("coldstart",)), compared(50, 50.01), forced(slow, quick)).key == "function"
    kept = answer(Needs(criteria=("coldstart",), min_instances=1), *runs)
    assert kept.outcome is Choice.TIE


def test_the_endpoint_that_is_gone_sooner_makes_requests_wait_more() -> None:
    steady = Needs(requests_per_month=4320, traffic=STEADY, criteria=("coldstart",))  # one every ten minutes
    assert answer(steady, compared(50, 50), idle_sweep(300, 1800)).key == "function"
    assert answer(steady, compared(50, 50), idle_sweep(1800, 300)).key == "api"


# --- SLOs


def test_an_objective_is_kept_broken_or_unknown_by_its_whole_interval() -> None:
    run = compared(50, 80)
    decision = answer(Needs(latency_ms=65.0), run)
    assert (holds(decision, "api"), holds(decision, "function")) == ([Holds.KEPT], [Holds.BROKEN])
    assert decision.key == "api" and "Cloud Function breaks" in decision.sentence
    assert "it keeps every objective" in decision.sentence and "it keeps the objective" not in decision.sentence
    p95 = findings_of(run).comparison
    assert p95 is not None
    assert holds(answer(Needs(latency_ms=p95.newest.endpoints[0].service_ms[1].value), run), "api") == [Holds.UNKNOWN]


def test_both_breaking_something_is_neither() -> None:
    decision = answer(Needs(latency_ms=20.0), compared(50, 80))
    assert decision.outcome is Choice.NONE
    assert "FastAPI breaks" in decision.sentence and "Cloud Function breaks" in decision.sentence


def test_too_few_samples_for_a_p99_lead_to_the_run_that_has_enough() -> None:
    decision = answer(Needs(percentile="p99", latency_ms=500.0), compared(50, 80, n=100))
    assert decision.outcome is Choice.NOT_ENOUGH
    assert holds(decision, "api") == [Holds.UNKNOWN]
    (missing,) = decision.missing
    assert missing.command.startswith("python -m benchmark load --endpoint api=http://api.example ")
    assert decision.sentence.endswith(f"Run this: {missing.command}")
    words = missing.command.split()
    assert float(words[words.index("--rate") + 1]) * float(words[words.index("--duration") + 1]) >= 368


def test_an_availability_needs_as_many_requests_as_its_interval_does() -> None:
    assert wilson(n := availability_n(0.999), n).low == pytest.approx(0.999, abs=1e-6)
    decision = answer(Needs(availability_pct=99.9), compared(50, 80))
    assert decision.outcome is Choice.NOT_ENOUGH and decision.missing
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
    assert [round(bill.high.net_usd, 2) for bill in decision.bills if bill] == [8.88, 20.88]
    assert (holds(decision, "api"), holds(decision, "function")) == ([Holds.KEPT], [Holds.BROKEN])
    assert decision.key == "api"
    assert answer(Needs(budget_usd=8.87), run).outcome is Choice.NONE


def test_a_bill_that_rests_on_what_the_idle_sweep_leaves_open_neither_breaks_nor_keeps_a_budget() -> None:
    # Cold after each gap that was tried, so that of a burst only the first request is cold, or all of them are.
    runs = compared(50, 50.01), idle_sweep(30, 30, cold_ms=3000.0)
    needs = Needs(100_000, BURSTS, budget_usd=1.0)
    decision = answer(needs, *runs)
    bill = decision.bills[0]
    assert bill is not None and bill.low.net_usd == 0.0 and bill.high.net_usd > 2.0
    assert holds(decision, "api") == holds(decision, "function") == [Holds.UNKNOWN]
    assert decision.outcome is Choice.NOT_ENOUGH
    assert holds(answer(replace(needs, budget_usd=bill.high.net_usd), *runs), "api") == [Holds.KEPT]
    # All that are above 30 s are answered already.
    (asked,) = [one.command for one in decision.missing if "--idle" in one.command]
    assert all(0 < gap_s < 60 for gap_s in parse_gaps(asked.split("--idle ")[1]))


def test_nobody_costs_less_while_what_the_bills_may_be_overlaps() -> None:
    facts = {"api": {**SAID, "vCPU": "2"}, "function": dict(SAID)}
    needs = Needs(100_000, BURSTS, criteria=("cost",))
    decision = answer(needs, compared(50, 50.01, facts=facts), idle_sweep(30, 30, cold_ms=3000.0))
    assert decision.outcome is Choice.NOT_ENOUGH
    assert "which one costs less is not settled (USD 0.00 to " in decision.sentence
    assert "--idle" in decision.missing[0].command
    # A start that doubles what is billed of a request leaves the larger of 1 and 8 vCPU the dearer one.
    facts["api"] |= {"vCPU": "8", "memory": "4Gi"}
    clear = answer(
        Needs(50_000_000, criteria=("cost",)), compared(50, 50.01, facts=facts), idle_sweep(30, 30, cold_ms=90.0)
    )
    assert clear.key == "function"
    assert all(bill is not None and bill.low.net_usd < bill.high.net_usd for bill in clear.bills)


def test_after_an_idle_sweep_that_was_always_warm_longer_gaps_are_asked_for() -> None:
    needs = Needs(720, latency_ms=200.0)  # one an hour
    (missing,) = answer(needs, compared(50, 80), idle_sweep(7200, 7200)).missing[:1]
    assert all(gap_s > 1800 for gap_s in parse_gaps(missing.command.split("--idle ")[1]))


def test_cold_starts_that_most_requests_meet_break_a_latency_that_warm_ones_keep() -> None:
    often = Needs(requests_per_month=1000, latency_ms=200.0)  # one every 43 minutes
    decision = answer(often, compared(50, 80), idle_sweep(900, 900))
    assert holds(decision, "api") == holds(decision, "function") == [Holds.BROKEN]
    assert "meet a cold start" in slo_evidence(decision.slos[0])
    assert holds(answer(replace(often, min_instances=1), compared(50, 80), idle_sweep(900, 900)), "api") == [Holds.KEPT]


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
    assert decision.outcome is Choice.NOT_ENOUGH
    assert {one.holds for one in decision.slos} == {Holds.UNKNOWN}
    assert decision.bills == (None, None)
    assert decision.missing[0].command.startswith("python -m benchmark compare --endpoint api=http://api.example")


def test_too_few_pairs_name_no_winner() -> None:
    decision = answer(Needs(), compared(50, 80, n=3))
    assert decision.outcome is Choice.NOT_ENOUGH
    assert "n = 3 is too few" in decision.sentence
    assert "--pairs" in decision.missing[0].command


def test_an_idle_sweep_is_missing_only_where_the_traffic_has_gaps() -> None:
    assert not answer(Needs(), compared(50, 80)).missing
    (missing,) = answer(Needs(traffic=BURSTS), compared(50, 80)).missing
    assert "--idle" in missing.command and missing.page == "coldstart"
    assert not answer(Needs(traffic=BURSTS), compared(50, 80), idle_sweep(900, 900)).missing
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


def test_of_different_plans_the_newest_is_taken_in_whatever_order_runs_are_named() -> None:
    old, new = later(compared(50, 80), 1), later(compared(80, 50), 2)
    new = (
        replace(
            new[0], manifest={**new[0].manifest, "plan": to_document(ComparePlan(400, warmup=0, connection="new"))}
        ),
        new[1],
    )
    assert answer(Needs(), old, new).key == answer(Needs(), new, old).key == "function"


def test_a_run_of_cold_starts_is_read_once_and_only_where_it_is_wanted() -> None:
    quick, slow = TrueStart(500), TrueStart(900)
    older = [replace(run, manifest={**run.manifest, "revisions": {"api": "1"}}) for run, _ in [idle_sweep(300, 300)]]
    recorded = [idle_sweep(900, 900), forced(quick, slow), (older[0], idle_sweep(300, 300)[1]), spawned(900, 500)]
    runs = [replace(run, id=f"{index:08x}") for index, (run, _) in enumerate(recorded)]
    reads: list[str] = []

    def read(run: Run) -> Samples:
        reads.append(run.id)
        return recorded[int(run.id, 16)][1]

    found = find(runs, read, SIDES)
    assert found is not None and [one.run.id for one in found.runs] == ["00000001", "00000000"]
    assert sorted(reads) == ["00000000", "00000001"]


def test_two_of_one_name_are_still_two() -> None:
    one, other = (replace(side, name="Twin") for side in SIDES)
    run, samples = compared(50, 80)
    findings = find([run], lambda _: samples, (one, other))
    assert findings is not None
    decision = decide(Needs(latency_ms=65.0), findings, PRICES)
    assert (decision.key, holds(decision, "api"), holds(decision, "function")) == ("api", [Holds.KEPT], [Holds.BROKEN])


def test_a_configuration_is_read_from_what_the_endpoint_says() -> None:
    found, assumed = configuration_of({"vCPU": "167m", "memory": "256Mi", "concurrency": "1"})
    assert (found.vcpu, found.memory_gib, found.concurrency, assumed) == (0.167, 0.25, 1, ("region",))
    found, assumed = configuration_of({"vCPU": "2", "memory": "1 GiB", "region": "europe-west3"})
    assert (found.region, assumed) == ("europe-west3", ("concurrency",))
    assert configuration_of({"region": "local"})[0].region is None
    # Below 1 vCPU there is one concurrency that the platform offers.
    found, assumed = configuration_of({"vCPU": "0.1666", "memory": "256Mi"})
    assert (found.vcpu, found.concurrency, assumed) == (0.1666, 1, ("concurrency", "region"))
    assert configuration_of({"vCPU": "0.5", "memory": "1Gi", "concurrency": "80"})[1] == (
        "vCPU",
        "memory",
        "concurrency",
        "region",
    )


def test_a_timeout_breaks_a_latency_objective() -> None:
    run, samples = compared(50, 50)
    # One of ten of the first endpoint's requests ran into the timeout, far from each other.
    late = np.flatnonzero(samples["endpoint"] == 0)[::10]
    samples["failure"][late] = TIMEOUT
    decision = answer(Needs(latency_ms=200.0), (run, samples))
    assert holds(decision, "api") == [Holds.BROKEN]
    assert holds(decision, "function") == [Holds.KEPT]
    (found,) = [slo_evidence(one) for one in decision.slos if one.key == "api"]
    assert found == "beyond the timeout (n = 400)"


def test_where_most_requests_time_out_that_is_why_nobody_is_faster() -> None:
    run, samples = compared(50, 50)
    samples["failure"][np.flatnonzero(samples["endpoint"] == 0)[::2]] = TIMEOUT
    samples["failure"][np.flatnonzero(samples["endpoint"] == 0)[1::4]] = TIMEOUT
    decision = answer(Needs(criteria=("latency",)), (run, samples))
    assert decision.outcome is Choice.NOT_ENOUGH
    assert "too many of 400 timed out to tell which endpoint" in decision.sentence


def test_timeouts_that_may_be_fewer_than_the_objective_allows_leave_it_open() -> None:
    run, samples = compared(50, 50)
    first = np.flatnonzero(samples["endpoint"] == 0)
    samples["failure"][first[:: len(first) // 21][:21]] = TIMEOUT  # 5.25 %, and 95 % of them say 3.5 to 7.9 %
    assert holds(answer(Needs(latency_ms=200.0), (run, samples)), "api") == [Holds.UNKNOWN]
    # The same where the answers themselves are too slow: its lower end is known, and is beyond the objective.
    assert holds(answer(Needs(latency_ms=20.0), (run, samples)), "api") == [Holds.BROKEN]


def test_a_run_that_is_not_sound_gives_way_to_one_that_is() -> None:
    sound, dead = compared(50, 80), compared(50, 80)
    dead[1]["failure"][dead[1]["endpoint"] == 1] = 1
    limited = (replace(sound[0], outcome={**sound[0].outcome, "generator": {"limited": True}}), sound[1])
    selftest = (replace(sound[0], kind="selftest"), sound[1])
    for newer in (dead, limited, selftest):
        found = findings_of(newer, sound).comparison
        assert found is not None
        assert [one.run.id for one in found.runs] == ["00000001"]
    alone = findings_of(dead).comparison
    assert alone is not None and alone.newest.run.id == "00000000"


# --- Sensitivity


def label_at(needs: Needs, findings: Findings, **varied: Any) -> Label:
    """Recomputed from nothing."""
    return conclude(Evidence(findings, PRICES), replace(needs, **varied)).label


def shown(change: Change) -> list[float]:
    """The one or two values that are said."""
    units = {"million": 1e6, "billion": 1e9}
    text = re.sub(r"(?<=\d)[ ,](?=\d)", "", change.given).replace("p95", "").replace("p99", "")
    return [float(digits) * units.get(unit, 1.0) for digits, unit in re.findall(r"(\d+(?:\.\d+)?)(?: (\w+))?", text)]


def assert_changes(needs: Needs, findings: Findings, changes: Sequence[Change]) -> None:
    """Each change is recomputed on both of its sides, at its end, and at the values that are said."""
    seen: dict[tuple[str, bool], Label] = {}
    for change in changes:
        side = (change.input, change.input != "criteria" and change.at > change.inside)
        inside, at, until = (
            label_at(needs, findings, **{change.input: one}) for one in (change.inside, change.at, change.until)
        )
        assert inside == seen.get(side, label_at(needs, findings)), change
        assert at == until == change.label != inside, change
        seen[side] = change.label
        if change.input != "criteria":
            for value in shown(change):
                assert label_at(needs, findings, **{change.input: type(change.at)(value)}) == change.label, (
                    change,
                    value,
                )


def test_every_change_holds_when_it_is_recomputed_on_both_sides() -> None:
    facts = {"api": {**SAID, "vCPU": "2"}, "function": dict(SAID)}
    findings = findings_of(compared(50, 80, facts=facts), idle_sweep(900, 900))
    needs = Needs(500_000, BURSTS, "p95", 95.0, 98.0, 30.0)
    changes = decide(needs, findings, PRICES).sensitivity
    assert {change.input for change in changes} >= {"requests_per_month", "latency_ms", "availability_pct", "criteria"}
    assert_changes(needs, findings, changes)


def test_an_answer_that_comes_back_is_said_to_come_back() -> None:
    # Where an instance is added, requests share less: the dearer instance is then as cheap as the other for a while.
    facts = {"api": {**SAID, "vCPU": "2"}, "function": {**SAID, "concurrency": "1"}}
    findings = findings_of(compared(50, 50.01, facts=facts))
    needs = Needs(10_000, criteria=("cost",))
    decision = decide(needs, findings, PRICES)
    changes = [change for change in decision.sensitivity if change.input == "requests_per_month"]
    assert [change.label[1] for change in changes] == ["function", None, "function"]
    assert changes[0].until < changes[1].at < changes[1].until < changes[2].at < changes[2].until
    assert all("or more" not in change.sentence and " to " in change.given for change in changes)
    assert_changes(needs, findings, decision.sensitivity)


def test_a_step_of_a_bill_is_no_change() -> None:
    facts = {"api": {**SAID, "vCPU": "2"}, "function": {**SAID, "concurrency": "1"}}
    findings = findings_of(compared(50, 50.01, facts=facts))
    needs = Needs(10_000, criteria=("cost",))
    _, tie, function = [
        change for change in decide(needs, findings, PRICES).sensitivity if change.input == "requests_per_month"
    ]
    between = range(int(tie.until) + 1, int(function.at), 50_000)
    assert {label_at(needs, findings, requests_per_month=value)[1] for value in between} == {"api"}
    assert function.at < 1.05 * tie.until


@pytest.mark.parametrize(
    ("span", "text"),
    [((900_500, 2_000_000), "900 500 to 2 million"), ((1_802_084, 1e9), "1.81 million to 1 billion")],
)
def test_a_number_is_rounded_into_the_span_that_it_bounds(span: tuple[float, float], text: str) -> None:
    (axis,) = [axis for axis in axes(Needs()) if axis.input == "requests_per_month"]
    assert axis.span(*span) == text
    assert axis.span(1_802_084, 1_802_089) == "1.802084 million to 1.802089 million"


def test_a_bill_changes_the_answer_at_the_single_request_from_which_on_the_other_is_cheaper() -> None:
    # 180 000 vCPU-s are free: at 100 ms a request that is 1 800 000 requests on 1 vCPU, and 900 000 on 2.
    facts = {"api": {**SAID, "vCPU": "2"}, "function": dict(SAID)}
    findings = findings_of(compared(50, 50.01, facts=facts))
    needs = Needs(10_000, criteria=("cost",))
    decision = decide(needs, findings, PRICES)
    assert decision.outcome is Choice.TIE
    change = next(change for change in decision.sensitivity if change.input == "requests_per_month")
    assert change.at - change.inside == 1 and change.label == (Choice.CHOICE, "function")
    # Beyond it the bills are half a cent apart: 0.005 / (0.1 s x 2 x 0.000024) requests.
    assert change.at == pytest.approx(900_000 + 0.005 / (0.1 * 2 * 0.000024), abs=2)
    assert_changes(needs, findings, decision.sensitivity)


def test_a_latency_changes_where_the_interval_ends() -> None:
    run = compared(50, 80)
    findings = findings_of(run)
    assert findings.comparison is not None
    api = findings.comparison.newest.endpoints[0].service_ms[1]
    changes = [one for one in decide(Needs(), findings, PRICES).sensitivity if one.input == "latency_ms"]
    # Below the upper end it is not known, below the lower end neither keeps it.
    assert [change.label[0] for change in changes] == [Choice.NOT_ENOUGH, Choice.NONE]
    assert changes[0].at == pytest.approx(api.high, rel=1e-3)
    assert changes[1].at == pytest.approx(api.low, rel=1e-3)


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
        {"criteria": ()},
        {"criteria": ("cost", "cost")},
    ],
)
def test_needs_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(NeedsError):
        Needs(**wrong)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record with a comparison, and cold starts of the same endpoints."""
    store = Store(tmp_path / "results")
    for index, (run, samples) in enumerate((compared(50, 80), forced(TrueStart(500), TrueStart(900)))):
        add_finished_run(store, replace(run, id=f"abc0000{index}"), samples)
    return tmp_path / "results"


def test_the_record_gives_the_findings_of_given_endpoints_or_runs(record: Path) -> None:
    store = Store(record)
    ends = [Endpoint(side.key, side.name, side.url or "") for side in SIDES]
    found, alone = gather(store, ends), gather(store, run_ids=["abc00000"])
    assert found is not None and alone is not None
    assert [one.run.id for one in found.runs] == ["abc00000", "abc00001"]
    assert [one.run.id for one in alone.runs] == ["abc00000"] and alone.names == ("FastAPI", "Cloud Function")


def test_an_imported_run_decides_only_where_it_is_named_and_that_is_said(
    record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(record)
    for index, (run, samples) in enumerate((compared(80, 50), spawned(900, 500))):
        add_finished_run(store, replace(run, id=f"bad0000{index}", is_imported=True), samples)
    ends = [Endpoint(side.key, side.name, side.url or "") for side in SIDES]
    for found in (gather(store, ends), gather(store)):
        assert found is not None and [one.run.id for one in found.runs] == ["abc00000", "abc00001"]
    assert main(["decide", "--results", str(record)]) == 0
    assert "imported" not in capsys.readouterr().out
    assert main(["decide", "bad00000", "--results", str(record)]) == 0
    assert "Run bad00000 was imported" in capsys.readouterr().out


def test_any_number_of_imported_runs_hides_no_evidence(record: Path) -> None:
    store = Store(record)
    run, _ = compared(80, 50)
    for number in range(501):
        store.create_run(replace(run, id=f"bad{number:05}", is_imported=True))
    found = gather(store)
    assert found is not None and [one.run.id for one in found.runs] == ["abc00000", "abc00001"]


def test_a_command_that_is_proposed_quotes_what_a_record_says() -> None:
    sides = (Side("api;touch x", "", None), Side("b", "", "http://b/$(touch x)"))
    words = shlex.split(command("compare", sides))
    assert words[-4:] == ["--endpoint", "api;touch x=URL", "--endpoint", "b=http://b/$(touch x)"]


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
    cost = document["costs"]["api"]
    assert cost["net_usd"] == cost["least_net_usd"] == pytest.approx(8.88)
    assert all(change["sentence"] in printed for change in document["flips"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--matters", "beauty"],
        ["--availability", "100"],
        ["--shape", "no-such-file.csv"],
        ["--requests-per-month", "-5"],
        ["--requests-per-month", "0"],
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


# --- Evidence is about the addresses that are asked for


def test_programs_that_were_started_here_decide_nothing_about_addresses() -> None:
    needs = Needs(requests_per_month=4320, criteria=("coldstart",))  # one every ten minutes
    stand_in = spawned(500, 900)
    decision = answer(needs, compared(50, 50), stand_in)
    assert decision.outcome is Choice.NOT_ENOUGH
    (passed,) = decision.passed_over
    assert passed.kind == "coldstart" and "not these addresses" in passed.why
    assert [source.kind for source in decision.sources] == ["compare"]
    # What was measured at the addresses decides, also where the programs say otherwise.
    assert answer(needs, compared(50, 50), idle_sweep(300, 1800), stand_in).key == "function"
    assert answer(Needs(criteria=("coldstart",)), forced(TrueStart(900), TrueStart(500)), stand_in).key == "function"


def test_programs_that_a_run_started_are_what_a_decision_about_them_rests_on() -> None:
    run, samples = spawned(500, 900)
    findings = find([run], lambda _: samples)
    assert findings is not None
    decision = decide(Needs(criteria=("coldstart",)), findings, PRICES)
    assert decision.key == "api" and not decision.passed_over


def test_a_newer_run_that_was_passed_over_is_named_with_the_reason() -> None:
    run, samples = compared(50, 80)
    limited = replace(run, outcome={**run.outcome, "generator": {"limited": True, "reasons": ["sends were late"]}})
    decision = answer(Needs(), (limited, samples), (run, samples))
    assert [source.run_id for source in decision.sources] == ["00000001"]
    assert [(one.run_id, one.why) for one in decision.passed_over] == [
        ("00000000", "its client was the limit (sends were late)")
    ]


# --- Runs that are repeated


def with_manifest(recorded: tuple[Run, Samples], **entries: Any) -> tuple[Run, Samples]:
    run, samples = recorded
    return replace(run, manifest={**run.manifest, **entries}), samples


def test_all_sound_runs_of_one_plan_count_together_and_their_number_is_said() -> None:
    decision = answer(Needs(latency_ms=100.0, availability_pct=99.0), compared(50, 80), compared(51, 80))
    assert decision.key == "api" and "n = 800 in 2 runs" in decision.sentence
    assert any("The 2 compare runs of the same plan" in text for text in decision.assumptions)
    available = next(slo_evidence(one) for one in decision.slos if one.slo.kind == "availability")
    assert available.endswith("n = 800 requests)")
    assert "n = 800" in slo_evidence(decision.slos[0])


def test_a_lucky_run_does_not_win_against_those_before_it() -> None:
    lucky, *others = compared(50, 60), compared(60, 50), compared(55, 55.01), compared(54, 56)
    assert answer(Needs(criteria=("latency",)), lucky).key == "api"
    decision = answer(Needs(criteria=("latency",)), lucky, *others)
    assert decision.outcome is Choice.NOT_ENOUGH and "is not settled" in decision.why


@pytest.mark.parametrize(
    "other",
    [
        {"facts": {key: {**SAID, "model version": "v2"} for key in ("api", "function")}},
        {"revisions": {"api": "api-00002", "function": None}},
        {"plan": to_document(ComparePlan(400, warmup=0, connection="new"))},
        {"bodies": {"source": "card of tea", "count": 3, "sha256": "2" * 64}},
    ],
    ids=["model", "revision", "plan", "bodies"],
)
def test_what_was_measured_of_something_else_is_not_counted_in(other: dict[str, Any]) -> None:
    found = findings_of(compared(80, 50), with_manifest(compared(50, 80), **other)).comparison
    assert found is not None and [one.run.id for one in found.runs] == ["00000000"]


def test_a_longer_run_of_the_same_plan_counts_too() -> None:
    found = findings_of(compared(50, 80), compared(50, 80, n=200)).comparison
    assert found is not None and len(found.runs) == 2


def test_idle_sweeps_of_other_gaps_narrow_down_when_an_endpoint_is_gone() -> None:
    first, second = idle_sweep(500, 500), idle_sweep(500, 500)
    plan = IdleSweepPlan(5, idle_s=(400.0, 600.0))
    run, samples = cold_run(plan, {key: TrueStart(idle_s=500) for key in ("api", "function")})
    narrow = replace(run, manifest={**first[0].manifest, "plan": run.manifest["plan"]}), samples
    alone = Evidence(findings_of(compared(50, 50), second), PRICES).turns_cold_s(0)
    both = Evidence(findings_of(compared(50, 50), narrow, first), PRICES).turns_cold_s(0)
    assert alone == pytest.approx((303, 909)) and both == pytest.approx((404, 606))


# --- Cold starts and a latency objective


def test_only_the_cold_starts_beyond_the_limit_count_against_a_latency() -> None:
    # Every request is cold, by an idle sweep; starts take 720 to 880 ms.
    needs = Needs(720, latency_ms=1000.0)  # one an hour
    runs = compared(50, 50), idle_sweep(30, 30, cold_ms=800.0)
    decision = answer(needs, *runs)
    # None of 20 starts took longer than 1 s, which leaves up to 16 % that might.
    assert holds(decision, "api") == [Holds.UNKNOWN]
    assert "0 % (95% 0 to 16.113, n = 20 starts) of these take longer than 1000 ms" in slo_evidence(decision.slos[0])
    # Half of the time beyond a limit is not all of the time: the median says nothing of the share.
    middle = float(np.median(Evidence(findings_of(*runs), PRICES).starts_ms(0)[0])) - 1
    assert holds(answer(replace(needs, latency_ms=middle), *runs), "api") == [Holds.BROKEN]
    rare = Needs(43_200, BURSTS, latency_ms=middle)  # 60 in the first minute of an hour, one of them after an hour
    assert holds(answer(rare, compared(50, 50), idle_sweep(700, 700)), "api") == [Holds.KEPT]


def test_a_median_beyond_the_limit_does_not_make_every_start_one() -> None:
    # 60 % of the starts take longer, 50 to 69 % by their interval. One request in nine comes after a long gap.
    starts = TrueStart(1000.0)
    runs = compared(50, 50), forced(starts, starts, repeats=100), idle_sweep(700, 700)
    limit_ms = float(np.quantile(Evidence(findings_of(*runs), PRICES).starts_ms(0)[0], 0.4))
    needs = Needs(720 * 9, BURSTS, latency_ms=limit_ms)

    def of_one_in(requests: int) -> Holds:
        return holds(answer(replace(needs, requests_per_month=720 * requests), *runs), "api")[0]

    assert "60 % (95% 50" in slo_evidence(answer(needs, *runs).slos[0])
    assert [of_one_in(requests) for requests in (9, 12, 30)] == [Holds.BROKEN, Holds.UNKNOWN, Holds.KEPT]


def test_starts_that_timed_out_rank_after_all_others() -> None:
    starts = TrueStart(500.0, fails=range(0, 20, 2), failure=Failure.TIMEOUT)
    findings = findings_of(compared(50, 50), forced(starts, TrueStart(900.0)), idle_sweep(300, 300))
    evidence = Evidence(findings, PRICES)
    median = evidence.start_ms(0)
    assert median is not None and median.n == 20 and median.high is None
    beyond = evidence.starts_beyond(0, 1000.0)
    assert (beyond.value, beyond.n) == (0.5, 20)
    # More than half of them: what a start costs is not known, and no bill is made up.
    worse = TrueStart(500.0, fails=range(12), failure=Failure.TIMEOUT)
    evidence = Evidence(findings_of(compared(50, 50), forced(worse, TrueStart(900.0)), idle_sweep(300, 300)), PRICES)
    bill = evidence.bill(Needs(720), 0)
    assert isinstance(bill, NoBill) and "cold starts timed out" in no_bill(bill)


# --- Regions


def test_a_bill_is_at_the_prices_of_the_region_that_the_endpoint_reports() -> None:
    facts = {"api": {**SAID, "region": "europe-west3"}, "function": dict(SAID)}
    decision = answer(Needs(), compared(50, 50.01, facts=facts))
    # 500 000 s: 16.80 + 0.875 + 2.00 less 4.32 + 0.875 + 0.80, against 8.88 in a region of tier 1.
    assert [round(bill.high.net_usd, 2) for bill in decision.bills if bill] == [13.68, 8.88]
    assert not any("report a region" in text for text in decision.assumptions)


def test_without_a_region_the_prices_are_those_of_tier_1_and_that_is_said() -> None:
    facts = {"api": {**SAID, "region": None}, "function": {**SAID, "region": "local"}}
    decision = answer(Needs(), compared(50, 50.01, facts=facts))
    assert [round(bill.high.net_usd, 2) for bill in decision.bills if bill] == [8.88, 8.88]
    said = [text for text in decision.assumptions if "does not report a region" in text]
    assert len(said) == 2 and all("billed at tier 1 prices" in text for text in said)


def test_a_region_without_prices_has_no_bill_and_keeps_no_budget() -> None:
    facts = {"api": {**SAID, "region": "mars-north1"}, "function": dict(SAID)}
    decision = answer(Needs(budget_usd=1000.0), compared(50, 50.01, facts=facts))
    assert decision.bills[0] is None and decision.bills[1] is not None
    assert holds(decision, "api") == [Holds.UNKNOWN]
    assert "no prices for the region mars-north1" in next(
        slo_evidence(one) for one in decision.slos if one.key == "api"
    )


# --- The report


def test_runs_may_be_named_in_any_order(record: Path, tmp_path: Path) -> None:
    store = Store(record)
    run, samples = compared(80, 50)
    plan = to_document(ComparePlan(400, warmup=0, connection="new"))
    newer = replace(run, id="fff00000", manifest={**run.manifest, "plan": plan}, started_at_utc="2026-09-09T00:00:00")
    add_finished_run(store, newer, samples)
    said = []
    for order in (["abc00000", "fff00000"], ["fff00000", "abc00000"]):
        file = tmp_path / "decision.json"
        assert main(["decide", *order, "--results", str(record), "--json", str(file)]) == 0
        said.append(json.loads(file.read_text())["key"])
    assert said == ["function", "function"]
    written = []
    for order in (["abc00000", "fff00000"], ["fff00000", "abc00000"]):
        report = tmp_path / "report.md"
        assert main(["report", *order, "--decide", "--results", str(record), "--out", str(report)]) == 0
        written.append(report.read_text().partition("## ")[2].partition("## ")[0])
    assert written[0] == written[1] and "Cloud Function" in written[0]


def test_a_report_does_not_call_asked_for_what_nobody_asked_for(record: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    named = ["report", "abc00000", "--decide", "--results", str(record), "--out", str(report)]
    assert main(named) == 0
    text = report.read_text()
    assert "Asked for" not in text and "Assumed:" in text
    assert main([*named, "--requests-per-month", "1000", "--p95-ms", "70"]) == 0
    text = report.read_text()
    assert re.search(r"Asked for:\W+1 000 requests a month\.", text) and "p95 of at most 70 ms" in text
    assert main(["report", "abc00000", "--p95-ms", "70", "--results", str(record), "--out", str(report)]) == 2
