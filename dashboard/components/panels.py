"""The panel that every chart is shown in: title, controls, the chart with its text alternative, and its numbers."""

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
    """Show `figure`; `alt` says in words what it shows, `table` makes the rows behind it when they are asked for, and
    `note` is Markdown below it."""
    with st.container(border=True, key=f"chart-{key}", gap="xsmall"):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key=f"head-{key}"
        ):
            st.markdown(f"**{title}**", width="content")
            if controls:
                controls()
            # The table is made when it is asked for.
            popover = st.popover("Table", type="tertiary", key=f"table-{key}", on_change="rerun")
        if popover.open:
            with popover:
                st.dataframe(table(), hide_index=True, alt=alt)
        plot(key, figure, alt)
        if note:
            st.caption(note)


def plot(key: str, figure: go.Figure, alt: str) -> None:
    """The chart alone, where it is part of something else."""
    st.plotly_chart(figure, theme=None, config=_CONFIG, key=f"figure-{key}", alt=alt)


def empty_panel(key: str, title: str, text: str) -> None:
    """The panel where there is nothing to draw, and why."""
    with st.container(border=True, key=f"chart-{key}", gap="xsmall", height="stretch"):
        st.markdown(f"**{title}**")
        st.caption(text)
