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
from benchmark.record.store import FILE_NAME, RunQuery, Store
from benchmark.reports.export import run_to_document
from tests.benchmark.cold_runs import TrueStart, cold_run
from tests.dashboard.page import Page
from tests.dashboard.runs import LOAD, simulated
from tests.dashboard.runs_grid import Grid

Visit = Callable[..., Page]


@pytest.fixture
def page(visit: Visit, nobody: str) -> Page:
    return visit(nobody, nobody).at("runs")


def record(store: Store, name: str, plan: Any = None, state: RunState = RunState.FINISHED, kind: str = "") -> str:
    run, samples = simulated(plan or ComparePlan(pairs=20, warmup=0))
    run = replace(run, name=name, state=state, kind=kind or run.kind)
    add_finished_run(store, run, samples)
    return run.id


def shown(page: Page) -> list[str]:
    """The names of the runs in the table, in their order."""
    return Grid(page.open()).titles


def test_an_empty_record_says_what_to_do(page: Page) -> None:
    assert "No runs yet: start one on the Benchmark page" in page.open().read()


def test_runs_of_every_kind_and_state_are_listed_the_newest_first(page: Page, store: Store) -> None:
    record(store, "first")
    second = record(store, "second", LOAD, RunState.CANCELLED)
    last = record(store, "third", kind="selftest")
    grid = Grid(page.open())
    assert grid.titles == ["third", "second", "first"]
    assert "Cancelled" in grid.cell(second, "state") and grid.cell(last, "kind") == "selftest"
    assert grid.footer == "3 runs"
    assert next(grid.root.iter("a")).attrib["href"] == f"benchmark?run={last}"


def test_a_run_of_an_earlier_version_gets_its_figures_when_it_is_first_listed(page: Page, store: Store) -> None:
    run_id = record(store, "old", ComparePlan(pairs=400))
    assert store.find(RunQuery()).runs[0].verdict is None
    grid = Grid(page.open())
    found = store.find(RunQuery()).runs[0]
    assert found.verdict is not None and found.verdict.startswith("FastAPI faster by ")
    assert grid.cell(run_id, "verdict") == found.verdict
    assert [one.p50_ms is not None for one in found.endpoints] == [True, True]


def test_a_damaged_run_says_so_and_is_read_once(page: Page, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = simulated()
    store.create_run(run, b"damaged")
    assert Grid(page.open()).cell(run.id, "verdict") == "cannot be read"
    monkeypatch.setattr("dashboard.views.runs.page.read_headline", None)
    assert Grid(page.rerun()).cell(run.id, "verdict") == "cannot be read"


def test_a_run_in_progress_shows_how_far_it_is(page: Page, store: Store) -> None:
    run, _ = simulated()
    progress = {"done": 52, "total": 210, "phase": "measuring", "elapsed_s": 3.0}
    store.create_run(replace(run, state=RunState.RUNNING, progress=progress))
    grid = Grid(page.open())
    assert grid.cell(run.id, "verdict") == "24% of 210 requests"
    assert "disabled" in grid.box(run.id).attrib


def test_the_search_and_the_filters_find_by_every_word(page: Page, store: Store) -> None:
    record(store, "Frankfurt evening")
    record(store, "Frankfurt morning", LOAD, RunState.CANCELLED)
    page.open()
    page.app.text_input(key="search").set_value("frankfurt load")
    assert Grid(page.rerun()).titles == ["Frankfurt morning"]
    page.app.text_input(key="search").set_value("paris")
    assert "No runs match the filter." in page.rerun().read()
    page.app.text_input(key="search").set_value("")
    page.app.multiselect(key="kinds").set_value(["compare"])
    assert Grid(page.rerun()).titles == ["Frankfurt evening"]
    page.app.multiselect(key="states").set_value(["cancelled"])
    assert "No runs match the filter." in page.rerun().read()
    page.app.multiselect(key="kinds").set_value([])
    assert Grid(page.rerun()).titles == ["Frankfurt morning"]


def test_a_list_is_a_link(page: Page, store: Store) -> None:
    record(store, "b")
    record(store, "a")
    record(store, "c", LOAD)
    grid = Grid(page.open(kinds="compare", sort="name"))
    assert grid.titles == ["a", "b"]
    (head,) = (cell for cell in grid.root.iter("th") if cell.get("aria-sort"))
    assert (head.attrib["aria-sort"], head[0].text) == ("ascending", "Run")
    assert grid.click("sort-name").titles == ["b", "a"]
    assert page.app.query_params["sort"] == "-name"


def test_a_search_for_a_word_that_looks_like_a_number_is_kept(page: Page, store: Store) -> None:
    record(store, "nan")
    record(store, "other")
    assert Grid(page.open(search="nan")).titles == ["nan"]


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "samples"},
        {"sort": "--name"},
        {"page": "-1"},
        {"page": "1e9"},
        {"page": "9" * 400},
        {"page": "999999999"},
        {"kinds": "<b>"},
        {"states": "gone"},
        {"search": "%"},
        {"search": "'; drop table run"},
    ],
)
def test_nonsense_in_an_address_is_no_error(page: Page, store: Store, query: dict[str, str]) -> None:
    record(store, "100% mine")
    page.open(**query)
    if "search" not in query or query["search"] == "%":
        assert Grid(page).titles == ["100% mine"]


