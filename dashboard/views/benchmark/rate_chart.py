"""The chart of a load before it starts: its rate over time. Pure functions; no Streamlit here."""

from collections.abc import Sequence

import numpy as np

from benchmark.record.plan import Segment
from benchmark.record.samples import Floats
from dashboard.components.figure import Figure, axis, figure, scatter
from dashboard.components.theme import Palette

_HEIGHT_PX = 130
_BINS = 120


def rate_over_time(segments: Sequence[Segment], palette: Palette) -> Figure:
    """Requests per second to each endpoint over the seconds of a run."""
    x, y, began_s = [], [], 0.0
    for segment in segments:
        x += [began_s, began_s + segment.duration_s]
        y += [segment.start_rate, segment.end_rate]
        began_s += segment.duration_s
    line = {"color": palette.muted, "width": 1.5}
    trace = scatter(x=x, y=y, mode="lines", fill="tozeroy", line=line, hovertemplate="%{y:.4~g}/s at %{x:.4~g} s")
    return figure(
        [{**trace, "name": ""}],
        palette,
        height_px=_HEIGHT_PX,
        margin={"l": 44, "r": 6, "t": 6, "b": 36},
        xaxis=axis("Time (s)", nticks=5),
        yaxis=axis("Requests/s", rangemode="tozero", nticks=4),
    )


def recorded_rates(times_s: Floats) -> list[Segment]:
    """The rates of a log in equal parts of its time, which are a second or longer; `times_s` is ascending from 0."""
    length_s = max(float(times_s[-1]), 1.0)
    counts, edges = np.histogram(times_s, bins=min(_BINS, max(1, int(length_s))), range=(0.0, length_s))
    width_s = float(edges[1] - edges[0])
    return [Segment(width_s, count / width_s, count / width_s) for count in counts.tolist()]
