"""Charts of the Monitor page: pure functions from readings to figures. No Streamlit here."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.monitor.categories import by_category, odd_values
from benchmark.monitor.counts import Interval, bucket_quantile
from benchmark.monitor.drift import LARGE, MODERATE, Drift
from dashboard.components import markup
from dashboard.components.figure import HEIGHT_PX, Figure, Trace, axis, band, bar, figure, scatter, upright
from dashboard.components.plotting import DASHES, PATTERNS, SYMBOLS, beside, html_text, log_axis, nth
from dashboard.components.theme import Palette
from dashboard.views.monitor import text as say
from dashboard.views.monitor.snapshot import EndpointSnapshot
from inference.card import CategoryFeature, Feature, ModelCard

_DASHES = tuple(dash for dash in DASHES if dash != "dot")
"""Without dots, which mark the second line of an endpoint in a chart."""
_TALL_PX = 280
_ROW_HEIGHT = 0.68
"""The share of the distance between two rows that the marks of all endpoints take."""
_MARK_PX = 11
"""The height of a mark of one endpoint in the row of a feature."""
_LEGEND_PX = 19
"""The additional height of a chart for each endpoint beyond two: one line of the legend."""
_LEAST_PSI = 0.001
"""Smaller values are drawn at this one, because a log scale has no 0."""
_TICKS_S = (15, 30, 60, 120, 300, 600, 1800, 3600, 7200)
_MOST_CATEGORIES = 12
"""Of one feature, in a chart of its values."""
_LABEL_LENGTH = 22
_BAR_PX, _BAR_GAP_PX = 7, 6
"""The least height of a bar in a row of bars, and the distance of two rows."""
_MOST_HOLES = 20
"""The most gaps of one endpoint that are shaded, newest first: more would shade the whole chart."""


def requests_over_time(data: Sequence[EndpointSnapshot], now_s: float, palette: Palette) -> Figure:
    """Prediction requests per second between one reading and the next; test requests are dotted.

    A failed reading is a cross at 0. Time without readings is shaded, because its requests cannot be placed in it.
    """
    traces = []
    for one in data:
        color, name = _color(one, palette), html_text(one.endpoint.name)
        at_s, steps = _points(one, now_s, with_start=True)
        line = {"color": color, "width": 2, "dash": nth(_DASHES, one.position), "shape": "vh"}
        traces.append(
            scatter(
                x=at_s,
                y=[step and step.requests_per_s for step in steps],
                mode="lines",
                line=line,
                name=f"{name} (n = {markup.count(one.timeline.counts)})",
                hovertemplate="%{y:.2f} requests/s<extra>" + name + "</extra>",
            )
        )
        if one.timeline.tests:
            traces.append(
                scatter(
                    x=at_s,
                    y=[step and step.tests_per_s for step in steps],
                    mode="lines",
                    line={**line, "width": 1.5, "dash": "dot"},
                    name=f"{name} tests (n = {markup.count(one.timeline.tests)})",
                    showlegend=not _is_crowded(data),
                    hovertemplate="%{y:.2f} test requests/s<extra>" + name + "</extra>",
                )
            )
        if one.failures:
            traces.append(
                scatter(
                    x=[failure.taken_s - now_s for failure in one.failures],
                    y=[0] * len(one.failures),
                    mode="markers",
                    marker={"color": color, "size": 9, "symbol": "x-thin", "line": {"width": 2, "color": color}},
                    name="not read",
                    showlegend=False,
                    hovertemplate="could not be read<extra>" + name + "</extra>",
                )
            )
    if any(one.timeline.tests for one in data):
        traces += _explained_dots(data, "tests", palette)
    requests_per_s = axis("Requests per second", rangemode="tozero", nticks=5)
    return _over_time(traces, requests_per_s, data, now_s, palette)


def failures_over_time(data: Sequence[EndpointSnapshot], now_s: float, palette: Palette) -> Figure:
    """The shares of the requests between two readings that failed (5xx) and that were refused (4xx, dotted)."""
    traces = []
    highest = 0.0
    for one in data:
        color = _color(one, palette)
        at_s, points = _points(one, now_s)
        for hundreds, what, dash in ((5, "failed", "solid"), (4, "refused", "dot")):
            shares = [point and point.counts.share_of_requests(hundreds) for point in points]
            highest = max([highest, *(share for share in shares if share)])
            traces.append(
                scatter(
                    x=at_s,
                    y=shares,
                    mode="lines+markers",
                    line={"color": color, "width": 2 if what == "failed" else 1.5, "dash": dash},
                    marker={"size": 4},
                    name=f"{html_text(one.endpoint.name)} {what} (n = {markup.count(one.timeline.counts)})",
                    showlegend=what == "failed" or not _is_crowded(data),
                    hovertemplate=f"%{{y:.1%}} {what}<extra>{html_text(one.endpoint.name)}</extra>",
                )
            )
    traces += _explained_dots(data, "refused", palette)
    shares_axis = axis(
        "Share of requests (%)",
        tickformat=".0%" if highest > 0.05 else ".1%",
        range=[-0.02 * max(highest, 0.01), 1.1 * max(highest, 0.01)],
        nticks=5,
    )
    return _over_time(traces, shares_axis, data, now_s, palette)


def latency_over_time(data: Sequence[EndpointSnapshot], now_s: float, palette: Palette) -> Figure:
    """The estimated p50 (line) and p95 (dotted) of the server's own time, between one reading and the next."""
    traces = []
    values_ms: list[float] = []
    for one in data:
        color = _color(one, palette)
        at_s, points = _points(one, now_s)
        for name, share, dash in (("p50", 0.5, "solid"), ("p95", 0.95, "dot")):
            found = [point and bucket_quantile(point.counts.latency, share) for point in points]
            values_ms += [estimate.value_s * 1000 for estimate in found if estimate and estimate.value_s > 0]
            traces.append(
                scatter(
                    x=at_s,
                    y=[estimate and estimate.value_s * 1000 for estimate in found],
                    customdata=[
                        estimate and _bounds_ms(estimate.above_s, estimate.upto_s, estimate.count) for estimate in found
                    ],
                    mode="lines+markers",
                    line={"color": color, "width": 2 if name == "p50" else 1.5, "dash": dash},
                    marker={"size": 5, "symbol": nth(SYMBOLS, one.position)},
                    name=f"{html_text(one.endpoint.name)} {name} (n = {markup.count(one.timeline.counts)})",
                    showlegend=name == "p50" or not _is_crowded(data),
                    hovertemplate=f"{name} about %{{y:.2f}} ms, %{{customdata}}<extra></extra>",
                )
            )
    traces += _explained_dots(data, "p95", palette)
    times_axis = axis("Server's time (ms, log scale)", **log_axis(values_ms or [0.1, 1.0]))
    return _over_time(traces, times_axis, data, now_s, palette)


