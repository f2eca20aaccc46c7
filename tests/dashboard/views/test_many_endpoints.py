"""Predict, Benchmark and Cold start with one to six endpoints, which a file configures."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmark.coldstart.plan import IdleSweepPlan
from benchmark.record.recording import add_finished_run
from benchmark.record.store import Store
from benchmark.statistics.contrasts import Contrast
from benchmark.statistics.estimates import Estimate
from benchmark.statistics.verdict import Outcome
from benchmark.summary.summarise import summarise
from dashboard.components import markup
from dashboard.components.pairs import pairs_table
from dashboard.components.theme import LIGHT
from dashboard.views.benchmark import charts
from inference.card import ModelCard
from tests.benchmark.cards import make_service, tea_outputs
from tests.benchmark.cold_runs import TrueStart, cold_run
from tests.benchmark.little_server import LittleServer, serving
from tests.dashboard.conftest import Serve
from tests.dashboard.figures import with_validation
from tests.dashboard.page import Page
from tests.dashboard.runs import simulated_many

NAMES = "ABCDEF"
COUNTS = pytest.mark.parametrize("count", [1, 3, 6])
Open = Callable[..., Page]


@pytest.fixture
def servers(serve: Serve, tea: ModelCard) -> list[LittleServer]:
    return [serve(serving(make_service(tea, tea_outputs))) for _ in NAMES]


@pytest.fixture
def page_of(visit: Callable[..., Page], servers: list[LittleServer], tmp_path: Path, tea_dir: Path) -> Open:
    """The dashboard over so many endpoints; C has a colour of its own."""

    def page_of(count: int, urls: dict[str, str] | None = None) -> Page:
        path = tmp_path / "endpoints.toml"
        entries = []
        for name, server in zip(NAMES[:count], servers, strict=False):
            colour = 'colour = "#123456"\n' if name == "C" else ""
            entries.append(f'[[endpoint]]\nname = "{name}"\nurl = "{(urls or {}).get(name, server.url)}"\n{colour}')
        path.write_text("".join(entries))
        return visit("", "", ENDPOINTS=str(path), MODEL_DIR=str(tea_dir))

    return page_of


def traces(page: Page, chart: str) -> dict[str, dict[str, Any]]:
    return {trace["name"]: trace for trace in page.figure(chart)["data"]}


@COUNTS
def test_predict_asks_all_endpoints_and_shows_a_card_of_each(page_of: Open, count: int) -> None:
    page = page_of(count).open()
    asked = {
        1: "send the input to the endpoint",
        3: "the same input to all three endpoints",
        6: "to all six endpoints",
    }[count]
    assert asked in page.read("verdict")
    page.compare()
    assert all("Latency (ms)" in page.metrics(name.lower()) for name in NAMES[:count])
    assert [page.has(f"card-{name.lower()}") for name in NAMES] == [True] * count + [False] * (6 - count)
    said = {1: "A answered in", 3: "All three agree", 6: "All six agree"}[count]
    assert said in page.read("verdict")
    found = traces(page, "latency")
    assert list(found) == [f"{name} (n = 1)" for name in NAMES[:count]]
    # Plotly leaves out the legend of one line, which says n.
    assert page.figure("latency")["layout"].get("showlegend") is (True if count == 1 else None)
    markers = [trace["marker"] for trace in found.values()]
    colors = [LIGHT.positions[place] for place in range(count)]
    colors[2:3] = ["#123456"] if count > 2 else []
    assert [marker["color"] for marker in markers] == colors
    assert len({marker["symbol"] for marker in markers}) == count


def test_an_endpoint_that_differs_is_named_and_one_that_is_away_says_what_to_change(
    page_of: Open, serve: Serve, nobody: str, tea: ModelCard
) -> None:
    def other(row: Any) -> Any:
        return list(reversed(tea_outputs(row)))

    odd = serve(serving(make_service(tea, other)))
    page = page_of(4, {"B": odd.url, "D": nobody}).open().compare()
    assert "They disagree" in page.read("verdict")
    assert "B differs: " in page.read("verdict")
    assert "D: see its card." in page.read("verdict")
    assert "check its url in the ENDPOINTS file" in page.read("card-d")


@COUNTS
def test_a_run_of_so_many_endpoints_has_a_card_and_a_line_of_each(page_of: Open, results_dir: Path, count: int) -> None:
    run, samples = simulated_many(count)
    add_finished_run(Store(results_dir), run, samples)
    page = page_of(count).at("benchmark").open(run=run.id)
    for name in NAMES[:count]:
        assert "service time, n = 100" in page.read(f"card-{name.lower()}")
        assert f"{name} (n = 100)" in traces(page, "time")
        assert f"{name} (n = 100)" in traces(page, "distribution")
    dashes = {trace["line"]["dash"] for trace in page.figure("shares")["data"]}
    assert len(dashes) == count
    assert page.read("chart-fairness").count("equal") > 5 or count == 1


@COUNTS
def test_cold_starts_of_so_many_endpoints_have_a_card_of_each(page_of: Open, results_dir: Path, count: int) -> None:
    starts = {name.lower(): TrueStart(cold_ms=500.0 + 100 * place) for place, name in enumerate(NAMES[:count])}
    run, samples = cold_run(IdleSweepPlan(3, idle_s=(60.0, 900.0)), starts)
    add_finished_run(Store(results_dir), run, samples)
    page = page_of(count).at("coldstart").open(run=run.id)
    for name in NAMES[:count].lower():
        assert page.metrics(name)["Cold p50 (ms)"] != markup.NOTHING
    assert len(page.figure("share")["data"]) == count
    assert len({trace["marker"]["symbol"] for trace in page.figure("share")["data"]}) == count


# --- What is claimed of pairs


def pair(first: int, second: int, outcome: Outcome, winner: int | None, value_ms: float) -> Contrast:
    effect = Estimate(value_ms, value_ms - 1, value_ms + 1, 100)
    return Contrast(first, second, effect, 0.983, 2.0, outcome, winner, doubt=None, more=None)


PAIRS = [
    pair(0, 1, Outcome.WINNER, 0, -8.0),
    pair(0, 2, Outcome.EQUIVALENT, None, 0.25),
    pair(1, 2, Outcome.INCONCLUSIVE, None, 2.5),
]


def test_a_table_says_what_is_claimed_of_each_pair() -> None:
    lines = pairs_table(PAIRS, ["A*", "B", "C"]).splitlines()[2:]
    assert [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines] == [
        ["A\\* \N{MINUS SIGN} B", ":green-badge[:material/trophy: A\\* is faster]", "-8.00 (-9.00 to -7.00)", "98.3%"],
        ["A\\* \N{MINUS SIGN} C", ":blue-badge[:material/equal: Equivalent]", "0.250 (-0.750 to 1.25)", "98.3%"],
        ["B \N{MINUS SIGN} C", ":gray-badge[:material/help: No winner]", "2.50 (1.50 to 3.50)", "98.3%"],
    ]


def test_the_difference_of_each_pair_is_drawn_beside_its_margin() -> None:
    run, samples = simulated_many(3)
    summary: Any = replace(summarise(run, samples), verdict=SimpleNamespace(pairs=PAIRS))  # type: ignore[arg-type]
    figure = with_validation(charts).differences(summary, LIGHT)
    assert list(figure.data[0].y) == [f"{one} \N{MINUS SIGN}<br>{other}" for one, other in ("AB", "AC", "BC")]
    assert list(figure.data[0].x) == [-8.0, 0.25, 2.5]
    margins = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert [(shape.x0, shape.x1, shape.y0, shape.y1) for shape in margins] == [
        (-2.0, 2.0, row - 0.5, row + 0.5) for row in range(3)
    ]
    assert [note.text for note in figure.layout.annotations] == ["◂ first faster", "second faster ▸"]
