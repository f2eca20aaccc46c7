"""Actions on a run that several pages offer: link to it, cancel it, wait for its end."""

from contextlib import suppress

import streamlit as st

from benchmark.record.run import Run
from benchmark.record.store import StoreError
from dashboard import resources
from dashboard.components import markup
from dashboard.pages import page_of_run

_EVERY_S = 2.0


def run_link(run: Run, label: str, *, heading: bool = False) -> None:
    """A link to the page of `run`, with `label` as plain text. With `heading` the link is bold and short."""
    page = page_of_run(run.kind)
    st.page_link(
        page.link(),
        label=f"**{markup.plain(label)}**" if heading else markup.plain(label),
        icon=None if heading else page.icon,
        query_params={"run": run.id},
        width="content" if heading else "stretch",
    )


def cancel_button(run_id: str, key: str) -> None:
    """A button that cancels a run and says whether that worked. Not shown on a read-only dashboard."""
    if resources.settings().read_only or not st.button("Cancel", icon=":material/stop_circle:", key=key):
        return
    try:
        if resources.launcher().cancel(run_id):
            st.toast("Cancelled. What was measured is kept.", icon=":material/stop_circle:")
        else:
            st.toast("Not cancelled: the run has ended, or is on another machine.", icon=":material/error:")
    except StoreError as error:
        st.toast(markup.plain(f"Not cancelled: {error}"), icon=":material/error:")


@st.fragment(run_every=_EVERY_S)
def wait_for_end(run_id: str) -> None:
    """Redraw the whole page when this run ends: until then no other run can be started."""
    with suppress(StoreError):  # perhaps busy: the next attempt may succeed
        if resources.launcher().running() != run_id:
            st.rerun()
