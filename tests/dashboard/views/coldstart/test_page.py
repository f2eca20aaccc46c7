"""The Cold start page in a session without a browser, over a record with runs whose truth is known."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from benchmark.coldstart.plan import ColdPlan, ForcedPlan, IdleSweepPlan, SpawnPlan
from benchmark.endpoints.endpoint import Endpoint
from benchmark.launch import Launcher
from benchmark.record.recording import add_finished_run
from benchmark.record.run import Run, RunState
from benchmark.record.samples import pack
from benchmark.record.store import Store, StoreError, UnknownRun
from benchmark.reports.export import run_to_document
from dashboard import resources
from tests.benchmark.cold_runs import TrueStart, cold_run
from tests.benchmark.forged import FORGED, touching
from tests.dashboard.page import Page

SCRIPT = "from dashboard.views.coldstart import page\npage.page()"
API, FUNCTION = "http://127.0.0.1:1", "http://127.0.0.1:2"
BOTH = {"api": TrueStart(), "function": TrueStart(1200)}
Visit = Callable[..., Page]


@pytest.fixture
def cold(visit: Visit, tmp_path: Path) -> Visit:
    """The page, opened with this query and these variables."""

    def cold(query: str = "", **variables: str) -> Page:
        st.cache_resource.clear()  # as a dashboard that was started with these variables
        page = visit(API, FUNCTION, **{"FUNCTION_DIR": str(tmp_path), **variables})
        page.app = AppTest.from_string(SCRIPT, default_timeout=60)
        return page.open(**({"run": query} if query else {}))

    return cold


def keep(results_dir: Path, plan: ColdPlan, run_id: str = "c01dc01d", **changes: object) -> Run:
    run, samples = cold_run(plan, BOTH)
    run = replace(run, id=run_id, **changes)  # type: ignore[arg-type]
    add_finished_run(Store(results_dir), run, samples)
    return run


def test_an_empty_record_says_what_to_do(cold: Visit) -> None:
    page = cold()
    assert "No cold starts measured yet" in page.read()
    assert "About 60 s, 240 requests on this machine." in page.read("inputs")
    assert not page.has("figure-populations")


def test_a_run_of_spawned_programs_is_shown_by_its_address(cold: Visit, results_dir: Path) -> None:
    keep(results_dir, SpawnPlan(12))
    page = cold("c01dc01d")
    block = page.app.get_by_key("card-api")
    assert [metric.label for metric in block.metric] == [
        "Cold p50 (ms)",
        "Slowest cold (ms)",
        "Warm p50 (ms)",
        "Cold / warm",
    ]
    assert "n = 12" in page.read("card-api")
    assert "model load 30.0 ms" in page.read("card-api")
    assert "FastAPI answers faster" in page.read("verdict")
    assert "Page cache warm" in page.read("chart-conditions")
    for chart in ("populations", "split", "order"):
        assert page.figure(chart)["data"], chart
    assert not page.has("figure-idle")


def test_the_runtime_of_each_endpoint_is_beside_its_cold_starts(cold: Visit, results_dir: Path) -> None:
    run, samples = cold_run(SpawnPlan(4), BOTH)
    for number, (reported, shown) in enumerate(
        ((("sklearn", "linear"), ("scikit-learn", "linear")), ((None, "*<b>"), ("not reported", "*<b>")))
    ):
        facts = {key: {"runtime": one} for key, one in zip(("api", "function"), reported, strict=True)}
        known = replace(run, id=f"c01dc01{number}", manifest={**run.manifest, "facts": facts})
        add_finished_run(Store(results_dir), known, samples)
        page = cold(known.id)
        for key, text in zip(("api", "function"), shown, strict=True):
            assert f"Runtime: {text}." in page.read(f"card-{key}")
            assert page.metrics(key)["Cold p50 (ms)"]
    assert "<b>" not in "".join(text.markdown for text in page.texts("card-function")).replace(r"\<", "")


def test_a_ladder_is_shown_with_its_threshold(cold: Visit, results_dir: Path) -> None:
    keep(results_dir, IdleSweepPlan(3, idle_s=(60.0, 900.0)))
    page = cold("c01dc01d")
    assert "FastAPI turns cold after" in page.read("card-api")
    for chart in ("idle", "share", "populations"):
        assert page.figure(chart)["data"], chart


def test_idle_gaps_that_make_no_sense_cannot_be_started(cold: Visit) -> None:
    page = cold()
    page.app.segmented_control[0].set_value("Idle sweep")
    page.rerun()
    assert "At least" in page.read("inputs")
    page.app.text_input[0].set_value("soon")
    page.rerun()
    assert "Idle gaps are like 1m,5m,30m" in page.read("inputs")
    assert page.app.button(key="cold_start").disabled


def test_the_command_that_forces_is_the_operators_alone(cold: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COMMAND", raising=False)
    page = cold()
    page.app.segmented_control[0].set_value("Forced")
    page.rerun()
    assert "Set the dashboard's FORCE_COMMAND" in page.read("inputs")
    assert page.app.button(key="cold_start").disabled
    assert len(page.app.text_input) == 0

    page = cold(FORCE_COMMAND="true secret")
    page.app.segmented_control[0].set_value("Forced")
    page.rerun()
    assert not page.app.button(key="cold_start").disabled
    assert "secret" not in page.read()


@pytest.mark.parametrize(
    ("mode", "plan"),
    [
        ("Local programs", SpawnPlan(20)),
        ("Idle sweep", IdleSweepPlan(5, idle_s=(60.0, 300.0, 900.0, 1800.0))),
        ("Forced", ForcedPlan(20)),
    ],
)
def test_starting_hands_the_plan_to_the_launcher(
    cold: Visit, monkeypatch: pytest.MonkeyPatch, mode: str, plan: ColdPlan
) -> None:
    started: list[tuple[ColdPlan, list[str]]] = []

    def start(_: Launcher, plan: ColdPlan, endpoints: Sequence[Endpoint], *, user: str) -> str:
        assert user == ""  # no proxy says who uses the page
        started.append((plan, [endpoint.url for endpoint in endpoints]))
        return "abcd0001"

    monkeypatch.setattr(Launcher, "start", start)
    page = cold(FORCE_COMMAND="true secret")
    page.app.segmented_control[0].set_value(mode)
    page.rerun().press("Start")
    assert started == [(plan, [API, FUNCTION])]
    assert page.app.query_params["run"] == "abcd0001"


def test_a_run_that_did_not_start_says_why_and_leaves_no_record(cold: Visit) -> None:
    page = cold(FORCE_COMMAND="true")
    page.app.segmented_control[0].set_value("Forced")
    page.rerun().press("Start")  # nobody listens at either address
    run_id = page.app.query_params["run"]
    deadline = time.monotonic() + 60
    while resources.launcher().is_alive(run_id):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    page.rerun()
    assert "The run did not start" in page.app.error[0].value
    assert "no endpoint gives a model card" in page.app.error[0].value


def test_nothing_starts_while_a_run_of_another_kind_goes_on(cold: Visit, results_dir: Path) -> None:
    Store(results_dir).create_run(Run("abcd0002", "load", "", RunState.RUNNING, "2026-05-04T03:02:01+00:00", {}))
    page = cold()
    assert page.app.button(key="cold_start").disabled
    assert "Run abcd0002 is in progress" in page.read("inputs")


@pytest.mark.parametrize("run_id", ["ffff0000", "../../etc/passwd", "<b>"])
def test_an_address_without_a_run_says_so(cold: Visit, run_id: str) -> None:
    assert "in the record: it may have been deleted" in cold(run_id).read()


def test_a_run_that_was_cut_off_offers_to_go_on(
    cold: Visit, results_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(results_dir, SpawnPlan(6), state=RunState.CANCELLED)
    resumed: list[str] = []
    monkeypatch.setattr(Launcher, "resume", lambda _, run, endpoints: resumed.append(run.id))
    page = cold("c01dc01d")
    page.press("Resume")
    assert resumed == ["c01dc01d"]


def test_a_run_that_was_imported_is_shown_as_one_and_cannot_go_on(cold: Visit, results_dir: Path) -> None:
    keep(results_dir, SpawnPlan(6), state=RunState.CANCELLED, is_imported=True)
    page = cold("c01dc01d")
    assert "Imported" in page.read("runhead")
    assert page.has("figure-populations")
    assert "Resume" not in page.read()


def test_a_forged_file_runs_nothing(cold: Visit, visit: Visit, results_dir: Path, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    document = run_to_document(*touching(touched)) | {"imported": False}
    page = visit(API, FUNCTION).at("runs").open()
    page.app.file_uploader[0].set_value(("run.json", json.dumps(document).encode(), "application/json"))
    page.rerun()
    (run,) = Store(results_dir).runs()
    assert (run.id, run.is_imported) == (FORGED, True)
    page = cold(FORGED)
    assert "Imported" in page.read("runhead") and "Resume" not in page.read()
    look_at(page, "page._resume", "resources.store().run('f0f0f0f0')")  # as a page would that was open before
    assert ["was imported" in toast.value for toast in page.app.toast] == [True]
    assert resources.launcher()._child is None
    assert not touched.exists()


def test_a_forged_record_runs_nothing(cold: Visit, results_dir: Path, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    add_finished_run(Store(results_dir), *touching(touched))
    page = cold(FORGED)
    page.press("Resume")
    deadline = time.monotonic() + 60
    while resources.launcher().is_alive(FORGED):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    page.rerun()
    assert "does not match the configured targets" in page.app.error[0].value
    assert not touched.exists()


# --- What is offered where


def offered(page: Page) -> list[str]:
    return [option for group in page.app.segmented_control for option in group.options]


def test_an_image_without_the_programs_offers_what_it_can_do(cold: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COMMAND", raising=False)
    assert offered(cold()) == ["Local programs", "Idle sweep", "Forced"]
    monkeypatch.setattr("benchmark.coldstart.local.ROOT", Path("/app/of/an/image"))
    page = cold()
    assert offered(page) == [], "there is nothing to choose between"
    assert [one.label for one in page.app.text_input] == ["Idle gaps"]
    assert not page.app.button(key="cold_start").disabled
    assert "Local programs" not in page.read()
    assert offered(cold(FORCE_COMMAND="true")) == ["Idle sweep", "Forced"]


def test_a_function_that_is_not_staged_is_said_before_anything_is_started(cold: Visit) -> None:
    page = cold(FUNCTION_DIR="/nowhere")
    assert "Function has no directory /nowhere: stage it with: make stage-function" in page.read("inputs")
    assert page.app.button(key="cold_start").disabled


def test_a_dashboard_that_is_read_only_shows_runs_and_starts_none(cold: Visit, results_dir: Path) -> None:
    keep(results_dir, SpawnPlan(6), state=RunState.CANCELLED)
    page = cold(READ_ONLY="1")
    assert "This dashboard is read-only" in page.read() and not page.has("inputs")
    page = cold("c01dc01d", READ_ONLY="1")
    assert page.has("figure-populations")
    assert [button.label for button in page.app.button] == []
    keep(results_dir, SpawnPlan(6), "c01dbbbb")
    Store(results_dir).create_run(replace(Store(results_dir).run("c01dbbbb"), id="c01dcccc", state=RunState.RUNNING))
    page = cold("c01dcccc", READ_ONLY="1")
    assert page.has("progress") and "Cancel" not in page.read()


def test_a_run_of_another_kind_is_not_shown_here(cold: Visit, results_dir: Path) -> None:
    keep(results_dir, SpawnPlan(6), kind="compare")
    assert "did not measure cold starts" in cold("c01dc01d").read()


def test_an_earlier_run_can_be_chosen(cold: Visit, results_dir: Path) -> None:
    keep(results_dir, SpawnPlan(6))
    keep(results_dir, IdleSweepPlan(3, idle_s=(60.0, 900.0)), "c01dbbbb")
    page = cold("c01dc01d")
    page.app.selectbox[0].set_value("c01dbbbb")
    page.rerun()
    assert page.has("figure-idle")
    assert page.app.query_params["run"] == "c01dbbbb"


def test_a_run_that_was_resumed_is_starting_until_its_process_is_in_the_record(
    cold: Visit, results_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Launcher, "is_alive", lambda *_: True)
    before = keep(results_dir, SpawnPlan(3), state=RunState.CANCELLED)
    page = cold("c01dc01d")
    assert page.has("figure-populations"), "its process has only not ended yet"
    monkeypatch.setattr(Launcher, "is_resuming", lambda _, run: run == before)
    assert "Starting" in page.rerun().read("progress")
    Store(results_dir).finish(before.id, RunState.FINISHED, before.outcome)
    assert page.rerun().has("figure-populations")


# --- What happens to the record between two looks


def look_at(page: Page, look: str, run: str = "'c01dc01d'") -> Page:
    imports = "from dashboard import resources\nfrom dashboard.components import following\n"
    page.app = AppTest.from_string(f"{imports}from dashboard.views.coldstart import page\n{look}({run})")
    return page.rerun()


def test_a_look_survives_a_record_that_is_busy(cold: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> Run:
        raise StoreError("the file is busy")

    page = cold()
    monkeypatch.setattr(Store, "run", busy)
    look_at(page, "following._progress")
    assert "the file is busy" in page.read()
    look_at(page, "following._live")
    assert not page.read()


def test_a_look_at_a_run_that_was_deleted_draws_the_whole_page_anew(
    cold: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles = [StoreError("the second time"), UnknownRun("there is no run c01dc01d")]

    def deleted(*_: object) -> Run:
        raise troubles.pop()

    page = cold()
    monkeypatch.setattr(Store, "run", deleted)
    look_at(page, "following._progress")
    assert "the second time" in page.read()


def test_a_run_that_was_lost_is_summarised_again_when_it_goes_on(cold: Visit, results_dir: Path) -> None:
    run, samples = cold_run(SpawnPlan(6), BOTH)
    half = len(samples) // 2
    add_finished_run(Store(results_dir), replace(run, id="c01dc01d", state=RunState.LOST), samples[:half])
    page = cold("c01dc01d")
    assert "n = 3" in page.read("card-api")
    Store(results_dir).append("c01dc01d", pack(samples[half:]), run.progress)
    assert "n = 6" in page.rerun().read("card-api")


def test_a_new_name_costs_no_new_summary(cold: Visit, results_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(results_dir, SpawnPlan(6))
    page = cold("c01dc01d")
    before = page.read("card-api")
    Store(results_dir).rename_run("c01dc01d", "Cold morning")
    monkeypatch.setattr("dashboard.components.reports.kind_of_run", None)
    page.rerun()
    assert "**Cold morning**" in page.read("runhead")
    assert page.read("card-api") == before
