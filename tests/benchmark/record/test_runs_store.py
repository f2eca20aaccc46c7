"""Runs in the record: nothing is lost by many writers, none is mistaken for another, and old files stay readable."""

import json
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from benchmark.endpoints.sample import Comparison
from benchmark.record import schema
from benchmark.record.run import Run, RunState, new_run_id
from benchmark.record.store import ReadOnly, RunQuery, Store, StoreError, UnknownRun
from tests.benchmark.record.conftest import Silent, count_rows
from tests.benchmark.record.processes import write_at_once
from tests.benchmark.runs import make_run


def running(run_id: str = "0123abcd") -> Run:
    return replace(make_run(), id=run_id, state=RunState.RUNNING, outcome={}, progress={"done": 0, "total": 9})


def finished(run_id: str = "0123abcd", **changes: Any) -> Run:
    return replace(make_run(), id=run_id, **changes)


# --- From the beginning of a run to its end


def test_a_run_is_read_as_it_was_recorded(store: Store) -> None:
    for run in (finished(), running("ffff")):
        store.create_run(run)
        assert store.run(run.id) == run


def test_a_run_goes_on_until_it_is_finished(store: Store) -> None:
    store.create_run(running())
    assert store.process("0123abcd") == os.getpid()
    store.append("0123abcd", b"one", {"done": 3, "total": 9})
    store.append("0123abcd", None, {"done": 3, "total": 9})
    store.append("0123abcd", b"two", {"done": 9, "total": 9})
    assert store.run("0123abcd") == replace(running(), progress={"done": 9, "total": 9})
    store.finish("0123abcd", RunState.CANCELLED, {"why": "enough"})
    ended = store.run("0123abcd")
    assert (ended.state, ended.outcome, ended.is_over) == (RunState.CANCELLED, {"why": "enough"}, True)
    assert store.process("0123abcd") is None
    assert store.chunks("0123abcd") == [(1, b"one"), (2, b"two")]
    assert store.chunks("0123abcd", after=1) == [(2, b"two")]


def test_the_newest_run_comes_first(store: Store) -> None:
    for number in range(5):
        store.create_run(finished(f"000{number}"))
    assert [run.id for run in store.runs()] == ["0004", "0003", "0002", "0001", "0000"]
    assert [run.id for run in store.runs(limit=2)] == ["0004", "0003"]
    assert store.find(RunQuery()).total == 5


def test_a_new_record_has_no_runs(store: Store) -> None:
    assert store.runs() == []


def test_a_run_is_renamed_and_nothing_else(store: Store) -> None:
    store.create_run(finished())
    store.rename_run("0123abcd", "Before the change")
    assert store.run("0123abcd") == finished(name="Before the change")


def test_deleting_a_run_takes_its_samples_with_it_and_leaves_the_others(store: Store) -> None:
    for run_id in ("aaaa", "bbbb"):
        store.create_run(finished(run_id), b"samples")
    store.delete_run("aaaa")
    assert [run.id for run in store.runs()] == ["bbbb"]
    assert store.chunks("bbbb") == [(1, b"samples")]
    assert count_rows(store, schema.chunk) == 1
    assert count_rows(store, schema.run_endpoint) == 2


def test_a_run_is_not_recorded_twice(store: Store) -> None:
    store.create_run(finished())
    with pytest.raises(StoreError, match="run 0123abcd is already in the record"):
        store.create_run(finished(name="Again"), b"samples")
    assert store.run("0123abcd") == finished()
    assert store.chunks("0123abcd") == []


def test_the_runs_and_the_comparisons_share_one_file(store: Store) -> None:
    store.add(Comparison("one", "now", "tea", (1.0,), ()))
    store.create_run(finished())
    assert (store.count("tea"), len(store.runs())) == (1, 1)
    store.clear("tea")
    assert (store.count("tea"), len(store.runs())) == (0, 1)


def test_what_is_no_json_is_not_recorded(store: Store) -> None:
    with pytest.raises(StoreError):
        store.create_run(finished(outcome={"odd": object()}))
    assert store.runs() == []


# --- A run that stops being heard of