def test_a_long_list_is_shown_in_parts(page: Page, store: Store) -> None:
    run, samples = simulated(ComparePlan(pairs=4, warmup=0))
    for number in range(57):
        add_finished_run(store, replace(run, id=f"aa{number:06}", name=f"run {number}"), samples)
    grid = Grid(page.open())
    assert (len(grid.ids), grid.footer) == (25, "1\N{EN DASH}25 of 57 runs")
    grid = grid.click("page-next")
    assert (grid.titles[0], grid.footer) == ("run 31", "26\N{EN DASH}50 of 57 runs")
    grid = grid.click("page-last")
    assert (len(grid.ids), grid.footer, page.app.query_params["page"]) == (7, "51\N{EN DASH}57 of 57 runs", "3")
    page.app.text_input(key="search").set_value("run")
    assert Grid(page.rerun()).footer == "1\N{EN DASH}25 of 57 runs", "a new search begins at its first part"
    grid = Grid(page).click("page-last")
    for number in range(7):
        store.delete_run(f"aa{number:06}")
    assert Grid(page.rerun()).footer == "26\N{EN DASH}50 of 50 runs", "a list that has become shorter"


@pytest.mark.parametrize(
    "value",
    [None, [], "pick", {}, {"what": "pick"}, {"what": "pick", "value": 1}, {"what": "sort", "value": "x" * 9999}],
)
def test_what_a_browser_makes_up_does_nothing(page: Page, store: Store, value: Any) -> None:
    run_id = record(store, "mine")
    assert Grid(page.open()).send(value).ids == [run_id]


@pytest.mark.parametrize("what", ["pick", "open", "manage"])
def test_only_runs_of_the_table_can_be_asked_for(page: Page, store: Store, what: str) -> None:
    run_id = record(store, "mine")
    grid = Grid(page.open()).ask(what, "deadbeef")
    assert (grid.ids, grid.picked, page.has("managed-deadbeef")) == ([run_id], [], False)


def test_a_run_gets_a_name(page: Page, store: Store) -> None:
    run_id = record(store, "old")
    Grid(page.open()).click(f"manage-{run_id}")
    page.app.text_input(key=f"name-{run_id}").set_value("new")
    page.rerun()
    assert store.run(run_id).name == "new"
    assert shown(page) == ["new"]
    assert page.has(f"managed-{run_id}"), "there is more to do with it"


def test_a_run_is_deleted_only_after_a_confirmation(page: Page, store: Store) -> None:
    kept, run_id = record(store, "kept"), record(store, "gone")
    Grid(page.open(compare=run_id)).click(f"manage-{run_id}")
    assert page.app.button(key=f"delete-{run_id}").disabled
    page.app.checkbox(key=f"sure-{run_id}").check()
    page.rerun()
    page.press("Delete this run")
    assert [run.id for run in store.runs()] == [kept]
    assert shown(page) == ["kept"]
    assert not page.has(f"managed-{run_id}") and "compare" not in page.app.query_params


def test_a_run_in_progress_is_not_deleted(page: Page, store: Store) -> None:
    run, _ = simulated()
    store.create_run(replace(run, state=RunState.RUNNING))
    Grid(page.open()).click(f"manage-{run.id}")
    assert "Cancel it on its page" in page.read(f"managed-{run.id}")
    assert [button.label for button in page.app.button] == []


