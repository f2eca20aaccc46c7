"""The panel around every chart: title, controls, the chart with its text alternative, and its numbers.

Plotly is more than half of the bytes of a page with charts. A panel can do without: until charts are asked for, it
shows the text alternative and the numbers.
"""

from collections.abc import Callable
from typing import Any

import streamlit as st
from plotly.basedatatypes import BaseFigure

from dashboard.components import markup
from dashboard.components.figure import Figure
from dashboard.frontend import CHARTS_COOKIE

_CONFIG = {"displayModeBar": False, "responsive": True}
_WANTED = "charts"


class _Finished(BaseFigure):  # type: ignore[misc]  # Plotly has no types
    """A figure that Streamlit sends as it is. It validates plain documents, but none of Plotly's own figures."""

    def __init__(self, figure: Figure) -> None:
        self._figure = figure  # in place of everything that BaseFigure builds

    def to_dict(self) -> dict[str, Any]:
        return dict(self._figure)


def charts_wanted() -> bool:
    """Whether this session has asked for charts, or its browser has Plotly from another visit. If not, draw a button
    that asks for them."""
    if st.session_state.get(_WANTED) or CHARTS_COOKIE in st.context.cookies:
        return True
    st.button("Show the charts", icon=":material/monitoring:", key="show-charts", on_click=want_charts)
    return False


def want_charts() -> None:
    """From now on, this session's panels show charts: it has asked for them, or for a result that has some."""
    st.session_state[_WANTED] = True


def panel(
    key: str,
    title: str,
    figure: Callable[[], Figure],
    alt: str,
    table: Callable[[], list[dict[str, Any]]],
    controls: Callable[[], None] | None = None,
    note: str = "",
    *,
    is_shown: bool = True,
) -> None:
    """Show a chart; `alt` says in words what it shows, and `note` is Markdown below it.

    `figure` makes it and `table` makes the rows behind it, each only when it is shown. Until the chart is shown, `alt`
    is in its place.
    """
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
        if is_shown:
            plot(key, figure(), alt)
        else:
            st.caption(markup.plain(alt))
        if note:
            st.caption(note)


def plot(key: str, figure: Figure, alt: str) -> None:
    """The chart without a panel, as part of something else."""
    want_charts()  # from now on, the browser has Plotly
    st.plotly_chart(_Finished(figure), theme=None, config=_CONFIG, key=f"figure-{key}", alt=alt)


def empty_panel(key: str, title: str, text: str) -> None:
    """A panel without a chart, with the reason."""
    with st.container(border=True, key=f"chart-{key}", gap="xsmall", height="stretch"):
        st.markdown(f"**{title}**")
        st.caption(text)


def command_popover(key: str, command: str) -> None:
    """A button that shows a command of a terminal, to be copied."""
    # Built only when it is opened, because what colours the command is half as large as a page.
    popover = st.popover("Command", icon=":material/terminal:", key=f"command-{key}", on_change="rerun")
    if popover.open:
        with popover:
            st.code(command, language="bash", wrap_lines=True)
