"""The figures of the Monitor page as data: what is drawn, how it is labelled, and that the readings are its numbers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go
import pytest

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Failure
from benchmark.monitor.counts import Bucket, Counts, Snapshot
from benchmark.monitor.drift import Drift, DriftLevel
from benchmark.monitor.history import Reading, Unread
from dashboard.components.theme import DARK, LIGHT, Palette
from dashboard.views.monitor import charts
from dashboard.views.monitor.snapshot import EndpointSnapshot, Window, endpoint_snapshot
from tests.benchmark.cards import make_card, tea_document
from tests.dashboard.figures import with_validation
from tests.dashboard.views.predict.test_charts import as_lists, titles

draw = with_validation(charts)

API = Endpoint("api", "FastAPI", "http://127.0.0.1:8000")
FUNCTION = Endpoint("function", "Cloud <Function>", "http://127.0.0.1:8080")
ENDPOINTS = [API, FUNCTION, *(Endpoint(key, key.upper(), "http://127.0.0.1:1") for key in "cdef")]
TEA = make_card(tea_document())
PALETTES = pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
NOW_S = 110.0


def snapshot(taken_s: float, fast: int, slow: int = 0, instance: str = "a") -> Snapshot:
    """A reading after so many requests of at most 1 ms, and so many of 1 to 10 ms."""
    total = fast + slow
    return Snapshot(
        taken_s,
        Counts(
            {200: total},
            (Bucket(0.0, 0.001, fast), Bucket(0.001, 0.01, slow)),
            {"green": fast, "oolong": slow, "black": 0},
            {"leaf_length": slow, "leaf_width": 0, "steep_time": 0},
        ),
        instance,
        TEA.version,
        age_s=taken_s,
    )


def one(endpoint: Endpoint, *readings: Reading) -> EndpointSnapshot:
    return endpoint_snapshot(endpoint, ENDPOINTS.index(endpoint), readings, Window.START, TEA)


PAIR = [
    one(API, snapshot(100, 10), snapshot(102, 30), snapshot(104, 30), snapshot(106, 30, 4)),
    one(FUNCTION, snapshot(100, 5), Unread(102, Failure.REFUSED), snapshot(104, 13)),
]


def traces(figure: go.Figure) -> dict[str, dict[str, Any]]:
    return {trace["name"]: trace for trace in figure.to_dict()["data"]}


# --- Over time


@PALETTES
def test_requests_per_second_are_drawn_over_the_time_ago(colors: Palette) -> None:
    figure = draw.requests_over_time(PAIR, NOW_S, colors)
    api, function = traces(figure)["FastAPI (n = 24)"], traces(figure)["Cloud &lt;Function&gt; (n = 8)"]
    assert as_lists(api["x"]) == [-10, -8, -6, -4]
    assert as_lists(api["y"]) == [10, 10, 0, 2]
    assert (as_lists(function["x"]), as_lists(function["y"])) == ([-10, -6], [2, 2])
    assert (api["line"]["color"], function["line"]["color"]) == (colors.endpoints["api"], colors.endpoints["function"])
    assert api["line"]["dash"] != function["line"]["dash"]
    assert titles(figure) == ["Time ago (min:s)", "Requests per second"]


def test_a_failed_reading_is_a_cross() -> None:
    failed = traces(draw.requests_over_time(PAIR, NOW_S, LIGHT))["not read"]
    assert (as_lists(failed["x"]), as_lists(failed["y"])) == ([-8], [0])
    assert failed["marker"]["symbol"].startswith("x")


def test_a_restart_is_a_gap_and_no_negative_rate() -> None:
    restarted = one(API, snapshot(100, 50), snapshot(102, 60), snapshot(104, 1, 0, "b"), snapshot(106, 3, 0, "b"))
    drawn = traces(draw.requests_over_time([restarted], NOW_S, LIGHT))["FastAPI (n = 12)"]
    assert as_lists(drawn["y"]) == [5, 5, None, 1, 1]
    assert as_lists(drawn["x"]) == [-10, -8, None, -6, -4]


def test_the_time_axis_is_at_least_a_minute_and_reads_as_time_ago() -> None:
    axis = draw.requests_over_time(PAIR, NOW_S, LIGHT).to_dict()["layout"]["xaxis"]
    assert axis["range"][0] == -60
    assert list(axis["ticktext"]) == ["now", "0:15", "0:30", "0:45", "1:00"]
    long = draw.requests_over_time([one(API, snapshot(0, 0), snapshot(2, 5))], 700.0, LIGHT).to_dict()["layout"][
        "xaxis"
    ]
    assert long["range"][0] == -700
    assert len(long["ticktext"]) <= 7


def test_quantiles_are_drawn_in_ms_with_their_bounds_and_nothing_where_nothing_was_asked() -> None:
    figure = draw.latency_over_time(PAIR, NOW_S, LIGHT)
    p95 = traces(figure)["FastAPI p95 (n = 24)"]
    assert as_lists(p95["y"])[1] is None
    assert as_lists(p95["y"])[0] == pytest.approx(0.95)
    assert as_lists(p95["y"])[2] == pytest.approx(1 + 9 * 0.95)
    assert as_lists(p95["customdata"])[2] == "between 1 and 10 ms, n = 4"
    assert titles(figure) == ["Time ago (min:s)", "Server's time (ms, log scale)"]


def test_tests_are_a_dotted_line_of_their_own() -> None:
    def tested(taken_s: float, tests: int) -> Snapshot:
        return replace(snapshot(taken_s, 0), test_counts=Counts({200: tests}))

    found = traces(draw.requests_over_time([one(API, tested(100, 0), tested(102, 80))], NOW_S, LIGHT))
    assert as_lists(found["FastAPI (n = 0)"]["y"]) == [0, 0]
    assert as_lists(found["FastAPI tests (n = 80)"]["y"]) == [40, 40]
    assert found["FastAPI tests (n = 80)"]["line"]["dash"] == "dot"
    assert not any("tests" in name for name in traces(draw.requests_over_time(PAIR, NOW_S, LIGHT)))


def test_a_burst_between_readings_is_a_peak_and_time_without_readings_is_shaded() -> None:
    readings = [snapshot(100, 0), snapshot(102, 2), snapshot(104, 202), snapshot(106, 204), snapshot(206, 1204)]
    figure = draw.requests_over_time([one(API, *readings)], 210.0, LIGHT)
    assert as_lists(traces(figure)["FastAPI (n = 204)"]["y"]) == [1, 1, 100, 1]
    (hole,) = figure.to_dict()["layout"]["shapes"]
    assert (hole["x0"], hole["x1"]) == (-104, -4)


def test_failures_are_shares_of_the_requests_between_two_readings() -> None:
    def failed(taken_s: float, fine: int, failed: int, refused: int) -> Snapshot:
        return replace(snapshot(taken_s, 0), counts=Counts({200: fine, 500: failed, 422: refused}))

    figure = draw.failures_over_time(
        [one(API, failed(100, 1, 0, 0), failed(102, 7, 3, 1), failed(104, 7, 3, 1))], NOW_S, LIGHT
    )
    found = traces(figure)
    assert as_lists(found["FastAPI failed (n = 10)"]["y"]) == [0.3, None]
    assert as_lists(found["FastAPI refused (n = 10)"]["y"]) == [0.1, None]
    assert titles(figure) == ["Time ago (min:s)", "Share of requests (%)"]


def test_memory_is_drawn_at_each_reading_with_a_gap_at_a_restart() -> None:
    def sized(taken_s: float, mib: float, instance: str) -> Snapshot:
        return replace(snapshot(taken_s, 0, 0, instance), memory_bytes=mib * 2**20)

    figure = draw.memory_over_time(
        [one(API, sized(100, 50, "a"), sized(102, 60, "a"), sized(104, 40, "b"), sized(106, 41, "b"))], NOW_S, LIGHT
    )
    assert as_lists(traces(figure)["FastAPI (n = 4)"]["y"]) == [50, 60, None, 40, 41]
    assert titles(figure) == ["Time ago (min:s)", "Memory (MiB)"]


@pytest.mark.parametrize(
    ("window", "range_s", "title"),
    [(Window.MINUTE, -60, "min:s"), (Window.TEN_MINUTES, -600, "min:s"), (Window.HOUR, -3600, "h:min")],
)
def test_the_time_axis_is_the_time_asked_about(window: Window, range_s: float, title: str) -> None:
    readings = [snapshot(2.0 * index, index) for index in range(2000)]
    data = [endpoint_snapshot(API, 0, readings, window, TEA)]
    axis = draw.requests_over_time(data, 4000.0, LIGHT).to_dict()["layout"]["xaxis"]
    assert (axis["range"][0], axis["title"]["text"]) == (range_s, f"Time ago ({title})")
    (drawn,) = data[0].timeline.stretches
    assert len(drawn.steps) <= 300
    assert drawn.first.taken_s >= 3998 + range_s


def test_nothing_read_is_drawn_as_nothing() -> None:
    for empty in ([], [one(API)], [one(API, snapshot(100, 0))]):
        assert draw.requests_over_time(empty, NOW_S, LIGHT).to_dict()["layout"]["xaxis"]["range"][0] == -60
        draw.latency_over_time(empty, NOW_S, LIGHT)
        assert draw.time_table(empty, NOW_S) == []


def test_the_table_over_time_has_the_same_numbers() -> None:
    rows = draw.time_table(PAIR, NOW_S)
    assert [(row["ago (s)"], row["endpoint"], row["requests"]) for row in rows] == [
        (4.0, "FastAPI", 4),
        (6.0, "Cloud <Function>", 8),
        (6.0, "FastAPI", 0),
        (8.0, "FastAPI", 20),
    ]
    assert (rows[0]["p95 above (ms)"], rows[0]["p95 up to (ms)"]) == (1.0, 10.0)
    assert rows[2]["p50 (ms)"] is None


# --- What was counted


@PALETTES
def test_predictions_are_shares_beside_those_of_the_training_data(colors: Palette) -> None:
    prior = {"green": 2, "oolong": 2, "black": 1}
    figure = draw.predictions(PAIR, TEA, prior, colors)
    found = traces(figure)
    assert as_lists(found["Training (n = 5)"]["y"]) == [0.4, 0.4, 0.2]
    assert as_lists(found["FastAPI (n = 34)"]["y"]) == [30 / 34, 4 / 34, 0]
    assert found["FastAPI (n = 34)"]["marker"]["color"] == colors.endpoints["api"]
    assert titles(figure) == ["Kind", "Share"]
    assert draw.prediction_table(PAIR, TEA, prior)[1] == {
        "Kind": "oolong",
        "training rows": 2,
        "FastAPI": 4,
        "Cloud <Function>": 0,
    }


def test_without_a_prior_there_are_the_predictions_alone() -> None:
    assert len(draw.predictions(PAIR, TEA, None, LIGHT).data) == 2
    assert "training rows" not in draw.prediction_table(PAIR, TEA, None)[0]


def test_inputs_out_of_range_are_a_share_of_the_rows() -> None:
    figure = draw.out_of_range(PAIR, TEA, LIGHT)
    api = traces(figure)["FastAPI (n = 34)"]
    assert as_lists(api["x"]) == [4 / 34, 0, 0]
    assert as_lists(api["y"]) == ["Leaf length", "Leaf width", "Steep time"]
    assert titles(figure) == ["Share of inputs out of range"]
    row = draw.range_table(PAIR, TEA)[0]
    assert (row["training range"], row["FastAPI outside"], row["FastAPI rows"]) == ("3 to 7", 4, 34)


DRIFT: Sequence[Drift] = (
    Drift("leaf_length", 500, DriftLevel.LARGE, 0.8, 0.15),
    Drift("leaf_width", 500, DriftLevel.CHANCE, 0.0, 0.15),
    Drift("steep_time", 500, DriftLevel.ONE_BIN),
)


@PALETTES
def test_drift_is_a_mark_a_feature_beside_what_chance_gives(colors: Palette) -> None:
    figure = draw.drift([(PAIR[0], DRIFT), (PAIR[1], DRIFT)], TEA, colors)
    marks, limits = traces(figure)["FastAPI (n = 500)"], traces(figure)["chance explains up to"]
    assert as_lists(marks["x"]) == [0.8, 0.001]  # 0 has no place on a log scale
    assert as_lists(limits["x"]) == [0.15, 0.15]
    assert "large drift (n = 500)" in as_lists(marks["customdata"])[0]
    assert marks["marker"]["color"] == colors.endpoints["api"]
    axis = figure.to_dict()["layout"]["yaxis"]
    labels = dict(zip(axis["ticktext"], axis["tickvals"], strict=True))
    assert round(as_lists(marks["y"])[0]) == labels["Leaf length"]
    assert titles(figure) == ["PSI (log scale)"]
    assert [shape["x0"] for shape in figure.to_dict()["layout"]["shapes"]] == [0.1, 0.25]


def test_the_table_of_drift_has_every_feature_also_where_nothing_can_be_said() -> None:
    rows = draw.drift_table([(PAIR[0], DRIFT)])
    assert [(row["feature"], row["PSI"], row["verdict"]) for row in rows] == [
        ("leaf_length", 0.8, "large drift"),
        ("leaf_width", 0.0, "no drift seen"),
        ("steep_time", None, "not estimable: nearly all training values are alike"),
    ]


def test_an_endpoint_that_was_never_read_has_empty_bars() -> None:
    never = one(API, Unread(100, Failure.TIMEOUT))
    assert as_lists(traces(draw.out_of_range([never], TEA, LIGHT))["FastAPI (n = 0)"]["x"]) == [None] * 3
    assert as_lists(traces(draw.predictions([never], TEA, None, LIGHT))["FastAPI (n = 0)"]["y"]) == [None] * 3


# --- One, three and six endpoints


def several(count: int) -> list[EndpointSnapshot]:
    """So many endpoints with the same counts."""
    return [one(endpoint, snapshot(100, 10), snapshot(102, 30, 4)) for endpoint in ENDPOINTS[:count]]


@PALETTES
@pytest.mark.parametrize("count", [1, 3, 6])
def test_each_of_several_endpoints_has_its_line_in_the_colour_of_its_position(colors: Palette, count: int) -> None:
    data = several(count)
    expected = [colors.endpoint_color(each.endpoint.key, each.position) for each in data]
    for draw_chart in (draw.requests_over_time, draw.memory_over_time):
        lines = draw_chart(data, NOW_S, colors).data
        assert [line.line.color for line in lines] == expected
    for draw_chart in (draw.latency_over_time, draw.failures_over_time):
        main = [trace for trace in draw_chart(data, NOW_S, colors).data if trace.line.dash == "solid"]
        assert [line.line.color for line in main] == expected
    bars = draw.predictions(data, TEA, None, colors).data
    assert [bar.marker.color for bar in bars] == expected
    assert len({bar.marker.pattern.shape for bar in bars}) == count


def test_an_endpoint_keeps_its_marks_where_those_before_it_were_never_read() -> None:
    alone = traces(draw.requests_over_time([PAIR[1]], NOW_S, LIGHT))["Cloud &lt;Function&gt; (n = 8)"]
    both = traces(draw.requests_over_time(PAIR, NOW_S, LIGHT))["Cloud &lt;Function&gt; (n = 8)"]
    assert alone["line"] == both["line"]


@pytest.mark.parametrize(("count", "names"), [(2, 4), (3, 4), (6, 7)])
def test_the_legend_of_many_endpoints_says_once_what_is_dotted(count: int, names: int) -> None:
    drawn = draw.latency_over_time(several(count), NOW_S, LIGHT).data
    shown = [trace.name for trace in drawn if trace.showlegend is not False]
    assert len(shown) == names
    assert ("p95" in shown) is (count > 2)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_the_marks_of_a_feature_stay_in_its_row_with_the_first_endpoint_at_the_top(count: int) -> None:
    figure = draw.drift([(each, DRIFT[:1]) for each in several(count)], TEA, LIGHT)
    axis = figure.to_dict()["layout"]["yaxis"]
    row = dict(zip(axis["ticktext"], axis["tickvals"], strict=True))["Leaf length"]
    places = [trace.y[0] - row for trace in figure.data if trace.name.endswith("(n = 500)")]
    assert places == sorted(places, reverse=True)
    assert max(map(abs, places)) < 0.45
    assert len(set(places)) == count


def test_charts_with_a_mark_for_each_endpoint_in_each_row_grow_with_them() -> None:
    heights = [draw.out_of_range(several(count), TEA, LIGHT).layout.height for count in (1, 2, 6)]
    assert heights[0] == heights[1] < heights[2]
