"""The pages show a kind of run that they do not know by name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.endpoints.endpoint import Endpoint
from benchmark.launch import Launcher
from benchmark.record.run import Run, RunState
from benchmark.record.store import Store
from benchmark.runs import KINDS
from benchmark.runs.kind import Order
from tests.benchmark.runs.toy import KIND, CountPlan
from tests.dashboard.page import Page
from tests.dashboard.runs_grid import Grid

Visit = Callable[..., Page]
SIDES = (Endpoint("api", "The API", "http://127.0.0.1:9"),)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, results_dir: Path) -> Run:
    """A toy run that is over, in the record."""
    monkeypatch.setitem(KINDS, "toy", "tests.benchmark.runs.toy")
    order = Order(CountPlan(3), SIDES, "c0401234", "one two three")
    return KIND.prepare(order, Store(results_dir)).execute(lambda _: None)


def test_a_toy_run_is_drawn_by_its_own_panel(visit: Visit, counted: Run) -> None:
    assert (
        "Counted to 3" in visit("http://127.0.0.1:9", "http://127.0.0.1:10").at("benchmark").open(run=counted.id).read()
    )


def test_a_toy_run_that_goes_on_is_followed(visit: Visit, counted: Run, results_dir: Path) -> None:
    Store(results_dir).create_run(replace(counted, id="c0405678", state=RunState.RUNNING))
    page = visit("http://127.0.0.1:9", "http://127.0.0.1:10").at("benchmark").open(run="c0405678")
    assert "3 of 3 numbers" in page.read("progress") and "to 3" in page.read("progress")
    assert "Counting: 3 so far" in page.read()


def test_a_toy_run_is_listed_without_figures(visit: Visit, counted: Run) -> None:
    grid = Grid(visit("http://127.0.0.1:9", "http://127.0.0.1:10").at("runs").open())
    assert (grid.cell(counted.id, "kind"), grid.cell(counted.id, "verdict")) == ("toy", "\N{EN DASH}")


def test_a_toy_run_in_progress_is_listed_with_what_it_counts(visit: Visit, counted: Run, results_dir: Path) -> None:
    Store(results_dir).create_run(replace(counted, id="c0405678", state=RunState.RUNNING))
    grid = Grid(visit("http://127.0.0.1:9", "http://127.0.0.1:10").at("runs").open())
    assert grid.cell("c0405678", "verdict") == "100% of 3 numbers"


def test_a_run_of_a_later_version_is_listed_and_says_why_it_cannot_be_drawn(
    visit: Visit, counted: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(KINDS, "toy")
    grid = Grid(visit("http://127.0.0.1:9", "http://127.0.0.1:10").at("runs").open())
    assert (grid.cell(counted.id, "kind"), grid.titles) == ("toy", ["one two three"])
    assert (
        "unknown kind of run toy"
        in visit("http://127.0.0.1:9", "http://127.0.0.1:10").at("benchmark").open(run=counted.id).read()
    )


def test_nothing_is_scraped_while_a_kind_needs_its_endpoints_idle(
    counted: Run, results_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.monitor.sampler import Measuring
    from dashboard.resources import measuring

    store = Store(results_dir)
    assert measuring(Launcher(store), store) is Measuring.NOTHING
    store.create_run(replace(counted, id="c0405678", state=RunState.RUNNING))
    assert measuring(Launcher(store), store) is Measuring.REQUESTS
    monkeypatch.setattr("tests.benchmark.runs.toy.KIND", replace(KIND, needs_idle_endpoints=True))
    assert measuring(Launcher(store), store) is Measuring.STARTS
