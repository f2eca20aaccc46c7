"""Records to test: each test runs over a SQLite file and over a PostgreSQL database."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Table, func, select, update

from benchmark.record import schema
from benchmark.record.store import Location, Store
from tests.postgres import Postgres

DATABASES = ("sqlite", "postgresql")
Silent = Callable[[Store, str, float], None]


@pytest.fixture(params=DATABASES)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return new_location(request, tmp_path / "results")


@pytest.fixture
def store(location: Location) -> Iterator[Store]:
    with closing(Store(location)) as store:
        yield store


@pytest.fixture(scope="session", params=DATABASES)
def shared_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """For tests of many examples."""
    with closing(Store(new_location(request, tmp_path_factory.mktemp("shared")))) as store:
        yield store


@pytest.fixture
def silent() -> Silent:
    """Lets so many seconds pass in which a run gives no sign of life."""

    def silent(store: Store, run_id: str, for_s: float) -> None:
        with store.database.write() as connection:
            earlier = update(schema.run).where(schema.run.c.id == run_id).values(seen_at=schema.run.c.seen_at - for_s)
            connection.execute(earlier)

    return silent


def new_location(request: pytest.FixtureRequest, directory: Path) -> Location:
    if request.param == "sqlite":
        return Location(directory)
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.new_record(directory)


def count_rows(store: Store, table: Table) -> int:
    with store.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()
