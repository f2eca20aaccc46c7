"""The layout of one to six endpoint cards: rows of cells with equal widths."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

_PER_ROW = {1: 1, 2: 2, 4: 2}
_USUAL_PER_ROW = 3


def cells(count: int) -> list[DeltaGenerator]:
    """A cell for each of `count` cards. On a narrow window Streamlit stacks the cells of a row."""
    per_row = _PER_ROW.get(count, _USUAL_PER_ROW)
    rows = (st.columns(per_row, gap="medium") for _ in range(0, count, per_row))
    return [cell for row in rows for cell in row][:count]


def wide_cells(count: int) -> list[DeltaGenerator]:
    """The same for wide cards: at most two per row."""
    return [cell for start in range(0, count, 2) for cell in cells(min(count, 2))[: count - start]]
