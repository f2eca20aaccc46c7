"""The charts of a run: pure functions from its samples and summary to figures. No Streamlit here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.record.plan import ComparePlan
from benchmark.record.run import Run
from benchmark.record.samples import COLD, QUEUED, Floats, Samples, response_ms, temperatures
from benchmark.statistics.estimates import Estimate, min_samples
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.text import bounds
from benchmark.summary.summarise import Figures, Summary
from dashboard.components.figure import TALL_PX, Figure, axis, band, bar, figure, level, note, scatter, upright
from dashboard.components.pairs import MINUS, pair_name
from dashboard.components.plotting import (
    DASHES,
    FILLED_AT_MOST,
    PATTERNS,
    SYMBOLS,
    beside,
    histogram_trace,
    html_text,
    log_axis,
    log_edges,
    nth,
    whiskers,
)
from dashboard.components.theme import Palette

POINTS = 1500
"""The most points of an endpoint that are drawn: what a browser draws without delay."""
MARKS = {
    "failed": ("x-thin", 9, 2),
    "cold start": ("star", 12, 0),
    "queued for a start": ("star-open", 9, 1),
    "warm-up": ("circle-open", 4.5, 1),
}
"""The symbol, size and line width of requests with their own marks."""
_TAIL_SHARES = (0.5, 0.9, 0.95, 0.99, 0.999)
WORKERS_SHOWN = 20
"""The most workers in a table or chart; the export has all of them."""


@dataclass(frozen=True, slots=True)
class Side:
    """The requests of one endpoint in scheduled order, with times in seconds since the start of the run.

    `latencies_ms` are those behind the figures of a summary.
    """

    key: str
    name: str
    position: int
    times_s: Floats
    latencies_ms: Floats
    apart: tuple[tuple[str, Floats, Floats], ...]
    """requests that no latency figure includes: failures, cold starts, requests queued for one, and warm-up; times in
    s, latencies in ms"""

    @property
    def label(self) -> str:
        return f"{self.name} (n = {len(self.latencies_ms)})"

    def color(self, palette: Palette) -> str:
        return palette.endpoint_color(self.key, self.position)


def sides(run: Run, samples: Samples) -> list[Side]:
    """The endpoints of a run with their samples. Latency is response time in an open loop, else service time."""
    plan = run.plan
    open_loop = not isinstance(plan, ComparePlan) and plan.is_open_loop
    states = temperatures(samples)
    result = []
    for position, (key, name) in enumerate(zip(run.endpoint_keys, run.endpoint_names, strict=True)):
        at = np.flatnonzero(samples["endpoint"] == position)
        at = at[np.argsort(samples["scheduled_ms"][at], kind="stable")]
        mine, met = samples[at], states[at]
        latency = response_ms(mine) if open_loop else mine["service_ms"].astype(np.float64)
        times = mine["scheduled_ms"] / 1000
        failed = mine["failure"] != 0
        cold, queued = (~failed & (met == state) for state in (COLD, QUEUED))
        warmup = ~(failed | cold | queued) & mine["warmup"]
        usual = ~(failed | cold | queued | warmup)
        apart = tuple(
            (what, times[which], latency[which])
            for what, which in zip(MARKS, (failed, cold, queued, warmup), strict=True)
            if which.any()
        )
        result.append(Side(key, name, position, times[usual], latency[usual], apart))
    return result


def thinned(values: Floats, most: int) -> NDArray[np.int64]:
    """Positions of at most `most` values: the largest of each stretch of neighbours, and one more.

    So thinning never hides a slow request.
    """
    n = len(values)
    if n <= most:
        return np.arange(n)
    edges = np.linspace(0, n, max(1, most // 2) + 1).astype(np.int64)
    kept = {int(first + np.argmax(values[first:last])) for first, last in pairwise(edges)}
    return np.array(sorted(kept | {int((first + last) // 2) for first, last in pairwise(edges)}), dtype=np.int64)


def drawn(data: Sequence[Side]) -> str | None:
    """A note on how many points are drawn, unless all are."""
    total = sum(len(one.latencies_ms) for one in data)
    shown = sum(len(thinned(one.latencies_ms, POINTS)) for one in data)
    if shown == total:
        return None
    return f"Showing {shown} of {total} points, including the slowest of each interval. The export has all of them."


def latency_over_time(
    data: Sequence[Side], palette: Palette, overhead_ms: float | None = None, span_s: float | None = None
) -> Figure:
    """Latency of every request at its scheduled time. Requests outside the figures have their own marks.

    `overhead_ms` is the time that the client itself takes; `span_s` is the minimum length of the time axis.
    """
    traces = []
    for index, one in enumerate(data):
        color = one.color(palette)
        kept = thinned(one.latencies_ms, POINTS)
        traces.append(
            scatter(
                x=_rounded(one.times_s[kept]),
                y=_rounded(one.latencies_ms[kept]),
                mode="markers",
                name=html_text(one.label),
                legendgroup=one.key,
                marker={"color": color, "size": 4.5, "symbol": nth(SYMBOLS, index), "opacity": 0.6},
                hovertemplate="%{x:.2f} s<br>%{y:.2f} ms<extra>" + html_text(one.name) + "</extra>",
            )
        )
        for what, times, latencies in one.apart:
            symbol, size, width = MARKS[what]
            kept = thinned(latencies, POINTS // 3)
            traces.append(
                scatter(
                    x=_rounded(times[kept]),
                    y=_rounded(latencies[kept]),
                    mode="markers",
                    name=f"{what} ({len(times)})"
                    if len(data) == 1
                    else f"{html_text(one.name)}: {what} ({len(times)})",
                    showlegend=what != "warm-up",
                    marker={
                        "color": color,
                        "size": size,
                        "symbol": symbol,
                        "opacity": 0.45 if what == "warm-up" else 1,
                        "line": {"width": width, "color": color},
                    },
                    hovertemplate=f"{what}, " + "%{x:.2f} s<br>%{y:.2f} ms<extra>" + html_text(one.name) + "</extra>",
                )
            )
    ends = [
        float(times[-1]) for one in data for times in (one.times_s, *(times for _, times, _ in one.apart)) if len(times)
    ]
    last_s = max([*ends, span_s or 0.0]) or 1.0
    lines, notes = _overhead(palette, overhead_ms)
    return figure(
        traces,
        palette,
        height_px=TALL_PX,
        endpoints=len(data),
        xaxis=axis("Time since the start (s)", range=[-0.01 * last_s, 1.01 * last_s]),
        yaxis=axis("Latency (ms, log scale)", **log_axis(_all(data, overhead_ms))),
        shapes=lines,
        annotations=notes,
    )


def latency_by_second(seconds: Sequence[Mapping[str, Any]], run: Run, palette: Palette) -> Figure:
    """The live view of several workers: p50 and, dotted, p95 of the answers that came in each second."""
    traces = []
    for position, (key, name) in enumerate(zip(run.endpoint_keys, run.endpoint_names, strict=True)):
        known = [(one["second"], one["endpoints"][position]) for one in seconds]
        answered = [(second, found) for second, found in known if found["n"]]
        for figure_name, dash in (("p50", "solid"), ("p95", "dot")):
            traces.append(
                scatter(
                    x=[second for second, _ in answered],
                    y=[found[f"{figure_name}_ms"] for _, found in answered],
                    mode="lines+markers",
                    name=f"{html_text(name)} {figure_name}",
                    legendgroup=key,
                    line={"color": palette.endpoint_color(key, position), "width": 2, "dash": dash},
                    marker={"size": 5, "symbol": nth(SYMBOLS, position)},
                    customdata=[found["n"] for _, found in answered],
                    hovertemplate="%{x} s: %{y:.2f} ms (n = %{customdata})<extra>" + html_text(name) + "</extra>",
                )
            )
    return figure(
        traces,
        palette,
        height_px=TALL_PX,
        endpoints=len(traces),
        xaxis=axis("Time since the start (s)", nticks=8),
        yaxis=axis("Latency (ms, log scale)", **log_axis([value for trace in traces for value in trace["y"]])),
    )


def second_table(seconds: Sequence[Mapping[str, Any]], run: Run) -> list[dict[str, Any]]:
    """The live view as rows: answers, failures and percentiles of each second and endpoint."""
    return [
        {
            "second": one["second"],
            "endpoint": name,
            "answers": found["n"],
            "failed": found["failed"],
            "p50 (ms)": found["p50_ms"],
            "p95 (ms)": found["p95_ms"],
        }
        for one in seconds
        for name, found in zip(run.endpoint_names, one["endpoints"], strict=True)
    ]


def latency_shares(data: Sequence[Side], palette: Palette, overhead_ms: float | None = None) -> Figure:
    """The share of requests answered within a time."""
    traces = []
    for index, one in enumerate(data):
        if not len(one.latencies_ms):
            continue
        times, shares = _steps(one.latencies_ms)
        traces.append(
            scatter(
                x=times,
                y=shares,
                mode="lines",
                name=html_text(one.label),
                line={"color": one.color(palette), "width": 2, "shape": "hv", "dash": nth(DASHES, index)},
                hovertemplate="%{y:.1%} within %{x:.2f} ms<extra>" + html_text(one.name) + "</extra>",
            )
        )
    shown = {name: share for name, share in PERCENTILES.items() if name != "p99"}  # which would lie on p95
    dotted = {"color": palette.muted, "width": 1, "dash": "dot"}
    right = {"x": 1, "xref": "x domain", "xanchor": "right", "yref": "y", "yanchor": "top"}
    lines, notes = _overhead(palette, overhead_ms, is_upright=True)
    return figure(
        traces,
        palette,
        endpoints=len(data),
        xaxis=axis("Latency (ms, log scale)", **log_axis(_usual(data, overhead_ms))),
        yaxis=axis("Share answered within", range=[0, 1.03], tickformat=".0%"),
        shapes=[*(level(share, dotted) for share in shown.values()), *lines],
        annotations=[*(note(name, 10, palette.muted, y=share, **right) for name, share in shown.items()), *notes],
    )


def latency_distribution(data: Sequence[Side], palette: Palette, overhead_ms: float | None = None) -> Figure:
    """A histogram of the latency, in bins of a constant ratio."""
    edges = _edges(data)
    traces = [
        histogram_trace(
            index,
            np.histogram(one.latencies_ms, edges)[0].tolist(),
            edges,
            one.color(palette),
            filled=len(data) <= FILLED_AT_MOST,
            hover=html_text(one.name),
            name=html_text(one.label),
        )
        for index, one in enumerate(data)
    ]
    lines, notes = _overhead(palette, overhead_ms, is_upright=True)
    return figure(
        traces,
        palette,
        endpoints=len(data),
        xaxis=axis("Latency (ms, log scale)", **log_axis(_usual(data, overhead_ms))),
        yaxis=axis("Requests", rangemode="tozero", nticks=5, tickformat="d"),
        shapes=lines,
        annotations=notes,
        barmode="overlay",
        bargap=0,
    )


def latency_tail(data: Sequence[Side], summary: Summary, palette: Palette) -> Figure:
    """The slow tail: latency by percentile, as far as the number of requests allows and up to p99.9.

    The whiskers are the intervals of the summary.
    """
    traces = []
    furthest = 0.5
    for index, one in enumerate(data):
        n = len(one.latencies_ms)
        last = max((share for share in _TAIL_SHARES if n >= min_samples(share)), default=None)
        if last is None:
            continue
        furthest = max(furthest, last)
        shares = 1 - np.geomspace(0.5, 1 - last, 120)
        color = one.color(palette)
        traces.append(
            scatter(
                x=_odds(shares),
                y=_rounded(np.quantile(one.latencies_ms, shares)),
                mode="lines",
                name=html_text(one.label),
                legendgroup=one.key,
                line={"color": color, "width": 2, "dash": nth(DASHES, index)},
                customdata=[f"p{100 * share:.4g}" for share in shares],
                hovertemplate="%{customdata}: %{y:.2f} ms<extra>" + html_text(one.name) + "</extra>",
            )
        )
        known = [
            (share, estimate)
            for share, estimate in zip(PERCENTILES.values(), summary.endpoints[one.position].latency_ms, strict=True)
            if estimate.low is not None and estimate.high is not None
        ]
        traces.append(
            scatter(
                # Side by side, so that whiskers do not hide each other.
                x=_odds([share for share, _ in known], 1 + 0.08 * beside(index, len(data))),
                y=[estimate.value for _, estimate in known],
                error_y=whiskers([estimate for _, estimate in known], color, width_px=4),
                mode="markers",
                name=html_text(one.name),
                legendgroup=one.key,
                showlegend=False,
                marker={"color": color, "size": 7, "symbol": nth(SYMBOLS, index)},
                hovertemplate="%{y:.2f} ms<extra>" + html_text(one.name) + "</extra>",
            )
        )
    ticks = [share for share in _TAIL_SHARES if share <= furthest]
    highest = [float(value) for trace in traces for value in trace["y"]]
    intervals = [estimate for one in summary.endpoints for estimate in one.latency_ms]
    highest += [estimate.high for estimate in intervals if estimate.high is not None]
    lowest = [estimate.low for estimate in intervals if estimate.low is not None]
    return figure(
        traces,
        palette,
        endpoints=len(data),
        xaxis=axis(
            "Percentile (log scale)",
            type="log",
            tickvals=_odds(ticks),
            ticktext=[f"p{100 * share:g}" for share in ticks],
            range=[math.log10(1.9), math.log10(1.15 / (1 - furthest))],
        ),
        yaxis=axis("Latency (ms, log scale)", **log_axis([*highest, *lowest])),
    )


def phases(endpoints: Sequence[Figures], palette: Palette) -> Figure:
    """Where the time of a typical request goes: the median of each phase, stacked.

    A phase that fewer than half of the requests had is left out, such as connecting when connections are reused.
    """
    traces = []
    names = [name for name, _, _ in endpoints[0].phases_ms]
    shown = [
        name
        for index, name in enumerate(names)
        if any(one.n and 2 * one.phases_ms[index][2] >= one.n for one in endpoints)
    ]
    for number, name in enumerate(shown):
        medians = [dict((phase, median) for phase, median, _ in one.phases_ms)[name] for one in endpoints]
        traces.append(
            bar(
                y=[f"{html_text(one.name)}<br>(n = {one.n})" for one in endpoints],
                x=[0.0 if median is None else round(median, 4) for median in medians],
                orientation="h",
                name=name,
                text=["" if not median or median < 0.005 else f"{name} {median:.2f}" for median in medians],
                textposition="inside",
                insidetextanchor="middle",
                textfont={"color": palette.background, "size": 11},
                marker={
                    # In neutral colours: endpoints differ by position, phases by shade and pattern.
                    "color": palette.muted,
                    "opacity": 1 - 0.16 * number,
                    "pattern": {"shape": nth(PATTERNS, number), "solidity": 0.2},
                    "line": {"width": 1, "color": palette.background},
                },
                hovertemplate=f"{name}: " + "%{x:.3f} ms<extra>%{y}</extra>",
            )
        )
    return figure(
        traces,
        palette,
        endpoints=len(endpoints),
        xaxis=axis("Time (ms, median of each phase)", rangemode="tozero"),
        yaxis=axis(autorange="reversed", automargin=True, tickfont={"color": palette.text}),
        barmode="stack",
        bargap=0.45,
        uniformtext={"minsize": 9, "mode": "hide"},
    )


def vantages(summary: Summary, palette: Palette) -> Figure:
    """Latency by worker: p50 with its interval, and p95 as an open mark."""
    shown = summary.workers[:WORKERS_SHOWN]
    traces = []
    edges = []
    count = len(summary.endpoints)
    for index, side in enumerate(summary.endpoints):
        color = palette.endpoint_color(side.key, index)
        seen = [(at, one, one.latency_ms[index]) for at, one in enumerate(shown) if one.latency_ms[index][0].n]
        rows = [at + 0.5 * beside(index, count) / count for at, _, _ in seen]
        names = [html_text(one.name) for _, one, _ in seen]
        for place, symbol, name in ((0, nth(SYMBOLS, index), "p50"), (1, f"{nth(SYMBOLS, index)}-open", "p95")):
            figures = [found[place] for _, _, found in seen]
            edges += [edge for one in figures for edge in (one.value, one.low, one.high) if edge is not None]
            traces.append(
                scatter(
                    x=[one.value for one in figures],
                    y=rows,
                    **({"error_x": whiskers(figures, color)} if place == 0 else {}),
                    mode="markers",
                    name=f"{html_text(side.name)} {name}",
                    legendgroup=side.key,
                    marker={"color": color, "size": 8, "symbol": symbol},
                    customdata=names,
                    hovertemplate="%{customdata}: " + name + " %{x:.2f} ms<extra>" + html_text(side.name) + "</extra>",
                )
            )
    return figure(
        traces,
        palette,
        height_px=110 + 34 * max(2, len(shown)),
        endpoints=len(traces),
        xaxis=axis("Latency (ms, log scale)", **log_axis(edges)),
        yaxis=axis(
            "Worker",
            tickvals=list(range(len(shown))),
            ticktext=[html_text(one.name) for one in shown],
            range=[len(shown) - 0.5, -0.5],
            automargin=True,
            tickfont={"color": palette.text},
        ),
    )


def vantage_table(summary: Summary) -> list[dict[str, Any]]:
    """The figures of each worker and endpoint."""
    return [
        {"worker": one.name, "endpoint": side.name, "n": found[0].n}
        | {f"{name} (ms)": round(figure.value, 3) for name, figure in zip(PERCENTILES, found, strict=True) if figure.n}
        for one in summary.workers[:WORKERS_SHOWN]
        for side, found in zip(summary.endpoints, one.latency_ms, strict=True)
    ]


def known_differences(summary: Summary) -> list[tuple[str, Estimate]]:
    """The differences that have an interval, which may be open at one end. For two endpoints the verdict's comes first,
    then those of the percentiles; for more endpoints the verdict's for each pair."""
    return [
        (name, effect) for name, effect, _ in _differences(summary) if effect.low is not None or effect.high is not None
    ]


