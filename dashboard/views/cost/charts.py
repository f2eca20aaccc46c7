"""The chart of the Cost page: pure functions from bills to a figure. No Streamlit here."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from benchmark.cost.bill import CostError, Crossing, crossings, grid
from dashboard.components.figure import TALL_PX, Figure, axis, figure, note, scatter, upright
from dashboard.components.plotting import html_text, log_ticks
from dashboard.components.theme import Palette
from dashboard.views.cost.text import count

_POINTS = 73
_LEAST_USD = 0.01
_READABLE_RATIO = 2.5


@dataclass(frozen=True, slots=True)
class Option:
    """One way to run and pay for an endpoint, with its cost in USD a month at a number of requests.

    `chosen` marks the settings on the page; the other kind of billing is drawn beside it. `position` is the position of
    the endpoint among all.
    """

    label: str
    endpoint: str
    chosen: bool
    cost_usd: Callable[[int], float]
    position: int = 0


@dataclass(frozen=True, slots=True)
class NamedCrossing:
    """The point at which `cheaper` begins to cost less than `dearer`."""

    cheaper: Option
    dearer: Option
    at: Crossing


def named_crossings(options: Sequence[Option], span: tuple[int, int]) -> list[NamedCrossing]:
    """The crossings of the chosen options, and of each with the other billing of its endpoint.

    With more than two endpoints, only the points at which another one becomes the cheapest.
    """
    found = []
    chosen = [one for one in options if one.chosen]
    for first, second in combinations(options, 2):
        if (first.chosen and second.chosen) or first.endpoint == second.endpoint:
            for at in crossings(first.cost_usd, second.cost_usd, *span):
                pair = (first, second) if at.first_is_cheaper_above else (second, first)
                if len(chosen) < 3 or _is_cheapest(pair[0], chosen, at.requests_per_month):
                    found.append(NamedCrossing(*pair, at))
    return sorted(found, key=lambda one: one.at.requests_per_month)


def _is_cheapest(option: Option, options: Sequence[Option], requests: int) -> bool:
    mine = option.cost_usd(requests)
    for other in options:
        try:
            if other.cost_usd(requests) < mine - 1e-9:
                return False
        except CostError:  # the platform does not offer so many
            continue
    return True


def break_even(
    options: Sequence[Option],
    found: Sequence[NamedCrossing],
    requests: int,
    span: tuple[int, int],
    palette: Palette,
) -> Figure:
    """Cost of each option over requests a month, from `span[0]` to `span[1]`; `requests` is the number on the page.

    Amounts below a cent are not drawn, because a logarithmic axis has no zero.
    """
    traces = []
    lines = {option.label: line(option, *span) for option in options}
    # Each line is narrower than the one before, so that lines with the same cost are all visible.
    drawn_last = list(dict.fromkeys(option.endpoint for option in options))[::-1]
    step = 3 if len(drawn_last) == 2 else 1.5
    for option in options:
        xs, ys = lines[option.label]
        traces.append(
            scatter(
                x=xs,
                y=ys,
                mode="lines",
                name=html_text(option.label),
                line={
                    "color": palette.endpoint_color(option.endpoint, option.position),
                    "width": 2 + step * drawn_last.index(option.endpoint) if option.chosen else 1.5,
                    "dash": "solid" if option.chosen else "dash",
                },
                opacity=1 if option.chosen else 0.85,
                hovertemplate="%{x:,.0f} requests: %{y:,.2f} USD<extra>" + html_text(option.label) + "</extra>",
            )
        )
    drawn = [one for one in found if one.at.usd >= _LEAST_USD]
    if drawn:
        traces.append(
            scatter(
                x=[one.at.requests_per_month for one in drawn],
                y=[one.at.usd for one in drawn],
                mode="markers+text",
                name="break-even",
                showlegend=False,
                text=_labels([one.at.requests_per_month for one in drawn]),
                textposition=["top left" if index % 2 == 0 else "bottom right" for index in range(len(drawn))],
                textfont={"size": 11, "color": palette.text},
                marker={
                    "color": palette.text,
                    "symbol": "diamond",
                    "size": 9,
                    "line": {"width": 1.5, "color": palette.background},
                },
                hovertext=[
                    f"from {count(one.at.requests_per_month)} on {html_text(one.cheaper.label)} costs less"
                    for one in drawn
                ],
                hoverinfo="text",
            )
        )
    ticks = [10**power for power in range(math.ceil(math.log10(span[0])), math.floor(math.log10(span[1])) + 1)]
    return figure(
        traces,
        palette,
        height_px=TALL_PX,
        margin={"l": 62, "r": 14},
        xaxis=axis(
            "Requests a month (log scale)",
            type="log",
            range=[math.log10(span[0]) - 0.02, math.log10(span[1]) + 0.02],
            tickvals=ticks,
            # Label every other tick: on a phone there is no room for all.
            ticktext=[count(tick) if index % 2 == 0 else "" for index, tick in enumerate(ticks)],
            tickangle=0,
        ),
        yaxis=axis("USD a month (log scale)", **_money_axis([y for _, ys in lines.values() for y in ys])),
        **(_your_traffic(requests, span, palette) if span[0] <= requests <= span[1] else {}),
    )


def _your_traffic(requests: int, span: tuple[int, int], palette: Palette) -> dict[str, Any]:
    """A line at the number of requests on the page, with its name."""
    # On a logarithmic axis annotations are placed by logarithm, lines by value.
    name = note(
        "your traffic",
        10,
        palette.muted,
        x=math.log10(requests),
        y=0,
        yref="y domain",
        xanchor="left" if requests < math.sqrt(span[0] * span[1]) else "right",
        yanchor="bottom",
    )
    return {
        "shapes": [upright(requests, {"color": palette.muted, "width": 1, "dash": "dot"})],
        "annotations": [name],
    }


def _labels(numbers: Sequence[int]) -> list[str]:
    """The label of each crossing, in ascending order; empty if it would overlap the one before."""
    labels: list[str] = []
    last = 0.0
    for number in numbers:
        near = last and number / last < _READABLE_RATIO
        labels.append("" if near else count(number))
        last = last if near else number
    return labels


def line(option: Option, low: int, high: int) -> tuple[list[int], list[float | None]]:
    """Requests and USD of an option; None below a cent. Ends where the platform does not offer more."""
    xs: list[int] = []
    ys: list[float | None] = []
    for requests in grid(low, high, _POINTS):
        try:
            cost = option.cost_usd(requests)
        except CostError:
            break
        xs.append(requests)
        ys.append(cost if cost >= _LEAST_USD else None)
    return xs, ys


def table(options: Sequence[Option], span: tuple[int, int]) -> list[dict[str, Any]]:
    """The costs at 1, 2 and 5 of every power of ten, one row per number of requests."""
    rows: list[dict[str, Any]] = []
    for requests in (round(tick) for tick in _steps(span)):
        row: dict[str, Any] = {"requests a month": requests}
        for option in options:
            try:
                row[f"{option.label} (USD)"] = round(option.cost_usd(requests), 2)
            except CostError:
                row[f"{option.label} (USD)"] = None
        rows.append(row)
    return rows


def _steps(span: tuple[int, int]) -> list[float]:
    first, last = math.floor(math.log10(span[0])), math.ceil(math.log10(span[1]))
    steps = [step * 10.0**power for power in range(first, last + 1) for step in (1, 2, 5)]
    return [step for step in steps if span[0] <= step <= span[1]]


def _money_axis(values: Sequence[float | None]) -> dict[str, Any]:
    known = [value for value in values if value]
    lowest, highest = min(known, default=1.0), max(known, default=10.0)
    if highest < lowest * 10:
        highest = lowest * 10
    ticks = log_ticks(lowest, highest)
    return {
        "type": "log",
        "range": [math.log10(lowest) - 0.08, math.log10(highest) + 0.2],
        "tickvals": ticks,
        "ticktext": [f"{tick:,.12g}".replace(",", "\N{NARROW NO-BREAK SPACE}") for tick in ticks],
    }