def memory_over_time(data: Sequence[EndpointSnapshot], now_s: float, palette: Palette) -> Figure:
    """The resident memory of the process that answered each reading."""
    traces = []
    for one in data:
        at_s: list[float | None] = []
        mib: list[float | None] = []
        for stretch in one.timeline.stretches:
            for snapshot in (stretch.first, *(snapshot for snapshot, _ in stretch.steps)):
                at_s.append(snapshot.taken_s - now_s)
                mib.append(None if snapshot.memory_bytes is None else snapshot.memory_bytes / 2**20)
            at_s.append(None)
            mib.append(None)
        traces.append(
            scatter(
                x=at_s[:-1],
                y=mib[:-1],
                mode="lines",
                line={"color": _color(one, palette), "width": 2, "dash": nth(_DASHES, one.position)},
                name=f"{html_text(one.endpoint.name)} (n = {markup.count(sum(value is not None for value in mib))})",
                hovertemplate="%{y:.1f} MiB<extra>" + html_text(one.endpoint.name) + "</extra>",
            )
        )
    return _over_time(traces, axis("Memory (MiB)", rangemode="tozero", nticks=5), data, now_s, palette)


def predictions(
    data: Sequence[EndpointSnapshot], card: ModelCard, prior: Mapping[str, int] | None, palette: Palette
) -> Figure:
    """The share of each class among the predictions, next to its share of the training rows."""
    traces = []
    names = [html_text(name) for name in card.classes]
    if prior:
        total = sum(prior.values())
        traces.append(
            bar(
                x=names,
                y=[prior[name] / total for name in card.classes],
                name=f"Training (n = {markup.count(total)})",
                marker={"color": palette.muted, "opacity": 0.55},
                hovertemplate="%{y:.1%} of the training rows<extra></extra>",
            )
        )
    for one in data:
        counts = _counted(one).get("predictions", {})
        total = sum(counts.get(name, 0) for name in card.classes)
        traces.append(
            bar(
                x=names,
                y=[counts.get(name, 0) / total if total else None for name in card.classes],
                name=f"{html_text(one.endpoint.name)} (n = {markup.count(total)})",
                marker=_bar(one, palette),
                hovertemplate="%{y:.1%} of the predictions<extra>" + html_text(one.endpoint.name) + "</extra>",
            )
        )
    return _roomy(
        traces,
        data,
        palette,
        _TALL_PX,
        xaxis=axis(html_text(card.target_label)),
        yaxis=axis("Share", tickformat=".0%", rangemode="tozero", nticks=5),
        barmode="group",
        bargap=0.3,
    )


