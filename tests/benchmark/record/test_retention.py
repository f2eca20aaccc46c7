"""What is old is shown before it is deleted, nothing else is deleted, and the disk gets the space back."""

import os
from dataclasses import replace

import pytest

from benchmark.endpoints.sample import Comparison, Sample
from benchmark.record import retention, schema
from benchmark.record.history import History
from benchmark.record.retention import Outdated, delete_outdated, outdated
from benchmark.record.run import RunState
from benchmark.record.store import ReadOnly, Store
from tests.benchmark.record.conftest import Silent, count_rows
from tests.benchmark.runs import make_run

OLD, BEFORE, NEW = (f"2026-0{month}-01T00:00:00.000+00:00" for month in (1, 2, 3))


def add_run(store: Store, run_id: str, at_utc: str = OLD, name: str = "", state: RunState = RunState.FINISHED) -> None:
    run = replace(make_run(), id=run_id, name=name, started_at_utc=at_utc, state=state, progress={"done": 7})
    store.create_run(run, b"x" * 1000)


def add_comparison(store: Store, identity: str, at_utc: str, model: str = "tea") -> None:
    store.add(Comparison(identity, at_utc, model, (1.0,), (Sample("api", at_utc, 1.0),)))


@pytest.fixture
def filled(store: Store) -> Store:
    add_run(store, "aaaa")
    add_run(store, "bbbb", "2026-01-20T00:00:00.000+00:00", name="baseline")
    add_run(store, "cccc", NEW)
    add_run(store, "dddd", state=RunState.RUNNING)
    add_run(store, "eeee", "", state=RunState.FAILED)
    for identity, at_utc in (("old", OLD), ("new", NEW)):
        add_comparison(store, identity, at_utc)
    return store


def ids(store: Store) -> list[str]:
    return [run.id for run in store.runs()]


def test_what_would_be_deleted_is_counted_and_stays(filled: Store) -> None:
    assert outdated(filled, BEFORE, keep_named=True) == Outdated(1, 7, 1000, 1, OLD, OLD)
    found = outdated(filled, BEFORE, keep_named=False)
    assert found == Outdated(2, 14, 2000, 1, OLD, "2026-01-20T00:00:00.000+00:00")
    assert outdated(filled, OLD, keep_named=False) == Outdated(0, 0, 0, 0, None, None)
    assert len(filled.runs()) == 5


def test_exactly_what_was_counted_is_deleted(filled: Store) -> None:
    delete_outdated(filled, BEFORE, keep_named=True)
    assert ids(filled) == ["eeee", "dddd", "cccc", "bbbb"]
    assert [one.id for one in filled.latest("tea")] == ["new"]
    assert outdated(filled, BEFORE, keep_named=True).runs == 0
    assert (count_rows(filled, schema.chunk), count_rows(filled, schema.sample)) == (4, 1)
    delete_outdated(filled, BEFORE, keep_named=False)
    assert ids(filled) == ["eeee", "dddd", "cccc"]


def test_a_run_in_progress_is_kept_and_a_lost_one_is_not(filled: Store, silent: Silent) -> None:
    silent(filled, "dddd", 60)
    delete_outdated(filled, BEFORE, keep_named=False)
    assert ids(filled) == ["eeee", "cccc"]


def test_readers_of_a_history_see_the_deletion(filled: Store) -> None:
    history = History("tea", None, 10)
    assert history.read(filled)[1] == 2
    delete_outdated(filled, BEFORE, keep_named=False)
    assert ([one.id for one in history.read(filled)[0]], history.read(filled)[1]) == (["new"], 1)


def test_much_is_deleted_in_parts_and_reported(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_RUNS_AT_ONCE", 2)
    monkeypatch.setattr(retention, "_COMPARISONS_AT_ONCE", 3)
    for number in range(5):
        add_run(store, f"{number:04}")
        add_comparison(store, f"{number}", OLD)
    reported: list[tuple[int, int]] = []
    delete_outdated(store, BEFORE, keep_named=False, report=lambda *so_far: reported.append(so_far))
    assert reported == [(2, 0), (4, 0), (5, 0), (5, 3), (5, 5)]
    assert (store.runs(), store.latest("tea")) == ([], [])


def test_a_file_becomes_small_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("file"))
    add_run(store, "kept", NEW)
    for number in range(20):
        store.create_run(replace(make_run(), id=f"{number:04}", started_at_utc=OLD), os.urandom(200_000))

    def size() -> int:
        return sum(path.stat().st_size for path in store.path.parent.glob(f"{store.path.name}*"))

    assert size() > 4_000_000
    delete_outdated(store, BEFORE, keep_named=False)
    assert size() < 500_000
    assert ids(store) == ["kept"]


def test_a_record_that_is_read_only_is_not_pruned(filled: Store) -> None:
    with pytest.raises(ReadOnly):
        delete_outdated(Store(filled.location, read_only=True), BEFORE, keep_named=False)
    assert len(filled.runs()) == 5
