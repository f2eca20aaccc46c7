"""Charts of the Cold start page: pure functions from a summary to figures. No Streamlit here."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.coldstart.plan import gap_text
from benchmark.coldstart.summary import ColdSummary, part_names
from dashboard.components import markup
from dashboard.components.figure import HEIGHT_PX, TALL_PX, Figure, Trace, axis, band, bar, figure, scatter
from dashboard.components.plotting import DASHES, PATTERNS, SYMBOLS, beside, html_text, log_axis, nth, whiskers
from dashboard.components.theme import Palette

_NICE_GAPS_S = (
    *(0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
    *(60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0),
)
_MAX_TICKS = 6
_ROW_PX = 46


def populations(summary: ColdSummary, palette: Palette) -> Figure:
    """Cold and warm answers of each endpoint on one log axis: a point per answer, and medians with intervals."""
    traces = []
    labels: list[str] = []
    everything: list[float] = []
    line = {"width": 2, "color": palette.text}
    for index, side in enumerate(summary.endpoints):
        for word, values, estimate in (
            (side.cold_word, side.cold_values_ms, side.cold_ms[0]),
            (side.warm_word, side.warm_values_ms, side.warm_ms[0]),
        ):
            row = len(labels)
            name = f"{html_text(side.name)}, {word} (n = {markup.count(len(values))})"
            labels.append(f"{html_text(side.name)}<br>{word} (n = {markup.count(len(values))})")
            everything += values
            color = palette.endpoint_color(side.key, index)
            traces.append(
                scatter(
                    x=list(values),
                    y=[row + _spread(number) for number in range(len(values))],
                    mode="markers",
                    name=name,
                    marker={
                        "color": color,
                        "symbol": _marker(index, word == side.cold_word),
                        "size": 7,
                        "opacity": 0.55,
                    },
                    hovertemplate="%{x:.4~g} ms<extra>" + name + "</extra>",
                )
            )
            if values:
                traces.append(
                    scatter(
                        x=[estimate.value],
                        y=[row],
                        mode="markers",
                        name=f"median of {name}",
                        marker={"color": palette.text, "symbol": "line-ns", "size": 20, "line": line},
                        error_x=whiskers([estimate], palette.text, thickness_px=2, width_px=0),
                        hovertemplate="median %{x:.4~g} ms<extra>" + name + "</extra>",
                    )
                )
    return _framed(
        traces,
        palette,
        height_px=70 + _ROW_PX * max(len(labels), 2),
        showlegend=False,
        margin={"t": 8},
        xaxis=axis("Time to the answer (ms, log scale)", **log_axis(everything)),
        yaxis=axis(
            tickvals=list(range(len(labels))),
            ticktext=labels,
            automargin=True,
            range=[len(labels) - 0.45, -0.55],
            showgrid=False,
        ),
    )


def split_bars(summary: ColdSummary, palette: Palette) -> Figure:
    """The parts of a cold start: one bar per endpoint, with the median of each part."""
    traces = []
    for pattern, (name, values) in zip(PATTERNS[:3], _parts(summary), strict=True):
        shape = {"shape": pattern, "fillmode": "overlay", "fgcolor": palette.background, "fgopacity": 0.75, "size": 7}
        traces.append(
            bar(
                y=[f"{html_text(side.name)}<br>(n = {side.split_n})" for side in summary.endpoints],
                x=values,
                orientation="h",
                name=name,
                marker={
                    "color": [palette.endpoint_color(side.key, index) for index, side in enumerate(summary.endpoints)],
                    "pattern": shape,
                },
                hovertemplate=name + " %{x:.4~g} ms (median)<extra>%{y}</extra>",
                showlegend=False,
            )
        )
        # The legend explains the patterns, so it has a neutral colour.
        traces.append(
            bar(
                y=[None],
                x=[None],
                orientation="h",
                name=name,
                marker={"color": palette.muted, "pattern": shape},
            )
        )
    return _framed(
        traces,
        palette,
        height_px=70 + _ROW_PX * max(4, len(summary.endpoints) + 2),
        legend={"traceorder": "normal"},
        barmode="stack",
        bargap=0.35,
        xaxis=axis("Median of each part (ms)", rangemode="tozero", nticks=6),
        yaxis=axis(automargin=True, autorange="reversed"),
    )


def in_order(summary: ColdSummary, palette: Palette) -> Figure:
    """Each cold start in the order of the run, which makes drift visible. Failures are crosses at 0."""
    traces = []
    for index, side in enumerate(summary.endpoints):
        color = palette.endpoint_color(side.key, index)
        cold = [probe for probe in side.probes if probe.is_cold]
        traces.append(
            scatter(
                x=[probe.step + 1 for probe in cold],
                y=[probe.response_ms for probe in cold],
                mode="markers",
                name=f"{html_text(side.name)} (n = {len(cold)})",
                marker={"color": color, "symbol": nth(SYMBOLS, index), "size": 8},
                hovertemplate="%{y:.4~g} ms<extra>" + html_text(side.name) + "</extra>",
            )
        )
        if side.failed:
            traces.append(
                scatter(
                    x=[probe.step + 1 for probe in side.probes if probe.failure],
                    y=[0] * side.failed,
                    mode="markers",
                    name=f"{html_text(side.name)} failed ({side.failed})",
                    cliponaxis=False,
                    marker={"symbol": "x-thin", "size": 10, "line": {"width": 2, "color": color}},
                    hovertemplate="failed<extra>" + html_text(side.name) + "</extra>",
                )
            )
    count = max((probe.step + 1 for side in summary.endpoints for probe in side.probes), default=1)
    ticks = {"dtick": 1} if count <= 10 else {}
    return _framed(
        traces,
        palette,
        endpoints=len(summary.endpoints),
        xaxis=axis("Cold start in order", range=[0.5, count + 0.5], **ticks),
        yaxis=axis("Cold start (ms)", rangemode="tozero", nticks=6),
    )


def idle_scatter(summary: ColdSummary, palette: Palette) -> Figure:
    """Response time by measured idle gap. Filled marks are cold, dotted ones suspected cold, hollow ones warm or
    presumed warm. A band shows where an endpoint turns cold."""
    traces, bands = [], []
    gaps_s: list[float] = []
    times_ms: list[float] = []
    for index, side in enumerate(summary.endpoints):
        color = palette.endpoint_color(side.key, index)
        symbol = nth(SYMBOLS, index)
        for word, mark, probes in (
            ("cold", symbol, [probe for probe in side.probes if probe.is_cold and not probe.suspected]),
            ("suspected cold", f"{symbol}-dot", [probe for probe in side.probes if probe.is_cold and probe.suspected]),
            (side.warm_word, f"{symbol}-open", [probe for probe in side.probes if probe.is_warm]),
        ):
            found = [(probe.idle_s, probe.response_ms) for probe in probes if probe.idle_s is not None]
            if not found:
                continue
            gaps_s += [gap_s for gap_s, _ in found]
            times_ms += [time_ms for _, time_ms in found]
            traces.append(
                scatter(
                    x=[gap_s for gap_s, _ in found],
                    y=[time_ms for _, time_ms in found],
                    mode="markers",
                    name=f"{html_text(side.name)} {word} (n = {len(found)})",
                    marker={
                        "color": color,
                        "symbol": mark,
                        "size": 9,
                        # The dot has to stand out from its mark.
                        "line": {"width": 1.5, "color": palette.background if mark.endswith("-dot") else color},
                    },
                    customdata=[gap_text(gap_s) for gap_s, _ in found],
                    hovertemplate="%{y:.4~g} ms after %{customdata}<extra>" + f"{html_text(side.name)}, {word}</extra>",
                )
            )
        if side.threshold:
            bands.append(band(side.threshold.low_s, side.threshold.high_s, color, 0.1))
    return _framed(
        traces,
        palette,
        height_px=TALL_PX,
        endpoints=len(summary.endpoints),
        xaxis=axis("Idle gap (log scale)", **_gap_axis(gaps_s or summary.plan.idle_s)),
        yaxis=axis("Response (ms, log scale)", **log_axis(times_ms)),
        shapes=bands,
    )


def cold_share(summary: ColdSummary, palette: Palette) -> Figure:
    """The share of cold probes after each idle gap, with Wilson's 95% interval."""
    traces = []
    for index, side in enumerate(summary.endpoints):
        classified = [gap for gap in side.gaps if gap.share.n]
        color = palette.endpoint_color(side.key, index)
        # Slightly apart, so that intervals do not hide each other.
        shift = 1.07 ** beside(index, len(summary.endpoints))
        traces.append(
            scatter(
                x=[gap.idle_s * shift for gap in classified],
                y=[gap.share.value for gap in classified],
                mode="lines+markers",
                name=f"{html_text(side.name)} (n = {sum(gap.share.n for gap in classified)})",
                line={"color": color, "width": 1.5, "dash": nth(DASHES, index)},
                marker={"color": color, "symbol": nth(SYMBOLS, index), "size": 9},
                error_y=whiskers([gap.share for gap in classified], color),
                customdata=[f"{gap.cold} of {gap.share.n} after {gap_text(gap.idle_s)}" for gap in classified],
                hovertemplate="%{y:.0%}: %{customdata}<extra>" + html_text(side.name) + "</extra>",
            )
        )
    return _framed(
        traces,
        palette,
        height_px=TALL_PX,
        endpoints=len(summary.endpoints),
        xaxis=axis("Idle gap (log scale)", **_gap_axis(summary.plan.idle_s)),
        yaxis=axis("Share of cold probes", tickformat=".0%", range=[-0.04, 1.04], nticks=6),
    )