def category_shares(data: Sequence[EndpointSnapshot], feature: CategoryFeature, palette: Palette) -> Figure:
    """The share of each category among the values of one feature, a row each, under its share of the training rows."""
    training = by_category(feature, feature.bin_counts, _MOST_CATEGORIES)
    names = list(training)
    total = max(1, sum(training.values()))
    common = {"y": list(range(len(names))), "orientation": "h", "customdata": [html_text(name) for name in names]}
    traces = [
        bar(
            **common,
            x=[count / total for count in training.values()],
            name=f"Training (n = {markup.count(total)})",
            marker={"color": palette.muted, "opacity": 0.55},
            hovertemplate="%{customdata}: %{x:.1%} of the training rows<extra></extra>",
        )
    ]
    for one in data:
        binned = one.interval.counts.binned if one.interval else {}
        counts = by_category(feature, binned.get(feature.name, ()), _MOST_CATEGORIES)
        total = sum(counts.values())
        traces.append(
            bar(
                **common,
                x=[counts[name] / total if total else None for name in names],
                name=f"{html_text(one.endpoint.name)} (n = {markup.count(total)})",
                marker=_bar(one, palette),
                hovertemplate="%{customdata}: %{x:.1%} of the values<extra>"
                + html_text(one.endpoint.name)
                + "</extra>",
            )
        )
    height_px = (_BAR_PX * (len(data) + 1) + _BAR_GAP_PX) * len(names) + 110
    return _roomy(
        traces,
        data,
        palette,
        max(_TALL_PX, height_px),
        xaxis=axis(f"Share of {html_text(feature.title)}", tickformat=".0%", rangemode="tozero", nticks=5),
        # Rows are numbered, because two long names may be alike where they are cut.
        yaxis=axis(
            tickvals=common["y"],
            ticktext=[html_text(_cut(name)) for name in names],
            autorange="reversed",
            automargin=True,
        ),
        barmode="group",
        bargap=0.25,
    )


def _cut(name: str) -> str:
    return name if len(name) <= _LABEL_LENGTH else f"{name[: _LABEL_LENGTH - 1]}\N{HORIZONTAL ELLIPSIS}"


