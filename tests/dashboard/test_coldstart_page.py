"""The Cold start page in a session without a browser, over a record with runs whose truth is known."""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from benchmark.coldstart_plan import ColdPlan
from benchmark.recording import add_finished_run
from benchmark.run import Run, RunState
from benchmark.store import Store
from dashboard import launch
from tests.benchmark.cold_runs import TrueStart, cold_run
from tests.dashboard.page import Page

SCRIPT = "from dashboard.views import coldstart\ncoldstart.page()"
API, FUNCTION = "http://127.0.0.1:1", "http://127.0.0.1:2"
BOTH = {"api": TrueStart(), "function": TrueStart(1200)}
Visit = Callable[..., Page]


@pytest.fixture
def cold(visit: Visit) -> Visit:
    """The page, opened with this query and these variables."""

    def cold(query: str = "", **variables: str) -> Page:
        st.cache_resource.clear()  # as a dashboard that was started with these variables
        page = visit(API, FUNCTION, **variables)
        page.app = AppTest.from_string(SCRIPT, default_timeout=60)
        return page.open(**({"run": query} if query else {}))

    return cold


@pytest.fixture(autouse=True)
def _nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_processes", {})


def keep(results_dir: Path, plan: ColdPlan, run_id: str = "c01dc01d", **changes: object) -> Run:
    run, samples = cold_run(plan, BOTH)
    run = replace(run, id=run_id, **changes)  # type: ignore[arg-type]
    add_finished_run(Store(results_dir), run, samples)
    return run


def test_an_empty_record_says_what_to_do(cold: Visit) -> None:
    page = cold()
    assert "No cold start has been measured yet" in page.read()
    assert "About 60 s, 240 requests on this machine." in page.read("inputs")
    assert not page.has("figure-populations")


def test_a_run_of_spawned_programs_is_shown_by_its_address(cold: Visit, results_dir: Path) -> None:
    keep(results_dir, ColdPlan("spawn", 12))
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


def test_a_ladder_is_shown_with_its_threshold(cold: Visit, results_dir: Path) -> None:
    keep(results_dir, ColdPlan("ladder", 3, idle_s=(60.0, 900.0)))
    page = cold("c01dc01d")
    assert "FastAPI turns cold after" in page.read("card-api")
    for chart in ("idle", "share", "populations"):
        assert page.figure(chart)["data"], chart


def test_idle_gaps_that_make_no_sense_cannot_be_started(cold: Visit) -> None:
    page = cold()
    page.app.segmented_control[0].set_value("Idle ladder")
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
    assert "Set FORCE_COMMAND for the dashboard" in page.read("inputs")
    assert page.app.button(key="cold_start").disabled
    assert len(page.app.text_input) == 0

    page = cold(FORCE_COMMAND="true secret")
    page.app.segmented_control[0].set_value("Forced")
    page.rerun()
    assert not page.app.button(key="cold_start").disabled
    assert "secret" not in page.read()


@pytest.mark.parametrize(("mode", "words"), [("Idle ladder", ["--idle", "1m, 5m, 15m, 30m"]), ("Forced", ["--force"])])
def test_starting_runs_the_same_command_as_the_terminal(
    cold: Visit, monkeypatch: pytest.MonkeyPatch, mode: str, words: list[str], results_dir: Path
) -> None:
    started: list[tuple[list[str], str, dict[str, str]]] = []
    monkeypatch.setattr(launch, "start", lambda *given: started.append(given))
    page = cold(FORCE_COMMAND="true secret", API_NAME="Mine")
    page.app.segmented_control[0].set_value(mode)
    page.rerun().press("Start")
    ((command, run_id, environ),) = started
    assert command[:4] == [sys.executable, "-m", "benchmark", "coldstart"]
    assert command[-len(words) :] == words
    assert f"api={API}" in command
    assert "secret" not in " ".join(command)  # which everybody on this machine can read
    assert (environ["API_NAME"], environ["RESULTS_DIR"]) == ("Mine", str(results_dir))
    assert page.app.query_params["run"] == run_id


def test_a_run_that_did_not_start_says_why(cold: Visit, results_dir: Path) -> None:
    cold()
    code = "import sys; sys.exit('function has no directory: stage it with: make stage-function')"
    launch.start([sys.executable, "-S", "-c", code], "abcd0001", {"RESULTS_DIR": str(results_dir)})
    deadline = time.monotonic() + 20
    while launch.is_alive("abcd0001"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    page = cold("abcd0001")
    assert "make stage-function" in page.app.error[0].value


@pytest.mark.parametrize("run_id", ["ffff0000", "../../etc/passwd", "<b>"])
def test_an_address_without_a_run_says_so(cold: Visit, run_id: str) -> None:
    assert "There is no run of this id" in cold(run_id).read()


def test_a_run_that_was_cut_off_offers_to_go_on(
    cold: Visit, results_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(results_dir, ColdPlan("spawn", 6), state=RunState.CANCELLED)
    started: list[tuple[list[str], str]] = []
    monkeypatch.setattr(launch, "start", lambda *given: started.append(given[:2]))
    page = cold("c01dc01d")
    page.press("Resume")
    assert started[0][0][4:6] == ["--resume", "c01dc01d"]


def test_a_run_of_another_kind_is_not_shown_here(cold: Visit, results_dir: Path) -> None:
    keep(results_dir, ColdPlan("spawn", 6), kind="compare")
    assert "is no run of cold starts" in cold("c01dc01d").read()


def test_an_earlier_run_can_be_chosen(cold: Visit, results_dir: Path) -> None:
    keep(results_dir, ColdPlan("spawn", 6))
    keep(results_dir, ColdPlan("ladder", 3, idle_s=(60.0, 900.0)), "c01dbbbb")
    page = cold()
    page.app.selectbox[0].set_value("c01dbbbb")
    page.rerun()
    assert page.has("figure-idle")
    assert page.app.query_params["run"] == "c01dbbbb"
