"""Charts of the Agreement page: pure functions from a decision surface to figures. No Streamlit here."""

from collections.abc import Sequence
from typing import Any

from benchmark.agreement.audit import Surface
from benchmark.agreement.compare import TOLERANCE, Difference, Kind
from benchmark.agreement.outcomes import InputOutcome
from benchmark.agreement.text import between, describe, detail
from dashboard.components import markup
from dashboard.components.figure import TALL_PX, Figure, Trace, axis, figure, heatmap, note, scatter
from dashboard.components.plotting import VIRIDIS, colorbar, html_text
from dashboard.components.theme import Palette

_OTHER_ANSWER = frozenset({Kind.STATUS, Kind.LABEL, Kind.CLASS_ORDER})


def surface_of(surface: Surface, side: int, palette: Palette) -> Figure:
    """What the endpoint at position `side` predicts over two features: classes, named in their regions, or values."""
    outcomes = surface.outcomes[side]
    across, up = (surface.card.features[index] for index in (surface.x, surface.y))
    hover = f"{html_text(across.title)} %{{x:.3g}}<br>{html_text(up.title)} %{{y:.3g}}<br>%{{text}}<extra></extra>"
    common = {
        "x": list(surface.across),
        "y": list(surface.up),
        "z": _rows(surface, [outcome.answer.prediction if outcome.answer else None for outcome in outcomes]),
        "text": _rows(surface, [_said(outcome) for outcome in outcomes]),
        "hovertemplate": hover,
    }
    if surface.card.is_classifier:
        count = len(surface.card.classes)
        steps = [(edge / count, palette.class_color(index)) for index in range(count) for edge in (index, index + 1)]
        regions = heatmap(**common, colorscale=steps, zmin=-0.5, zmax=count - 0.5, showscale=False, opacity=0.55)
        names = [
            _region_name(surface, outcomes, index, name, palette) for index, name in enumerate(surface.card.classes)
        ]
        return _framed([regions], surface, palette, annotations=[name for name in names if name])
    values = [outcome.answer.prediction for several in surface.outcomes for outcome in several if outcome.answer]
    shades = heatmap(
        **common,
        colorscale=VIRIDIS,
        zmin=min(values, default=0),
        zmax=max(values, default=1),
        colorbar=colorbar(surface.card.target_title),
    )
    return _framed([shades], surface, palette)


def difference(surface: Surface, palette: Palette) -> Figure:
    """The difference between the answers over two features. A cross marks different labels and statuses."""
    gaps = gaps_of(surface)
    known = [gap for gap in gaps if gap is not None]
    largest = max(known, default=0.0)
    traces = [
        heatmap(
            x=list(surface.across),
            y=list(surface.up),
            z=_rows(surface, gaps),
            colorscale=[(0, palette.grid), (1, palette.muted)],
            zmin=0,
            zmax=max(largest, TOLERANCE),
            colorbar=colorbar(gap_title(surface), exponentformat="e", showexponent="all"),
            hovertemplate="%{x:.3g}, %{y:.3g}<br>difference %{z:.2g}<extra></extra>",
            showscale=largest > 0,
        )
    ]
    other = [one for one in _worst(surface).values() if _OTHER_ANSWER & set(one.kinds)]
    if other:
        points = [surface.inputs[one.index].values for one in other]
        traces.append(
            scatter(
                x=[values[surface.x] for values in points],
                y=[values[surface.y] for values in points],
                mode="markers",
                marker={"symbol": "x", "size": 5, "color": palette.text},
                text=[html_text(_differing(surface, one)) for one in other],
                name=f"different answer (n = {markup.count(len(other))})",
                showlegend=True,
                hovertemplate="%{x:.3g}, %{y:.3g}<br>%{text}<extra></extra>",
            )
        )
    if surface.agreement.differing:
        return _framed(traces, surface, palette)
    compared = surface.agreement.compared
    said = note(
        f"no difference at {markup.count(compared)} points" if compared else "nothing to compare",
        13,
        palette.text,
        x=0.5,
        y=0.5,
        xref="paper",
        yref="paper",
        bgcolor=palette.background,
        borderpad=4,
    )
    return _framed(traces, surface, palette, annotations=[said])