def drift(data: Sequence[tuple[EndpointSnapshot, Sequence[Drift]]], card: ModelCard, palette: Palette) -> Figure:
    """The PSI of each feature on a log scale, one row each. A tick marks the largest PSI that chance explains."""
    traces = []
    rows = {name: index for index, name in enumerate(reversed(card.feature_names))}
    values: list[float] = [MODERATE, LARGE]
    for index, (one, found) in enumerate(data):
        shown = [(each, max(each.psi, _LEAST_PSI), each.chance) for each in found if each.psi is not None]
        values += [value for _, psi, chance in shown for value in (psi, chance) if value]
        color = _color(one, palette)
        place = -_ROW_HEIGHT * beside(index, len(data)) / max(2, len(data))  # the first endpoint is at the top
        places = [rows[each.feature] + place for each, _, _ in shown]
        count = max((each.count for each in found), default=0)
        traces.append(
            scatter(
                y=places,
                x=[psi for _, psi, _ in shown],
                mode="markers",
                name=f"{html_text(one.endpoint.name)} (n = {markup.count(count)})",
                customdata=[f"PSI {each.psi:.3f}, {html_text(say.drift_state(each))}" for each, _, _ in shown],
                marker={"color": color, "symbol": nth(SYMBOLS, one.position), "size": 10},
                hovertemplate="%{customdata}<extra>" + html_text(one.endpoint.name) + "</extra>",
            )
        )
        traces.append(
            scatter(
                y=places,
                x=[chance for _, _, chance in shown],
                mode="markers",
                marker={"symbol": "line-ns", "size": 11, "line": {"width": 2, "color": palette.muted}},
                name="chance explains up to",
                showlegend=index == len(data) - 1,
                hovertemplate="chance explains up to %{x:.3f}<extra>" + html_text(one.endpoint.name) + "</extra>",
            )
        )
    ticks = (0.001, 0.01, MODERATE, LARGE, 1.0, 10.0)
    return _roomy(
        traces,
        [one for one, _ in data],
        palette,
        _TALL_PX + _rows_px(len(data), card),
        xaxis=axis(
            "PSI (log scale)",
            type="log",
            range=[math.log10(min(values)) - 0.15, math.log10(max(values)) + 0.15],
            tickvals=ticks,
            ticktext=[f"{tick:g}" for tick in ticks],
            tickangle=0,
        ),
        yaxis=axis(
            tickvals=list(rows.values()),
            ticktext=[html_text(feature.label) for feature in reversed(card.features)],
            range=[-0.6, len(rows) - 0.4],
            automargin=True,
        ),
        shapes=[upright(value, {"color": palette.muted, "width": 1, "dash": "dot"}) for value in (MODERATE, LARGE)],
    )


def out_of_range(data: Sequence[EndpointSnapshot], card: ModelCard, palette: Palette) -> Figure:
    """The share of the predicted rows whose value of a feature was outside the training range."""
    traces = []
    for one in data:
        counts = _counted(one)
        total = sum(counts.get("predictions", {}).values())
        outside = [counts.get("out_of_range", {}).get(name, 0) for name in card.feature_names]
        traces.append(
            bar(
                y=[html_text(feature.label) for feature in card.features],
                x=[count / total if total else None for count in outside],
                orientation="h",
                customdata=outside,
                name=f"{html_text(one.endpoint.name)} (n = {markup.count(total)})",
                marker=_bar(one, palette),
                hovertemplate="%{y}: %{x:.1%}, %{customdata} of the rows<extra>"
                + html_text(one.endpoint.name)
                + "</extra>",
            )
        )
    return _roomy(
        traces,
        data,
        palette,
        _TALL_PX + _rows_px(len(data), card),
        xaxis=axis("Share of inputs out of range", tickformat=".0%", rangemode="tozero", nticks=5),
        # Reversed as a whole, so that the first endpoint's bar is also at the top of each group.
        yaxis=axis(
            categoryorder="array",
            categoryarray=[html_text(feature.label) for feature in card.features],
            autorange="reversed",
            automargin=True,
        ),
        barmode="group",
        bargap=0.35,
    )


# --- The numbers behind them


def time_table(data: Sequence[EndpointSnapshot], now_s: float) -> list[dict[str, Any]]:
    """One row per interval between two readings: its time, process, requests and latency."""
    rows = []
    for one in data:
        for stretch in one.timeline.stretches:
            for snapshot, interval in stretch.steps:
                rows.append(
                    {
                        "ago (s)": round(now_s - snapshot.taken_s, 1),
                        "endpoint": one.endpoint.name,
                        "instance": (snapshot.instance_id or "")[:8],
                        "interval (s)": round(interval.duration_s, 1),
                        "requests": interval.counts.request_count,
                        "requests/s": round(interval.requests_per_s or 0.0, 3),
                        "tests": interval.test_counts.request_count,
                        "failed (5xx)": interval.counts.count_of_requests(5),
                        "refused (4xx)": interval.counts.count_of_requests(4),
                        **_quantiles(interval),
                        "memory (MiB)": snapshot.memory_bytes and round(snapshot.memory_bytes / 2**20, 1),
                    }
                )
    return sorted(rows, key=lambda row: (row["ago (s)"], row["endpoint"]))


