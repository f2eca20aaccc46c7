"""Query parameters of a page, which anybody may have written and sent to somebody else."""

from math import isfinite

import streamlit as st

from benchmark.endpoints.readable import is_readable

_MOST = 1000
_IDS = ("run", "compare")
"""Ids of runs are digits and letters, such as `12e99999`, but not numbers."""


def forget_unusable() -> None:
    """Drop query parameters that no control of a page can hold."""
    unusable = [
        name for name in st.query_params if not all(is_usable(name, value) for value in st.query_params.get_all(name))
    ]
    for name in unusable:
        del st.query_params[name]
    if unusable:
        st.rerun()  # the controls of this run take what the address said at its beginning


def is_usable(name: str, value: str) -> bool:
    """Whether `value` can be shown and, where it is a number, is finite."""
    if len(value) > _MOST or not is_readable(value):
        return False
    try:
        return name in _IDS or isfinite(float(value))
    except ValueError:  # not a number
        return True
