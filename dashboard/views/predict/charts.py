"""Charts of the Predict page: pure functions from the record to figures. No Streamlit here."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Comparison, Sample
from dashboard.components.figure import Figure, axis, figure, level, note, scatter, upright
from dashboard.components.plotting import (
    DASHES,
    FILLED_AT_MOST,
    SYMBOLS,
    VIRIDIS,
    colorbar,
    histogram_trace,
    html_text,
    log_axis,
    log_edges,
    nth,
)
from dashboard.components.theme import Palette
from dashboard.components.training_rows import TrainingRows
from inference.card import ModelCard, Value


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of one endpoint so far: request numbers and latencies in ms, answered and failed apart."""

    endpoint: Endpoint
    requests: tuple[int, ...]
    latencies_ms: tuple[float, ...]
    failed_requests: tuple[int, ...]
    failed_latencies_ms: tuple[float, ...]

    @property
    def label(self) -> str:
        failed = f", {len(self.failed_requests)} failed" if self.failed_requests else ""
        return f"{self.endpoint.name} (n = {len(self.requests)}{failed})"


def series(endpoints: Sequence[Endpoint], comparisons: Sequence[Comparison], first_number: int = 1) -> list[Series]:
    """One series per endpoint; requests are numbered from `first_number` in the order of the comparisons."""
    result = []
    for endpoint in endpoints:
        found: list[tuple[int, Sample]] = [
            (number, sample)
            for number, comparison in enumerate(comparisons, first_number)
            for sample in comparison.samples
            if sample.endpoint == endpoint.key
        ]
        answered = [(number, sample.latency_ms) for number, sample in found if not sample.failure]
        failed = [(number, sample.latency_ms) for number, sample in found if sample.failure]
        result.append(
            Series(
                endpoint,
                tuple(number for number, _ in answered),
                tuple(latency for _, latency in answered),
                tuple(number for number, _ in failed),
                tuple(latency for _, latency in failed),
            )
        )
    return result


def latency_per_request(data: Sequence[Series], palette: Palette) -> Figure:
    """Latency of every request in order; a failed one is a cross at the time it took to fail."""
    traces = []
    for index, one in enumerate(data):
        color = palette.endpoint_color(one.endpoint.key, index)
        traces.append(
            scatter(
                x=one.requests,
                y=one.latencies_ms,
                mode="markers",
                name=html_text(one.label),
                marker={"color": color, "size": 7, "symbol": nth(SYMBOLS, index), "opacity": 0.85},
                hovertemplate="request %{x}<br>%{y:.2f} ms<extra>" + html_text(one.endpoint.name) + "</extra>",
            )
        )
        if one.failed_requests:
            traces.append(
                scatter(
                    x=one.failed_requests,
                    y=one.failed_latencies_ms,
                    mode="markers",
                    name=html_text(one.label),
                    showlegend=not one.requests,
                    marker={"color": color, "size": 10, "symbol": "x-thin", "line": {"width": 2, "color": color}},
                    hovertemplate="request %{x}<br>failed after %{y:.2f} ms<extra></extra>",
                )
            )
    return figure(
        traces,
        palette,
        endpoints=len(data),
        xaxis=axis("Request", tickvals=request_ticks(data)),
        yaxis=axis("Latency (ms, log scale)", **log_axis(_latencies(data))),
    )


def latency_distribution(data: Sequence[Series], palette: Palette) -> Figure:
    """A histogram above the cumulative distribution, on one time axis."""
    traces = []
    edges = log_edges([latency for one in data for latency in one.latencies_ms])
    counts = [histogram(one.latencies_ms, edges) for one in data]
    for index, one in enumerate(data):
        color = palette.endpoint_color(one.endpoint.key, index)
        common = {"name": html_text(one.label), "legendgroup": one.endpoint.key}
        filled = len(data) <= FILLED_AT_MOST
        upper = {"xaxis": "x", "yaxis": "y"}
        traces.append(histogram_trace(index, counts[index], edges, color, filled=filled, **common, **upper))
        times, shares = ecdf(one.latencies_ms)
        traces.append(
            scatter(
                x=times,
                y=shares,
                mode="lines",
                line={"color": color, "width": 2, "shape": "hv", "dash": nth(DASHES, index)},
                showlegend=False,
                hovertemplate="%{y:.0%} within %{x:.2f} ms<extra></extra>",
                xaxis="x2",
                yaxis="y2",
                **common,
            )
        )
    dotted = {"color": palette.muted, "width": 1, "dash": "dot"}
    marks = {"p50": 0.5, "p95": 0.95}
    left = {"x": 0, "xref": "x2 domain", "xanchor": "left", "yref": "y2", "yanchor": "bottom"}
    times_axis = log_axis(_latencies(data))
    tallest = max((max(found) for found in counts), default=0)
    return figure(
        traces,
        palette,
        endpoints=len(data),
        xaxis=axis(**times_axis, anchor="y", domain=[0, 1], matches="x2", showticklabels=False),
        yaxis=axis(
            "Requests",
            anchor="x",
            domain=[0.6052, 1],
            rangemode="tozero",
            nticks=4,
            tickformat="d",
            **({"dtick": 1} if tallest < 4 else {}),
        ),
        xaxis2=axis("Latency (ms, log scale)", **times_axis, anchor="y2", domain=[0, 1]),
        yaxis2=axis("Share within", anchor="x2", domain=[0, 0.5452], range=[0, 1.02], tickformat=".0%", nticks=4),
        shapes=[level(share, dotted, axes="2") for share in marks.values()],
        annotations=[note(name, 10, palette.muted, y=share, **left) for name, share in marks.items()],
        barmode="overlay",
        bargap=0,
    )