def _differences(summary: Summary) -> list[tuple[str, Estimate, float]]:
    """Name, difference and margin in ms of each line of the chart."""
    verdict = summary.verdict
    assert verdict  # a single endpoint has no difference  # noqa: S101
    pairs = verdict.pairs
    if len(pairs) > 1:
        names = [one.name for one in summary.endpoints]
        return [(pair_name(pair, names), pair.effect, pair.margin_ms) for pair in pairs]
    (pair,) = pairs
    compared = isinstance(summary.plan, ComparePlan)
    # The effect of a load run is the difference of p50: do not draw it twice.
    lines = [(verdict.metric if compared else "p50", pair.effect)]
    lines += list(zip(PERCENTILES, summary.differences[0], strict=True))[0 if compared else 1 :]
    return [(name, effect, pair.margin_ms) for name, effect in lines]


def differences(summary: Summary, palette: Palette) -> Figure:
    """The differences between endpoints with their intervals and the margins fixed before the run.

    An arrow marks an interval that timeouts leave open at one end.
    """
    known = [
        (html_text(name).replace(f" {MINUS} ", f" {MINUS}<br>"), one, margin_ms)
        for name, one, margin_ms in _differences(summary)
        if one.low is not None or one.high is not None
    ]
    points = scatter(
        x=[_drawn_at(estimate) for _, estimate, _ in known],
        y=[name for name, _, _ in known],
        error_x=whiskers(
            [replace(estimate, value=_drawn_at(estimate)) for _, estimate, _ in known], palette.text, thickness_px=2
        ),
        mode="markers",
        showlegend=False,
        marker={"color": palette.text, "size": _sizes_px(summary, len(known))},
        customdata=[_words(estimate) for _, estimate, _ in known],
        hovertemplate="%{y}: %{customdata[0]}<br>interval: %{customdata[1]}<br>n = %{customdata[2]}<extra></extra>",
    )
    margins = [
        band(-margin_ms, margin_ms, palette.muted, 0.14, y0=row - 0.5, y1=row + 0.5, yref="y")
        for row, (_, _, margin_ms) in enumerate(known)
    ]
    edges = [edge for _, one, margin_ms in known for edge in (one.low or 0, one.high or 0, _drawn_at(one), margin_ms)]
    reach = 1.15 * max([abs(edge) for edge in edges] + [1e-3])
    arrow = {"text": "", "showarrow": True, "arrowhead": 2, "arrowwidth": 2, "arrowcolor": palette.text}
    on_axes = {"xref": "x", "axref": "x", "yref": "y", "ayref": "y"}
    arrows = [
        {"x": reach if one.high is None else -reach, "ax": _drawn_at(one), "y": name, "ay": name, **on_axes, **arrow}
        for name, one, _ in known
        if not one.estimable
    ]
    names = [html_text(one.name) for one in summary.endpoints] if len(summary.endpoints) == 2 else ["first", "second"]
    above = {"xref": "paper", "yref": "paper", "y": 1.02, "yanchor": "bottom"}
    directions = [
        note(text, 11, palette.muted, x=x, xanchor=anchor, **above)
        for anchor, x, text in (("left", 0.0, f"◂ {names[0]} faster"), ("right", 1.0, f"{names[1]} faster ▸"))
    ]
    return figure(
        [points],
        palette,
        height_px=60 + (34 if len(known) <= 4 else 30) * max(2, len(known)),
        margin={"b": 44, "t": 24},
        xaxis=axis("Difference (ms), margin shaded", range=[-reach, reach]),
        yaxis=axis(autorange="reversed", automargin=True),
        shapes=[*margins, upright(0, {"color": palette.muted, "width": 1})],
        annotations=[*arrows, *directions],
    )


