"""Decisions about one endpoint, and about three to six."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.__main__ import main
from benchmark.decision.answer import Choice
from benchmark.decision.decide import Decision, decide
from benchmark.decision.findings import Findings, sides_of
from benchmark.decision.gather import find, gather
from benchmark.decision.needs import Needs
from benchmark.decision.slos import Holds
from benchmark.record.plan import ComparePlan
from benchmark.record.recording import add_finished_run
from benchmark.record.run import Run
from benchmark.record.samples import Samples, from_rows
from benchmark.record.store import Store
from tests.benchmark.cold_runs import TrueStart
from tests.benchmark.decision.test_decide import PRICES, SAID, compared, forced_of, noisy, swept
from tests.benchmark.runs import make_run, row

KEYS = ("a", "b", "c", "d", "e", "f")
Recorded = tuple[Run, Samples]


def measured(*middles_ms: float, n: int = 400, facts: Mapping[int, Mapping[str, Any]] | None = None) -> Recorded:
    """Blocks of one request to each of so many endpoints; `facts` are what some of them report besides the usual."""
    keys = KEYS[: len(middles_ms)]
    said = {key: {**SAID, **(facts or {}).get(position, {})} for position, key in enumerate(keys)}
    columns = [noisy(middle, n, seed) for seed, middle in enumerate(middles_ms)]
    rows = [row(side, group, columns[side][group]) for group in range(n) for side in range(len(keys))]
    return make_run(ComparePlan(pairs=n, warmup=0), keys=keys, facts=said), from_rows(rows)


def forced(*starts_ms: float) -> Recorded:
    return forced_of({key: TrueStart(cold_ms) for key, cold_ms in zip(KEYS, starts_ms, strict=False)})


def idle_sweep(*gone_after_s: float) -> Recorded:
    return swept({key: TrueStart(idle_s=idle_s) for key, idle_s in zip(KEYS, gone_after_s, strict=False)})


def findings_of(*recorded: Recorded) -> Findings:
    named = [(replace(run, id=f"{index:08x}"), samples) for index, (run, samples) in enumerate(recorded)]
    samples = {run.id: found for run, found in named}
    found = find([run for run, _ in named], lambda run: samples[run.id], sides_of(recorded[0][0]))
    assert found is not None
    return found


def answer(needs: Needs, *recorded: Recorded) -> Decision:
    return decide(needs, findings_of(*recorded), PRICES)


def holds(decision: Decision) -> dict[str, Sequence[Holds]]:
    keys = {one.key for one in decision.slos}
    return {key: [one.holds for one in decision.slos if one.key == key] for key in sorted(keys)}


# --- Several endpoints


@pytest.mark.parametrize("fastest", range(4))
def test_the_fastest_of_four_is_chosen_and_compared_with_the_closest(fastest: int) -> None:
    middles = [70.0, 80.0, 90.0, 100.0]
    middles[fastest] = 50.0
    closest = min((middle, key) for middle, key in zip(middles, KEYS, strict=False) if middle != 50.0)[1]
    decision = answer(Needs(), measured(*middles))
    assert (decision.outcome, decision.key) == (Choice.CHOICE, KEYS[fastest])
    assert decision.sentence.startswith(
        f"Choose {KEYS[fastest]} at 5 million requests a month: it answers faster than {closest}, the closest of 3, by "
    )
    assert len(decision.bills) == 4 and all(decision.bills)


def test_the_next_criterion_decides_among_those_that_tie_first_and_nobody_else() -> None:
    # c is the cheapest and slow; of the two that are equally fast a has the larger instance.
    facts = {0: {"vCPU": "2"}, 1: {}, 2: {"vCPU": "0.5", "concurrency": "1"}}
    run = measured(50, 50.01, 80, facts=facts)
    decision = answer(Needs(), run)
    assert (decision.outcome, decision.key) == (Choice.CHOICE, "b")
    latency, cost = decision.judgements
    assert (latency.leaders, latency.is_tie) == ((0, 1), True)
    assert cost.among == (0, 1)
    assert "a and b are equally fast" in decision.why
    assert answer(Needs(criteria=("cost", "latency")), run).key == "c"


def test_a_tie_of_all_says_so_of_all() -> None:
    decision = answer(Needs(), measured(50, 50.01, 50.02))
    assert (decision.outcome, decision.key) == (Choice.TIE, None)
    assert decision.sentence.startswith("It is a tie between a, b and c at 5 million requests a month")
    assert "the bills of a, b and c are the same" in decision.sentence


def test_what_is_not_settled_between_the_leaders_is_asked_for_by_name() -> None:
    decision = answer(Needs(), measured(50, 53, 90, n=20))
    assert decision.outcome is Choice.NOT_ENOUGH
    assert "whether a or b answers faster is not settled" in decision.sentence
    assert decision.missing[0].command.startswith(
        "python -m benchmark compare --endpoint a=http://a.example --endpoint b=http://b.example --endpoint c="
    )


def test_too_few_samples_for_any_interval_are_said_to_be_too_few() -> None:
    decision = answer(Needs(), measured(50, 80, 90, n=5))
    assert decision.outcome is Choice.NOT_ENOUGH
    assert "n = 5 is too few to tell whether a or b answers faster" in decision.sentence


def test_each_endpoint_is_eliminated_by_its_own_slos() -> None:
    decision = answer(Needs(latency_ms=65.0), measured(50, 50.01, 80, 90))
    assert holds(decision) == {"a": [Holds.KEPT], "b": [Holds.KEPT], "c": [Holds.BROKEN], "d": [Holds.BROKEN]}
    assert decision.outcome is Choice.TIE and [one.among for one in decision.judgements] == [(0, 1), (0, 1)]
    assert decision.why.endswith(", and c and d break “p95 of at most 65 ms”")
    alone = answer(Needs(latency_ms=65.0), measured(80, 50, 90))
    assert (alone.outcome, alone.key) == (Choice.CHOICE, "b")
    assert "it keeps every objective" in alone.sentence
    assert alone.sentence.endswith("it keeps every objective, and a and c break “p95 of at most 65 ms”.")


def test_an_endpoint_that_is_eliminated_wins_by_no_criterion() -> None:
    # a is the fastest, and too expensive.
    decision = answer(Needs(budget_usd=10.0), measured(50, 70, 90, facts={0: {"vCPU": "4", "memory": "2Gi"}}))
    assert (decision.outcome, decision.key) == (Choice.CHOICE, "b")
    assert "than c by" in decision.why and "a breaks “at most USD 10.00 a month”" in decision.why


def test_where_every_endpoint_breaks_something_there_is_none() -> None:
    decision = answer(Needs(latency_ms=20.0), measured(50, 60, 70))
    assert decision.outcome is Choice.NONE and decision.outcome.value == "neither"
    assert decision.sentence == ("None of these 3 endpoints keeps your SLOs: a, b and c break “p95 of at most 20 ms”.")
    assert "none keeps the objectives" not in decision.sentence
    changes = answer(Needs(latency_ms=100.0), measured(50, 60, 70)).sensitivity
    assert any(change.then == "none keeps the objectives" for change in changes)


def test_endpoints_that_break_different_slos_have_a_clause_each() -> None:
    facts = {1: {"vCPU": "4", "memory": "2Gi"}}
    decision = answer(Needs(latency_ms=65.0, budget_usd=10.0), measured(50, 50.01, 90, facts=facts))
    assert decision.key == "a"
    assert decision.why == (
        "it keeps every objective, and b breaks “at most USD 10.00 a month”, and c breaks “p95 of at most 65 ms”"
    )


def test_cold_starts_decide_among_three() -> None:
    runs = measured(50, 50.01, 50.02), forced(900, 500, 700)
    decision = answer(Needs(criteria=("coldstart",)), *runs)
    assert decision.key == "b" and "it starts faster than c, the closest of 2, by" in decision.sentence
    assert answer(Needs(criteria=("coldstart",), min_instances=1), *runs).outcome is Choice.TIE
    seldom = Needs(4320, criteria=("coldstart",))  # one every ten minutes
    decision = answer(seldom, measured(50, 50.01, 50.02), idle_sweep(300, 300, 1800))
    assert decision.key == "c" and "its requests wait less for an instance than " in decision.sentence


def test_of_unequal_conditions_it_speaks_of_deployments() -> None:
    decision = answer(Needs(), measured(50, 80, 90, facts={1: {"region": "europe-west4"}}))
    assert not decision.fair and decision.sentence.startswith("Of these deployments choose a")


def test_repeated_runs_of_three_count_together() -> None:
    one = answer(Needs(), measured(50, 80, 90))
    two = answer(Needs(), measured(50, 80, 90), measured(51, 80, 90))
    assert one.key == two.key == "a"
    assert "n = 400 in" not in one.sentence and "n = 800 in 2 runs" in two.sentence
    lucky = answer(Needs(criteria=("latency",)), measured(50, 60, 90), measured(60, 50, 90), measured(55, 55, 90))
    assert lucky.outcome is Choice.NOT_ENOUGH and "whether a or b" in lucky.why


def test_runs_of_other_endpoints_are_not_counted_in() -> None:
    three, two = measured(50, 80, 90), measured(80, 50)
    found = findings_of(three, two)
    assert found.comparison is not None and [len(one.endpoints) for one in found.comparison.runs] == [3]


def test_six_endpoints_have_six_bills_and_every_key_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, samples = measured(50, 60, 70, 80, 90, 100, n=100)
    add_finished_run(Store(tmp_path), run, samples)
    file = tmp_path / "decision.json"
    assert main(["decide", "--results", str(tmp_path), "--p95-ms", "75", "--json", str(file)]) == 0
    document, printed = json.loads(file.read_text()), capsys.readouterr().out
    assert document["key"] == "a" and list(document["costs"]) == list(KEYS)
    assert [one["key"] for one in document["objectives"]] == list(KEYS)
    assert [one["holds"] for one in document["objectives"]][3:] == ["broken"] * 3
    assert all(f"a month   {key}: USD " in printed for key in KEYS)


def test_the_cost_command_makes_a_bill_for_each_endpoint_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, samples = measured(50, 150, 250, n=50)
    add_finished_run(Store(tmp_path), run, samples)
    file = tmp_path / "cost.json"
    asked = [
        "cost",
        "--results",
        str(tmp_path),
        "--run",
        run.id,
        "--requests-per-month",
        "5000000",
        "--json",
        str(file),
    ]
    assert main(asked) == 0
    found = json.loads(file.read_text())["endpoints"]
    assert list(found) == ["a", "b", "c"]
    assert found["a"]["gross_usd"] < found["b"]["gross_usd"] < found["c"]["gross_usd"]
    assert found["b"]["inputs"]["endpoint"] == "b"
    printed = capsys.readouterr().out
    assert all(f"50 of {key} in run {run.id}" in printed for key in "abc")
    assert main([*asked, "--endpoint", "c"]) == 0
    assert json.loads(file.read_text()) == found["c"]
    assert main([*asked, "--endpoint", "c", "--endpoint", "a"]) == 0
    assert list(json.loads(file.read_text())["endpoints"]) == ["c", "a"]
    assert main([*asked, "--endpoint", "z"]) == 2


# --- One endpoint


def test_of_one_endpoint_its_slos_its_bill_and_what_is_missing_are_said() -> None:
    decision = answer(Needs(latency_ms=100.0, budget_usd=20.0), measured(50))
    assert (decision.outcome, decision.key) == (Choice.SINGLE, None)
    assert holds(decision) == {"a": [Holds.KEPT, Holds.KEPT]}
    assert decision.sentence.startswith("a keeps your SLOs at 5 million requests a month: “p95 of at most 100 ms”: ")
    assert decision.sentence.endswith(". It is the only endpoint.")
    assert "there is nothing to compare at 5 million" in answer(Needs(), measured(50)).sentence
    assert decision.bills[0] is not None and not decision.judgements
    assert "criteria" not in {one.input for one in decision.sensitivity} >= {"latency_ms", "budget_usd"}
    assert not decision.missing


def test_one_endpoint_that_breaks_or_may_break_an_slo_is_told_apart() -> None:
    broken = answer(Needs(latency_ms=20.0), measured(50))
    assert broken.outcome is Choice.NONE and broken.sentence.startswith("a does not keep your SLOs: a breaks")
    unknown = answer(Needs(availability_pct=99.9), measured(50))
    assert unknown.outcome is Choice.NOT_ENOUGH
    words = shlex.split(unknown.missing[0].command)
    assert words[3] == "load" and words.count("--endpoint") == 1


def test_a_record_of_one_endpoint_is_decided_on_only_where_no_run_has_more(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run, samples = measured(50)
    add_finished_run(store, replace(run, id="aaaa0000", started_at_utc="2030-01-01T00:00:00+00:00"), samples)
    alone = gather(store)
    assert alone is not None and alone.keys == ("a",)
    assert main(["decide", "--results", str(tmp_path)]) == 0
    add_finished_run(store, *compared(50, 80))
    both = gather(store)
    assert both is not None and both.keys == ("api", "function")
