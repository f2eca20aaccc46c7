"""The charts of a run as data: the same numbers as its summary, its units, and no slow request lost by thinning."""

import json
import math
from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.endpoints.sample import Failure
from benchmark.record.plan import ComparePlan
from benchmark.record.samples import COLD, FAILURES, QUEUED, empty
from benchmark.summary.summarise import summarise
from dashboard.components.theme import DARK, LIGHT, Palette
from dashboard.views.benchmark import charts
from tests.dashboard.figures import with_validation
from tests.dashboard.runs import LOAD, from_workers, live_view, simulated, summary_of, with_trouble

draw = with_validation(charts)

NAMES = ("FastAPI", "Cloud Function")
SUMMARY, SAMPLES = summary_of(ComparePlan(pairs=400, warmup=5))
DATA = draw.sides(SUMMARY.run, SAMPLES)
FLEET = summarise(*from_workers())
SECONDS = live_view()
FIGURES: dict[str, Callable[[Palette], go.Figure]] = {
    "time": lambda colors: draw.latency_over_time(DATA, colors, 0.5),
    "shares": lambda colors: draw.latency_shares(DATA, colors, 0.5),
    "distribution": lambda colors: draw.latency_distribution(DATA, colors, 0.5),
    "tail": lambda colors: draw.latency_tail(DATA, SUMMARY, colors),
    "phases": lambda colors: draw.phases(SUMMARY.endpoints, colors),
    "differences": lambda colors: draw.differences(SUMMARY, colors),
    "workers": lambda colors: draw.vantages(FLEET, colors),
    "live": lambda colors: draw.latency_by_second(SECONDS, FLEET.run, colors),
}


def titles(figure: go.Figure) -> list[str]:
    return [figure.layout.xaxis.title.text, figure.layout.yaxis.title.text]


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
def test_every_chart_is_valid_json_without_nan_and_says_its_unit(name: str, colors: Palette) -> None:
    figure = FIGURES[name](colors)
    json.loads(figure.to_json(), parse_constant=lambda constant: pytest.fail(f"{constant} in the {name} chart"))
    assert any("ms" in (title or "") for title in titles(figure))


def test_each_worker_has_its_row_with_its_median_and_its_p95() -> None:
    figure = draw.vantages(FLEET, LIGHT)
    assert list(figure.layout.yaxis.ticktext) == [f"worker-{number}" for number in range(1, 5)]
    medians = [[worker.latency_ms[side][0].value for worker in FLEET.workers] for side in range(2)]
    assert [list(trace.x) for trace in figure.data[::2]] == medians
    assert medians[0][3] > max(medians[0][:3]) + 5  # the one that is farther away
    assert len({*figure.data[0].y, *figure.data[2].y}) == 8  # no mark lies on another
    table = draw.vantage_table(FLEET)
    assert [row["worker"] for row in table[::2]] == list(figure.layout.yaxis.ticktext)
    many = summarise(*from_workers(25))
    assert len(draw.vantages(many, LIGHT).layout.yaxis.ticktext) == charts.WORKERS_SHOWN


def test_the_live_view_has_each_second_and_leaves_out_what_nobody_answered() -> None:
    figure = draw.latency_by_second(SECONDS, FLEET.run, LIGHT)
    assert [trace.name for trace in figure.data] == [f"{name} {p}" for name in NAMES for p in ("p50", "p95")]
    assert len(figure.data[0].x) == len(SECONDS) >= 9
    silent = [{"second": 3, "endpoints": [{"n": 0, "failed": 4, "p50_ms": None, "p95_ms": None}] * 2}]
    assert [len(trace.x) for trace in draw.latency_by_second(silent, FLEET.run, LIGHT).data] == [0] * 4
    table = draw.second_table([*SECONDS, *silent], FLEET.run)
    assert sum(row["answers"] for row in table) == sum(side.n + side.warmup for side in FLEET.endpoints)
    assert table[-1] == {
        "second": 3,
        "endpoint": NAMES[1],
        "answers": 0,
        "failed": 4,
        "p50 (ms)": None,
        "p95 (ms)": None,
    }


