"""Finding runs: every word, filter, order and page is the database's work, and says how many there are in all."""

from dataclasses import replace
from typing import Any

import pytest

from benchmark.record.run import Run, RunState
from benchmark.record.store import FoundEndpoint, RunQuery, SortBy, Store, UnknownRun
from tests.benchmark.record.conftest import Silent
from tests.benchmark.runs import make_run


def run(run_id: str, *names: str, **changes: Any) -> Run:
    endpoints = [{"key": f"key{at}", "name": name, "url": "http://localhost"} for at, name in enumerate(names)]
    made = make_run()
    return replace(made, id=run_id, manifest={**made.manifest, "endpoints": endpoints}, **changes)


@pytest.fixture
def filled(store: Store) -> Store:
    store.create_run(
        run("aaaa", "Cloud Run", "Cloud Function", name="Morning 50%", started_at_utc="2025-12-31T23:59:58+00:00")
    )
    store.create_run(
        run("bbbb", "Cloud Run", "Peer", kind="load", state=RunState.FAILED, started_at_utc="2026-01-01T00:00:00+00:00")
    )
    store.create_run(run("cccc", "Peer", name="évening", is_imported=True, outcome={"reason": "too slow"}))
    store.create_run(run("dddd", "Cloud Run", state=RunState.RUNNING, started_by="ann", outcome={}))
    store.set_headline("aaaa", "Cloud Run is faster", {0: (10.0, 20.0), 1: (12.0, 30.0)})
    store.set_headline("bbbb", None, {0: (5.0, None)})
    return store


def ids(store: Store, **query: Any) -> list[str]:
    return [found.id for found in store.find(RunQuery(**query)).runs]


def test_all_runs_are_found_the_newest_first(filled: Store) -> None:
    found = filled.find(RunQuery())
    assert ([one.id for one in found.runs], found.total) == (["dddd", "cccc", "bbbb", "aaaa"], 4)


def test_a_run_is_found_with_what_a_list_shows(filled: Store) -> None:
    *_, first = filled.find(RunQuery()).runs
    assert (first.kind, first.name, first.state, first.verdict) == (
        "compare",
        "Morning 50%",
        RunState.FINISHED,
        "Cloud Run is faster",
    )
    assert first.endpoints == (
        FoundEndpoint("key0", "Cloud Run", 10.0, 20.0),
        FoundEndpoint("key1", "Cloud Function", 12.0, 30.0),
    )
    running, imported, *_ = filled.find(RunQuery()).runs
    assert (running.started_by, running.is_over, running.verdict) == ("ann", False, None)
    assert (imported.is_imported, imported.reason) == (True, "too slow")
    assert imported.endpoints == (FoundEndpoint("key0", "Peer", None, None),)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("cloud", ["dddd", "bbbb", "aaaa"]),
        ("CLOUD function", ["aaaa"]),
        ("peer failed", ["bbbb"]),
        ("faster", ["aaaa"]),
        ("2026-01-01", ["bbbb"]),
        ("2025-12-31 23:59:58", ["aaaa"]),
        ("ann", ["dddd"]),
        ("ccc", ["cccc"]),
        ("imported", ["cccc"]),
        ("50%", ["aaaa"]),
        ("%", ["aaaa"]),
        ("_", []),
        ("nowhere", []),
        ("arrivals", ["bbbb"]),
        ("ÉVENING", ["cccc"]),
        ("\0", []),
        ("\ud800", []),
        ("'; DROP TABLE run; --", []),
    ],
)
def test_every_word_must_occur_and_is_taken_as_it_is(filled: Store, words: str, found: list[str]) -> None:
    assert ids(filled, text=words, titles={"load": "Load of arrivals"}) == found


def test_filters_narrow_each_other(filled: Store) -> None:
    assert ids(filled, kinds=("compare",)) == ["dddd", "cccc", "aaaa"]
    assert ids(filled, states=(RunState.FAILED, RunState.RUNNING)) == ["dddd", "bbbb"]
    assert ids(filled, endpoint="Peer") == ["cccc", "bbbb"]
    assert ids(filled, endpoint="Peer", kinds=("load",)) == ["bbbb"]
    assert ids(filled, imported=False, endpoint="Peer") == ["bbbb"]
    assert ids(filled, endpoint="peer") == []


def test_a_run_that_is_not_heard_of_is_found_as_lost(filled: Store, silent: Silent) -> None:
    silent(filled, "dddd", 60)
    assert ids(filled, states=(RunState.LOST,)) == ids(filled, text="lost") == ["dddd"]
    assert ids(filled, states=(RunState.RUNNING,)) == []
    assert filled.find(RunQuery()).runs[0].state is RunState.LOST


@pytest.mark.parametrize(
    ("sort_by", "ascending"),
    [
        (SortBy.RECORDED, ["aaaa", "bbbb", "cccc", "dddd"]),
        (SortBy.STARTED, ["aaaa", "bbbb"]),
        (SortBy.KIND, ["aaaa", "cccc", "dddd", "bbbb"]),
        (SortBy.P50, ["bbbb", "aaaa", "cccc", "dddd"]),
        (SortBy.P95, ["aaaa", "bbbb", "cccc", "dddd"]),
        (SortBy.VERDICT, ["aaaa", "bbbb", "cccc", "dddd"]),
        (SortBy.STARTED_BY, ["aaaa", "bbbb", "cccc", "dddd"]),
    ],
)
def test_runs_are_sorted_and_unknown_figures_come_last(filled: Store, sort_by: SortBy, ascending: list[str]) -> None:
    assert ids(filled, sort_by=sort_by, descending=False)[: len(ascending)] == ascending


def test_unknown_figures_come_last_also_in_descending_order(filled: Store) -> None:
    assert ids(filled, sort_by=SortBy.P50) == ["aaaa", "bbbb", "dddd", "cccc"]


def test_pages_are_parts_of_one_order(filled: Store) -> None:
    pages = [filled.find(RunQuery(limit=3, offset=offset)) for offset in (0, 3, 6)]
    assert [[one.id for one in page.runs] for page in pages] == [["dddd", "cccc", "bbbb"], ["aaaa"], []]
    assert [page.total for page in pages] == [4, 4, 4]
    assert len(ids(filled, limit=None)) == 4


def test_a_headline_needs_its_run(store: Store) -> None:
    with pytest.raises(UnknownRun):
        store.set_headline("ffff", "a tie", {})


@pytest.mark.parametrize(
    "endpoints", [None, "none", [1], [{"key": 1, "name": "a"}], [{"name": "only a name"}], {"key": "k", "name": "n"}]
)
def test_a_damaged_manifest_is_found_without_endpoints(store: Store, endpoints: object) -> None:
    store.create_run(replace(make_run(), manifest={"endpoints": endpoints}))
    (found,) = store.find(RunQuery()).runs
    assert found.endpoints == ()


def test_a_deleted_run_is_not_found(filled: Store) -> None:
    filled.delete_run("aaaa")
    assert ids(filled, text="function") == []
