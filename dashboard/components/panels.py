"""The panel around every chart: title, controls, the chart with its text alternative, and its numbers."""

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import streamlit as st

_CONFIG = {"displayModeBar": False, "responsive": True}


def panel(
    key: str,
    title: str,
    figure: go.Figure,
    alt: str,
    table: Callable[[], list[dict[str, Any]]],
    controls: Callable[[], None] | None = None,
    note: str = "",
) -> None:
    """Show `figure`; `alt` says in words what it shows, `table` makes the rows behind it on demand, and
    `note` is Markdown below it."""
    with st.container(border=True, key=f"chart-{key}", gap="xsmall"):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key=f"head-{key}"
        ):
            st.markdown(f"**{title}**", width="content")
            if controls:
                controls()
            # The table is built only when it is opened.
            popover = st.popover("Table", type="tertiary", key=f"table-{key}", on_change="rerun")
        if popover.open:
            with popover:
                st.dataframe(table(), hide_index=True, alt=alt)
        plot(key, figure, alt)
        if note:
            st.caption(note)


def plot(key: str, figure: go.Figure, alt: str) -> None:
    """The chart without a panel, as part of something else."""
    st.plotly_chart(figure, theme=None, config=_CONFIG, key=f"figure-{key}", alt=alt)


def empty_panel(key: str, title: str, text: str) -> None:
    """A panel without a chart, with the reason."""
    with st.container(border=True, key=f"chart-{key}", gap="xsmall", height="stretch"):
        st.markdown(f"**{title}**")
        st.caption(text)