def _sizes_px(summary: Summary, lines: int) -> list[int]:
    """For two endpoints the verdict's difference stands out; pairs all look the same."""
    return [11 if row == 0 else 7 for row in range(lines)] if len(summary.endpoints) == 2 else [9] * lines


def _drawn_at(estimate: Estimate) -> float:
    """The figure, or its known bound if the figure itself is among the timeouts."""
    if math.isfinite(estimate.value):
        return estimate.value
    return next(bound for bound in (estimate.low, estimate.high) if bound is not None)


def _words(estimate: Estimate) -> tuple[str, str, int]:
    """The figure, its interval and its n."""
    value = f"{estimate.value:.3f} ms" if math.isfinite(estimate.value) else "beyond the timeout"
    return value, f"{bounds(estimate, write='{:.3f}'.format)} ms", estimate.n


def time_table(data: Sequence[Side]) -> list[dict[str, Any]]:
    """The points of latency over time, one row each."""
    rows: list[dict[str, Any]] = []
    for one in data:
        for what, times, latencies in (("answered", one.times_s, one.latencies_ms), *one.apart):
            rows += [
                {
                    "time (s)": round(float(times[index]), 3),
                    "endpoint": one.name,
                    "latency (ms)": round(float(latencies[index]), 3),
                    "outcome": what,
                }
                for index in thinned(latencies, POINTS)
            ]
    return sorted(rows, key=lambda row: row["time (s)"])