def test_a_run_that_is_not_heard_of_for_a_while_is_lost(store: Store, silent: Silent) -> None:
    store.create_run(running())
    silent(store, "0123abcd", 15)
    assert store.run("0123abcd").state is RunState.RUNNING
    store.append("0123abcd", None, {})
    silent(store, "0123abcd", 15)
    assert store.run("0123abcd").state is RunState.RUNNING
    silent(store, "0123abcd", 6)
    assert store.run("0123abcd").state is RunState.LOST
    assert [run.state for run in store.runs()] == [RunState.LOST]
    assert store.run("0123abcd").is_over


def test_a_lost_run_that_is_heard_of_again_goes_on(store: Store, silent: Silent) -> None:
    store.create_run(running())
    silent(store, "0123abcd", 60)
    store.append("0123abcd", b"late", {})
    assert store.run("0123abcd").state is RunState.RUNNING
    store.finish("0123abcd", RunState.FINISHED, {})
    silent(store, "0123abcd", 10_000)
    assert store.run("0123abcd").state is RunState.FINISHED, "what is over is not lost"


# --- Which run is meant


def test_a_run_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    for run_id in ("abcd1234", "abce5678"):
        store.create_run(finished(run_id))
    assert store.run("abcd").id == "abcd1234"
    assert store.run("abce5678").id == "abce5678"


@pytest.mark.parametrize("run_id", ["", "ffff", "ABCD1234", "abcd12345", "%", "abcd____", "bcd", "abcd\0", "\ud800"])
def test_what_no_run_begins_with_is_unknown(store: Store, run_id: str) -> None:
    store.create_run(finished("abcd1234"))
    uses: tuple[Callable[[], object], ...] = (
        lambda: store.run(run_id),
        lambda: store.chunks(run_id),
        lambda: store.process(run_id),
        lambda: store.append(run_id, b"x", {}),
        lambda: store.finish(run_id, RunState.FINISHED, {}),
        lambda: store.rename_run(run_id, "x"),
        lambda: store.delete_run(run_id),
    )
    for use in uses:
        with pytest.raises(UnknownRun, match=rf"^there is no run {run_id}$"):
            use()
    assert store.run("abcd1234") == finished("abcd1234")


def test_what_two_runs_begin_with_is_neither(store: Store) -> None:
    for run_id in ("abcd1234", "abcd5678"):
        store.create_run(finished(run_id))
    with pytest.raises(UnknownRun, match=r"^more than one run begins with abcd"):
        store.delete_run("abcd")
    assert len(store.runs()) == 2


def test_a_whole_id_is_that_run_also_where_longer_ones_begin_with_it(store: Store) -> None:
    for run_id in ("abcd12", "abcd34", "abcd56", "abcd"):
        store.create_run(finished(run_id))
    assert store.run("abcd").id == "abcd"
    store.delete_run("abcd")
    assert sorted(run.id for run in store.runs()) == ["abcd12", "abcd34", "abcd56"]


def test_ids_are_short_and_new() -> None:
    ids = {new_run_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(run_id) == 8 and int(run_id, 16) >= 0 for run_id in ids)


# --- Several writers

WRITER = """
import sys
from pathlib import Path
from benchmark.record.run import Run, RunState
from benchmark.record.store import Location, Store

store, writer, count = Store(Location(Path(sys.argv[1]), sys.argv[2] or None)), sys.argv[3], int(sys.argv[4])
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    run_id = f"{writer}{number:03x}"
    store.create_run(Run(run_id, "compare", "", RunState.RUNNING, "now", {}))
    for part in ("one", "two"):
        store.append(run_id, f"{run_id} {part}".encode(), {"done": 1})
    store.finish(run_id, RunState.FINISHED, {"writer": writer})
"""


@pytest.mark.slow
def test_eight_processes_record_runs_at_once_and_nothing_is_lost(store: Store) -> None:
    write_at_once(WRITER, store.location)
    found = store.runs(limit=1000)
    assert len(found) == 400
    assert {run.id for run in found} == {f"{writer}{number:03x}" for writer in range(8) for number in range(50)}
    assert all(run.state is RunState.FINISHED and run.outcome == {"writer": run.id[0]} for run in found)
    chunks = [(run.id, *chunk) for run in sorted(found, key=lambda run: run.id) for chunk in store.chunks(run.id)]
    assert chunks == [
        (run_id, position, f"{run_id} {part}".encode())
        for run_id in sorted(run.id for run in found)
        for position, part in ((1, "one"), (2, "two"))
    ]


