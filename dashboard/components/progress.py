"""The progress of work in the background."""

from typing import Any

import streamlit as st

from dashboard.components import markup
from dashboard.components.background import Background

_POLL_S = 0.5


def progress(work: Background[Any], key: str, first_step: str) -> None:
    """Show a progress bar and Cancel while `work` is running, then redraw the whole page."""
    if work.state.running:
        _progress(work, key, first_step)


@st.fragment(run_every=_POLL_S)
def _progress(work: Background[Any], key: str, first_step: str) -> None:
    state = work.state
    if not state.running:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key=f"progress-{key}"):
        share = state.done / state.total if state.total else 0.0
        st.progress(share, text=markup.capital(f"{state.step or first_step}: {state.done} of {state.total}"))
        st.button("Cancel", on_click=work.cancel, key=f"cancel-{key}")
