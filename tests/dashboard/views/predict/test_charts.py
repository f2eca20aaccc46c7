"""Charts as data: what is drawn, how it is labelled, and that the numbers behind it are the record's."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Answer, Comparison, Failure, Sample
from dashboard.components.figure import FONT
from dashboard.components.plotting import log_edges
from dashboard.components.theme import DARK, LIGHT, Palette
from dashboard.components.training_rows import TrainingRows
from dashboard.views.predict import charts
from dashboard.views.predict.charts import Series
from tests.benchmark.cards import make_card, mileage_document, tea_document
from tests.dashboard.figures import with_validation

draw = with_validation(charts)

API = Endpoint("api", "FastAPI", "http://127.0.0.1:8000")
FUNCTION = Endpoint("function", "Cloud Function", "http://127.0.0.1:8080")
SIDES = (API, FUNCTION)
PALETTES = pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])

TEA = make_card(tea_document())
MILEAGE = make_card(mileage_document())
TEA_ROWS = TrainingRows(((3.0, 1.0, 2.0), (5.0, 2.0, 3.5), (5.5, 2.2, 4.0), (7.0, 3.0, 5.0)), (0.0, 1.0, 1.0, 2.0))
MILEAGE_ROWS = TrainingRows(((900.0, 40.0), (1400.0, 90.0)), (3.9, 6.4))


LINE = make_card(
    mileage_document(
        features=mileage_document()["features"][:1], known_answers=[{"features": [1400.0], "outputs": [6.4]}]
    )
)
LINE_ROWS = TrainingRows(((900.0,), (1400.0,)), (3.9, 6.4))


def sample(side: Endpoint, latency_ms: float, failure: Failure | None = None) -> Sample:
    answer = None if failure else Answer(1, "oolong")
    return Sample(side.key, "now", latency_ms, failure=failure, answer=answer)


def comparison(*samples: Sample) -> Comparison:
    return Comparison("id", "now", "tea", (5.0, 2.0, 3.5), samples)


RECORD = [
    comparison(sample(API, 4.0), sample(FUNCTION, 8.0)),
    comparison(sample(API, 30.0), sample(FUNCTION, 500.0, Failure.TIMEOUT)),
    comparison(sample(API, 5.0), sample(FUNCTION, 7.0)),
]
DATA = draw.series(SIDES, RECORD)


def titles(figure: go.Figure) -> list[str]:
    """The titles of all axes that have one."""
    layout = figure.to_dict()["layout"]
    axes = [value for key, value in layout.items() if key.startswith(("xaxis", "yaxis"))]
    return [axis["title"]["text"] for axis in axes if axis.get("title", {}).get("text")]


def as_lists(values: Any) -> list[Any]:
    return list(values) if values is not None else []


# --- Series


def test_a_series_an_endpoint_has_answers_and_failures_apart() -> None:
    api, function = DATA
    assert api == Series(API, (1, 2, 3), (4.0, 30.0, 5.0), (), ())
    assert function == Series(FUNCTION, (1, 3), (8.0, 7.0), (2,), (500.0,))


def test_requests_are_numbered_on_where_only_the_last_ones_are_drawn() -> None:
    assert [one.requests for one in draw.series(SIDES, RECORD, first_number=41)] == [(41, 42, 43), (41, 43)]


def test_labels_count_answers_and_failures() -> None:
    assert [one.label for one in DATA] == ["FastAPI (n = 3)", "Cloud Function (n = 2, 1 failed)"]


def test_an_endpoint_without_samples_has_an_empty_series() -> None:
    (one,) = draw.series([API], [])
    assert one.label == "FastAPI (n = 0)"


# --- Latency per request


@PALETTES
def test_latencies_are_drawn_in_order_in_the_colour_and_symbol_of_their_endpoint(colors: Palette) -> None:
    figure = draw.latency_per_request(DATA, colors)
    api, function, failed = figure.data
    assert (as_lists(api.x), as_lists(api.y)) == ([1, 2, 3], [4.0, 30.0, 5.0])
    assert (as_lists(function.x), as_lists(function.y)) == ([1, 3], [8.0, 7.0])
    assert (as_lists(failed.x), as_lists(failed.y)) == ([2], [500.0])
    assert (api.marker.color, function.marker.color, failed.marker.color) == (
        colors.endpoints["api"],
        colors.endpoints["function"],
        colors.endpoints["function"],
    )
    assert len({api.marker.symbol, function.marker.symbol, failed.marker.symbol}) == 3


def test_the_legend_says_n_once_an_endpoint() -> None:
    figure = draw.latency_per_request(DATA, LIGHT)
    assert [trace.name for trace in figure.data if trace.showlegend is not False] == [
        "FastAPI (n = 3)",
        "Cloud Function (n = 2, 1 failed)",
    ]


def test_an_endpoint_that_only_failed_is_in_the_legend_too() -> None:
    data = draw.series(SIDES, [comparison(sample(API, 4.0), sample(FUNCTION, 9.0, Failure.RESET))])
    shown = [trace.name for trace in draw.latency_per_request(data, LIGHT).data if trace.showlegend]
    assert "Cloud Function (n = 0, 1 failed)" in shown


def test_axes_say_what_and_in_which_unit() -> None:
    assert titles(draw.latency_per_request(DATA, LIGHT)) == ["Request", "Latency (ms, log scale)"]
    assert sorted(titles(draw.latency_distribution(DATA, LIGHT))) == [
        "Latency (ms, log scale)",
        "Requests",
        "Share within",
    ]


@pytest.mark.parametrize("chart", [draw.latency_per_request, draw.latency_distribution])
def test_every_latency_is_inside_a_logarithmic_axis_with_plain_ticks(chart: Any) -> None:
    layout = chart(DATA, LIGHT).layout
    axis = layout.yaxis if chart is draw.latency_per_request else layout.xaxis2
    assert axis.type == "log"
    low, high = (10**end for end in axis.range)
    assert low <= 4.0 < 500.0 <= high
    inside = [tick for tick in axis.tickvals if low <= tick <= high]
    assert len(inside) >= 3
    assert list(axis.ticktext) == [f"{tick:g}" for tick in axis.tickvals]


def test_few_requests_are_ticked_one_by_one_and_many_are_not() -> None:
    few = [*range(1, len(RECORD) + 1)]
    assert as_lists(draw.latency_per_request(DATA, LIGHT).layout.xaxis.tickvals) == few
    many = draw.series(SIDES, RECORD * 4)
    assert len(draw.latency_per_request(many, LIGHT).layout.xaxis.tickvals) < len(RECORD) * 4


@pytest.mark.parametrize("chart", [draw.latency_per_request, draw.latency_distribution])
@pytest.mark.parametrize(
    "record",
    [
        [],
        [comparison(sample(API, 4.0), sample(FUNCTION, 4.0))],
        [comparison(sample(API, 1.0, Failure.TIMEOUT), sample(FUNCTION, 2.0, Failure.RESET))],
        [comparison(sample(API, 0.0, Failure.REFUSED), sample(FUNCTION, 0.0))],
        [comparison(sample(API, 1e-3), sample(FUNCTION, 1e6))],
        [comparison(sample(API, 4.0))],
    ],
    ids=["empty", "equal", "all failed", "zero", "nine decades", "one endpoint"],
)
def test_any_record_can_be_drawn(chart: Any, record: list[Comparison]) -> None:
    figure = chart(draw.series(SIDES, record), LIGHT)
    document = json.loads(figure.to_json())
    for name, axis in document["layout"].items():
        if name.startswith(("xaxis", "yaxis")) and "range" in axis:
            assert axis["range"][0] < axis["range"][1]


# --- Distribution


@PALETTES
def test_the_histogram_counts_and_the_curve_goes_from_nothing_to_all(colors: Palette) -> None:
    figure = draw.latency_distribution(DATA, colors)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    curves = [trace for trace in figure.data if trace.type == "scatter"]
    assert [sum(trace.y) for trace in bars] == [3, 2]
    assert [as_lists(trace.x) for trace in curves] == [[4.0, 4.0, 5.0, 30.0], [7.0, 7.0, 8.0]]
    assert [as_lists(trace.y) for trace in curves] == [[0.0, 1 / 3, 2 / 3, 1.0], [0.0, 0.5, 1.0]]
    for trace, key in zip((*bars, *curves), ("api", "function") * 2, strict=True):
        color = trace.marker.color if trace.type == "bar" else trace.line.color
        assert color == colors.endpoints[key]


def test_failures_are_not_in_the_distribution_but_in_its_legend() -> None:
    figure = draw.latency_distribution(DATA, LIGHT)
    assert 500.0 not in [value for trace in figure.data for value in as_lists(trace.x)]
    names = [trace.name for trace in figure.data if trace.showlegend is not False]
    assert names == ["FastAPI (n = 3)", "Cloud Function (n = 2, 1 failed)"]


def test_endpoints_differ_by_more_than_colour() -> None:
    figure = draw.latency_distribution(DATA, LIGHT)
    curves = [trace for trace in figure.data if trace.type == "scatter"]
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert len({trace.line.dash for trace in curves}) == 2
    assert len({trace.marker.pattern.shape for trace in bars}) == 2


def test_the_median_and_the_95th_percentile_are_marked() -> None:
    figure = draw.latency_distribution(DATA, LIGHT)
    assert sorted(shape.y0 for shape in figure.layout.shapes) == [0.5, 0.95]
    assert sorted(note.text for note in figure.layout.annotations) == ["p50", "p95"]


latencies = st.lists(st.floats(1e-3, 1e7), min_size=1, max_size=50)


@given(latencies)
def test_every_latency_is_counted_in_its_bin(values: list[float]) -> None:
    edges = log_edges(values)
    counts = draw.histogram(values, edges)
    assert sum(counts) == len(values)
    for count, (low, high) in zip(counts, pairwise(edges), strict=True):
        surely = sum(low * (1 + 1e-6) < value < high * (1 - 1e-6) for value in values)
        perhaps = sum(low * (1 - 1e-6) <= value <= high * (1 + 1e-6) for value in values)
        assert surely <= count <= perhaps


def test_the_last_bin_includes_its_upper_edge() -> None:
    assert draw.histogram([1.0, 2.0, 3.0, 3.0], [1.0, 2.0, 3.0]) == [1, 3]


@given(st.lists(st.floats(0, 1e9), max_size=50))
def test_the_ecdf_is_the_share_at_or_below_each_value(values: list[float]) -> None:
    times, shares = draw.ecdf(values)
    assert times == sorted([*values, *([min(values)] if values else [])])
    assert shares[:1] == ([0.0] if values else [])
    for time, share in dict(zip(times, shares, strict=True)).items():
        assert share == pytest.approx(sum(value <= time for value in values) / len(values))


@given(st.integers(1, 10_000), st.integers(1, 500))
def test_ticks_are_requests_that_were_made(first: int, count: int) -> None:
    requests = tuple(range(first, first + count))
    ticks = draw.request_ticks([draw.Series(API, requests, (1.0,) * count, (), ())])
    assert 1 <= len(ticks) <= 7 or (not ticks and count == 1)
    assert set(ticks) <= set(requests)
    assert len({later - earlier for earlier, later in pairwise(ticks)}) <= 1


# --- Training rows


@PALETTES
def test_each_class_has_its_rows_its_colour_its_symbol_and_its_n(colors: Palette) -> None:
    figure = draw.training_map(TEA, TEA_ROWS, (5.2, 2.1, 3.7), 0, 2, colors)
    *classes, point = figure.data
    assert [trace.name for trace in classes] == ["green (n = 1)", "oolong (n = 2)", "black (n = 1)"]
    assert (as_lists(classes[1].x), as_lists(classes[1].y)) == ([5.0, 5.5], [3.5, 4.0])
    assert [trace.marker.color for trace in classes] == list(colors.classes[:3])
    assert len({trace.marker.symbol for trace in (*classes, point)}) == 4
    assert (as_lists(point.x), as_lists(point.y), point.name) == ([5.2], [3.7], "your input")
    assert titles(figure) == ["Leaf length (cm)", "Steep time (min)"]


def test_a_regressors_rows_are_coloured_by_their_value() -> None:
    figure = draw.training_map(MILEAGE, MILEAGE_ROWS, (1000.0, 50.0), 0, 1, LIGHT)
    rows, point = figure.data
    assert rows.name == "training rows (n = 2)"
    assert as_lists(rows.marker.color) == [3.9, 6.4]
    assert rows.marker.colorbar.title.text.startswith("Consumption")
    assert (as_lists(point.x), as_lists(point.y)) == ([1000.0], [50.0])
    assert titles(figure) == ["Weight (kg)", "Power (kW)"]


def test_the_value_of_a_regressor_has_its_unit() -> None:
    figure = draw.training_map(MILEAGE, MILEAGE_ROWS, (1000.0, 50.0), 0, 1, LIGHT)
    assert figure.data[0].marker.colorbar.title.text == "Consumption (l/100 km)"


def test_the_table_behind_the_map_names_features_with_units_and_classes() -> None:
    assert draw.training_table(TEA, TEA_ROWS)[0] == {
        "Leaf length (cm)": 3.0,
        "Leaf width (cm)": 1.0,
        "Steep time (min)": 2.0,
        "Kind": "green",
    }
    assert draw.training_table(MILEAGE, MILEAGE_ROWS)[1]["Consumption"] == 6.4


# --- Tables


def test_the_table_behind_the_latencies_has_every_request() -> None:
    table = draw.latency_table(DATA)
    assert [(row["request"], row["endpoint"], row["latency (ms)"], row["outcome"]) for row in table] == [
        (1, "Cloud Function", 8.0, "answered"),
        (1, "FastAPI", 4.0, "answered"),
        (2, "Cloud Function", 500.0, "failed"),
        (2, "FastAPI", 30.0, "answered"),
        (3, "Cloud Function", 7.0, "answered"),
        (3, "FastAPI", 5.0, "answered"),
    ]


def test_the_table_behind_the_distribution_has_quantiles_of_the_samples_themselves() -> None:
    hundred = [comparison(sample(API, float(latency))) for latency in range(100, 0, -1)]
    (row,) = draw.quantile_table(draw.series([API], hundred))
    assert row == {
        "endpoint": "FastAPI",
        "n": 100,
        "min (ms)": 1.0,
        "p50 (ms)": 50.0,
        "p95 (ms)": 95.0,
        "max (ms)": 100.0,
    }


def test_an_endpoint_without_answers_has_a_row_without_quantiles() -> None:
    assert draw.quantile_table([Series(API, (), (), (1,), (2.0,))]) == [{"endpoint": "FastAPI", "n": 0}]


# --- All charts


def figures(colors: Palette) -> list[go.Figure]:
    return [
        draw.latency_per_request(DATA, colors),
        draw.latency_distribution(DATA, colors),
        draw.training_map(TEA, TEA_ROWS, (5.0, 2.0, 3.5), 0, 1, colors),
        draw.training_map(MILEAGE, MILEAGE_ROWS, (1000.0, 50.0), 0, 1, colors),
    ]


@PALETTES
def test_every_chart_wears_the_theme_and_names_every_axis(colors: Palette) -> None:
    for figure in figures(colors):
        layout = figure.layout
        assert (layout.font.color, layout.font.family) == (colors.text, FONT)
        assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
        for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
            assert axis.gridcolor == colors.grid
            assert axis.tickfont.color == colors.muted
        assert len(titles(figure)) >= 2


def test_the_two_themes_differ() -> None:
    for light, dark in zip(figures(LIGHT), figures(DARK), strict=True):
        assert light.to_json() != dark.to_json()


HOSTILE = '<a href="http://127.0.0.1">x</a> & <b>y</b>'
HARMLESS = '&lt;a href="http://127.0.0.1"&gt;x&lt;/a&gt; &amp; &lt;b&gt;y&lt;/b&gt;'


def strings(value: Any) -> Sequence[str]:
    """Every text anywhere in a figure."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in strings(item)]
    return []