def gaps_of(surface: Surface) -> list[float | None]:
    """The largest difference at each point, as `Difference.gap` defines it.

    None if an endpoint gave no prediction and the others do not differ.
    """
    found: list[float | None] = [
        0.0 if all(one.answer for one in several) else None for several in zip(*surface.outcomes, strict=True)
    ]
    for index, worst in _worst(surface).items():
        found[index] = worst.gap
    for one in surface.agreement.differences:
        if one.gap is not None:
            found[one.index] = max(found[one.index] or 0.0, one.gap)
    return found


def _worst(surface: Surface) -> dict[int, Difference]:
    """The worst difference at each point that has one, by its index."""
    found = surface.agreement.worst(len(surface.inputs))
    return {one.index: one for one in sorted(found, key=lambda one: one.index)}


def _differing(surface: Surface, difference: Difference) -> str:
    return between(difference, surface.names) + detail(difference)


def gap_title(surface: Surface) -> str:
    return "Largest probability difference" if surface.card.is_classifier else "Relative difference"


def surface_table(surface: Surface) -> list[dict[str, Any]]:
    """The points behind the maps: both features, every answer, and the worst difference."""
    details = {index: _differing(surface, one) for index, one in _worst(surface).items()}
    x, y = (surface.card.features[index].title for index in (surface.x, surface.y))
    return [
        {
            x: round(one.values[surface.x], 6),
            y: round(one.values[surface.y], 6),
            **{name: describe(side[index]) for name, side in zip(surface.names, surface.outcomes, strict=True)},
            "difference": details.get(index, ""),
        }
        for index, one in enumerate(surface.inputs)
    ]


def answered(outcomes: Sequence[InputOutcome]) -> int:
    return sum(outcome.answer is not None for outcome in outcomes)


def _rows(surface: Surface, values: Sequence[Any]) -> list[list[Any]]:
    width = len(surface.across)
    return [list(values[start : start + width]) for start in range(0, len(values), width)]


def _said(outcome: InputOutcome) -> str:
    answer = outcome.answer
    if answer is None:
        return html_text(str(describe(outcome)))
    if answer.label is None:
        return f"{answer.prediction:.4g}"
    return html_text(answer.label) + (f", {answer.confidence:.1%}" if answer.confidence is not None else "")


def _region_name(
    surface: Surface, outcomes: Sequence[InputOutcome], index: int, name: str, palette: Palette
) -> dict[str, Any] | None:
    """The name of a class at the point of its region closest to the middle; None if the region is too small."""
    width, height = len(surface.across), len(surface.up)
    places = [
        (place % width / width, place // width / height, place)
        for place, outcome in enumerate(outcomes)
        if outcome.answer and outcome.answer.prediction == index
    ]
    if len(places) < width * height / 50:
        return None
    middle = [sum(place[way] for place in places) / len(places) for way in (0, 1)]
    *_, nearest = min(places, key=lambda place: (place[0] - middle[0]) ** 2 + (place[1] - middle[1]) ** 2)
    return note(
        f"<b>{html_text(name)}</b>",
        12,
        palette.text,
        x=surface.across[nearest % width],
        y=surface.up[nearest // width],
        bgcolor=palette.background,
        opacity=0.85,
        borderpad=2,
    )


def _framed(traces: Sequence[Trace], surface: Surface, palette: Palette, **layout: Any) -> Figure:
    across, up = (
        # With a range, because a map without answers has none.
        axis(html_text(surface.card.features[index].title), showgrid=False, range=[values[0], values[-1]])
        for index, values in ((surface.x, surface.across), (surface.y, surface.up))
    )
    return figure(traces, palette, height_px=TALL_PX, xaxis=across, yaxis=up, **layout)