def training_map(
    card: ModelCard, rows: TrainingRows, point: Sequence[float], x: int, y: int, palette: Palette, endpoints: int = 2
) -> Figure:
    """The training rows over two features (indices `x`, `y`) with the current input.

    It is as high as the charts of so many `endpoints` beside it.
    """
    traces = []
    if card.is_classifier:
        for index, name in enumerate(card.classes):
            members = [row for row, target in zip(rows.inputs, rows.targets, strict=True) if target == index]
            traces.append(
                scatter(
                    x=[row[x] for row in members],
                    y=[row[y] for row in members],
                    mode="markers",
                    name=f"{html_text(name)} (n = {len(members)})",
                    marker={
                        "color": palette.class_color(index),
                        "symbol": nth(SYMBOLS, index),
                        "size": 7,
                        "opacity": 0.75,
                    },
                    hovertemplate="%{x}, %{y}<extra>" + html_text(name) + "</extra>",
                )
            )
    else:
        traces.append(
            scatter(
                x=[row[x] for row in rows.inputs],
                y=[row[y] for row in rows.inputs],
                mode="markers",
                name=f"training rows (n = {len(rows.inputs)})",
                marker={
                    "color": rows.targets,
                    "colorscale": VIRIDIS,
                    "size": 7,
                    "colorbar": colorbar(card.target_title),
                },
                hovertemplate="%{x}, %{y}<br>%{marker.color}<extra></extra>",
            )
        )
    traces.append(
        scatter(
            x=[point[x]],
            y=[point[y]],
            mode="markers",
            name="your input",
            marker={
                "color": palette.text,
                "symbol": "star",
                "size": 16,
                "line": {"width": 1.5, "color": palette.background},
            },
            hovertemplate="your input: %{x}, %{y}<extra></extra>",
        )
    )
    return figure(
        traces,
        palette,
        endpoints=endpoints,
        xaxis=axis(html_text(card.features[x].title)),
        yaxis=axis(html_text(card.features[y].title)),
    )


@dataclass(frozen=True, slots=True)
class Predictions:
    """What one endpoint has predicted for one input so far: inputs in ascending order, and the value for each."""

    endpoint: Endpoint
    inputs: tuple[float, ...]
    values: tuple[float, ...]

    @property
    def label(self) -> str:
        return f"{self.endpoint.name} (n = {len(self.inputs)})"


def predictions(endpoints: Sequence[Endpoint], card: ModelCard, comparisons: Sequence[Comparison]) -> list[Predictions]:
    """The predictions of each endpoint for the one number that the model takes; of equal inputs the last one's.

    Answers of another version of the model are left out.
    """
    result = []
    for endpoint in endpoints:
        by_input = {
            float(comparison.inputs[0]): sample.answer.prediction
            for comparison in comparisons
            for sample in comparison.samples
            if sample.endpoint == endpoint.key
            and sample.answer
            and sample.answer.model_version in (None, card.version)
            and len(comparison.inputs) == 1
            and isinstance(comparison.inputs[0], float)
        }
        result.append(Predictions(endpoint, tuple(sorted(by_input)), tuple(by_input[one] for one in sorted(by_input))))
    return result


