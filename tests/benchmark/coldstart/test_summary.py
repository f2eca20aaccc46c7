"""What runs of known truth are said to be: populations, parts, thresholds, verdicts, and what is only suspected."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmark.coldstart.plan import (
    ColdPlan,
    ForcedPlan,
    IdleSweepPlan,
    SpawnPlan,
    from_document,
    gap_text,
    parse_gaps,
    steps,
    to_document,
)
from benchmark.coldstart.printing import print_coldstart, rows
from benchmark.coldstart.summary import (
    ColdSummary,
    Threshold,
    find_threshold,
    split_start,
    summarise,
    threshold_text,
)
from benchmark.coldstart.summary import to_document as summary_document
from benchmark.endpoints.sample import Failure, Temperature
from benchmark.record.plan import PlanError
from benchmark.record.run import RunState
from benchmark.record.samples import FAILURES, TEMPERATURES
from benchmark.reports.export import run_from_document, run_to_document
from benchmark.statistics.estimates import wilson
from benchmark.statistics.verdict import Outcome, State
from tests.benchmark.cold_runs import TrueStart, cold_run

SPAWN = SpawnPlan(12)
LADDER = IdleSweepPlan(4, idle_s=(60.0, 300.0, 900.0, 1800.0))
ALWAYS_WARM = IdleSweepPlan(4, idle_s=(60.0, 300.0))


def summary(plan: ColdPlan, **starts: TrueStart) -> ColdSummary:
    return summarise(*cold_run(plan, starts))


# --- The plan


def test_a_plan_survives_the_record() -> None:
    assert from_document(json.loads(json.dumps(to_document(LADDER)))) == LADDER


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "spawn", "repeats": 0},
        {"mode": "spawn", "idle_s": [1.0]},
        {"mode": "ladder", "repeats": 5, "idle_s": []},
        {"mode": "ladder", "repeats": 5, "idle_s": [1.0, 1.0]},
        {"mode": "ladder", "repeats": 5, "idle_s": [0.0]},
        {"mode": "ladder", "repeats": 5, "idle_s": [1e9]},
        {"mode": "nap"},
        {"mode": "spawn", "timeout_s": 0.0},
    ],
)
def test_a_plan_without_sense_is_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(PlanError, match=r"^a cold-start run needs"):
        from_document({"kind": "coldstart", **wrong})


def test_every_round_of_a_ladder_has_every_gap_and_the_order_is_the_seeds() -> None:
    found = steps(LADDER, 2)
    assert [step.number for step in found] == list(range(16))
    for start in range(0, 16, 4):
        assert sorted(step.idle_s or 0 for step in found[start : start + 4]) == list(LADDER.idle_s)
    assert found == steps(LADDER, 2) != steps(replace(LADDER, seed=1), 2)
    leaders = [step.order[0] for step in steps(SpawnPlan(200), 2)]
    assert 70 < sum(leaders) < 130


def test_gaps_are_read_and_said_as_people_do() -> None:
    assert parse_gaps("500ms, 30s,1m,1.5h") == (0.5, 30.0, 60.0, 5400.0)
    assert [gap_text(gap_s) for gap_s in (0.5, 60, 300, 5400, 7200)] == ["0.5 s", "60 s", "5 min", "90 min", "2 h"]
    for text in ("", "1m,", "-1s", "5 days", "1m;2m"):
        with pytest.raises(PlanError, match="idle gaps are like"):
            parse_gaps(text)


# --- Populations


def test_cold_and_warm_are_two_populations() -> None:
    side = summary(SPAWN, api=TrueStart(800, 20)).endpoints[0]
    assert side.cold_ms[0].n == 12
    assert side.warm_ms[0].n == 60
    assert side.cold_ms[0].value == pytest.approx(800, rel=0.1)
    assert side.warm_ms[0].value == pytest.approx(20, rel=0.1)
    assert min(side.cold_values_ms) > 30 * min(side.warm_values_ms)


def test_a_failed_start_is_counted_and_in_no_population() -> None:
    side = summary(SPAWN, api=TrueStart(fails=(0, 5))).endpoints[0]
    assert (side.failed, len(side.cold_values_ms), len(side.probes)) == (2, 10, 12)


def test_an_instance_that_was_started_in_advance_is_neither_cold_nor_warm() -> None:
    found = summary(ForcedPlan(8), api=TrueStart(in_advance=True))
    side = found.endpoints[0]
    assert side.first_on_warm == 8
    assert side.cold_values_ms == ()
    assert len(side.warm_values_ms) == 40
    assert any("started in advance" in clause for clause in found.conditions)
    assert any("not scaling from zero" in clause for clause in found.conditions)


def test_without_evidence_the_word_is_suspected_and_the_rule_is_said() -> None:
    found = summary(LADDER, api=TrueStart(evidence=False))
    side = found.endpoints[0]
    assert side.cold_word == "suspected cold"
    assert len(side.cold_values_ms) == 8
    assert all(probe.suspected for probe in side.probes if probe.is_cold)
    assert side.suspect_from_ms == pytest.approx(120, rel=0.05)  # 100 ms above a median of 20 ms
    assert any(clause.startswith("FastAPI gives no evidence: answers of 1") for clause in found.conditions)
    assert summary(LADDER, api=TrueStart()).endpoints[0].cold_word == "cold"


def test_without_evidence_neither_population_is_called_by_a_word_that_is_known() -> None:
    found = summary(LADDER, api=TrueStart(evidence=False), function=TrueStart())
    assert [side.warm_word for side in found.endpoints] == ["presumed warm", "warm"]
    assert found.verdict
    assert found.verdict.state is State.UNKNOWN
    assert "pairs of suspected cold starts, instance state unknown)" in found.verdict.sentence
    labels = [label for label, _ in rows(found)]
    assert {"cold or suspected cold p50 (ms)", "warm or presumed warm p50 (ms)"} < set(labels)
    assert "presumed warm" in threshold_text(summary(ALWAYS_WARM, api=TrueStart(evidence=False)).endpoints[0])
    document = summary_document(found)
    assert document["verdict"]["state"] == "unknown"
    assert [side["warm_word"] for side in document["endpoints"].values()] == ["presumed warm", "warm"]


def test_the_runtime_is_in_the_table_and_the_document() -> None:
    run, samples = cold_run(SPAWN, {"api": TrueStart(), "function": TrueStart()})
    facts = {"api": {"runtime": "sklearn"}, "function": {}}
    found = summarise(replace(run, manifest={**run.manifest, "facts": facts}), samples)
    assert rows(found)[0] == ("runtime", ["scikit-learn", "not reported"])
    assert [side["runtime"] for side in summary_document(found)["endpoints"].values()] == ["sklearn", None]


def test_with_evidence_a_verdict_on_cold_starts_is_of_cold_instances() -> None:
    found = summary(LADDER, api=TrueStart(), function=TrueStart(cold_ms=400))
    assert found.verdict
    assert (found.verdict.state, found.verdict.sentence.endswith("pairs of cold starts, cold).")) == (State.COLD, True)


def test_a_probe_that_timed_out_after_a_gap_may_have_met_a_warm_instance() -> None:
    run, samples = cold_run(LADDER, {"api": TrueStart(), "function": TrueStart(cold_ms=400)})
    after_long = samples[(samples["temperature"] == TEMPERATURES.index(Temperature.COLD)) & (samples["endpoint"] == 0)]
    lost = (samples["endpoint"] == 0) & (samples["group"] == after_long["group"][0])
    samples["failure"][lost] = 1 + FAILURES.index(Failure.TIMEOUT)
    samples["temperature"][lost] = TEMPERATURES.index(Temperature.UNKNOWN)
    found = summarise(run, samples).verdict
    assert found
    assert found.state is State.UNKNOWN


def test_a_probe_that_queued_for_a_start_waited_for_it_and_a_follower_that_did_is_not_warm() -> None:
    run, samples = cold_run(LADDER, {"api": TrueStart()})
    queued = TEMPERATURES.index(Temperature.QUEUED)
    leads = samples["temperature"] == TEMPERATURES.index(Temperature.COLD)
    before = summarise(run, samples).endpoints[0]
    samples["temperature"][leads] = queued
    assert summarise(run, samples).endpoints[0].cold_values_ms == before.cold_values_ms
    samples["temperature"][np.flatnonzero(leads)[0] + 1] = queued
    assert len(summarise(run, samples).endpoints[0].warm_values_ms) == len(before.warm_values_ms) - 1


def test_a_slow_answer_of_a_fast_network_is_not_suspected() -> None:
    side = summary(LADDER, api=TrueStart(cold_ms=12, warm_ms=1, evidence=False)).endpoints[0]
    assert side.cold_values_ms == ()
    assert len(side.warm_values_ms) == 16 * 6


def test_with_too_few_warm_answers_nothing_is_suspected() -> None:
    found = summary(replace(LADDER, repeats=1, warm_requests=0), api=TrueStart(evidence=False))
    assert found.endpoints[0].suspect_from_ms is None
    (side,) = found.endpoints
    assert side.cold_values_ms == side.warm_values_ms == ()
    assert [gap.share.n for gap in side.gaps] == [0, 0, 0, 0]
    assert side.threshold is None
    assert threshold_text(side) == "FastAPI: no probe is classified yet."
    assert any("too few answers" in clause for clause in found.conditions)
    print_coldstart(found, Console(quiet=True))


def test_an_answer_without_evidence_among_others_with_it_is_neither_cold_nor_warm() -> None:
    run, samples = cold_run(replace(LADDER, warm_requests=0), {"api": TrueStart()})
    samples["temperature"][0] = TEMPERATURES.index(Temperature.UNKNOWN)
    (side,) = summarise(run, samples).endpoints
    assert side.has_evidence
    assert len(side.cold_values_ms) + len(side.warm_values_ms) == len(side.probes) - 1


def test_a_spawned_program_is_new_also_where_it_does_not_say_so() -> None:
    found = summary(SPAWN, api=TrueStart(evidence=False), function=TrueStart(cold_ms=400, evidence=False))
    side = found.endpoints[0]
    assert len(side.cold_values_ms) == 12
    assert (side.cold_word, side.warm_word) == ("cold", "presumed warm")
    assert not any("suspected" in clause for clause in found.conditions)
    assert found.verdict
    assert found.verdict.state is State.COLD
    assert "n = 12 pairs of cold starts, cold)" in found.verdict.sentence


def test_a_follower_that_met_another_new_instance_is_not_warm() -> None:
    run, samples = cold_run(SPAWN, {"api": TrueStart()})
    samples["temperature"][1] = TEMPERATURES.index(Temperature.COLD)
    assert len(summarise(run, samples).endpoints[0].warm_values_ms) == 59


# --- Where a start goes


def test_a_spawned_start_is_split_whole() -> None:
    split = split_start({"model": 30.0}, 800.0, 700.0)
    assert split is not None
    assert (split.imports_ms, split.model_ms, split.rest_ms) == (670.0, 30.0, 100.0)


def test_elsewhere_the_server_has_to_account_for_all_of_its_start() -> None:
    startup = {"imports": 400.0, "runtime": 100.0, "model": 30.0, "server": 70.0}
    split = split_start(startup, 1000.0, None)
    assert split is not None
    assert (split.imports_ms, split.model_ms, split.rest_ms) == (570.0, 30.0, 400.0)
    assert split_start({"model": 30.0}, 1000.0, None) is None
    assert split_start({}, 1000.0, 900.0) is None


def test_a_start_that_took_longer_than_the_client_waited_was_not_this_one() -> None:
    startup = {"imports": 400.0, "runtime": 100.0, "model": 30.0, "server": 70.0}
    assert split_start(startup, 599.0, None) is None


def test_the_parts_of_a_run_are_medians_with_their_n() -> None:
    side = summary(SPAWN, api=TrueStart(800, model_ms=30)).endpoints[0]
    assert side.split is not None
    assert side.split_n == 12
    assert side.split.model_ms == 30
    assert side.split.rest_ms == pytest.approx(10, rel=0.01)
    assert side.split.imports_ms == pytest.approx(760, rel=0.1)
    assert summary(SPAWN, api=TrueStart(model_ms=None)).endpoints[0].split is None


# --- The ladder


def test_the_share_of_cold_probes_has_wilsons_interval() -> None:
    gaps = summary(LADDER, api=TrueStart(idle_s=600)).endpoints[0].gaps
    assert [(gap.idle_s, gap.cold) for gap in gaps] == [(60, 0), (300, 0), (900, 4), (1800, 4)]
    assert gaps[0].share == wilson(0, 4)
    assert gaps[3].share == wilson(4, 4)


def test_the_ladder_brackets_the_true_threshold() -> None:
    side = summary(LADDER, api=TrueStart(idle_s=600)).endpoints[0]
    assert side.threshold is not None
    assert side.threshold.sharp
    assert side.threshold.low_s < 600 < side.threshold.high_s
    assert threshold_text(side) == "FastAPI turns cold after 5.05 min to 15.2 min without a request."


def test_a_ladder_that_does_not_reach_the_threshold_says_which_way_to_go() -> None:
    always, never = (summary(LADDER, api=TrueStart(idle_s=idle_s)).endpoints[0] for idle_s in (1, 1e6))
    assert always.threshold is None
    assert never.threshold is None
    assert "try shorter ones" in threshold_text(always)
    assert "try longer ones" in threshold_text(never)


def test_a_platform_that_decides_by_chance_has_no_sharp_threshold() -> None:
    assert find_threshold([1, 5, 9], [4, 20]) == Threshold(4, 9, sharp=False)
    assert find_threshold([1, 5], [9, 20]) == Threshold(5, 9, sharp=True)
    assert Threshold(4, 9, sharp=False).value_s == 6
    assert find_threshold([1], []) is find_threshold([], [1]) is None


# --- The verdict, and what is written


def test_a_true_difference_of_cold_starts_has_a_winner() -> None:
    found = summary(SPAWN, api=TrueStart(800), function=TrueStart(1200))
    assert found.verdict is not None
    assert (found.verdict.outcome, found.verdict.winner) == (Outcome.WINNER, "FastAPI")
    assert found.verdict.state is State.COLD
    assert found.verdict.pairs[0].effect.value == pytest.approx(-400, rel=0.2)
    assert "cold" in found.verdict.sentence
    assert summary(SPAWN, api=TrueStart()).verdict is None


def test_three_endpoints_have_an_order_of_their_cold_starts() -> None:
    found = summary(SpawnPlan(20), api=TrueStart(800), function=TrueStart(1600), third=TrueStart(800))
    assert found.verdict is not None
    assert found.verdict.order[-1] == (1,)
    assert [pair.winner for pair in found.verdict.pairs] == [0, None, 2]
    assert "FastAPI" in found.verdict.sentence and "Cloud Function" in found.verdict.sentence
    document = summary_document(found)
    assert document["verdict"]["order"] == [["api", "third"], ["function"]]
    assert [(pair["first"], pair["second"], pair["winner"]) for pair in document["pairs"]] == [
        ("api", "function", "api"),
        ("api", "third", None),
        ("function", "third", "third"),
    ]
    assert document["verdict"]["effect_ms"] is None, "of two alone"
    console = Console(width=300, record=True, file=io.StringIO())
    print_coldstart(found, console)
    assert "FastAPI minus third" in console.export_text()


def test_the_winner_is_found_where_both_have_one_name() -> None:
    run, samples = cold_run(SPAWN, {"api": TrueStart(1200), "function": TrueStart(800)})
    for entry in run.manifest["endpoints"]:
        entry["name"] = "the same"
    assert summary_document(summarise(run, samples))["verdict"]["winner"] == "function"


def test_starts_that_never_came_to_an_end_do_not_win() -> None:
    hangs = TrueStart(400, fails=range(20), failure=Failure.TIMEOUT)
    found = summary(SpawnPlan(30), api=hangs, function=TrueStart(800))
    assert found.verdict is not None
    assert found.verdict.winner_position != 0
    assert found.verdict.pairs[0].effect.value > 0


def test_starts_that_mostly_time_out_are_slower_by_at_least_what_was_waited_for() -> None:
    run, samples = cold_run(
        SpawnPlan(30),
        {"api": TrueStart(10_000, fails=range(29), failure=Failure.TIMEOUT), "function": TrueStart(800)},
    )
    verdict = summarise(run, samples).verdict
    assert verdict is not None
    assert verdict.winner_position == 1
    assert verdict.pairs[0].effect.low is not None and verdict.pairs[0].effect.low > 8000
    assert verdict.pairs[0].effect.high is None
    assert "at least" in verdict.sentence


def test_how_often_a_port_was_tried_is_the_runs_own_and_not_todays() -> None:
    run, samples = cold_run(SPAWN, {"api": TrueStart()})
    assert not any("port" in clause for clause in summarise(run, samples).conditions)
    run = replace(run, manifest={**run.manifest, "port_poll_ms": 7.0})
    assert "port polled every 7 ms" in summarise(run, samples).conditions


def test_few_cold_starts_settle_nothing() -> None:
    found = summary(SpawnPlan(3), api=TrueStart(800), function=TrueStart(1200))
    assert found.verdict is not None
    assert found.verdict.outcome is Outcome.INCONCLUSIVE
    assert "at least 6" in found.verdict.sentence


def test_only_steps_in_which_both_were_cold_are_pairs() -> None:
    found = summary(LADDER, api=TrueStart(idle_s=600), function=TrueStart(idle_s=1200))
    assert found.verdict is not None
    assert found.verdict.pairs[0].effect.n == 4


def test_a_run_that_was_cut_off_is_read_from_its_progress() -> None:
    run, samples = cold_run(LADDER, {"api": TrueStart()}, RunState.LOST, done=7)
    side = summarise(run, samples).endpoints[0]
    assert len(side.probes) == 7
    assert all(probe.idle_s is not None for probe in side.probes)


def test_a_run_without_any_probe_can_be_shown() -> None:
    run, samples = cold_run(LADDER, {"api": TrueStart(), "function": TrueStart()}, RunState.LOST, done=0)
    found = summarise(run, samples)
    json.dumps(summary_document(found), allow_nan=False)
    print_coldstart(found, Console(quiet=True))


def test_the_document_holds_what_the_summary_says() -> None:
    found = summary(LADDER, api=TrueStart(), function=TrueStart(evidence=False))
    document = json.loads(json.dumps(summary_document(found), allow_nan=False))
    api = document["endpoints"]["api"]
    assert api["cold_ms"]["p50"]["n"] == len(api["cold_values_ms"]) == 8
    assert api["threshold_s"]["sharp"] is True
    assert [gap["cold"] for gap in api["gaps"]] == [0, 0, 4, 4]
    assert document["endpoints"]["function"]["cold_word"] == "suspected cold"


def test_the_terminal_says_failures_first() -> None:
    console = Console(width=150)
    with console.capture() as capture:
        print_coldstart(summary(SPAWN, api=TrueStart(fails=(1,)), function=TrueStart()), console)
    text = capture.get()
    assert text.index("FastAPI: 1 of 12 failed") < text.index("cold p50 (ms)")
    assert "first request, median (ms)" in text


def test_a_run_of_cold_starts_survives_export_and_import() -> None:
    run, samples = cold_run(LADDER, {"api": TrueStart(), "function": TrueStart()})
    again, same = run_from_document(json.loads(json.dumps(run_to_document(run, samples))))
    assert np.array_equal(same["service_ms"], samples["service_ms"])
    assert again.is_imported
    assert summary_document(summarise(replace(again, is_imported=False), same)) == summary_document(
        summarise(run, samples)
    )
