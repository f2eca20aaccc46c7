"""The Runs page over a record in PostgreSQL: the database sorts, searches and pages."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmark.record.plan import ComparePlan
from benchmark.record.recording import add_finished_run
from benchmark.record.store import Store
from tests.dashboard.page import Page
from tests.dashboard.runs import simulated
from tests.dashboard.runs_grid import Grid
from tests.postgres import Postgres


def test_the_runs_of_a_shared_record_are_sorted_searched_and_paged(
    postgres: Postgres, tmp_path: Path, visit: Callable[..., Page], nobody: str
) -> None:
    location = postgres.new_record(tmp_path)
    store = Store(location)
    run, samples = simulated(ComparePlan(pairs=400))
    for number in range(30):
        add_finished_run(store, replace(run, id=f"aa{number:06}", name=f"run {number:02}"), samples)
    page = visit(nobody, nobody, RESULTS_URL=str(location.url)).at("runs")
    grid = Grid(page.open(sort="name"))
    assert (grid.titles[0], grid.footer) == ("run 00", "1\N{EN DASH}25 of 30 runs")
    assert grid.cell("aa000000", "verdict").startswith("FastAPI faster by ")
    assert grid.click("sort-p50").click("page-last").footer == "26\N{EN DASH}30 of 30 runs"
    page.app.text_input(key="search").set_value("run 07")
    assert Grid(page.rerun()).titles == ["run 07"]