def test_two_ticked_runs_are_compared_by_what_differs(page: Page, store: Store) -> None:
    first = record(store, "small", ComparePlan(pairs=20, warmup=0))
    second = record(store, "large", ComparePlan(pairs=60, warmup=0))
    third = record(store, "other")
    grid = Grid(page.open()).pick(first)
    grid = grid.pick(second, first)
    assert page.app.query_params["compare"] == f"{first},{second}"
    text = page.read("compared")
    assert "| plan.pairs | 20 | 60 |" in text
    assert "plan.seed" not in text
    assert "disabled" in grid.box(third).attrib and "disabled" not in grid.box(first).attrib
    other = Page().at("runs").open(compare=f"{first},{second}")
    assert other.read("compared") == text
    page.press("Close")
    assert not page.has("compared")


def test_two_ticks_at_once_are_both_kept(page: Page, store: Store) -> None:
    first, second = record(store, "first"), record(store, "second")
    grid = Grid(page.open()).pick(first, second)
    assert grid.picked == [second, first] and page.has("compared")
    assert grid.pick(second).picked == [second]
    assert page.app.query_params["compare"] == second


def test_a_run_on_another_part_of_the_list_stays_ticked(page: Page, store: Store) -> None:
    oldest = record(store, "oldest", ComparePlan(pairs=30, warmup=0))
    run, samples = simulated(ComparePlan(pairs=20, warmup=0))
    for number in range(26):
        add_finished_run(store, replace(run, id=f"aa{number:06}"), samples)
    grid = Grid(page.open(compare=oldest))
    assert oldest not in grid.ids
    grid.pick("aa000025")
    assert page.app.query_params["compare"] == f"{oldest},aa000025"
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
    run, samples = simulated(ComparePlan(pairs=400))
    record(store, "newer")
    page.open()
    upload = page.app.file_uploader[0]
    exported = run_to_document(replace(run, started_at_utc="2020-01-01T00:00:00+00:00"), samples)
    upload.set_value(("run.json", json.dumps(exported).encode(), "application/json"))
    page.rerun()
    assert [toast.value for toast in page.app.toast] == [f"Run {run.id} was imported."]
    assert store.run(run.id).is_imported
    found = store.find(RunQuery()).runs[0]
    assert found.verdict is not None and found.verdict.startswith("FastAPI faster by "), "its headline is kept at once"
    assert Grid(page).ids[0] == run.id, "it is the first, although it is old"
    assert "Imported" in Grid(page).cell(run.id, "state")


def test_a_run_that_was_imported_is_marked_found_renamed_and_deleted(page: Page, store: Store) -> None:
    run, samples = simulated()
    add_finished_run(store, replace(run, name="theirs", is_imported=True), samples)
    ours = record(store, "ours")
    grid = Grid(page.open())
    assert ["Imported" in grid.cell(run_id, "state") for run_id in (run.id, ours)] == [True, False]
    page.app.text_input(key="search").set_value("imported")
    assert Grid(page.rerun()).titles == ["theirs"]
    Grid(page).click(f"manage-{run.id}")
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
    first, second = record(store, "first", ComparePlan(pairs=400)), record(store, "second")
    grid = Grid(page.open(compare=f"{first},{second}"))
    assert "This dashboard is read-only" in page.read()
    assert page.has("compared")
    assert grid.cell(first, "verdict").startswith("FastAPI faster by "), "what it cannot write it keeps to itself"
    assert store.find(RunQuery()).runs[1].verdict is None
    grid.click(f"manage-{first}")
    assert [element.key for element in page.app.get("download_button")][:2] == [f"csv-{first}", f"json-{first}"]
    assert [one.label for one in page.app.text_input] == ["Search"]
    assert not page.app.get("file_uploader") and not page.app.checkbox
    assert [button.label for button in page.app.button] == ["Close"]


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
    Grid(page.open(compare=f"{run.id},{whole}")).click(f"manage-{run.id}")
    assert "These runs cannot be compared: damaged samples" in page.read("compared")
    page.app.checkbox(key=f"sure-{run.id}").check()
    page.rerun()
    page.press("Delete this run")
    assert [one.id for one in store.runs()] == [whole]


def test_cold_starts_are_listed_but_not_compared(page: Page, store: Store) -> None:
    run, samples = cold_run(SpawnPlan(3), {"api": TrueStart(), "function": TrueStart()})
    add_finished_run(store, run, samples)
    grid = Grid(page.open())
    assert grid.titles == [f"Cold start {run.id}"]
    assert [link.attrib["href"] for link in grid.root.iter("a")] == [f"coldstart?run={run.id}"]
    assert "disabled" in grid.box(run.id).attrib


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
