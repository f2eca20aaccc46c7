"""The drawings of a report: data, axes, and a text description of each."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmark.coldstart.summary import ColdFigures
from benchmark.cost.bill import grid
from benchmark.cost.prices import BILLINGS, Billing
from benchmark.record.samples import Floats, Samples, warm
from benchmark.reports import svg
from benchmark.reports.document import Drawing
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.text import interval, listed, number
from benchmark.summary.summarise import Summary

_MOST_POINTS = 500
"""The most dots of an endpoint in one drawing, to keep reports small."""


def ecdf(values: Sequence[Floats], legend: Sequence[str], kind: str) -> Drawing:
    """The share of requests answered within each time, as a line for each endpoint."""
    shares = np.unique(np.concatenate([np.linspace(0, 1, 160), 1 - np.geomspace(0.1, 0.001, 40)]))
    lines = [
        svg.Line(position, tuple(zip(np.quantile(one, shares).tolist(), (100 * shares).tolist(), strict=True)))
        for position, one in enumerate(values)
    ]
    x = svg.log_axis(f"{kind} (ms, log scale)", [float(edge) for one in values for edge in (one.min(), one.max())])
    medians = "; ".join(
        f"{name}: half within {number(np.median(one))} ms, 95 % within {number(np.quantile(one, 0.95))} ms"
        for name, one in zip(legend, values, strict=True)
    )
    alt = f"Cumulative share of requests by {kind}. {medians}."
    y = svg.Axis("% answered within", 0, 100)
    return Drawing(f"Answered within: {kind}", svg.chart(x, y, lines, legend, alt), alt)


def percentiles(summary: Summary, legend: Sequence[str], kind: str) -> Drawing:
    """Each percentile of each endpoint with its interval."""
    marks, edges, said = [], [], []
    heights = dict(zip(PERCENTILES, reversed(range(len(PERCENTILES))), strict=True))
    apart = min(0.32, 0.8 / len(summary.endpoints))
    for position, one in enumerate(summary.endpoints):
        for (name, height), estimate in zip(heights.items(), one.latency_ms, strict=True):
            y = height + apart * ((len(summary.endpoints) - 1) / 2 - position)
            marks.append(svg.Whisker(position, y, estimate.value, estimate.low, estimate.high))
            edges += [edge for edge in (estimate.low, estimate.value, estimate.high) if edge is not None]
            said.append(f"{one.name} {name} {interval(estimate)} ms")
    alt = f"Percentiles of the {kind} with 95 % intervals: {'; '.join(said)}."
    ticks = tuple((float(height), name) for name, height in heights.items())
    y_axis = svg.Axis("", -0.5, len(PERCENTILES) - 0.5, names=ticks)
    x_axis = svg.log_axis(f"{kind} (ms, log scale)", edges)
    return Drawing("Percentiles, with 95 % intervals", svg.chart(x_axis, y_axis, marks, legend, alt), alt)


def over_time(samples: Samples, values: Sequence[Floats], legend: Sequence[str], kind: str) -> Drawing:
    """A dot for each request, by when it was due."""
    marks = []
    last_s = 1.0
    for position, one in enumerate(values):
        times_s = warm(samples, position)["scheduled_ms"] / 1000
        last_s = max(last_s, float(times_s.max()))
        kept = _thinned(one)
        points = zip(times_s[kept].tolist(), one[kept].tolist(), strict=True)
        marks.append(svg.Dots(position, tuple(points), size=1.6))
    y = svg.log_axis(f"{kind} (ms, log)", [float(edge) for one in values for edge in (one.min(), one.max())])
    alt = f"{kind.capitalize()} of each request over {last_s:.3g} s, for {listed(legend)}."
    more = max(map(len, values)) > _MOST_POINTS
    title = "Over time" + (f" ({_MOST_POINTS} of each endpoint, the slowest among them)" if more else "")
    return Drawing(title, svg.chart(svg.Axis("time (s)", 0, last_s), y, marks, legend, alt), alt)


def _thinned(values: Floats) -> Any:
    """Positions of at most `_MOST_POINTS` values: the slowest 50, and evenly spaced others."""
    if len(values) <= _MOST_POINTS:
        return np.arange(len(values))
    slowest = np.argsort(values)[-50:]
    return np.unique(np.concatenate([np.linspace(0, len(values) - 1, _MOST_POINTS - 50).astype(np.int64), slowest]))


def cold_starts(sides: Sequence[ColdFigures]) -> Drawing:
    """A dot for each answer, with cold and warm answers in separate rows."""
    marks: list[svg.Mark] = []
    edges: list[float] = []
    names = []
    for position, side in enumerate(sides):
        for row, (values, hollow) in enumerate(((side.cold_values_ms, False), (side.warm_values_ms, True))):
            y = 2 * len(sides) - 1 - row * len(sides) - position * 0.8
            shown = values[:_MOST_POINTS]
            # Deterministic vertical jitter, so that equal values do not hide each other.
            points = tuple((value, y + 0.12 * ((index * 7) % 5 - 2) / 2) for index, value in enumerate(shown))
            marks.append(svg.Dots(position, points, hollow, 3.0))
            edges += list(shown)
            names.append(
                (y, (side.warm_word if hollow else side.cold_word).replace("suspected ", "?").replace("presumed ", "?"))
            )
    legend = [f"{side.name} ({len(side.cold_values_ms)} {side.cold_word})" for side in sides]
    alt = "Cold and warm answers in ms: " + "; ".join(
        f"{side.name} {word} p50 {interval(estimates[0])}"
        for side in sides
        for word, estimates in ((side.cold_word, side.cold_ms), (side.warm_word, side.warm_ms))
    )
    y_axis = svg.Axis("", -0.4, 2 * len(sides) - 0.5, names=tuple(names))
    drawing = svg.chart(svg.log_axis("to the last byte (ms, log scale)", edges), y_axis, marks, legend, alt + ".")
    return Drawing("Cold and warm (hollow), one dot per answer", drawing, alt + ".")


def costs(names: Sequence[str], net_usd: Callable[[int, Billing, int], float | None]) -> Drawing:
    """USD a month over requests a month. `net_usd` takes an endpoint's position, a billing model and a number of
    requests; it returns None if the platform does not offer that."""
    marks = []
    edges = []
    for position in range(len(names)):
        for billing in BILLINGS:
            billed = [(float(n), net_usd(position, billing, n)) for n in grid(100_000, 100_000_000, 49)]
            points = tuple((n, usd) for n, usd in billed if usd is not None and usd >= 0.01)
            edges += [usd for _, usd in points]
            marks.append(svg.Line(position, points, dashed=billing == "instance"))
    alt = (
        f"USD a month after the free tier over requests a month, for {listed(names)}, request-based "
        "and, dashed, instance-based; the table has the figures."
    )
    x = svg.Axis("requests a month (log scale)", 1e5, 1e8, log=True)
    drawing = svg.chart(x, svg.log_axis("USD a month (log)", edges), marks, names, alt)
    return Drawing("Cost: request-based, and instance-based (dashed)", drawing, alt)
