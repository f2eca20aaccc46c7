"""The Runs page: the whole record to find, open, name, compare, take along and delete."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.coldstart.plan import SpawnPlan
from benchmark.record.plan import ComparePlan
from benchmark.record.recording import add_finished_run
from benchmark.record.run import RunState
from benchmark.record.store import FILE_NAME, Store
from benchmark.reports.export import run_to_document
from dashboard.views.runs.page import matches
from tests.benchmark.cold_runs import TrueStart, cold_run
from tests.dashboard.page import Page
from tests.dashboard.runs import LOAD, simulated

Visit = Callable[..., Page]


@pytest.fixture
def store(results_dir: Path) -> Store:
    return Store(results_dir)


@pytest.fixture
def page(visit: Visit, nobody: str) -> Page:
    return visit(nobody, nobody).at("runs")


def record(store: Store, name: str, plan: Any = None, state: RunState = RunState.FINISHED, kind: str = "") -> str:
    run, samples = simulated(plan or ComparePlan(pairs=20, warmup=0))
    run = replace(run, name=name, state=state, kind=kind or run.kind)
    add_finished_run(store, run, samples)
    return run.id


def listed(page: Page) -> list[str]:
    """The names of the runs on the page, in their order."""
    return [link.proto.label.strip("*") for link in page.links()]


def test_an_empty_record_says_what_to_do(page: Page) -> None:
    assert "No runs yet: start one on the Benchmark page" in page.open().read()


def test_runs_of_every_kind_and_state_are_listed_the_newest_first(page: Page, store: Store) -> None:
    record(store, "first")
    record(store, "second", LOAD, RunState.CANCELLED)
    last = record(store, "third", kind="selftest")
    page.open()
    assert listed(page) == ["third", "second", "first"]
    text = page.read()
    assert "Cancelled" in text and "selftest · 40 requests" in text
    link: Any = page.links()[0]
    assert (link.proto.page, link.proto.query_string) == ("benchmark", f"run={last}")


def test_the_filter_finds_by_every_word(page: Page, store: Store) -> None:
    record(store, "Frankfurt evening")
    record(store, "Frankfurt morning", LOAD)
    page.open()
    page.app.text_input(key="filter").set_value("frankfurt load")
    page.rerun()
    assert listed(page) == ["Frankfurt morning"]
    page.app.text_input(key="filter").set_value("paris")
    page.rerun()
    assert "No runs match the filter." in page.read()
    run, _ = simulated()
    assert matches(run, "cloud function") and matches(run, run.id) and matches(run, "") and not matches(run, "xyz")


def test_a_long_list_is_shown_in_parts(page: Page, store: Store) -> None:
    for number in range(18):
        record(store, f"run {number}")
    page.open()
    assert len(listed(page)) == 15
    page.press("Show more")
    assert len(listed(page)) == 18


def test_a_run_gets_a_name(page: Page, store: Store) -> None:
    run_id = record(store, "old")
    page.app.session_state[f"manage-{run_id}"] = True
    page.open()
    page.app.text_input(key=f"name-{run_id}").set_value("new")
    page.rerun()
    assert store.run(run_id).name == "new"
    assert listed(page) == ["new"]


def test_a_run_is_deleted_only_after_a_confirmation(page: Page, store: Store) -> None:
    kept, run_id = record(store, "kept"), record(store, "gone")
    page.app.session_state[f"manage-{run_id}"] = True
    page.open()
    assert page.app.button(key=f"delete-{run_id}").disabled
    page.app.checkbox(key=f"sure-{run_id}").check()
    page.rerun()
    page.press("Delete this run")
    assert [run.id for run in store.runs()] == [kept]
    assert listed(page) == ["kept"]


def test_two_ticked_runs_are_compared_by_what_differs(page: Page, store: Store) -> None:
    first = record(store, "small", ComparePlan(pairs=20, warmup=0))
    second = record(store, "large", ComparePlan(pairs=60, warmup=0))
    third = record(store, "other")
    page.open()
    page.app.checkbox(key=f"pick-{first}").check()
    page.rerun()
    page.app.checkbox(key=f"pick-{second}").check()
    page.rerun()
    assert page.app.query_params["compare"] == f"{first},{second}"
    text = page.read("compared")
    assert "| plan.pairs | 20 | 60 |" in text
    assert "plan.seed" not in text
    assert page.app.checkbox(key=f"pick-{third}").disabled
    shared = Page().at("runs").open(compare=f"{first},{second}")
    assert shared.read("compared") == text
    page.press("Close")
    assert not page.has("compared")


def test_two_ticks_at_once_are_both_kept(page: Page, store: Store) -> None:
    first, second = record(store, "first"), record(store, "second")
    page.open()
    for run_id in (first, second):
        page.app.checkbox(key=f"pick-{run_id}").check()
    page.rerun()
    assert set(page.app.query_params["compare"].split(",")) == {first, second}
    assert page.has("compared")
    page.app.checkbox(key=f"pick-{first}").uncheck()
    page.rerun()
    assert page.app.query_params["compare"] == second


def test_a_tick_is_kept_that_the_address_does_not_say_yet(page: Page, store: Store) -> None:
    first, second = record(store, "first"), record(store, "second")
    page.open()
    page.app.checkbox(key=f"pick-{first}").check()
    page.rerun()
    page.app.query_params["compare"] = ""  # as a browser sends it that was clicked on twice in no time
    page.app.checkbox(key=f"pick-{second}").check()
    page.rerun()
    assert set(page.app.query_params["compare"].split(",")) == {first, second}


def test_the_list_says_where_it_ends_and_what_is_behind_it_can_be_compared(
    page: Page, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.views.runs.page._NEWEST", 2)
    oldest = record(store, "oldest", ComparePlan(pairs=30, warmup=0))
    record(store, "middle")
    newest = record(store, "newest")
    page.open(compare=f"{oldest},{newest}")
    assert "2 of the newest 2 of 3 runs" in page.read()
    assert "| plan.pairs | 30 | 20 |" in page.read("compared")


def test_a_comparison_is_summarised_once(page: Page, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = record(store, "first"), record(store, "second")
    page.open(compare=f"{first},{second}")
    before = page.read("compared")
    monkeypatch.setattr("dashboard.components.reports.kind_of_run", None)
    assert page.rerun().read("compared") == before


def test_a_run_and_its_copy_do_not_differ(page: Page, store: Store) -> None:
    run, samples = simulated()
    for identity in ("aaaa0001", "aaaa0002"):
        add_finished_run(store, replace(run, id=identity), samples)
    page.open(compare="aaaa0001,aaaa0002")
    assert "No differences: every setting" in page.read("compared")


def test_a_run_that_was_exported_can_be_imported(page: Page, store: Store) -> None:
    run, samples = simulated()
    page.open()
    upload = page.app.file_uploader[0]
    upload.set_value(("run.json", json.dumps(run_to_document(run, samples)).encode(), "application/json"))
    page.rerun()
    assert [one.id for one in store.runs()] == [run.id]
    assert [toast.value for toast in page.app.toast] == [f"Run {run.id} was imported."]
    assert (store.run(run.id).is_imported, "Imported" in page.read(f"run-row-{run.id}")) == (True, True)


def test_a_run_that_was_imported_is_marked_found_renamed_and_deleted(page: Page, store: Store) -> None:
    run, samples = simulated()
    add_finished_run(store, replace(run, name="theirs", is_imported=True), samples)
    record(store, "ours")
    page.app.session_state[f"manage-{run.id}"] = True
    page.open()
    assert [run_id for run_id in (run.id, store.runs()[0].id) if "Imported" in page.read(f"run-row-{run_id}")] == [
        run.id
    ]
    page.app.text_input(key="filter").set_value("imported")
    page.rerun()
    assert listed(page) == ["theirs"]
    page.app.text_input(key=f"name-{run.id}").set_value("still theirs")
    page.rerun()
    assert (store.run(run.id).name, store.run(run.id).is_imported) == ("still theirs", True)
    page.app.checkbox(key=f"sure-{run.id}").check()
    page.rerun()
    page.press("Delete this run")
    assert [one.name for one in store.runs()] == ["ours"]


def test_a_dashboard_that_is_read_only_exports_and_compares_and_changes_nothing(
    visit: Visit, nobody: str, store: Store
) -> None:
    page = visit(nobody, nobody, READ_ONLY="1").at("runs")
    assert page.open().read().endswith("No runs yet.")
    first, second = record(store, "first"), record(store, "second")
    page.app.session_state[f"manage-{first}"] = True
    page.open(compare=f"{first},{second}")
    assert "This dashboard is read-only" in page.read()
    assert page.has("compared")
    assert [element.key for element in page.app.get("download_button")][:2] == [f"csv-{first}", f"json-{first}"]
    assert [one.label for one in page.app.text_input] == ["Filter"]
    assert not page.app.get("file_uploader")
    assert [button.label for button in page.app.button] == ["Close"]
    assert [one.label for one in page.app.checkbox] == [f"Compare {second}", f"Compare {first}"]


@pytest.mark.parametrize("content", [b"no json", b"[]", b'{"faceoff_run": 1}', b"[" * 100_000])
def test_a_file_that_is_no_run_is_refused(page: Page, store: Store, content: bytes) -> None:
    page.open()
    page.app.file_uploader[0].set_value(("run.json", content, "application/json"))
    page.rerun()
    assert [toast.value[:12] for toast in page.app.toast] == ["Not imported"]
    assert store.runs() == []


def test_a_damaged_record_is_a_notice(page: Page, results_dir: Path) -> None:
    results_dir.mkdir(parents=True)
    (results_dir / FILE_NAME).write_bytes(b"this is no database" * 50)
    page.open()
    assert any("The record cannot be read" in warning for warning in page.warnings())


def test_a_run_with_damaged_samples_is_listed_and_can_be_deleted(page: Page, store: Store) -> None:
    run, _ = simulated()
    store.create_run(run, b"damaged")
    whole = record(store, "whole")
    page.app.session_state[f"manage-{run.id}"] = True
    page.open(compare=f"{run.id},{whole}")
    assert "These runs cannot be compared: damaged samples" in page.read("compared")
    page.app.checkbox(key=f"sure-{run.id}").check()
    page.rerun()
    page.press("Delete this run")
    assert [one.id for one in store.runs()] == [whole]


def test_cold_starts_are_listed_but_not_compared(page: Page, store: Store) -> None:
    run, samples = cold_run(SpawnPlan(3), {"api": TrueStart(), "function": TrueStart()})
    add_finished_run(store, run, samples)
    page.open()
    assert listed(page) == [f"Cold start {run.id}"]
    link: Any = page.links()[0]
    assert (link.proto.page, link.proto.query_string) == ("coldstart", f"run={run.id}")
    assert [box.disabled for box in page.app.checkbox] == [True]


def test_a_link_that_compares_cold_starts_says_that_they_cannot_be(page: Page, store: Store) -> None:
    cold, samples = cold_run(SpawnPlan(3), {"api": TrueStart(), "function": TrueStart()})
    add_finished_run(store, cold, samples)
    add_finished_run(store, *simulated())
    warm = next(run for run in store.runs() if run.id != cold.id)
    page.open(compare=f"{cold.id},{warm.id}")
    assert not page.app.exception
    assert [error.value for error in page.app.error] == [
        f"Only comparisons and loads can be compared, not Cold start {cold.id}."
    ]
