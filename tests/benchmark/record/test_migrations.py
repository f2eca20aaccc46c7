"""Records of every version come to one schema, and keep what they have."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from benchmark.record import migrations, schema
from benchmark.record.store import FILE_NAME, FoundEndpoint, Location, RunQuery, Store, StoreError
from tests.benchmark.record.processes import start, write_at_once
from tests.benchmark.record.test_store import WRITER
from tests.postgres import Postgres
from tests.servers import ROOT


def as_written(version: int, directory: Path) -> Store:
    """A record as a released version left it."""
    directory.mkdir()
    with closing(sqlite3.connect(directory / FILE_NAME)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript((ROOT / "tests" / "data" / f"record-v{version}.sql").read_text())
        assert database.execute("PRAGMA user_version").fetchone() == (version,)
    return Store(directory)


def described(store: Store) -> Any:
    """Tables, columns, keys and indexes."""
    with store.database.read() as connection:
        found = inspect(connection)
        keys = {name: found.get_pk_constraint(name)["constrained_columns"] for name in found.get_table_names()}
        return {
            name: (
                [
                    (column["name"], str(column["type"]), column["nullable"] and column["name"] not in key)
                    for column in found.get_columns(name)
                ],
                key,
                # SQLAlchemy does not read what ON DELETE does of a key that is declared with its column.
                [tuple(row) for row in connection.exec_driver_sql(f"PRAGMA foreign_key_list({name})")],
                [one["column_names"] for one in found.get_unique_constraints(name)],
                sorted((one["name"] or "", *one["column_names"]) for one in found.get_indexes(name)),
                found.get_table_options(name),
            )
            for name, key in keys.items()
        }


@pytest.mark.parametrize("version", range(1, migrations.HEAD))
def test_a_file_that_was_brought_up_to_date_is_like_a_new_one(version: int, tmp_path: Path) -> None:
    old, new = as_written(version, tmp_path / "old"), Store(tmp_path / "new")
    for store in (old, new):
        store.runs()
    assert described(old) == described(new)
    with closing(sqlite3.connect(old.path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (migrations.HEAD,)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def test_the_migrations_lead_to_the_schema(store: Store) -> None:
    with store.database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


@pytest.mark.parametrize("version", [2, 3, 4])
def test_runs_of_earlier_versions_are_read_and_found(version: int, tmp_path: Path) -> None:
    store = as_written(version, tmp_path / "old")
    found = store.find(RunQuery())
    assert [one.id for one in found.runs] == ["bbbb0002", "bbbb0001", "aaaa0004", "aaaa0003", "aaaa0002", "aaaa0001"]
    assert [one.is_imported for one in found.runs] == [True, True, False, False, False, False]
    assert store.chunks("aaaa0001") == [(1, b"samples")]


def test_a_list_knows_the_endpoints_and_reasons_of_earlier_runs(tmp_path: Path) -> None:
    store = as_written(2, tmp_path / "old")
    manifest = {"endpoints": [{"key": "api", "name": "Cloud Run"}, {"key": "function", "name": "Function\x1b[31m"}]}
    with closing(sqlite3.connect(store.path)) as database, database:
        database.execute(
            "UPDATE run SET manifest = ?, outcome = ? WHERE id = 'aaaa0001'",
            (json.dumps(manifest), json.dumps({"reason": "too many errors"})),
        )
        database.execute("UPDATE run SET manifest = '{', outcome = '[]' WHERE id = 'aaaa0002'")
    damaged, whole = store.find(RunQuery(text="aaaa")).runs[-2:]
    assert whole.endpoints == (
        FoundEndpoint("api", "Cloud Run", None, None),
        FoundEndpoint("function", "Function\N{REPLACEMENT CHARACTER}[31m", None, None),
    )
    assert whole.reason == "too many errors"
    assert (damaged.id, damaged.endpoints, damaged.reason) == ("aaaa0002", (), None)


@pytest.mark.parametrize(("version", "owner", "count"), [(1, "", 2), (4, "ann", 1)])
def test_comparisons_of_earlier_versions_are_kept(version: int, owner: str, count: int, tmp_path: Path) -> None:
    store = as_written(version, tmp_path / "old")
    (kept,) = store.latest("tea", owner=owner)
    assert (kept.id, len(kept.samples)) == ("5f0c", count)
    store.clear("tea")
    assert store.latest("tea") == []


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    store = as_written(4, tmp_path / "old")
    with closing(sqlite3.connect(store.path)) as database:
        database.execute("CREATE TABLE run_endpoint (in_the_way TEXT)")
        before = list(database.iterdump())
    with pytest.raises(StoreError, match="run_endpoint"):
        store.runs()
    with closing(sqlite3.connect(store.path)) as database:
        assert list(database.iterdump()) == before
        assert database.execute("PRAGMA user_version").fetchone() == (4,)
        database.execute("DROP TABLE run_endpoint")
    assert len(store.runs()) == 6


def test_what_migrates_is_imported_only_to_migrate(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from benchmark.record.store import Store; "
        "Store(Path(sys.argv[1])).runs(); print('alembic' in sys.modules)"
    )
    said = [start(script, tmp_path).communicate(timeout=60)[0] for _ in range(2)]
    assert said == ["True\n", "False\n"]


# --- PostgreSQL


@pytest.fixture
def empty(postgres: Postgres, tmp_path: Path) -> Location:
    """A database without a table."""
    return Location(tmp_path, postgres.url(postgres.new_database()))


@pytest.mark.slow
def test_processes_that_open_an_empty_database_at_once_make_one_schema(empty: Location) -> None:
    write_at_once(WRITER, empty)
    with closing(Store(empty)) as store:
        assert store.count("tea") == 400


def test_a_database_of_a_later_version_is_left_alone(postgres: Postgres, empty: Location) -> None:
    with closing(Store(empty)) as store:
        store.runs()
    url = empty.database_url
    assert url is not None
    assert url.database is not None
    for later in ("6", "a1b2c3"):
        with closing(postgres.connect(url.database)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = %s", [later])
        with closing(Store(empty)) as store, pytest.raises(StoreError, match="was written by a later version"):
            store.runs()


def test_a_migration_that_fails_leaves_the_database_as_it_was(postgres: Postgres, empty: Location) -> None:
    url = empty.database_url
    assert url is not None
    assert url.database is not None
    with closing(postgres.connect(url.database)) as connection:
        connection.execute("CREATE TABLE run_endpoint (in_the_way TEXT)")
        with closing(Store(empty)) as store:
            with pytest.raises(StoreError, match="run_endpoint"):
                store.runs()
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            assert tables == [("run_endpoint",)]
            connection.execute("DROP TABLE run_endpoint")
            assert store.runs() == []
