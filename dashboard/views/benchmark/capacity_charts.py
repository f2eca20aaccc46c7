"""The charts of a capacity run: pure functions from its summary to figures. No Streamlit here."""

from collections.abc import Callable
from typing import Any

from benchmark.runs.capacity.printing import result_text
from benchmark.runs.capacity.step import Step
from benchmark.runs.capacity.summary import CapacitySummary
from benchmark.statistics.percentiles import PERCENTILES
from dashboard.components.figure import TALL_PX, Figure, Trace, axis, band, figure, level, scatter, upright
from dashboard.components.plotting import SYMBOLS, html_text, log_axis, nth
from dashboard.components.theme import Palette

_P95 = list(PERCENTILES).index("p95")


def latency(summary: CapacitySummary, palette: Palette) -> Figure:
    """p95 of each step over its rate. Filled marks held, hollow ones did not. A band is the interval of a capacity, and
    a dotted line the objective."""
    traces = _traces(summary, palette, lambda step: step.percentiles_ms[_P95], "%{y:.4~g} ms at %{x:.4~g}/s")
    limits = [slo.limit for slo in summary.plan.slos if slo.metric == "p95_ms"]
    values = [value for step in summary.steps if (value := step.percentiles_ms[_P95]) is not None]
    look = {"color": palette.muted, "width": 1, "dash": "dot"}
    return figure(
        traces,
        palette,
        height_px=TALL_PX,
        endpoints=len(summary.endpoints),
        shapes=[*_intervals(summary, palette), *(level(limit, look) for limit in limits)],
        xaxis=axis("Requests/s", **_rates(summary)),
        yaxis=axis("p95 (ms)", **log_axis([*values, *limits])),
    )


def goodput(summary: CapacitySummary, palette: Palette) -> Figure:
    """Good answers per second of each step over its rate."""
    traces = _traces(summary, palette, lambda step: step.goodput, "%{y:.4~g} good answers/s at %{x:.4~g}/s")
    return figure(
        traces,
        palette,
        height_px=TALL_PX,
        endpoints=len(summary.endpoints),
        shapes=_intervals(summary, palette),
        xaxis=axis("Requests/s", **_rates(summary)),
        yaxis=axis("Good answers/s", rangemode="tozero", nticks=6),
    )


def table(summary: CapacitySummary) -> list[dict[str, Any]]:
    """Every step, by endpoint and rate."""
    return [
        {
            "endpoint": one.name,
            "requests/s": step.bounds.rate,
            **{f"{name} (ms)": value for name, value in zip(PERCENTILES, step.percentiles_ms, strict=True)},
            "good answers/s": step.goodput,
            "requests": step.n,
            "errors": step.errors,
            "cold": step.cold,
            "result": result_text(step),
        }
        for one in summary.endpoints
        for step in _by_rate(one.steps)
    ]


def _by_rate(steps: tuple[Step, ...]) -> list[Step]:
    return sorted(steps, key=lambda step: step.bounds.rate)


def _traces(
    summary: CapacitySummary, palette: Palette, value: Callable[[Step], float | None], hover: str
) -> list[Trace]:
    traces = []
    for index, one in enumerate(summary.endpoints):
        color, symbol = palette.endpoint_color(one.key, index), nth(SYMBOLS, index)
        steps = [step for step in _by_rate(one.steps) if value(step) is not None]
        traces.append(
            scatter(
                x=[step.bounds.rate for step in steps],
                y=[value(step) for step in steps],
                mode="lines+markers",
                name=f"{html_text(one.name)} (n = {len(one.steps)})",
                line={"color": color, "width": 1},
                marker={
                    "color": color,
                    "symbol": [symbol if step.held else f"{symbol}-open" for step in steps],
                    "size": 8,
                },
                customdata=[result_text(step) for step in steps],
                hovertemplate=hover + ", %{customdata}" + f"<extra>{html_text(one.name)}</extra>",
            )
        )
    return traces


def _intervals(summary: CapacitySummary, palette: Palette) -> list[dict[str, Any]]:
    shapes = []
    for index, one in enumerate(summary.endpoints):
        color, found = palette.endpoint_color(one.key, index), one.range
        if found.low is not None and found.high is not None:
            shapes.append(band(found.low, found.high, color, 0.15))
        if found.value is not None:
            shapes.append(upright(found.value, {"color": color, "width": 1}))
    return shapes


def _rates(summary: CapacitySummary) -> dict[str, Any]:
    return log_axis([step.bounds.rate for step in summary.steps])