def test_markup_in_a_card_or_a_name_is_drawn_as_text() -> None:
    document = tea_document()
    hostile_card = make_card(
        tea_document(
            classes=[HOSTILE, "oolong", "black"],
            target={"label": HOSTILE, "unit": ""},
            features=[{**entry, "label": HOSTILE} for entry in document["features"]],
        )
    )
    hostile_values = make_card(mileage_document(target={"label": HOSTILE, "unit": HOSTILE}))
    data = draw.series([replace(API, name=HOSTILE), FUNCTION], RECORD)
    drawn = [
        draw.training_map(hostile_card, TEA_ROWS, (5.0, 2.0, 3.5), 0, 1, LIGHT),
        draw.training_map(hostile_values, MILEAGE_ROWS, (1000.0, 50.0), 0, 1, LIGHT),
        draw.latency_per_request(data, LIGHT),
        draw.latency_distribution(data, LIGHT),
    ]
    for figure in drawn:
        texts = strings(figure.to_dict())
        assert not [text for text in texts if "<a" in text or "<b>" in text]
        assert any(HARMLESS in text for text in texts)


def asked(weight: float | None, value: float, version: str | None = LINE.version, *sides: Endpoint) -> Comparison:
    """A comparison of the model of one number, in which all `sides`, by default both, predict `value`."""
    answer = Answer(value, model_version=version)
    samples = tuple(Sample(side.key, "now", 4.0, answer=answer) for side in sides or SIDES)
    return Comparison("id", "now", "mileage", (weight,), samples)


