"""The maps of the Agreement page; apart from it, so that Plotly is imported when there is something to draw."""

import streamlit as st

from benchmark.agreement.audit import Surface
from dashboard.components import markup
from dashboard.components.panels import panel
from dashboard.components.theme import palette
from dashboard.views.agreement import charts as draw


def surface_panels(surface: Surface) -> None:
    """What each endpoint predicts over two features, and how far they are apart: three maps of the same points."""
    colors = palette(st.context.theme.type)
    across, up = (surface.card.features[index].title for index in (surface.x, surface.y))
    over = f"by {across} and {up}, all else at its default"
    columns = st.columns(3, gap="medium")
    for side, name in enumerate(surface.names):
        count = draw.answered(surface.outcomes[side])
        with columns[side]:
            panel(
                f"surface-{side}",
                f"{markup.plain(name)} (n = {markup.count(count)})",
                draw.surface_of(surface, side, colors),
                f"Map of what {name} predicts at {count} points {over}.",
                lambda: draw.surface_table(surface),
            )
    agreement = surface.agreement
    with columns[-1]:
        panel(
            "surface-difference",
            f"Difference (n = {markup.count(agreement.compared)})",
            draw.difference(surface, colors),
            f"Map of how far both answers are apart at {agreement.compared} points {over}: "
            f"{len(agreement.differences)} disagree, the largest difference is {agreement.largest_gap:.2g}.",
            lambda: draw.surface_table(surface),
        )
