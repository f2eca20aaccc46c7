"""A SQLite file that cannot be used says so in every operation, and is left as it is."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmark.endpoints.sample import Comparison, Sample
from benchmark.record.run import RunState
from benchmark.record.store import FILE_NAME, SCHEMA_VERSION, RunQuery, Store, StoreError
from tests.benchmark.runs import make_run

COMPARISON = Comparison("one", "now", "tea", (1.0,), (Sample("api", "now", 1.0),))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


def assert_unusable(store: Store, reading: bool = True) -> None:
    """Every operation says why; none raises anything else."""
    writes: list[Callable[[], object]] = [
        lambda: store.add(COMPARISON),
        lambda: store.clear("tea"),
        lambda: store.create_run(make_run()),
        lambda: store.append("0123abcd", b"x", {}),
        lambda: store.finish("0123abcd", RunState.FINISHED, {}),
        lambda: store.rename_run("0123abcd", "x"),
        lambda: store.delete_run("0123abcd"),
        lambda: store.wish_cancel("0123abcd"),
        lambda: store.set_headline("0123abcd", "a tie", {}),
    ]
    reads: list[Callable[[], object]] = [
        lambda: store.latest("tea", 1),
        lambda: store.count("tea"),
        store.runs,
        lambda: store.find(RunQuery()),
        lambda: store.run("0123abcd"),
        lambda: store.process("0123abcd"),
        lambda: store.chunks("0123abcd"),
    ]
    for use in writes + (reads if reading else []):
        with pytest.raises(StoreError, match=FILE_NAME):
            use()


def test_a_corrupt_file_is_named_and_left_as_it_is(store: Store) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(b"this is no database" * 100)
    assert_unusable(store)
    assert store.path.read_bytes() == b"this is no database" * 100


def test_a_file_that_was_cut_off_is_named(store: Store) -> None:
    for number in range(20):
        store.add(Comparison(f"{number}", "now", "tea", (1.0,), COMPARISON.samples * 5))
    with closing(sqlite3.connect(store.path)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    data = store.path.read_bytes()
    store.path.write_bytes(data[: len(data) // 3])
    with pytest.raises(StoreError, match=FILE_NAME):
        store.latest("tea", 100)


def test_a_directory_in_the_files_place_is_named(store: Store) -> None:
    store.path.mkdir(parents=True)
    assert_unusable(store)


def test_a_file_where_the_directory_should_be_is_named(store: Store) -> None:
    store.path.parent.write_text("")
    assert_unusable(store)


def test_a_directory_that_cannot_be_made_is_said_without_a_number(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as raised:
        Store(tmp_path / "file" / "results").runs()
    assert str(raised.value) == f"{tmp_path}/file/results/faceoff.sqlite3: Not a directory"


def test_a_file_of_a_later_version_is_left_alone(store: Store) -> None:
    store.add(COMPARISON)
    store.create_run(make_run())
    with closing(sqlite3.connect(store.path)) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        database.execute("PRAGMA journal_mode = DELETE")
    before = store.path.read_bytes()
    assert_unusable(store)
    with pytest.raises(StoreError, match="was written by a later version"):
        store.runs()
    assert store.path.read_bytes() == before


def test_a_record_that_is_mended_works_again(store: Store) -> None:
    store.path.parent.write_text("")
    with pytest.raises(StoreError):
        store.add(COMPARISON)
    store.path.parent.unlink()
    store.add(COMPARISON)
    assert store.count("tea") == 1


def test_a_file_that_is_deleted_meanwhile_is_a_new_record(store: Store) -> None:
    store.add(COMPARISON)
    for path in store.path.parent.iterdir():
        path.unlink()
    assert store.count("tea") == 0
    store.add(COMPARISON)
    assert store.count("tea") == 1


@pytest.fixture
def read_only() -> Iterator[Store]:
    """A record with one run that this process may read and not write, also where it is the superuser's otherwise."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory))
        store.create_run(make_run(), b"samples")
        store.path.chmod(0o444)
        Path(directory).chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield store
        finally:
            os.seteuid(user)
            Path(directory).chmod(0o700)


def test_a_read_only_file_is_named_and_keeps_what_it_has(read_only: Store) -> None:
    before = read_only.path.read_bytes()
    assert_unusable(read_only, reading=False)
    assert read_only.path.read_bytes() == before