def prediction_curve(
    card: ModelCard, rows: TrainingRows, found: Sequence[Predictions], point: Value, palette: Palette
) -> Figure:
    """A regressor of one number: the predictions so far as a curve over it, above the training rows."""
    traces = [
        scatter(
            x=[row[0] for row in rows.inputs],
            y=rows.targets,
            mode="markers",
            name=f"training rows (n = {len(rows.inputs)})",
            marker={"color": palette.muted, "size": 5, "opacity": 0.5},
            hovertemplate="%{x}<br>%{y}<extra>training row</extra>",
        )
    ]
    for index, one in enumerate(found):
        color = palette.endpoint_color(one.endpoint.key, index)
        traces.append(
            scatter(
                x=one.inputs,
                y=one.values,
                mode="lines+markers",
                name=html_text(one.label),
                line={"color": color, "width": 2, "dash": nth(DASHES, index)},
                marker={"color": color, "size": 8, "symbol": nth(SYMBOLS, index)},
                hovertemplate="%{x}<br>predicted %{y:.4g}<extra></extra>",
            )
        )
    dotted = {"color": palette.text, "width": 1, "dash": "dot"}
    at = {"x": point, "y": 1, "yref": "y domain", "xanchor": "left", "yanchor": "top"}
    return figure(
        traces,
        palette,
        endpoints=len(found),
        xaxis=axis(html_text(card.features[0].title)),
        yaxis=axis(html_text(card.target_title)),
        shapes=[] if point is None else [upright(float(point), dotted)],
        annotations=[] if point is None else [note("your input", 10, palette.text, **at)],
    )


def histogram(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    """How many values are in each bin; the last bin includes its upper edge."""
    counts = [0] * (len(edges) - 1)
    for value in values:
        counts[min(max(bisect_right(edges, value) - 1, 0), len(counts) - 1)] += 1
    return counts


def ecdf(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """The empirical distribution: sorted values, the first one twice, and the share of values at or below each.

    It begins with a share of 0, so that the first step is drawn, which is the tallest if n is small.
    """
    ordered = sorted(values)
    steps = [index / len(ordered) for index in range(len(ordered) + 1)] if ordered else []
    return [*ordered[:1], *ordered], steps


def latency_table(data: Sequence[Series]) -> list[dict[str, Any]]:
    """The rows behind the latency charts."""
    rows: list[dict[str, Any]] = []
    for one in data:
        answered = zip(one.requests, one.latencies_ms, strict=True)
        failed = zip(one.failed_requests, one.failed_latencies_ms, strict=True)
        for outcome, pairs in (("answered", answered), ("failed", failed)):
            rows += [
                {
                    "request": number,
                    "endpoint": one.endpoint.name,
                    "latency (ms)": round(latency, 3),
                    "outcome": outcome,
                }
                for number, latency in pairs
            ]
    return sorted(rows, key=lambda row: (row["request"], row["endpoint"]))


def quantile_table(data: Sequence[Series]) -> list[dict[str, Any]]:
    """The distribution in numbers: quantiles of the latency of each endpoint, in ms."""
    return [
        {
            "endpoint": one.endpoint.name,
            "n": len(one.latencies_ms),
            **{
                name: round(sorted(one.latencies_ms)[max(0, math.ceil(share * len(one.latencies_ms)) - 1)], 3)
                for name, share in (("min (ms)", 0.0), ("p50 (ms)", 0.5), ("p95 (ms)", 0.95), ("max (ms)", 1.0))
                if one.latencies_ms
            },
        }
        for one in data
    ]


def training_table(card: ModelCard, rows: TrainingRows) -> list[dict[str, Any]]:
    """The rows behind the map: all features and the target."""
    return [
        {
            **dict(zip((feature.title for feature in card.features), row, strict=True)),
            card.target_label: card.classes[int(target)] if card.is_classifier else target,
        }
        for row, target in zip(rows.inputs, rows.targets, strict=True)
    ]


def prediction_table(card: ModelCard, found: Sequence[Predictions]) -> list[dict[str, Any]]:
    """The rows behind the curve."""
    return [
        {"endpoint": one.endpoint.name, card.features[0].title: value, card.target_title: predicted}
        for one in found
        for value, predicted in zip(one.inputs, one.values, strict=True)
    ]


def _latencies(data: Sequence[Series]) -> list[float]:
    return [latency for one in data for latency in (*one.latencies_ms, *one.failed_latencies_ms)]


def request_ticks(data: Sequence[Series]) -> list[int]:
    """Up to seven request numbers: Plotly's own ticks can include request 0 or 1.5."""
    numbers = [number for one in data for number in (*one.requests, *one.failed_requests)]
    if not numbers:
        return []
    first, last = min(numbers), max(numbers)
    apart = max(1, (last - first) / 6)
    decade = 10 ** math.floor(math.log10(apart))
    step = next(factor * decade for factor in (1, 2, 5, 10) if factor * decade >= apart)
    return [number for number in range(-(-first // step) * step, last + 1, step) if number >= first]
