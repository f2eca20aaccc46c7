"""Query parameters of a page. They are untrusted: anyone can write them into a link."""

from math import isfinite

import streamlit as st

from benchmark.endpoints.readable import is_readable

_MOST = 3200
"""As long as the stages of a load can be."""
_TEXTS = ("run", "compare", "search")
"""Parameters that are no numbers even if they look like one, such as the id `12e99999`."""


def forget_unusable() -> None:
    """Remove query parameters with values that no control can hold."""
    unusable = [
        name for name in st.query_params if not all(is_usable(name, value) for value in st.query_params.get_all(name))
    ]
    for name in unusable:
        del st.query_params[name]
    if unusable:
        st.rerun()  # the controls of this run read the parameters as they were when it began


def is_usable(name: str, value: str) -> bool:
    """Whether `value` can be shown and, if it is a number, is finite."""
    if len(value) > _MOST or not is_readable(value):
        return False
    try:
        return name in _TEXTS or isfinite(float(value))
    except ValueError:  # not a number
        return True
