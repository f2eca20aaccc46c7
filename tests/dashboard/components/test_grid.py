"""Cells for cards: as many as there are cards, in rows of one width."""

import pytest
from streamlit.testing.v1 import AppTest


@pytest.mark.parametrize(
    ("count", "rows"), [(1, [1]), (2, [2]), (3, [2, 2]), (4, [2, 2]), (5, [2, 2, 2]), (6, [2, 2, 2])]
)
def test_wide_cards_are_in_pairs_of_one_width(count: int, rows: list[int]) -> None:
    app = AppTest.from_string(
        "import streamlit as st\nfrom dashboard.components.grid import wide_cells\n"
        f"for number, cell in enumerate(wide_cells({count})):\n    cell.markdown(f'card {{number}}')"
    ).run()
    assert [one.value for one in app.markdown] == [f"card {number}" for number in range(count)]
    assert len(app.columns) == sum(rows) and len({column.weight for column in app.columns}) == 1
