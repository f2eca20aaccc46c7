"""The break-even chart as data."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from benchmark.cost.bill import CostError, Crossing
from dashboard.components.theme import DARK, LIGHT, Palette
from dashboard.views.cost import charts
from dashboard.views.cost.charts import NamedCrossing, Option
from tests.dashboard.figures import with_validation

cost_charts = with_validation(charts)

PALETTES = pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
SPAN = (10_000, 1_000_000_000)


def per_request(usd: float) -> Callable[[int], float]:
    return lambda requests: requests * usd


API = Option("FastAPI, request-based", "api", True, per_request(3e-6))
FUNCTION = Option("Cloud Function, request-based", "function", True, per_request(1e-6))
FLAT = Option("FastAPI, instance-based", "api", False, lambda requests: 60.0)
OPTIONS = (API, FUNCTION, FLAT)


def document(colors: Palette = LIGHT, requests: int = 5_000_000, options: tuple[Option, ...] = OPTIONS) -> Any:
    found = cost_charts.named_crossings(options, SPAN)
    return json.loads(cost_charts.break_even(options, found, requests, SPAN, colors).to_json())


@PALETTES
def test_each_option_is_a_line_in_its_endpoints_colour_and_the_other_billing_is_dashed(colors: Palette) -> None:
    api, function, flat, _ = document(colors)["data"]
    assert [line["name"] for line in (api, function, flat)] == [option.label for option in OPTIONS]
    assert [line["line"]["color"] for line in (api, function, flat)] == [
        colors.endpoints[key] for key in ("api", "function", "api")
    ]
    assert [line["line"]["dash"] for line in (api, function, flat)] == ["solid", "solid", "dash"]
    assert api["line"]["width"] > function["line"]["width"], "where both cost the same, one would hide the other"
    assert (api["x"][0], api["x"][-1]) == SPAN
    assert api["y"] == [pytest.approx(requests * 3e-6) for requests in api["x"]]


def test_crossings_are_named_at_their_place() -> None:
    (marks,) = [trace for trace in document()["data"] if trace["name"] == "break-even"]
    # 60 / 0.000003.
    assert marks["x"] == [pytest.approx(20_000_000, abs=1)]
    assert marks["y"] == [pytest.approx(60, rel=1e-6)]
    assert marks["text"] == ["20 million"]
    assert "FastAPI, instance-based costs less" in marks["hovertext"][0]


def test_only_comparisons_that_make_a_choice_are_crossings() -> None:
    cheap = Option("Cloud Function, instance-based", "function", False, lambda requests: 30.0)
    found = cost_charts.named_crossings((*OPTIONS, cheap), SPAN)
    # The API's other billing against the function's, or against the function as it is set, is nobody's question.
    assert [(one.cheaper.label, one.dearer.label) for one in found] == [
        ("FastAPI, instance-based", "FastAPI, request-based"),
        ("Cloud Function, instance-based", "Cloud Function, request-based"),
    ]


def test_of_crossings_side_by_side_the_first_is_labelled() -> None:
    found = [NamedCrossing(FLAT, API, Crossing(at, 60.0, True)) for at in (1_000_000, 1_100_000, 4_000_000)]
    figure = cost_charts.break_even(OPTIONS, found, 5, SPAN, LIGHT)
    assert list(figure.data[-1].text) == ["1 million", "", "4 million"]
    assert len(figure.data[-1].x) == 3


def test_axes_say_what_and_in_which_unit_and_hold_every_line() -> None:
    figure = document()
    x, y = figure["layout"]["xaxis"], figure["layout"]["yaxis"]
    assert (x["type"], y["type"]) == ("log", "log")
    assert x["title"]["text"] == "Requests a month (log scale)"
    assert y["title"]["text"] == "USD a month (log scale)"
    values = [value for trace in figure["data"] for value in trace["y"] if value]
    assert 10 ** y["range"][0] <= min(values) < max(values) <= 10 ** y["range"][1]
    assert 10 ** x["range"][0] <= SPAN[0] < SPAN[1] <= 10 ** x["range"][1]


def test_the_pages_own_traffic_is_marked() -> None:
    (shape,) = document(requests=3_000_000)["layout"]["shapes"]
    (note,) = document(requests=3_000_000)["layout"]["annotations"]
    assert shape["x0"] == shape["x1"] == 3_000_000
    assert (note["text"], note["x"]) == ("your traffic", pytest.approx(math.log10(3_000_000)))
    assert "shapes" not in document(requests=0)["layout"]


def test_what_is_free_is_not_drawn_on_a_logarithmic_axis() -> None:
    free = Option("FastAPI, request-based", "api", True, lambda requests: max(0.0, requests * 1e-6 - 2))
    xs, ys = cost_charts.line(free, *SPAN)
    assert [y is None for y in ys] == [x < 2_010_000 for x in xs]
    assert document(options=(free, FUNCTION))["data"]


def test_a_line_ends_where_the_platform_offers_nothing() -> None:
    def until(requests: int) -> float:
        if requests > 1_000_000:
            raise CostError("too many at once")
        return 1.0

    xs, _ = cost_charts.line(Option("a", "api", True, until), *SPAN)
    assert xs[-1] <= 1_000_000
    rows = cost_charts.table([Option("a", "api", True, until)], SPAN)
    assert [row["a (USD)"] for row in rows if row["requests a month"] > 1_000_000] == [None] * 9


@pytest.mark.parametrize("usd", [0.0, 0.001, 1e-9])
def test_costs_of_nothing_can_be_drawn(usd: float) -> None:
    option = Option("FastAPI, request-based", "api", True, lambda requests: usd)
    layout = json.loads(cost_charts.break_even([option], [], 1, SPAN, LIGHT).to_json())["layout"]
    assert layout["yaxis"]["range"][0] < layout["yaxis"]["range"][1]


def test_the_table_has_the_costs_of_every_option() -> None:
    rows = cost_charts.table(OPTIONS, (10_000, 1_000_000))
    assert [row["requests a month"] for row in rows] == [10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000]
    assert rows[-1] == {
        "requests a month": 1_000_000,
        "FastAPI, request-based (USD)": 3.0,
        "Cloud Function, request-based (USD)": 1.0,
        "FastAPI, instance-based (USD)": 60.0,
    }


def test_names_from_the_environment_are_no_markup() -> None:
    odd = Option("<b>FastAPI</b>", "api", True, per_request(1e-6))
    assert document(options=(odd,))["data"][0]["name"] == "&lt;b&gt;FastAPI&lt;/b&gt;"


def test_of_more_than_two_only_what_becomes_the_cheapest_is_a_crossing() -> None:
    flat = Option("C", "c", True, lambda requests: 40.0, 2)
    steep, gentle = Option("A", "a", True, per_request(3e-6), 0), Option("B", "b", True, lambda r: 10 + r * 1e-6, 1)
    found = cost_charts.named_crossings((steep, gentle, flat), SPAN)
    # A is overtaken by B at 5 million, B by C at 30 million; that C overtakes A between the two changes nothing.
    assert [(one.cheaper.label, one.dearer.label) for one in found] == [("B", "A"), ("C", "B")]
    assert [one.at.requests_per_month for one in found] == pytest.approx([5_000_000, 30_000_000], abs=1)


def test_six_lines_have_their_own_colours_by_key_or_position() -> None:
    options = tuple(Option(key, key, True, per_request(1e-6), position) for position, key in enumerate("abcdef"))
    lines = document(options=options)["data"]
    assert [one["line"]["color"] for one in lines] == [LIGHT.endpoint_color(key, at) for at, key in enumerate("abcdef")]
    widths = [one["line"]["width"] for one in lines]
    assert widths == sorted(widths, reverse=True) and len(set(widths)) == 6, "where all cost the same, all can be seen"