def _quantiles(interval: Interval) -> dict[str, float | None]:
    found = {name: bucket_quantile(interval.counts.latency, share) for name, share in (("p50", 0.5), ("p95", 0.95))}
    return {
        key: value
        for name, estimate in found.items()
        for key, value in (
            (f"{name} (ms)", round(estimate.value_s * 1000, 3) if estimate else None),
            (f"{name} above (ms)", estimate.above_s * 1000 if estimate else None),
            (f"{name} up to (ms)", estimate.upto_s * 1000 if estimate else None),
        )
    }


def prediction_table(
    data: Sequence[EndpointSnapshot], card: ModelCard, prior: Mapping[str, int] | None
) -> list[dict[str, Any]]:
    """Training rows and predictions by class."""
    return [
        {
            card.target_label: name,
            **({"training rows": prior[name]} if prior else {}),
            **{one.endpoint.name: _counted(one).get("predictions", {}).get(name, 0) for one in data},
        }
        for name in card.classes
    ]


def drift_table(data: Sequence[tuple[EndpointSnapshot, Sequence[Drift]]]) -> list[dict[str, Any]]:
    """One row per feature of each endpoint, even without a PSI."""
    return [
        {
            "feature": each.feature,
            "endpoint": one.endpoint.name,
            "n": each.count,
            "PSI": None if each.psi is None else round(each.psi, 4),
            "chance explains up to": None if each.chance is None else round(each.chance, 4),
            "verdict": say.drift_level(each),
        }
        for one, found in data
        for each in found
    ]


def category_table(data: Sequence[EndpointSnapshot], feature: CategoryFeature) -> list[dict[str, Any]]:
    """Training rows and values by category: all of them, also those that the chart counts together."""
    training = by_category(feature, feature.bin_counts, len(feature.categories))
    counted = {
        one.endpoint.name: by_category(
            feature, one.interval.counts.binned.get(feature.name, ()) if one.interval else (), len(feature.categories)
        )
        for one in data
    }
    return [
        {
            feature.title: name,
            "training rows": count,
            **{endpoint: counts.get(name, 0) for endpoint, counts in counted.items()},
        }
        for name, count in training.items()
    ]


def range_table(data: Sequence[EndpointSnapshot], card: ModelCard) -> list[dict[str, Any]]:
    """The values outside the training range, by feature, with that range, and the missing ones where some may be."""
    missing = {
        one.endpoint.name: {each.feature: each.missing for each in odd_values(card, one.interval.counts.binned)}
        for one in data
        if one.interval and any(feature.accepts_missing for feature in card.features)
    }
    return [
        {
            "feature": feature.title,
            "training range": _training_range(feature),
            **{
                f"{one.endpoint.name} outside": _counted(one).get("out_of_range", {}).get(feature.name, 0)
                for one in data
            },
            **{f"{name} missing": counts.get(feature.name) for name, counts in missing.items()},
            **{f"{one.endpoint.name} rows": sum(_counted(one).get("predictions", {}).values()) for one in data},
        }
        for feature in card.features
    ]


def _training_range(feature: Feature) -> str:
    if isinstance(feature, CategoryFeature):
        return f"{len(feature.categories)} categories"
    return f"{feature.training.minimum:g} to {feature.training.maximum:g}"


def _bar(one: EndpointSnapshot, palette: Palette) -> dict[str, Any]:
    """The style of an endpoint's bars: a colour and a pattern, so that colour is never the only difference."""
    pattern = {
        "shape": nth(PATTERNS, one.position),
        "fillmode": "overlay",
        "fgcolor": palette.background,
        "fgopacity": 0.5,
    }
    return {"color": _color(one, palette), "pattern": {**pattern, "size": 6, "solidity": 0.2}}


def _color(one: EndpointSnapshot, palette: Palette) -> str:
    return palette.endpoint_color(one.endpoint.key, one.position)


def _is_crowded(data: Sequence[EndpointSnapshot]) -> bool:
    """Whether a legend with two entries per endpoint would be taller than the chart, which then shows one each."""
    return len(data) > 2