# --- The numbers behind them


def probe_table(summary: ColdSummary) -> list[dict[str, Any]]:
    """One row per probe, in order."""
    return [
        {
            "probe": probe.step + 1,
            "endpoint": side.name,
            "idle gap (s)": None if probe.idle_s is None else round(probe.idle_s, 3),
            "response (ms)": round(probe.response_ms, 2),
            "instance": "suspected cold" if probe.suspected else probe.state.value,
            "failure": probe.failure.value if probe.failure else None,
        }
        for side in summary.endpoints
        for probe in side.probes
    ]


def population_table(summary: ColdSummary) -> list[dict[str, Any]]:
    """One row per population: n, and p50 and p95 with their intervals."""
    return [
        {
            "endpoint": side.name,
            "instances": word,
            "n": estimates[0].n,
            **{
                f"{name} {part} (ms)": None if value is None or not math.isfinite(value) else round(value, 2)
                for name, estimate in zip(("p50", "p95"), estimates, strict=True)
                for part, value in (("", estimate.value), ("from", estimate.low), ("to", estimate.high))
            },
        }
        for side in summary.endpoints
        for word, estimates in ((side.cold_word, side.cold_ms), (side.warm_word, side.warm_ms))
    ]


def split_table(summary: ColdSummary) -> list[dict[str, Any]]:
    """One row per endpoint: the median of each part of its cold starts."""
    parts = _parts(summary)
    return [
        {
            "endpoint": side.name,
            "n": side.split_n,
            **{f"{name} (ms)": None if (value := values[index]) is None else round(value, 2) for name, values in parts},
        }
        for index, side in enumerate(summary.endpoints)
    ]