@pytest.mark.slow
def test_two_hundred_readers_at_once_all_see_the_record_while_it_is_written(store: Store) -> None:
    for number in range(20):
        store.create_run(finished(f"{number:04}"))
    store.create_run(running())

    def read(_: int) -> tuple[int, int, bool]:
        return len(store.runs()), store.find(RunQuery(limit=5)).total, store.run("0123abcd").is_over

    with ThreadPoolExecutor(200) as readers:
        reading = readers.map(read, range(400))
        for number in range(20):
            store.append("0123abcd", b"samples", {"done": number})
        assert set(reading) == {(21, 21, False)}
    assert len(store.chunks("0123abcd")) == 20


# --- Runs that came as a file


def test_an_imported_run_stays_one_whatever_happens_to_it(store: Store) -> None:
    imported = finished(is_imported=True, manifest={"imported": False})
    store.create_run(imported)
    store.rename_run(imported.id, "Trust me")
    store.append(imported.id, None, {"elapsed_s": 1.0})
    assert store.run(imported.id).is_imported
    assert [run.is_imported for run in Store(store.location).runs()] == [True]
    store.delete_run(imported.id)
    assert store.runs() == []


def test_imported_runs_can_be_left_out(store: Store) -> None:
    store.create_run(finished("aaaa"))
    store.create_run(finished("bbbb", is_imported=True))
    assert [run.id for run in store.runs()] == ["bbbb", "aaaa"]
    assert [run.id for run in store.runs(1, with_imported=False)] == ["aaaa"]


def test_an_imported_run_is_not_resumed(store: Store) -> None:
    store.create_run(finished(state=RunState.CANCELLED, is_imported=True))
    with pytest.raises(StoreError, match="was imported"):
        store.resume_run("0123abcd")
    assert store.run("0123abcd").state is RunState.CANCELLED


def test_a_record_that_is_read_only_shows_all_and_changes_nothing(store: Store) -> None:
    store.add(Comparison("one", "now", "tea", (1.0,), ()))
    store.create_run(finished(), b"samples")
    shown = Store(store.location, read_only=True)
    before = (store.runs(), store.latest("tea"), store.chunks("0123abcd"))
    assert (shown.runs(), shown.latest("tea"), shown.chunks("0123abcd")) == before
    changes: list[Callable[[], object]] = [
        lambda: shown.add(Comparison("two", "now", "tea", (1.0,), ())),
        lambda: shown.clear("tea"),
        lambda: shown.create_run(finished("ffff")),
        lambda: shown.append("0123abcd", b"x", {}),
        lambda: shown.finish("0123abcd", RunState.FAILED, {}),
        lambda: shown.resume_run("0123abcd"),
        lambda: shown.rename_run("0123abcd", "x"),
        lambda: shown.delete_run("0123abcd"),
    ]
    for change in changes:
        with pytest.raises(ReadOnly):
            change()
    assert (store.runs(), store.latest("tea"), store.chunks("0123abcd")) == before


@pytest.mark.parametrize(
    ("column", "value"),
    [("state", "eaten by a dog"), ("manifest", "{"), ("outcome", ""), ("progress", "nothing")],
)
def test_a_run_that_this_version_cannot_read_is_a_store_error(store: Store, column: str, value: str) -> None:
    store.create_run(finished())
    with store.database.write() as connection:
        connection.execute(update(schema.run).values({column: value}))
    for use in (store.runs, lambda: store.run("0123abcd")):
        with pytest.raises(StoreError, match=re.escape(store.location.name)):
            use()


def test_a_manifest_survives_as_it_is(store: Store) -> None:
    odd = {"text": "é \u2028 \U0001f375", "deep": {"list": [1, 2.5, None, True]}, "large": 2**60}
    store.create_run(finished(manifest=odd))
    assert json.dumps(store.run("0123abcd").manifest) == json.dumps(odd)