def _explained_dots(data: Sequence[EndpointSnapshot], name: str, palette: Palette) -> list[Trace]:
    """One legend entry for all dotted lines if the legend does not list each of them."""
    if not _is_crowded(data):
        return []
    line = {"color": palette.muted, "width": 1.5, "dash": "dot"}
    return [scatter(x=[None], y=[None], mode="lines", line=line, name=name, hoverinfo="skip")]


def _rows_px(endpoints: int, card: ModelCard) -> int:
    """The additional height of a chart whose rows hold a mark for each of many endpoints."""
    return max(0, _MARK_PX * endpoints * len(card.features) + 90 - _TALL_PX) if endpoints > 2 else 0


def _roomy(
    traces: Sequence[Trace], data: Sequence[EndpointSnapshot], palette: Palette, height_px: int, **layout: Any
) -> Figure:
    """The common look, with room for the last label of the axis and a legend of several lines."""
    legend_px = _LEGEND_PX * max(0, len(data) - 2)
    return figure(traces, palette, height_px=height_px + legend_px, margin={"r": 18}, **layout)


def _counted(one: EndpointSnapshot) -> dict[str, Mapping[str, int]]:
    """The counts of the chosen time, by kind; empty if nothing was read."""
    if one.interval is None:
        return {}
    return {"predictions": one.interval.counts.predictions, "out_of_range": one.interval.counts.out_of_range}


def _over_time(
    traces: Sequence[Trace],
    up: dict[str, Any],
    data: Sequence[EndpointSnapshot],
    now_s: float,
    palette: Palette,
) -> Figure:
    """The traces over the time axis and the shaded gaps that all charts over time share."""
    times = _time_axis(data, now_s)
    holes = [
        band(
            max(hole.from_s - now_s, times["range"][0]),
            hole.to_s - now_s,
            palette.muted,
            0.14,
            layer="below",
        )
        for one in data
        for hole in one.timeline.counted_holes[-_MOST_HOLES:]
    ]
    return _roomy(traces, data, palette, HEIGHT_PX, yaxis=up, xaxis=times, shapes=holes)


def _points(
    one: EndpointSnapshot, now_s: float, *, with_start: bool = False
) -> tuple[list[float | None], list[Interval | None]]:
    """The end of each interval and the interval itself, with None between stretches so that lines have gaps there.

    `with_start` repeats the first interval of a stretch at its start, for charts that draw steps backwards.
    """
    at_s: list[float | None] = []
    intervals: list[Interval | None] = []
    for stretch in one.timeline.stretches:
        if not stretch.steps:
            continue
        if at_s:
            at_s.append(None)
            intervals.append(None)
        if with_start:
            at_s.append(stretch.first.taken_s - now_s)
            intervals.append(stretch.steps[0][1])
        for snapshot, interval in stretch.steps:
            at_s.append(snapshot.taken_s - now_s)
            intervals.append(interval)
    return at_s, intervals


def _bounds_ms(above_s: float, upto_s: float, count: int) -> str:
    upto = "" if upto_s == math.inf else f" and {upto_s * 1000:g}"
    return f"{'between' if upto else 'above'} {above_s * 1000:g}{upto} ms, n = {markup.count(count)}"


def _time_axis(data: Sequence[EndpointSnapshot], now_s: float) -> dict[str, Any]:
    """Seconds before now, over the chosen time or since the first reading; ticks are round and read as time ago."""
    taken = [one.snapshots[0].taken_s for one in data if one.snapshots]
    taken += [one.failures[0].taken_s for one in data if one.failures]
    window_s = next((one.window_s for one in data if one.window_s), None)
    span_s = window_s or max(60.0, now_s - min(taken, default=now_s))
    step_s = next((step for step in _TICKS_S if span_s / step <= 6), 14400)
    ticks = [-step_s * index for index in range(int(span_s // step_s) + 1)]
    unit_s, title = (60, "min:s") if step_s < 600 else (3600, "h:min")
    return axis(
        f"Time ago ({title})",
        range=[-span_s, 0.02 * span_s],
        tickvals=ticks,
        ticktext=[f"{-tick // unit_s}:{-tick % unit_s * 60 // unit_s:02d}" if tick else "now" for tick in ticks],
    )
