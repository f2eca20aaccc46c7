"""The maps of the Agreement page."""

from functools import partial

from benchmark.agreement.audit import Surface
from dashboard import resources
from dashboard.components import markup
from dashboard.components.grid import cells
from dashboard.components.panels import charts_wanted, panel
from dashboard.views.agreement import charts as draw


def surface_panels(surface: Surface) -> None:
    """A map of what each endpoint predicts over two features and, if there are several, one of their differences."""
    colors, is_shown = resources.palette(), charts_wanted()
    across, up = (surface.card.features[index].title for index in (surface.x, surface.y))
    over = f"by {across} and {up}, all else at its default"
    maps = cells(max(2, len(surface.names) + (len(surface.names) > 1)))
    for side, name in enumerate(surface.names):
        count = draw.answered(surface.outcomes[side])
        with maps[side]:
            panel(
                f"surface-{side}",
                f"{markup.plain(name)} (n = {markup.count(count)})",
                partial(draw.surface_of, surface, side, colors),
                f"Map of what {name} predicts at {count} points {over}.",
                lambda: draw.surface_table(surface),
                is_shown=is_shown,
            )
    if len(surface.names) == 1:
        return
    agreement = surface.agreement
    with maps[-1]:
        panel(
            "surface-difference",
            f"Difference (n = {markup.count(agreement.compared)})",
            lambda: draw.difference(surface, colors),
            f"Map of how far the answers are apart at {agreement.compared} points {over}: "
            f"{len(agreement.differing)} disagree, the largest difference is {agreement.largest_gap:.2g}.",
            lambda: draw.surface_table(surface),
            is_shown=is_shown,
        )