def distribution_table(data: Sequence[Side]) -> list[dict[str, Any]]:
    """The bins of the distribution, one row each."""
    edges = _edges(data)
    counts = {one.name: np.histogram(one.latencies_ms, edges)[0].tolist() for one in data}
    return [
        {
            "from (ms)": round(low, 3),
            "to (ms)": round(high, 3),
            **{name: found[index] for name, found in counts.items()},
        }
        for index, (low, high) in enumerate(pairwise(edges))
    ]


def share_table(data: Sequence[Side]) -> list[dict[str, Any]]:
    """The latency at each tenth of the requests, and of the slow tail as far as it can be bounded."""
    shares = sorted({*(tenth / 10 for tenth in range(1, 10)), *_TAIL_SHARES})
    return [
        {
            "share": f"{100 * share:g}%",
            **{
                f"{one.name} (ms)": round(float(np.quantile(one.latencies_ms, share)), 3)
                for one in data
                if len(one.latencies_ms) >= min_samples(share)
            },
        }
        for share in shares
    ]


def phase_table(endpoints: Sequence[Figures]) -> list[dict[str, Any]]:
    """The median of each phase and its n."""
    return [
        {"endpoint": one.name, "phase": name, "median (ms)": None if median is None else round(median, 3), "n": count}
        for one in endpoints
        for name, median, count in one.phases_ms
    ]