def test_the_sides_are_what_the_summary_is_from() -> None:
    run, samples = simulated()
    changed = with_trouble(samples)
    summary = summarise(run, changed)
    for side, figures in zip(draw.sides(run, changed), summary.endpoints, strict=True):
        assert len(side.latencies_ms) == figures.n
        assert np.median(side.latencies_ms) == pytest.approx(figures.service_ms[0].value)
    apart = [{what: len(times) for what, times, _ in side.apart} for side in draw.sides(run, changed)]
    assert apart == [{"cold start": 1, "warm-up": 5}, {"failed": 2, "warm-up": 5}]


def test_what_queued_for_a_start_is_drawn_apart_from_what_the_figures_are_from() -> None:
    run, samples = simulated()
    mine = np.flatnonzero((samples["endpoint"] == 0) & ~samples["warmup"])
    samples["temperature"][mine[:3]] = [COLD, QUEUED, QUEUED]
    (side, _), (figures, _) = draw.sides(run, samples), summarise(run, samples).endpoints
    assert {what: len(times) for what, times, _ in side.apart if what != "warm-up"} == {
        "cold start": 1,
        "queued for a start": 2,
    }
    assert len(side.latencies_ms) == figures.n
    names = [trace.name for trace in draw.latency_over_time([side], LIGHT).data]
    assert "queued for a start (2)" in names


def test_an_open_loop_is_drawn_by_response_time() -> None:
    run, samples = simulated(LOAD)
    samples["sent_ms"] += 7.0  # every send late: service time knows nothing of it
    late = draw.sides(run, samples)[0].latencies_ms
    mine = samples[(samples["endpoint"] == 0) & ~samples["warmup"]]
    assert np.sort(late) == pytest.approx(np.sort(mine["service_ms"] + 7.0))


def test_failures_cold_starts_and_the_warm_up_have_marks_of_their_own() -> None:
    run, samples = simulated()
    figure = draw.latency_over_time(draw.sides(run, with_trouble(samples)), LIGHT)
    symbols = {trace.name: trace.marker.symbol for trace in figure.data}
    assert symbols["FastAPI: cold start (1)"] == "star"
    assert symbols["Cloud Function: failed (2)"] == "x-thin"
    assert symbols["FastAPI: warm-up (5)"] == "circle-open"


@given(st.lists(st.floats(0.01, 1e4), max_size=300), st.integers(2, 100))
def test_thinning_keeps_the_slowest_and_no_more_than_asked_for(values: list[float], most: int) -> None:
    kept = draw.thinned(np.array(values), most)
    assert len(kept) <= max(2, most) and list(kept) == sorted(set(kept))
    if values:
        assert max(values) in [values[index] for index in kept]
    if len(values) <= most:
        assert len(kept) == len(values)


def test_a_page_with_fewer_points_than_requests_says_so() -> None:
    assert draw.drawn(DATA) is None
    run, samples = simulated(ComparePlan(pairs=2000, warmup=0))
    data = draw.sides(run, samples)
    shown = sum(len(trace.x) for trace in draw.latency_over_time(data, LIGHT).data)
    assert draw.drawn(data) == (
        f"Showing {shown} of 4000 points, including the slowest of each interval. The export has all of them."
    )
    assert shown <= 2 * draw.POINTS


def test_the_client_overhead_is_on_the_charts_of_latency() -> None:
    for name in ("time", "shares", "distribution"):
        figure = FIGURES[name](LIGHT)
        (line,) = (
            shape for shape in figure.layout.shapes if 0.5 in (shape.x0, shape.y0) and shape.line.dash == "dashdot"
        )
        (note,) = (note for note in figure.layout.annotations if note.text == "client overhead 0.5 ms")
        assert math.log10(0.5) in (note.x, note.y), f"the note is not at the line of the {name} chart: {line}"
    assert not draw.latency_over_time(DATA, LIGHT).layout.annotations


@pytest.mark.parametrize(("pairs", "last"), [(71, "p50"), (72, "p95"), (367, "p95"), (368, "p99"), (3688, "p99.9")])
def test_the_tail_ends_where_the_requests_can_bound_it(pairs: int, last: str) -> None:
    summary, samples = summary_of(ComparePlan(pairs=pairs, warmup=0))
    figure = draw.latency_tail(draw.sides(summary.run, samples), summary, LIGHT)
    drawn = {"p90": "p50"}.get(figure.layout.xaxis.ticktext[-1], figure.layout.xaxis.ticktext[-1])
    assert drawn == last
    assert figure.data[0].y[-1] == pytest.approx(
        float(
            np.quantile(
                draw.sides(summary.run, samples)[0].latencies_ms, float(figure.data[0].customdata[-1][1:]) / 100
            )
        ),
        rel=1e-3,
    )


