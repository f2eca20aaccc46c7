"""The figures of the Cold start page as data: what is drawn, how it is labelled, and that the run is its numbers."""

from typing import Any

import plotly.graph_objects as go
import pytest

from benchmark.coldstart.plan import ColdPlan, IdleSweepPlan, SpawnPlan
from benchmark.coldstart.summary import ColdSummary, summarise
from benchmark.record.run import RunState
from dashboard.components.theme import DARK, LIGHT, Palette
from dashboard.views.coldstart import charts
from tests.benchmark.cold_runs import TrueStart, cold_run
from tests.dashboard.figures import with_validation
from tests.dashboard.views.predict.test_charts import as_lists, titles

draw = with_validation(charts)

PALETTES = pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
GAPS_S = (60.0, 300.0, 900.0)


def spawned(**starts: TrueStart) -> ColdSummary:
    return summarise(*cold_run(SpawnPlan(8), starts or {"api": TrueStart(), "function": TrueStart(1200)}))


def ladder(**starts: TrueStart) -> ColdSummary:
    plan = IdleSweepPlan(3, idle_s=GAPS_S)
    return summarise(*cold_run(plan, starts or {"api": TrueStart(), "function": TrueStart(evidence=False)}))


def traces(figure: go.Figure) -> dict[str, dict[str, Any]]:
    return {trace["name"]: trace for trace in figure.to_dict()["data"]}


@PALETTES
def test_every_answer_is_a_point_of_its_population(colors: Palette) -> None:
    found = spawned()
    figure = draw.populations(found, colors)
    cold = traces(figure)["FastAPI, cold (n = 8)"]
    assert as_lists(cold["x"]) == list(found.endpoints[0].cold_values_ms)
    assert len(traces(figure)["Cloud Function, warm (n = 40)"]["x"]) == 40
    assert traces(figure)["median of FastAPI, cold (n = 8)"]["x"][0] == found.endpoints[0].cold_ms[0].value
    assert cold["marker"]["color"] == colors.endpoints["api"]
    assert titles(figure) == ["Time to the answer (ms, log scale)"]
    assert figure.to_dict()["layout"]["yaxis"]["ticktext"][0] == "FastAPI<br>cold (n = 8)"


def test_points_of_one_population_lie_beside_each_other_and_apart_from_the_next() -> None:
    places = as_lists(traces(draw.populations(spawned(), LIGHT))["FastAPI, warm (n = 40)"]["y"])
    assert len(set(places)) == 40
    assert all(0.7 < place < 1.3 for place in places)


@PALETTES
def test_the_parts_of_a_start_are_stacked_and_told_apart_without_colour(colors: Palette) -> None:
    found = spawned()
    figure = draw.split_bars(found, colors)
    bars = [trace for trace in figure.to_dict()["data"] if trace.get("showlegend") is False]
    assert [bar["name"] for bar in bars] == ["start and imports", "model load", "first request"]
    split = found.endpoints[0].split
    assert split is not None
    assert [bar["x"][0] for bar in bars] == [split.imports_ms, split.model_ms, split.rest_ms]
    assert len({bar["marker"]["pattern"]["shape"] for bar in bars}) == 3
    assert list(bars[0]["marker"]["color"]) == [colors.endpoints["api"], colors.endpoints["function"]]
    assert bars[0]["y"][0] == "FastAPI<br>(n = 8)"
    assert titles(figure) == ["Median of each part (ms)"]


def test_an_endpoint_that_does_not_say_how_its_start_divides_has_an_empty_bar() -> None:
    figure = draw.split_bars(spawned(api=TrueStart(), function=TrueStart(model_ms=None)), LIGHT)
    assert figure.to_dict()["data"][0]["x"][1] is None


def test_failed_starts_are_crosses_in_their_place() -> None:
    found = traces(draw.in_order(spawned(api=TrueStart(fails=(2,))), LIGHT))
    assert as_lists(found["FastAPI failed (1)"]["x"]) == [3]
    assert as_lists(found["FastAPI (n = 7)"]["x"]) == [1, 2, 4, 5, 6, 7, 8]


@PALETTES
def test_the_scatter_tells_cold_from_suspected_and_warm_by_symbol(colors: Palette) -> None:
    figure = draw.idle_scatter(ladder(), colors)
    found = traces(figure)
    symbols = {name: trace["marker"]["symbol"] for name, trace in found.items()}
    assert symbols == {
        "FastAPI cold (n = 3)": "circle",
        "FastAPI warm (n = 6)": "circle-open",
        "Cloud Function suspected cold (n = 3)": "diamond-dot",
        "Cloud Function presumed warm (n = 6)": "diamond-open",
    }
    assert min(as_lists(found["FastAPI cold (n = 3)"]["x"])) == pytest.approx(909)
    layout = figure.to_dict()["layout"]
    assert layout["xaxis"]["type"] == layout["yaxis"]["type"] == "log"
    assert titles(figure) == ["Idle gap (log scale)", "Response (ms, log scale)"]
    band = layout["shapes"][0]
    assert (band["x0"], band["x1"]) == pytest.approx((303, 909))


def test_shares_have_the_intervals_of_the_summary() -> None:
    found = ladder()
    trace = traces(draw.cold_share(found, LIGHT))["FastAPI (n = 9)"]
    gaps = found.endpoints[0].gaps
    assert as_lists(trace["y"]) == [gap.share.value for gap in gaps] == [0, 0, 1]
    assert as_lists(trace["error_y"]["array"]) == [(gap.share.high or 0) - gap.share.value for gap in gaps]
    assert trace["customdata"][2] == "3 of 3 after 15 min"


@pytest.mark.parametrize("plan", [SpawnPlan(3), IdleSweepPlan(1, idle_s=(60.0, 300.0))])
def test_a_run_that_has_only_begun_can_be_drawn(plan: ColdPlan) -> None:
    for done in (0, 1):
        found = summarise(*cold_run(plan, {"api": TrueStart(), "function": TrueStart()}, RunState.LOST, done))
        for figure in (draw.populations, draw.split_bars, draw.in_order, draw.idle_scatter, draw.cold_share):
            assert figure(found, LIGHT).to_dict()["layout"]["height"] > 100


def test_a_name_is_shown_as_it_is_and_takes_the_colour_of_its_place() -> None:
    found = summarise(*cold_run(SpawnPlan(2), {"one": TrueStart(), "<b>": TrueStart()}))
    figure = draw.in_order(found, LIGHT)
    assert list(traces(figure)) == ["one (n = 2)", "&lt;b&gt; (n = 2)"]
    assert figure.to_dict()["data"][1]["marker"]["color"] == LIGHT.endpoints["function"]


def test_the_tables_hold_the_numbers_that_are_drawn() -> None:
    found = ladder()
    assert len(draw.probe_table(found)) == 18
    assert {row["instance"] for row in draw.probe_table(found)} == {"cold", "warm", "suspected cold", "unknown"}
    assert [row["cold"] for row in draw.share_table(found)] == [0, 0, 3, 0, 0, 3]
    populations = draw.population_table(found)
    assert [(row["endpoint"], row["instances"], row["n"]) for row in populations] == [
        ("FastAPI", "cold", 3),
        ("FastAPI", "warm", 51),
        ("Cloud Function", "suspected cold", 3),
        ("Cloud Function", "presumed warm", 51),
    ]
    assert draw.split_table(spawned())[0]["model load (ms)"] == 30