def _overhead(
    palette: Palette, overhead_ms: float | None, *, is_upright: bool = False
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The line at the time that the client itself takes, if it is known, and its name."""
    if overhead_ms is None or overhead_ms <= 0:
        return [], []
    line = {"color": palette.muted, "width": 1, "dash": "dashdot"}
    # Plotly places lines on a logarithmic axis by value, but annotations by exponent.
    at = math.log10(overhead_ms)
    if is_upright:
        place = {"x": at, "xanchor": "left", "y": 0.98, "yref": "paper", "yanchor": "top", "textangle": -90}
    else:
        place = {"x": 1, "xref": "paper", "xanchor": "right", "y": at, "yanchor": "bottom"}
    name = note(f"client overhead {overhead_ms:.2g} ms", 10, palette.muted, **place)
    return [upright(overhead_ms, line) if is_upright else level(overhead_ms, line)], [name]


def _steps(latencies_ms: Floats) -> tuple[list[float], list[float]]:
    ordered = np.sort(latencies_ms)
    n = len(ordered)
    ranks = np.unique(np.linspace(0, n - 1, min(n, 400)).astype(np.int64))
    return _rounded(ordered[ranks]), [(int(rank) + 1) / n for rank in ranks]


def _edges(data: Sequence[Side]) -> list[float]:
    extremes = [
        float(end) for one in data if len(one.latencies_ms) for end in (one.latencies_ms.min(), one.latencies_ms.max())
    ]
    decades = math.log10(max(extremes) / min(extremes)) if extremes and min(extremes) > 0 else 1
    return log_edges(extremes, bins_per_decade=48 if decades < 0.7 else 24 if decades < 1.5 else 12)


def _odds(shares: Sequence[float] | Floats, factor: float = 1.0) -> list[float]:
    return [factor / (1 - float(share)) for share in shares]


def _usual(data: Sequence[Side], overhead_ms: float | None) -> list[float]:
    found = [
        float(end) for one in data if len(one.latencies_ms) for end in (one.latencies_ms.min(), one.latencies_ms.max())
    ]
    return [*found, overhead_ms] if overhead_ms else found


def _all(data: Sequence[Side], overhead_ms: float | None) -> list[float]:
    found = [float(end) for one in data for _, _, values in one.apart for end in (values.min(), values.max())]
    return [*found, *_usual(data, overhead_ms)]


def _rounded(values: Floats) -> list[float]:
    """Rounded values: half of the bytes, and still finer than a screen."""
    return [round(float(value), 4) for value in values]
