"""Whose comparisons a history shows, and that only what is new is read."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from benchmark.endpoints.sample import Comparison, Sample
from benchmark.record import comparisons as record
from benchmark.record.history import History
from benchmark.record.store import FILE_NAME, NOBODY, START, Store
from tests.servers import ROOT


def comparison(name: str, model: str = "tea") -> Comparison:
    return Comparison(name, "now", model, (1.0,), (Sample("api", "now", 1.0), Sample("function", "now", 2.0)))


def names(comparisons: list[Comparison]) -> list[str]:
    return [one.id for one in comparisons]


def test_everyone_sees_all_and_each_their_own(store: Store) -> None:
    for number, owner in enumerate(("ann", "bob", NOBODY, "ann")):
        store.add(comparison(f"{number}"), owner)
    store.add(comparison("other", "mileage"), "ann")
    seen = {
        owner: (names(found), total)
        for owner in (None, "ann", "bob", "carl")
        for found, total in [History("tea", owner, 10).read(store)]
    }
    assert seen == {None: (["0", "1", "2", "3"], 4), "ann": (["0", "3"], 2), "bob": (["1"], 1), "carl": ([], 0)}
    assert names(store.latest("tea", owner="ann")) == ["0", "3"]
    assert [store.count("tea", owner) for owner in (None, "ann", NOBODY)] == [4, 2, 1]


def test_a_history_is_the_last_ones_with_their_samples_and_how_many_there_are_in_all(store: Store) -> None:
    history = History("tea", None, 3)
    assert history.read(store) == ([], 0)
    for number in range(5):
        store.add(comparison(f"{number}"))
        found, total = history.read(store)
        assert total == number + 1
    assert found == [comparison("2"), comparison("3"), comparison("4")]
    assert history.read(store) == (found, 5)
    assert History("tea", None, 3).read(store) == (found, 5)


def test_only_new_rows_are_read_from_the_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[Sequence[object]] = []
    parse = record._from_row

    def count(row: Sequence[object]) -> Sample:
        parsed.append(row)
        return parse(row)

    monkeypatch.setattr(record, "_from_row", count)
    history = History("tea", "ann", 500)
    for number in range(10):
        store.add(comparison(f"{number}"), "ann")
    history.read(store)
    assert len(parsed) == 20
    store.add(comparison("new"), "ann")
    store.add(comparison("not ann's"), "bob")
    history.read(store)
    history.read(store)
    assert len(parsed) == 22


def test_a_history_starts_again_after_a_deletion_also_where_row_numbers_are_used_again(store: Store) -> None:
    history, everyone = History("tea", "ann", 10), History("tea", None, 10)
    store.add(comparison("old"), "bob")
    store.add(comparison("gone"), "ann")
    assert (history.read(store)[1], everyone.read(store)[1]) == (1, 2)
    store.clear("tea", ["ann"])
    store.add(comparison("new"), "ann")
    assert (names(history.read(store)[0]), names(everyone.read(store)[0])) == (["new"], ["old", "new"])
    assert (history.read(store)[1], everyone.read(store)[1]) == (1, 2)


def test_clearing_takes_what_the_named_owners_have_and_nothing_else(store: Store) -> None:
    for name, owner in (("a", "ann"), ("b", "bob"), ("c", NOBODY)):
        store.add(comparison(name), owner)
    store.add(comparison("m", "mileage"), "ann")
    store.clear("tea", ["ann", NOBODY])
    assert names(store.latest("tea")) == ["b"]
    assert names(store.latest("mileage")) == ["m"]
    store.clear("tea", [])
    assert names(store.latest("tea")) == ["b"]
    store.clear("tea")
    assert store.latest("tea") == []
    assert store.news("tea", None, START).count == 0


@pytest.mark.parametrize("version", [1, 2])
def test_comparisons_of_earlier_versions_are_nobodys_and_everyone_sees_them(version: int, tmp_path: Path) -> None:
    script = (ROOT / "tests" / "data" / f"record-v{version}.sql").read_text()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
        database.executescript(script)
        before = database.execute("SELECT count(*) FROM comparison").fetchone()[0]
        if not before:
            database.execute("INSERT INTO comparison VALUES (1, 'old', 'now', 'tea', '[1.0]')")
            database.execute(
                "INSERT INTO sample (comparison, position, endpoint, sent_at_utc, latency_ms) "
                "VALUES (1, 0, 'api', 'now', 1.5)"
            )
            database.commit()
        (model,) = database.execute("SELECT model FROM comparison LIMIT 1").fetchone()
    store = Store(tmp_path)
    found = store.latest(model)
    assert found
    assert store.count(model, NOBODY) == len(found)
    assert store.latest(model, owner="ann") == []
