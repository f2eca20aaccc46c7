"""The Benchmark page in all its states: planning, a run of another process, its report, and what goes wrong."""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.__main__ import main
from benchmark.coldstart.plan import IdleSweepPlan, SpawnPlan
from benchmark.launch import Launcher
from benchmark.record.plan import ComparePlan, PlanError, Stage, StagedPlan
from benchmark.record.recording import add_finished_run
from benchmark.record.run import Run, RunState
from benchmark.record.samples import Samples, empty, pack
from benchmark.record.store import FILE_NAME, Store
from benchmark.summary.summarise import summarise
from dashboard.components import markup
from dashboard.components import run_text as say
from inference.card import ModelCard
from tests.benchmark.cards import make_service, tea_outputs
from tests.benchmark.cold_runs import TrueStart, cold_run
from tests.benchmark.little_server import LittleServer, serving
from tests.dashboard.conftest import Serve
from tests.dashboard.page import Page
from tests.dashboard.runs import GENERATOR, LOAD, end_run, from_workers, live_view, simulated, with_trouble

Visit = Callable[..., Page]
PATIENCE_S = 60.0
SECRET = "hush-hush"  # noqa: S105


@pytest.fixture
def twins(serve: Serve, tea: ModelCard) -> tuple[LittleServer, LittleServer]:
    return serve(serving(make_service(tea, tea_outputs))), serve(serving(make_service(tea, tea_outputs)))


@pytest.fixture
def page(visit: Visit, twins: tuple[LittleServer, LittleServer]) -> Page:
    """The page over two healthy endpoints."""
    return visit(*(server.url for server in twins)).at("benchmark")


@pytest.fixture(autouse=True)
def nothing_goes_on(visit: Visit, twins: tuple[LittleServer, LittleServer]) -> Iterator[None]:
    """A run that a test started is over when the test is, and before its endpoints are."""
    yield
    end_run(PATIENCE_S)


def record(store: Store, found: tuple[Run, Samples]) -> str:
    add_finished_run(store, *found)
    return found[0].id


def test_the_report_has_what_each_worker_sent_lost_and_saw(page: Page, store: Store) -> None:
    page.open(run=record(store, from_workers()))
    shown = page.read("workers")
    assert "worker-1" in shown and "worker-4" in shown
    assert "Worker worker-1 was lost: it did not answer within 5 s." in shown
    assert "worker-2 :orange[**limited**]" in shown
    assert "from 3 of 4 workers (worker-2, worker-3 and worker-4)" in page.read("verdict")
    assert page.has("chart-workers")
    assert not page.open(run=record(store, simulated(LOAD))).has("workers")


def test_a_run_of_several_workers_is_shown_live_without_reading_its_rows(page: Page, store: Store) -> None:
    run, _ = from_workers()
    store.create_run(replace(run, id="ab000002", state=RunState.RUNNING, outcome={}))
    progress = {"done": 500, "total": 900, "phase": "measuring", "elapsed_s": 9.0, "live": live_view()}
    store.append("ab000002", b"no rows", progress)
    shown = page.open(run="ab000002")
    assert "Latency in the last seconds" in shown.read("chart-time")
    assert "cannot be read" not in shown.read()


def test_a_dashboard_that_is_read_only_shows_runs_and_starts_none(
    visit: Visit, twins: tuple[LittleServer, LittleServer], store: Store
) -> None:
    page = visit(*(server.url for server in twins), READ_ONLY="1").at("benchmark").open()
    assert "This dashboard is read-only" in page.read() and not page.has("plan")
    assert [button.label for button in page.app.button] == ["Show a simulated run"]
    run, samples = simulated()
    record(store, (run, samples))
    assert page.open(run=run.id).has("verdict")
    store.create_run(replace(run, id="ab000001", state=RunState.RUNNING, outcome={}))
    page.open(run="ab000001")
    assert page.has("progress") and "Cancel" not in page.read()
    assert [request.path for server in twins for request in server.requests] == []


def test_an_imported_run_is_shown_as_one(page: Page, store: Store) -> None:
    run, samples = simulated()
    record(store, (replace(run, is_imported=True), samples))
    assert "Imported" in page.open(run=run.id).read("run-head")


