"""What several charts share: marks, bins, logarithmic axes and intervals. No Streamlit here."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from benchmark.statistics.estimates import Estimate
from dashboard.components.figure import Trace, bar, scatter

FILLED_AT_MOST = 2
"""How many histograms can overlap and remain readable."""

# Colour is never the only difference: each of six endpoints or classes also has one of these.
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
PATTERNS = ("", "/", "x", "\\", ".", "|")

VIRIDIS = tuple(
    (index / 9, color)
    for index, color in enumerate(
        (
            *("#440154", "#482878", "#3e4989", "#31688e", "#26828e"),
            *("#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"),
        )
    )
)
"""Matplotlib's scale of colours for values, light where they are large."""


def nth(marks: Sequence[str], index: int) -> str:
    """The mark of the endpoint or class at `index`. Marks repeat when they run out."""
    return marks[index % len(marks)]


def histogram_trace(
    index: int,
    counts: Sequence[int],
    edges: Sequence[float],
    color: str,
    *,
    filled: bool,
    hover: str = "",
    **more: Any,
) -> Trace:
    """How many values of the endpoint at `index` are in each bin, as overlapping bars, or as an outline if there are
    too many endpoints for bars. `more` are Plotly's settings of the trace."""
    hovertemplate = f"%{{y}} requests around %{{x:.2f}} ms<extra>{hover}</extra>"
    if filled:
        return bar(
            x=[math.sqrt(low * high) for low, high in pairwise(edges)],
            y=list(counts),
            width=[high - low for low, high in pairwise(edges)],
            marker={"color": color, "opacity": 0.6, "line": {"width": 0}, "pattern": {"shape": nth(PATTERNS, index)}},
            hovertemplate=hovertemplate,
            **more,
        )
    return scatter(
        x=[edges[0], *edges],
        y=[0, *counts, 0],
        mode="lines",
        line={"color": color, "width": 2, "shape": "hv", "dash": nth(DASHES, index)},
        hovertemplate=hovertemplate,
        **more,
    )


def beside(index: int, count: int) -> float:
    """The offset of the mark of the endpoint at `index`, of `count` side by side: from -0.5 to 0.5 for two, and wider
    for more."""
    return index - (count - 1) / 2


def log_ticks(lowest: float, highest: float) -> list[float]:
    """Ticks at 1, 2 and 5 of every decade in the range, or only at the decades if those are too many."""
    first, last = math.floor(math.log10(lowest)), math.ceil(math.log10(highest))
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    return [step * 10.0**decade for decade in range(first, last + 1) for step in steps]


def log_edges(latencies_ms: Sequence[float], bins_per_decade: int = 12) -> list[float]:
    """Bin edges with a constant ratio that cover all latencies, for at least one bin."""
    positive = [latency for latency in latencies_ms if latency > 0] or [1.0]
    first = math.floor(math.log10(min(positive)) * bins_per_decade + 1e-9)
    last = math.floor(math.log10(max(positive)) * bins_per_decade + 1e-9) + 1
    return [10 ** (edge / bins_per_decade) for edge in range(first, last + 1)]


def log_axis(values: Iterable[float]) -> dict[str, Any]:
    """A logarithmic axis from tick to tick with plain numbers as labels: Plotly labels 20 as 2."""
    positive = [value for value in values if value > 0]
    lowest, highest = min(positive, default=1.0), max(positive, default=10.0)
    ticks = log_ticks(lowest, highest)
    below = max((tick for tick in ticks if tick <= lowest), default=lowest)
    above = min((tick for tick in ticks if tick >= highest), default=highest)
    return {
        "type": "log",
        "range": [math.log10(below) - 0.03, math.log10(above) + 0.03],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }


def whiskers(
    estimates: Sequence[Estimate], color: str, *, thickness_px: float = 1.5, width_px: float = 5
) -> dict[str, Any]:
    """Error bars for the 95% intervals of figures; none for figures without an interval."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [0 if one.high is None else one.high - one.value for one in estimates],
        "arrayminus": [0 if one.low is None else one.value - one.low for one in estimates],
        "color": color,
        "thickness": thickness_px,
        "width": width_px,
    }


def colorbar(title: str, **more: Any) -> dict[str, Any]:
    """A narrow scale beside a map, with its title along it; `more` is passed to Plotly."""
    return {
        "title": {"text": html_text(title), "side": "right", "font": {"size": 11}},
        "tickfont": {"size": 10},
        "thickness": 10,
        **more,
    }


def html_text(text: str) -> str:
    """Escape text from elsewhere: Plotly interprets some HTML in texts."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
