"""Charts of the Agreement page: pure functions from a decision surface to Plotly figures. No Streamlit here."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from benchmark.agreement.audit import Surface
from benchmark.agreement.judge import TOLERANCE, Kind, Outcome
from benchmark.agreement.words import describe
from dashboard.components import markup
from dashboard.components.plotting import TALL_PX, colorbar, html_text, styled
from dashboard.components.theme import Palette

_OTHER_ANSWER = frozenset({Kind.STATUS, Kind.LABEL, Kind.CLASS_ORDER})


def surface_of(surface: Surface, side: int, palette: Palette) -> go.Figure:
    """What one endpoint predicts over the two features: its classes, each named in its region, or its values."""
    figure = go.Figure()
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
        figure.add_heatmap(**common, colorscale=steps, zmin=-0.5, zmax=count - 0.5, showscale=False, opacity=0.55)
        for index, name in enumerate(surface.card.classes):
            _name_region(figure, surface, outcomes, index, name, palette)
    else:
        values = [outcome.answer.prediction for several in surface.outcomes for outcome in several if outcome.answer]
        figure.add_heatmap(
            **common,
            colorscale="Viridis",
            zmin=min(values, default=0),
            zmax=max(values, default=1),
            colorbar=colorbar(surface.card.target_title),
        )
    return _framed(figure, surface, palette)


def difference(surface: Surface, palette: Palette) -> go.Figure:
    """How far both answers are apart over the two features; where they are not even the same answer is a cross."""
    figure = go.Figure()
    gaps = gaps_of(surface)
    known = [gap for gap in gaps if gap is not None]
    largest = max(known, default=0.0)
    figure.add_heatmap(
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
    other = [one for one in surface.agreement.differences if _OTHER_ANSWER & set(one.kinds)]
    if other:
        points = [surface.trials[one.index].values for one in other]
        figure.add_scatter(
            x=[values[surface.x] for values in points],
            y=[values[surface.y] for values in points],
            mode="markers",
            marker={"symbol": "x", "size": 5, "color": palette.text},
            text=[html_text(one.detail) for one in other],
            name=f"another answer (n = {markup.count(len(other))})",
            showlegend=True,
            hovertemplate="%{x:.3g}, %{y:.3g}<br>%{text}<extra></extra>",
        )
    if not surface.agreement.differences:
        compared = surface.agreement.compared
        figure.add_annotation(
            text=f"no difference in {markup.count(compared)} points" if compared else "nothing to compare",
            x=0.5,
            y=0.5,
            xref="paper",
            yref="paper",
            showarrow=False,
            font={"size": 13, "color": palette.text},
            bgcolor=palette.background,
            borderpad=4,
        )
    return _framed(figure, surface, palette)


def gaps_of(surface: Surface) -> list[float | None]:
    """The difference at each point: of the probabilities or labels of classes, or of values relative to the larger."""
    found: list[float | None] = [
        0.0 if one.answer and other.answer else None for one, other in zip(*surface.outcomes, strict=True)
    ]
    for one in surface.agreement.differences:
        found[one.index] = one.gap
    return found


def gap_title(surface: Surface) -> str:
    return "Largest probability difference" if surface.card.is_classifier else "Relative difference"


def surface_table(surface: Surface) -> list[dict[str, Any]]:
    """The points behind the maps: both features, both answers, and what differs."""
    details = {one.index: one.detail for one in surface.agreement.differences}
    x, y = (surface.card.features[index].title for index in (surface.x, surface.y))
    return [
        {
            x: round(trial.values[surface.x], 6),
            y: round(trial.values[surface.y], 6),
            **{name: describe(side[index]) for name, side in zip(surface.names, surface.outcomes, strict=True)},
            "difference": details.get(index, ""),
        }
        for index, trial in enumerate(surface.trials)
    ]


def answered(outcomes: Sequence[Outcome]) -> int:
    return sum(outcome.answer is not None for outcome in outcomes)


def _rows(surface: Surface, values: Sequence[Any]) -> list[list[Any]]:
    width = len(surface.across)
    return [list(values[start : start + width]) for start in range(0, len(values), width)]


def _said(outcome: Outcome) -> str:
    answer = outcome.answer
    if answer is None:
        return html_text(str(describe(outcome)))
    if answer.label is None:
        return f"{answer.prediction:.4g}"
    return html_text(answer.label) + (f", {answer.confidence:.1%}" if answer.confidence is not None else "")


def _name_region(
    figure: go.Figure, surface: Surface, outcomes: Sequence[Outcome], index: int, name: str, palette: Palette
) -> None:
    """The class's name at the point of its region that is nearest to the region's middle."""
    width, height = len(surface.across), len(surface.up)
    places = [
        (place % width / width, place // width / height, place)
        for place, outcome in enumerate(outcomes)
        if outcome.answer and outcome.answer.prediction == index
    ]
    if len(places) < width * height / 50:  # too small to write in
        return
    middle = [sum(place[axis] for place in places) / len(places) for axis in (0, 1)]
    *_, nearest = min(places, key=lambda place: (place[0] - middle[0]) ** 2 + (place[1] - middle[1]) ** 2)
    figure.add_annotation(
        x=surface.across[nearest % width],
        y=surface.up[nearest // width],
        text=f"<b>{html_text(name)}</b>",
        showarrow=False,
        font={"size": 12, "color": palette.text},
        bgcolor=palette.background,
        opacity=0.85,
        borderpad=2,
    )


def _framed(figure: go.Figure, surface: Surface, palette: Palette) -> go.Figure:
    for update, index, values in (
        (figure.update_xaxes, surface.x, surface.across),
        (figure.update_yaxes, surface.y, surface.up),
    ):
        # The range is given, because a map without an answer has none of its own.
        update(title_text=html_text(surface.card.features[index].title), showgrid=False, range=[values[0], values[-1]])
    return styled(figure, palette).update_layout(height=TALL_PX)
