"""What the last click did, said when the page is drawn the next time."""

import streamlit as st

from dashboard.components import markup

_KEY = "runs-note"


def leave(text: str) -> None:
    """Say `text`, which may come from anywhere, the next time."""
    st.session_state[_KEY] = text


def is_waiting() -> bool:
    """Whether there is something to say."""
    return _KEY in st.session_state


def show() -> None:
    """Say it."""
    if text := st.session_state.pop(_KEY, None):
        st.toast(markup.plain(text))