def test_whiskers_are_the_intervals_of_the_summary() -> None:
    figure = draw.latency_tail(DATA, SUMMARY, LIGHT)
    for position, trace in enumerate(figure.data[1::2]):
        found = SUMMARY.endpoints[position].latency_ms
        assert list(trace.y) == [one.value for one in found]
        assert [value + above for value, above in zip(trace.y, trace.error_y.array, strict=True)] == pytest.approx(
            [one.high for one in found]
        )


def test_the_difference_is_drawn_with_its_interval_and_the_margin() -> None:
    figure = draw.differences(SUMMARY, LIGHT)
    verdict = SUMMARY.verdict
    assert verdict
    (points,) = figure.data
    assert list(points.y) == ["paired median", "p50", "p95", "p99"]
    assert points.x[0] == verdict.pairs[0].effect.value
    assert points.x[0] - points.error_x.arrayminus[0] == pytest.approx(verdict.pairs[0].effect.low)
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (-verdict.margin_ms, verdict.margin_ms)
    load, _ = summary_of(LOAD)
    assert draw.differences(load, LIGHT).data[0].y[0] == "p50"
    assert len(set(draw.differences(load, LIGHT).data[0].y)) == len(draw.differences(load, LIGHT).data[0].y)


def test_a_difference_that_is_known_on_one_side_has_an_arrow_at_the_open_end() -> None:
    run, samples = simulated()
    samples["failure"][samples["endpoint"] == 0] = 1 + FAILURES.index(Failure.TIMEOUT)
    samples["service_ms"][samples["endpoint"] == 0] = 5000.0
    summary = summarise(run, samples)
    assert summary.verdict
    effect = summary.verdict.pairs[0].effect
    assert effect.low is not None and effect.high is None
    figure = draw.differences(summary, LIGHT)
    assert figure.data[0].x[0] == effect.low
    assert f"at least {effect.low:.3f} ms" in figure.data[0].customdata[0]
    arrows = [one for one in figure.layout.annotations if one.showarrow and one.y == "paired median"]
    assert [(one.ax, one.x) for one in arrows] == [(effect.low, figure.layout.xaxis.range[1])]
    json.loads(figure.to_json(), parse_constant=lambda constant: pytest.fail(f"{constant} in the chart"))


def test_only_phases_that_most_requests_had_are_stacked() -> None:
    run, samples = simulated()
    samples["connect_ms"][:3] = 40.0  # the first requests open the connections that the others reuse
    shown = draw.phases(summarise(run, samples).endpoints, LIGHT)
    assert [trace.name for trace in shown.data] == ["wait", "receive"]
    samples["connect_ms"] = 40.0
    assert draw.phases(summarise(run, samples).endpoints, LIGHT).data[0].name == "connect"


def test_a_run_without_any_answer_can_be_drawn() -> None:
    run, _ = simulated()
    data = draw.sides(run, empty())
    assert [one.label for one in data] == ["FastAPI (n = 0)", "Cloud Function (n = 0)"]
    for figure in (draw.latency_over_time(data, LIGHT), draw.latency_shares(data, LIGHT)):
        assert "NaN" not in figure.to_json()
    assert draw.distribution_table(data) and draw.time_table(data) == []


def test_tables_hold_the_numbers_of_the_charts() -> None:
    binned = draw.distribution_table(DATA)
    assert sum(row["FastAPI"] for row in binned) == len(DATA[0].latencies_ms)
    assert [row["share"] for row in draw.share_table(DATA)][-3:] == ["95%", "99%", "99.9%"]
    assert "FastAPI (ms)" not in draw.share_table(DATA)[-1]  # 400 cannot bound p99.9
    assert len(draw.time_table(DATA)) == len(SAMPLES)
    assert {row["phase"] for row in draw.phase_table(SUMMARY.endpoints)} == {"dns", "connect", "tls", "wait", "receive"}