@PALETTES
def test_a_regressor_of_one_number_is_a_curve_over_it(colors: Palette) -> None:
    record = [asked(1800.0, 8.4), asked(1000.0, 4.0), asked(1800.0, 8.5), asked(1400.0, 6.4, None, API)]
    record += [asked(1200.0, 1.0, "another"), asked(None, 1.0), comparison(sample(API, 4.0))]
    found = draw.predictions(SIDES, LINE, record)
    assert [one.label for one in found] == ["FastAPI (n = 3)", "Cloud Function (n = 2)"]
    figure = draw.prediction_curve(LINE, LINE_ROWS, found, 1500.0, colors)
    rows, *curves = figure.data
    assert (list(rows.x), list(rows.y)) == ([900.0, 1400.0], [3.9, 6.4])
    assert [(list(one.x), list(one.y)) for one in curves] == [
        ([1000.0, 1400.0, 1800.0], [4.0, 6.4, 8.5]),
        ([1000.0, 1800.0], [4.0, 8.5]),
    ]
    assert titles(figure) == ["Weight (kg)", "Consumption (l/100 km)"]
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(1500.0, 1500.0)]
    assert not draw.prediction_curve(LINE, LINE_ROWS, found, None, colors).layout.shapes
    assert draw.prediction_table(LINE, found)[0] == {
        "endpoint": "FastAPI",
        "Weight (kg)": 1000.0,
        "Consumption (l/100 km)": 4.0,
    }
