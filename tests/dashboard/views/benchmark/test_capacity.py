"""A capacity run on the Benchmark page, over a record with a simulated run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.record.recording import add_finished_run
from benchmark.record.store import Store
from benchmark.runs.capacity.summary import summarise
from dashboard.components.theme import DARK, LIGHT, Palette
from dashboard.views.benchmark import capacity_charts
from tests.benchmark.capacity_runs import PLAN, capacity_run
from tests.dashboard.figures import with_validation
from tests.dashboard.page import Page

draw = with_validation(capacity_charts)
Visit = Callable[..., Page]
API, FUNCTION = "http://127.0.0.1:1", "http://127.0.0.1:2"


@pytest.mark.parametrize("look", [LIGHT, DARK])
def test_the_curves_have_every_step_and_the_interval_of_each_capacity(look: Palette) -> None:
    summary = summarise(*capacity_run())
    for figure in (draw.latency(summary, look), draw.goodput(summary, look)):
        assert len(figure.data) == 2
        for trace in figure.data:
            assert list(trace.x) == sorted(trace.x)
        bands = [shape for shape in figure.layout.shapes if shape.type == "rect"]
        assert [(shape.x0, shape.x1) for shape in bands] == [
            (one.range.low, one.range.high) for one in summary.endpoints
        ]
    good = draw.goodput(summary, look).data
    assert sum(len(trace.x) for trace in good) == len(summary.steps) == len(draw.table(summary))
    held = [step.held for one in summary.endpoints[:1] for step in sorted(one.steps, key=lambda step: step.bounds.rate)]
    assert [not symbol.endswith("-open") for symbol in good[0].marker.symbol] == held


def test_the_page_shows_a_run_with_its_capacities_and_curves(visit: Visit, results_dir: Path) -> None:
    run, samples = capacity_run()
    add_finished_run(Store(results_dir), run, samples)
    page = visit(API, FUNCTION).at("benchmark").open(run=run.id)
    text = page.read()
    for said in ("FastAPI holds", "times as much as Cloud Function", "Latency over rate", "Goodput over rate"):
        assert said in text


def test_the_page_says_at_least_for_an_endpoint_that_holds_the_cap(visit: Visit, results_dir: Path) -> None:
    run, samples = capacity_run(replace(PLAN, max_rate=20.0), (80.0,))
    add_finished_run(Store(results_dir), run, samples)
    assert "at least 20.0 requests/s: the maximum rate" in visit(API, FUNCTION).at("benchmark").open(run=run.id).read()


def test_a_damaged_run_says_so(visit: Visit, results_dir: Path) -> None:
    run, samples = capacity_run()
    add_finished_run(Store(results_dir), replace(run, outcome={"steps": [{"endpoint": 0}]}), samples)
    assert "cannot be read" in visit(API, FUNCTION).at("benchmark").open(run=run.id).read()
