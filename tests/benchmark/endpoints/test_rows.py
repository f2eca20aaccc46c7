"""Rows of numbers from other people's text: what is used, and what is named by its line."""

from pathlib import Path

import pytest

from benchmark.endpoints.bodies import BodyError, from_csv
from benchmark.endpoints.rows import MAX_ROWS, BadRow, Row, RowsError, read_rows, training_text, within_limits
from inference.card import DATA_FILE, ModelCard
from tests.benchmark.cards import TEA_ROWS

NAMES = ("a", "b")


def test_columns_are_found_by_name_in_any_order_among_others() -> None:
    table = read_rows("b,comment,a\n2,x,1\n4,y,3\n", NAMES)
    assert table.rows == (Row(2, (1.0, 2.0)), Row(3, (3.0, 4.0)))
    assert table.bad == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_commas_semicolons_and_tabs_separate(delimiter: str) -> None:
    text = "a,b\n1,2\n".replace(",", delimiter)
    assert read_rows(text, NAMES).rows == (Row(2, (1.0, 2.0)),)


def test_without_a_header_the_columns_are_in_the_order_of_the_names() -> None:
    assert read_rows("1,2\n3,4", NAMES).rows == (Row(1, (1.0, 2.0)), Row(2, (3.0, 4.0)))


def test_without_names_every_column_is_read() -> None:
    table = read_rows("x,y\n1,2\n")
    assert table.names == ("x", "y")
    assert table.rows == (Row(2, (1.0, 2.0)),)


def test_a_bad_row_is_named_by_its_line_and_the_others_are_read() -> None:
    text = '\ufeffa,b\r\n1,2\r\n\r\nx,2\r\n1\r\n1,\r\nnan,1\r\n"1,2\r\n5,6\r\n'
    table = read_rows(text, NAMES)
    assert table.rows == (Row(2, (1.0, 2.0)), Row(9, (5.0, 6.0)))
    assert table.bad == (
        BadRow(4, "a is not a finite number"),
        BadRow(5, "b is missing"),
        BadRow(6, "b is missing"),
        BadRow(7, "a is not a finite number"),
        BadRow(8, "is no CSV"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n , \n", "is empty"),
        ("a,c\n1,2\n", "has no column b"),
        ("a,b\n", "has no rows"),
        ("a,b\n" + "1,2\n" * (MAX_ROWS + 1), "more than"),
    ],
)
def test_a_text_of_which_nothing_can_be_used_is_refused(text: str, message: str) -> None:
    with pytest.raises(RowsError, match=message):
        read_rows(text, NAMES)


def test_what_the_limits_forbid_is_a_bad_row(tea: ModelCard) -> None:
    table = within_limits(read_rows("5,2,3\n-1,2,3\noops,2,3\n", tea.feature_names), tea)
    assert table.rows == (Row(1, (5.0, 2.0, 3.0)),)
    assert table.bad == (
        BadRow(2, "leaf_length must be above 0 and at most 3000"),
        BadRow(3, "leaf_length is not a finite number"),
    )


def test_training_rows_are_read_where_they_are_those_of_the_card(tea: ModelCard, tmp_path: Path) -> None:
    assert training_text(tmp_path, tea) is None
    (tmp_path / DATA_FILE).write_bytes(TEA_ROWS)
    assert training_text(tmp_path, tea) == TEA_ROWS.decode()
    (tmp_path / DATA_FILE).write_bytes(TEA_ROWS + b"1,2,3,green\n")
    assert training_text(tmp_path, tea) is None


def test_a_measurement_takes_no_file_with_a_bad_row(tea: ModelCard) -> None:
    with pytest.raises(BodyError, match=r"^my\.csv, line 3: steep_time is not a finite number$"):
        from_csv("leaf_length,leaf_width,steep_time\n1,2,3\n1,2,long\n", "my.csv", tea)
    bodies = from_csv("leaf_length,leaf_width,steep_time\n1,2,3\n", "my.csv", tea)
    assert bodies.bodies == (b'{"leaf_length": 1.0, "leaf_width": 2.0, "steep_time": 3.0}',)
