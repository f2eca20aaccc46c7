"""The record has the headline of a run as soon as it ends, is imported, or is first listed."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmark.__main__ import main
from benchmark.commands.measuring import carry_out
from benchmark.endpoints.endpoint import Endpoint
from benchmark.record.plan import ComparePlan
from benchmark.record.recording import add_finished_run
from benchmark.record.store import FoundRun, RunQuery, Store, StoreError
from benchmark.reports.export import run_to_document
from benchmark.runs.headline import Headline
from benchmark.runs.headlines import read_headline, write_headline, write_headline_of
from benchmark.runs.kind import Order
from tests.benchmark.runs.toy import KIND, Counted, CountPlan
from tests.dashboard.runs import simulated


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def found(store: Store) -> FoundRun:
    (run,) = store.find(RunQuery()).runs
    return run


def test_a_run_has_its_headline_when_it_has_ended(store: Store) -> None:
    kind = replace(KIND, headline=lambda counted: Headline(f"counted to {counted.highest}", ((1.0, 2.0),)))
    order = Order(CountPlan(4), (Endpoint("api", "The API", "http://127.0.0.1:9"),), "c0401234")
    assert carry_out(kind, kind.prepare(order, store), store, "none").highest == 4
    run = found(store)
    assert (run.verdict, run.endpoints[0].p50_ms, run.endpoints[0].p95_ms) == ("counted to 4", 1.0, 2.0)


def test_an_imported_run_has_its_headline_at_once(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(run_to_document(*simulated(ComparePlan(pairs=400)))))
    assert main(["import", str(file), "--results", str(tmp_path)]) == 0
    verdict = found(store).verdict
    assert verdict is not None and verdict.startswith("FastAPI faster by ")


def test_a_run_of_an_earlier_version_gets_its_headline_from_its_samples(store: Store) -> None:
    run, samples = simulated(ComparePlan(pairs=400))
    add_finished_run(store, run, samples)
    assert found(store).verdict is None
    headline = read_headline(store, run.id)
    assert headline is not None and found(store).verdict == headline.verdict
    assert [(one.p50_ms, one.p95_ms) for one in found(store).endpoints] == list(headline.latencies_ms)


def test_a_read_only_record_gives_a_headline_and_keeps_none(store: Store, tmp_path: Path) -> None:
    run, samples = simulated()
    add_finished_run(store, run, samples)
    assert read_headline(Store(tmp_path, read_only=True), run.id) is not None
    assert found(store).verdict is None


@pytest.mark.parametrize("manifest", [{}, {"plan": {"kind": "compare"}}, {"endpoints": 3}])
def test_a_damaged_run_has_none(store: Store, manifest: dict[str, object]) -> None:
    run, samples = simulated()
    damaged = replace(run, manifest=manifest)
    add_finished_run(store, damaged, samples)
    assert read_headline(store, run.id) is None
    write_headline(store, damaged, samples)
    assert found(store).verdict is None


def test_a_record_that_is_busy_does_not_spoil_the_end_of_a_run() -> None:
    class Busy:
        def set_headline(self, *_: object) -> None:
            raise StoreError("busy")

    kind = replace(KIND, headline=lambda _: Headline("done"))
    write_headline_of(Busy(), kind, Counted(SimpleNamespace(id="c0401234"), 3))  # type: ignore[arg-type]