def rerun_until(page: Page, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while what not in page.read():
        assert time.monotonic() < deadline, f"{what!r} did not come:\n{page.read()}"
        time.sleep(0.1)
        page.rerun()


def errors(page: Page) -> str:
    return "\n".join(text.readable for text in page.texts() if text.kind == "error")


# --- Planning


def test_a_first_visit_says_what_to_do_and_what_a_run_will_send(
    page: Page, twins: tuple[LittleServer, LittleServer]
) -> None:
    text = page.open().read()
    assert "press **Start**" in text and "Show a simulated run" in text
    assert "requests to FastAPI and Cloud Function, about " in page.read("estimate")
    assert not page.warnings()
    assert [server.paths("POST") for server in twins] == [[], []]


def test_the_estimate_follows_the_plan(page: Page) -> None:
    page.open()
    page.app.number_input(key="pairs").set_value(30)
    page.rerun()
    assert "100 requests" in page.read("estimate")  # with the warm-up
    page.app.session_state["kind"] = "rate"
    page.rerun()
    page.app.number_input(key="duration").set_value(7)
    page.rerun()
    assert "700 requests to FastAPI and Cloud Function, about 7 s" in page.read("estimate")
    page.app.session_state["kind"] = "callers"
    page.rerun()
    page.app.number_input(key="total").set_value(100)
    page.rerun()
    assert "200 requests" in page.read("estimate")


def test_an_endpoint_that_does_not_answer_is_named_before_the_start(visit: Visit, nobody: str) -> None:
    page = visit(nobody, nobody).at("benchmark").open()
    assert "did not answer" in page.read("plan")
    assert "duration unknown" in page.read("estimate")


def test_a_plan_beyond_the_limits_is_refused_in_a_sentence(page: Page) -> None:
    page.open()
    page.app.number_input(key="pairs").set_value(100_000)
    page.app.number_input(key="warmup").set_value(1000)
    page.rerun()
    page.press("Start")
    assert "Not started: 202000 requests exceed the maximum of 200000" in errors(page)


# --- A run


def test_a_run_goes_from_start_to_report_and_survives_the_session(page: Page, store: Store) -> None:
    page.open()
    page.app.number_input(key="pairs").set_value(80)
    page.app.number_input(key="goodput-ms").set_value(5000.0)
    page.rerun()
    page.press("Start")
    rerun_until(page, "Finished")
    (run_id,) = (run.id for run in store.runs())
    assert store.run(run_id).state is RunState.FINISHED
    assert "n = 80" in page.read("verdict")
    assert "within 5000 ms" in page.read("card-api")
    other = Page().at("benchmark").open(run=run_id)
    assert other.read("verdict") == page.read("verdict")


def test_a_run_that_goes_on_is_shown_to_whoever_comes_and_can_be_cancelled(page: Page, store: Store) -> None:
    page.open()
    page.app.session_state["kind"] = "rate"
    page.rerun()
    page.app.number_input(key="duration").set_value(600)
    page.rerun()
    page.press("Start")
    rerun_until(page, "of 60\N{NARROW NO-BREAK SPACE}000 requests")
    late = Page().at("benchmark").open()
    assert "Latency so far" in late.read()
    assert next(button for button in late.app.button if button.label == "Start").disabled
    late.press("Cancel")
    rerun_until(late, "This run was cancelled")
    (run,) = store.runs()
    assert run.state is RunState.CANCELLED
    assert not next(button for button in late.app.button if button.label == "Start").disabled


def test_a_run_that_cannot_begin_says_why(visit: Visit, nobody: str) -> None:
    page = visit(nobody, nobody).at("benchmark").open()
    page.press("Start")
    rerun_until(page, "The run did not start: no endpoint gives a model card")
    page.press("Show all runs")
    assert "Show a simulated run" in page.read()


def test_tokens_and_names_reach_the_run_and_stay_out_of_the_record(
    visit: Visit, twins: tuple[LittleServer, LittleServer], store: Store
) -> None:
    page = visit(*(one.url for one in twins), API_TOKEN=SECRET, API_NAME="Mine").at("benchmark").open()
    page.app.number_input(key="pairs").set_value(6)
    page.rerun()
    page.press("Start")
    rerun_until(page, "Finished")
    sent = {request.headers.get("authorization") for request in twins[0].requests if request.method == "POST"}
    assert sent == {f"Bearer {SECRET}"}
    assert SECRET not in (json.dumps(dict(store.runs()[0].manifest)) + page.read())
    assert "**Mine**" in page.read("card-api")


# --- The report


@pytest.mark.parametrize("plan", [None, LOAD], ids=["compare", "load"])
def test_the_figures_of_the_page_are_those_of_the_command_line(
    page: Page, store: Store, results_dir: Path, plan: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = record(store, simulated(plan))
    page.open(run=run_id)
    capsys.readouterr()
    assert main(["show", run_id, "--json", "-", "--results", str(results_dir)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"]["sentence"] in page.read("verdict")
    assert f"n = {said['difference']['n']}" in page.read("verdict")
    for key in ("api", "function"):
        figures = said["endpoints"][key]
        latency = figures["response_ms" if plan else "service_ms"]
        assert page.metrics(key) == {f"{name} (ms)": markup.duration(latency[name]["value"]) for name in latency}
        text = page.read(f"card-{key}")
        for figure in latency.values():
            if figure["low"] is not None:
                assert f"{markup.duration(figure['low'])} to {markup.duration(figure['high'])}" in text
        assert f"n = {markup.count(figures['n'])}" in text
    difference = page.figure("difference")["data"][0]
    assert difference["x"][0] == pytest.approx(said["difference"]["value_ms"])
    tail = page.figure("tail")["data"][1]
    estimable = [
        one for one in said["endpoints"]["api"]["response_ms" if plan else "service_ms"].values() if one["low"]
    ]
    assert tail["y"] == pytest.approx([one["value"] for one in estimable])


def test_errors_come_before_the_verdict(page: Page, store: Store) -> None:
    run, samples = simulated()
    details = {"failure_details": {"function": {"timeout": "no answer within 10 s"}}}
    page.open(run=record(store, (replace(run, outcome={**run.outcome, **details}), with_trouble(samples))))
    assert "Cloud Function** failed 2 of 100 requests: 2 timeout (no answer within 10 s). 98% available" in errors(page)
    texts = [text.readable for text in page.texts()]
    failed = next(index for index, text in enumerate(texts) if "failed 2 of 100" in text)
    verdict = next(index for index, text in enumerate(texts) if "paired median" in text)
    assert failed < verdict
    assert "1 cold start" in page.read("card-api")


def test_a_limited_run_begins_with_a_warning_and_claims_nothing(page: Page, store: Store) -> None:
    limited = {**GENERATOR, "limited": True, "reasons": ["its event loop was 40 ms late (p99)"]}
    page.open(run=record(store, simulated(generator=limited)))
    assert any("The client was the limit: its event loop was 40 ms late" in warning for warning in page.warnings())
    texts = [text.readable for text in page.texts()]
    warning = next(index for index, text in enumerate(texts) if "this run claims nothing" in text)
    verdict = next(index for index, text in enumerate(texts) if "does not show whether" in text)
    assert warning < verdict
    said = page.read("verdict")
    assert "No verdict" in said and "the client was the limit" in said
    assert not any(claim in said for claim in ("Winner", "Equivalent", "faster:"))
    notes = [note["text"] for note in page.figure("time")["layout"]["annotations"]]
    assert notes == ["client overhead 0.5 ms"]


def test_conditions_are_beside_the_figures(page: Page, store: Store) -> None:
    page.open(run=record(store, simulated()))
    text = page.read("chart-fairness")
    assert "2 of 10 conditions differ or are unknown" in text
    assert "| vCPU | 1 | 2 | :orange[**differs**] |" in text


def test_an_aborted_load_in_stages_says_why_and_shows_what_each_stage_was(page: Page, store: Store) -> None:
    plan = StagedPlan((Stage(5.0, 40.0), Stage(2.0, 100.0)), goodput_ms=60.0)
    run, samples = simulated(plan)
    counted = {"bodies": 3, "unstable": 0, "instances": [{"id": "abc", "compared": 300, "changed": 4}]}
    why = "error_rate>0.05: API had 0.12 in the last 10 s (n = 240)"
    outcome = {**run.outcome, "reason": why, "correctness": {"api": counted}}
    page.open(run=record(store, (replace(run, state=RunState.ABORTED, outcome=outcome), samples)))
    (warning,) = page.warnings()
    assert warning.startswith(say.ENDINGS[RunState.ABORTED]) and f"Limit: {why}." in warning
    assert "2: 100/s for 2 s" in page.read("stages")
    assert "% within 60 ms" in page.read("card-api")
    assert "Answers changed under load: 4 of 300" in page.read("card-api")


@pytest.mark.parametrize("state", [RunState.CANCELLED, RunState.FAILED, RunState.LOST])
def test_a_run_that_did_not_finish_says_so(page: Page, store: Store, state: RunState) -> None:
    run, samples = simulated(ComparePlan(pairs=3, warmup=0))
    page.open(run=record(store, (replace(run, state=state, outcome={}), samples)))
    assert say.ENDINGS[state] in page.warnings()
    assert "Inconclusive" in page.read("verdict")
    assert "no interval: too few" in page.read("card-api")


def test_a_run_without_a_single_request_has_no_charts(page: Page, store: Store) -> None:
    run, _ = simulated()
    page.open(run=record(store, (replace(run, state=RunState.CANCELLED), empty())))
    assert page.metrics("api") == dict.fromkeys(("p50 (ms)", "p95 (ms)", "p99 (ms)"), markup.NOTHING)
    assert not page.has("figure-time")


def test_a_load_of_one_endpoint_has_figures_and_no_verdict(page: Page, store: Store) -> None:
    run, samples = simulated(LOAD)
    manifest = {**run.manifest, "endpoints": run.manifest["endpoints"][:1], "facts": {"api": {}}}
    alone = replace(run, manifest=manifest)
    page.open(run=record(store, (alone, samples[samples["endpoint"] == 0])))
    assert page.metrics("api")["p50 (ms)"] == markup.duration(
        summarise(*simulated(LOAD)).endpoints[0].latency_ms[0].value
    )
    assert not page.has("verdict")


def test_the_simulated_run_is_shown_without_being_recorded(page: Page, store: Store) -> None:
    page.open().press("Show a simulated run")
    assert "This run is simulated" in page.read()
    assert "First (simulated) answers faster" in page.read("verdict")
    assert store.runs() == []
    assert all(math.isfinite(value) for value in page.figure("time")["data"][0]["y"])


def test_a_new_name_is_shown_at_once_and_costs_no_new_summary(
    page: Page, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = record(store, simulated())
    page.open(run=run_id)
    verdict = page.read("verdict")
    store.rename_run(run_id, "Before the change")
    monkeypatch.setattr("dashboard.components.reports.kind_of_run", None)
    page.rerun()
    assert "**Before the change**" in page.read("run-head")
    assert page.read("verdict") == verdict


def test_a_run_that_was_lost_is_shown_whole_when_it_has_come_back(page: Page, store: Store) -> None:
    run, samples = simulated()
    first, rest = samples[: len(samples) // 2], samples[len(samples) // 2 :]
    page.open(run=record(store, (replace(run, state=RunState.LOST, outcome={}), first)))
    assert say.ENDINGS[RunState.LOST] in page.warnings()
    store.append(run.id, pack(rest), run.progress)
    store.finish(run.id, RunState.FINISHED, run.outcome)
    page.rerun()
    assert "Finished" in page.read("run-head")
    assert not page.warnings()
    assert f"n = {summarise(run, samples).endpoints[0].n}" in page.read("card-api")


def test_a_run_that_was_deleted_and_imported_again_is_read_again(page: Page, store: Store) -> None:
    run, samples = simulated()
    page.open(run=record(store, (run, samples)))
    before = page.metrics("api")
    store.delete_run(run.id)
    slower = samples.copy()
    slower["service_ms"] *= 3
    record(store, (run, slower))
    assert page.rerun().metrics("api") != before


def test_a_cancel_that_reaches_no_process_says_so(page: Page, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.create_run(replace(simulated()[0], state=RunState.RUNNING))
    monkeypatch.setattr(Launcher, "cancel", lambda *_: False)
    page.open().press("Cancel")
    assert [toast.value[:14] for toast in page.app.toast] == ["Not cancelled:"]


def test_a_start_is_possible_as_soon_as_the_other_run_is_over(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["beef"] * 2  # the button and the look whether it goes on, and then again
    monkeypatch.setattr(Launcher, "running", lambda _: answers.pop(0) if answers else None)
    page.open()
    assert page.app.button(key="start").disabled
    assert "only one can run at a time" in page.read("plan")
    answers = ["beef"]
    assert not page.rerun().app.button(key="start").disabled


def test_a_plan_that_makes_no_sense_keeps_the_name_that_was_typed(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    page.open()
    page.app.text_input(key="name").set_value("Evening")

    def refuse(*_: object, **__: object) -> None:
        raise PlanError("a run needs HTTP/1.1")

    with monkeypatch.context() as broken:
        broken.setattr("dashboard.views.benchmark.planning.ComparePlan", refuse)
        page.rerun()
        assert "A run needs HTTP/1.1." in errors(page)
        assert page.app.button(key="start").disabled
    assert page.rerun().app.text_input(key="name").value == "Evening"


def test_a_run_of_another_version_does_not_stop_the_estimate(page: Page, store: Store) -> None:
    run, samples = simulated()
    record(store, (replace(run, manifest={**run.manifest, "plan": {"kind": "of tomorrow"}}), samples))
    assert "requests to FastAPI and Cloud Function, about " in page.open().read("estimate")


def test_watching_a_run_does_not_switch_live_comparing_on(
    page: Page, store: Store, twins: tuple[LittleServer, LittleServer]
) -> None:
    run, samples = simulated()
    store.create_run(replace(run, state=RunState.RUNNING))
    store.append(run.id, pack(samples), {"done": 1, "total": 9})
    page.open()
    assert "Latency so far" in page.read()
    page.at("predict").rerun()
    assert not next(toggle for toggle in page.app.toggle if toggle.label == "Live").value
    assert [server.paths("POST") for server in twins] == [[], []]


# --- What goes wrong


def test_an_unknown_run_is_named(page: Page) -> None:
    page.open(run="beef")
    assert page.warnings() == ["There is no run beef in the record: it may have been deleted."]


def test_markup_in_a_name_is_shown_as_it_is(page: Page, store: Store) -> None:
    run, samples = simulated()
    page.open(run=record(store, (replace(run, name="# <b>bold</b> :red[x]"), samples)))
    assert r"\# \<b\>bold\</b\> \:red\[x\]" in "\n".join(text.markdown for text in page.texts())


def test_a_damaged_record_is_a_notice_and_the_page_still_works(page: Page, results_dir: Path) -> None:
    results_dir.mkdir(parents=True)
    (results_dir / FILE_NAME).write_bytes(b"this is no database" * 50)
    page.open()
    assert any("The record cannot be read" in warning for warning in page.warnings())
    assert "Show a simulated run" in page.read()
    page.press("Start")
    assert "Not started: the record cannot be used" in errors(page)
    page.press("Show a simulated run")
    assert "answers faster" in page.read("verdict")


def test_damaged_samples_are_a_notice(page: Page, store: Store) -> None:
    run, _ = simulated()
    store.create_run(run, b"damaged")
    page.open(run=run.id)
    assert f"Run {run.id} cannot be read: damaged samples" in errors(page)


def test_cold_starts_are_named_here_and_shown_on_their_own_page(page: Page, store: Store) -> None:
    run, samples = cold_run(IdleSweepPlan(2, idle_s=(60.0,)), {"api": TrueStart(), "function": TrueStart(1200)})
    add_finished_run(store, run, samples)
    page.open()
    link: Any = page.links()[0]
    assert (link.proto.page, link.proto.query_string) == ("coldstart", f"run={run.id}")
    assert f"Cold start {run.id}" in link.proto.label
    assert not page.app.exception
    page.open(run=run.id)
    assert "is a cold start run. It has its own page" in page.read()
    assert not page.app.exception


def test_an_address_that_means_no_plan_gives_the_usual_one(page: Page) -> None:
    page.open(kind="nope", pairs="abc", seed="-4", connection="[]", **{"margin-ms": "1e99"})
    numbers = {number.label: number.value for number in page.app.number_input}
    assert (numbers["Pairs"], numbers["Random seed"]) == (500, 0)
    assert not page.app.button(key="start").disabled


def test_nothing_starts_while_cold_starts_are_measured(page: Page, store: Store) -> None:
    run, _ = cold_run(SpawnPlan(2), {"api": TrueStart()})
    store.create_run(replace(run, state=RunState.RUNNING))
    page.open()
    assert page.app.button(key="start").disabled
    assert "run" not in page.app.query_params
