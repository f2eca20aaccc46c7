"""What the address of a page says: anybody may have written it, and sent it to somebody else."""

from math import isfinite

import streamlit as st

from benchmark.endpoints.readable import is_readable

_MOST = 1000
_IDS = ("run", "compare")
"""Ids of runs are digits and letters, such as `12e99999`, and no numbers."""


def forget_unusable() -> None:
    """Leave out of the address what no control of a page can hold, as if it were not there."""
    unusable = [
        name for name in st.query_params if not all(is_usable(name, value) for value in st.query_params.get_all(name))
    ]
    for name in unusable:
        del st.query_params[name]
    if unusable:
        st.rerun()  # the controls of this run take what the address said at its beginning


def is_usable(name: str, value: str) -> bool:
    """Whether `value` can be shown and, where it is a number, counted with."""
    if len(value) > _MOST or not is_readable(value):
        return False
    try:
        return name in _IDS or isfinite(float(value))
    except ValueError:  # no number
        return True
