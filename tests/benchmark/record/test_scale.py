"""A record of thousands of runs opens like a small one."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import insert

from benchmark.record import schema
from benchmark.record.run import RunState
from benchmark.record.store import Location, RunQuery, SortBy, Store
from tests.benchmark.runs import make_run
from tests.postgres import Postgres

FEW, MANY = 10, 10_000
QUERIES = {
    "first page": RunQuery(limit=FEW),
    "by name": RunQuery(limit=FEW, sort_by=SortBy.NAME, descending=False),
    "by start": RunQuery(limit=FEW, sort_by=SortBy.STARTED),
    "by kind": RunQuery(limit=FEW, sort_by=SortBy.KIND),
}


@contextmanager
def filled(location: Location, count: int) -> Iterator[Store]:
    """A record of so many runs, each with its documents, two endpoints and samples."""
    run = make_run()
    documents = {
        "progress": json.dumps({"done": 1000, "total": 1000, "phase": "measuring", "elapsed_s": 60.0}),
        "manifest": json.dumps({**run.manifest, "note": "x" * 3000}),
        "outcome": json.dumps(run.outcome),
    }
    known = {"kind": "compare", "state": RunState.FINISHED.value, "seen_at": 0.0, "started_by": "ann"}
    numbers = range(1, count + 1)
    with closing(Store(location)) as store:
        with store.database.write() as connection:
            connection.execute(
                insert(schema.run),
                [
                    {
                        "sequence": number,
                        "id": f"{number:08x}",
                        "name": f"Run {number * 7919 % count}",
                        "started_at_utc": f"2026-01-{number % 28 + 1:02}T00:00:{number % 60:02}.000+00:00",
                        **known,
                        **documents,
                    }
                    for number in numbers
                ],
            )
            endpoints = [
                {"run": number, "position": at, "key": name.lower(), "name": name, "p50_ms": 10.0 + at}
                for number in numbers
                for at, name in enumerate(("API", "Function"))
            ]
            connection.execute(insert(schema.run_endpoint), endpoints)
            chunks = [{"run": number, "position": 1, "samples": b"x" * 2000} for number in numbers]
            connection.execute(insert(schema.chunk), chunks)
        yield store


def taken_s(use: Callable[[], object]) -> float:
    began = time.perf_counter()
    use()
    return time.perf_counter() - began


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_ten_thousand_runs_are_listed_in_the_time_of_ten(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    def new(name: str) -> Location:
        if database == "sqlite":
            return Location(tmp_path / name)
        postgres: Postgres = request.getfixturevalue("postgres")
        return postgres.new_record(tmp_path / name)

    ratios = {}
    with filled(new("few"), FEW) as few, filled(new("many"), MANY) as many:
        for store in (few, many):
            if store.is_shared:
                with store.database.session() as connection:
                    connection.exec_driver_sql("VACUUM ANALYZE")  # as autovacuum does
        for name, query in QUERIES.items():
            assert many.find(query).total == MANY
            assert len(many.find(query).runs) == len(few.find(query).runs) == FEW
            # In turns, and the fastest of each: the rest is what else the machine does.
            pairs = [[taken_s(partial(store.find, query)) for store in (few, many)] for _ in range(150)]
            small_s, large_s = map(min, zip(*pairs, strict=True))
            ratios[name] = large_s / small_s
    print(database, ratios)
    assert max(ratios.values()) <= 1.5, ratios
