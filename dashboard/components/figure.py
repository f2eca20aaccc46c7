"""A figure as the plain document that Plotly's library in the browser reads, in the common look of all charts.

Plotly's Python classes validate each property that is set, which took most of the time of a page with charts. Charts
are documents here, and tests validate every one of them with those classes. No Streamlit and no Plotly here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from dashboard.components.theme import Palette

FONT = "Inter, sans-serif"
HEIGHT_PX = 240
TALL_PX = 300
_LEGEND_ROW_PX = 18

Trace = dict[str, Any]
"""One set of marks or lines, as Plotly's reference describes it."""


class Figure(TypedDict):
    """A finished figure. It is never changed, because it may be cached."""

    data: list[Trace]
    layout: dict[str, Any]


def figure(
    traces: Sequence[Trace], palette: Palette, *, height_px: int = HEIGHT_PX, endpoints: int = 2, **layout: Any
) -> Figure:
    """The traces in the common look: transparent, quiet axes, legend above. `layout` adds to it and goes before it.

    With more than two `endpoints`, `height_px` grows by the additional lines of the legend. The legend of a single
    endpoint is also shown, because it contains n.
    """
    axis_look = {
        "gridcolor": palette.grid,
        "linecolor": palette.grid,
        "zeroline": False,
        "tickfont": {"size": 11, "color": palette.muted},
        "title": {"font": {"size": 12, "color": palette.muted}, "standoff": 6},
    }
    look = {
        "height": height_px + _LEGEND_ROW_PX * max(0, endpoints - 2),
        "margin": {"l": 50, "r": 6, "t": 26, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "color": palette.text, "size": 12},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.0,
            "yanchor": "bottom",
            "font": {"size": 11},
            "tracegroupgap": 0,
        },
        "hoverlabel": {"font": {"family": FONT}},
        **({"showlegend": True} if endpoints == 1 else {}),
        **{name: axis_look for name in layout if name.startswith(("xaxis", "yaxis"))},
    }
    return {"data": list(traces), "layout": _merged(look, layout)}


def _merged(look: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: _merged(look[name], own[name]) for name in own if isinstance(look.get(name), dict)}
    return {**look, **own, **both}


# Parts of a figure. `more` are always further settings of Plotly.


def scatter(**more: Any) -> Trace:
    """Points or lines."""
    return {"type": "scatter", **more}


def bar(**more: Any) -> Trace:
    return {"type": "bar", **more}


def heatmap(**more: Any) -> Trace:
    return {"type": "heatmap", **more}


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    return {"title": {"text": title}, **more} if title else more


def level(y: float, line: Mapping[str, Any], axes: str = "") -> dict[str, Any]:
    """A shape: a line over the whole width at `y`, on the axes with this number."""
    across = {"x0": 0, "x1": 1, "xref": f"x{axes} domain"}
    return {"type": "line", **across, "y0": y, "y1": y, "yref": f"y{axes}", "line": line}


def upright(x: float, line: Mapping[str, Any]) -> dict[str, Any]:
    """A shape: a line over the whole height at `x`."""
    return {"type": "line", "x0": x, "x1": x, "xref": "x", **_WHOLE_HEIGHT, "line": line}


def band(x0: float, x1: float, color: str, opacity: float, **more: Any) -> dict[str, Any]:
    """A shape: a shaded stretch of the x axis, over the whole height."""
    look = {"fillcolor": color, "opacity": opacity, "line": {"width": 0}}
    return {"type": "rect", "x0": x0, "x1": x1, "xref": "x", **_WHOLE_HEIGHT, **look, **more}


_WHOLE_HEIGHT = {"y0": 0, "y1": 1, "yref": "y domain"}


def note(text: str, size_px: int, color: str, **more: Any) -> dict[str, Any]:
    """An annotation: a text without an arrow."""
    return {"text": text, "showarrow": False, "font": {"size": size_px, "color": color}, **more}