def share_table(summary: ColdSummary) -> list[dict[str, Any]]:
    """One row per idle gap of an endpoint: the number of cold probes and the interval of their share."""
    return [
        {
            "endpoint": side.name,
            "idle gap (s)": gap.idle_s,
            "cold": gap.cold,
            "n": gap.share.n,
            "from (%)": None if gap.share.low is None else round(100 * gap.share.low, 1),
            "to (%)": None if gap.share.high is None else round(100 * gap.share.high, 1),
        }
        for side in summary.endpoints
        for gap in side.gaps
    ]


def _parts(summary: ColdSummary) -> list[tuple[str, list[float | None]]]:
    return [
        (name, [getattr(side.split, part) if side.split else None for side in summary.endpoints])
        for name, part in zip(part_names(summary.plan), ("imports_ms", "model_ms", "rest_ms"), strict=True)
    ]


def _marker(index: int, is_cold: bool) -> str:
    return nth(SYMBOLS, index) + ("" if is_cold else "-open")


def _spread(number: int) -> float:
    """The offset of a point from the middle of its row: even and reproducible (the golden ratio sequence)."""
    return 0.5 * ((number * 0.618034) % 1 - 0.5)


def _gap_axis(gaps_s: Sequence[float]) -> dict[str, Any]:
    """A log axis with ticks at familiar durations."""
    lowest, highest = min(gaps_s, default=1.0), max(gaps_s, default=10.0)
    ticks = [gap_s for gap_s in _NICE_GAPS_S if lowest / 1.3 <= gap_s <= highest * 1.3]
    ticks = ticks[:: math.ceil(len(ticks) / _MAX_TICKS)] if ticks else [lowest, highest]
    return {
        "type": "log",
        "range": [math.log10(lowest) - 0.12, math.log10(highest) + 0.12],
        "tickvals": ticks,
        "ticktext": [_tick(gap_s) for gap_s in ticks],
        "tickangle": 0,
    }


def _tick(gap_s: float) -> str:
    return gap_text(gap_s) if gap_s < 60 else f"{gap_s / 60:g} min" if gap_s < 3600 else f"{gap_s / 3600:g} h"


def _framed(
    traces: Sequence[Trace],
    palette: Palette,
    *,
    height_px: int = HEIGHT_PX,
    endpoints: int = 2,
    margin: Mapping[str, int] | None = None,
    **layout: Any,
) -> Figure:
    """The common look, with room for the last label and a legend of `endpoints`."""
    room = {"r": 18, **(margin or {})}
    return figure(traces, palette, height_px=height_px, endpoints=endpoints, margin=room, **layout)
