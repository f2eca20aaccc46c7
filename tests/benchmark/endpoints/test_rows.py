"""Rows of numbers from other people's text: what is used, and what is named by its line."""

import gzip
import re
import tracemalloc
from math import isfinite
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.endpoints.bodies import BodyError, from_csv
from benchmark.endpoints.rows import (
    MAX_BYTES,
    MAX_ROWS,
    BadRow,
    Row,
    RowsError,
    decode,
    read_rows,
    training_text,
    within_limits,
)
from inference.card import DATA_FILE, ModelCard
from tests.benchmark.cards import FLAT_ROWS, TEA_ROWS, category, flat_document, make_card

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
        BadRow(8, "is not CSV"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n , \n", "is empty"),
        ("a,c\n1,2\n", "has no column b; it also has c"),
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


# --- What spreadsheets, editors and other people make of it


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a;b\n1,5;2\n", (1.5, 2.0)),
        ("a\tb\n1,5\t-2,25e1\n", (1.5, -22.5)),
        ('a,b\n"1,5","2,5"\n', (1.5, 2.5)),
        ("1,5;2,25\n", (1.5, 2.25)),
        ("1,5\t2,25\n", (1.5, 2.25)),
        ("sep=;\na;b\n1,5;2\n", (1.5, 2.0)),
        ("a,b,\n1,2,\n", (1.0, 2.0)),
        (" a ; b \n 1 ;2\n", (1.0, 2.0)),
        ("a,b\r1.5,2\r", (1.5, 2.0)),
        ("note;a;b\n1,2,3 and more;1,5;0,125\n", (1.5, 0.125)),
    ],
)
def test_a_spreadsheet_s_way_of_writing_numbers_is_read(text: str, values: tuple[float, ...]) -> None:
    (row,) = read_rows(text, NAMES).rows
    assert row.values == values


def test_columns_that_are_called_by_numbers_have_a_header() -> None:
    assert read_rows("1,0\n7,8\n", ("0", "1")).rows == (Row(2, (8.0, 7.0)),)
    assert read_rows("7,8\n", ("0", "1")).rows == (Row(1, (7.0, 8.0)),)


def test_a_comma_that_may_be_thousands_is_not_guessed() -> None:
    with pytest.raises(RowsError, match=r"^has numbers such as 1,234, which may be thousands or decimals"):
        read_rows("a;b\n1,234;2\n", NAMES)
    assert read_rows("a;b\n1,234;0,5\n", NAMES).rows == (Row(2, (1.234, 0.5)),)


def test_a_comma_among_points_is_a_bad_row() -> None:
    table = read_rows("a;b\n1.5;2\n1,234;2\n", NAMES)
    assert table.rows == (Row(2, (1.5, 2.0)),)
    assert table.bad == (BadRow(3, "a has a comma, though other numbers have points"),)


def test_decimal_commas_between_commas_are_named_and_never_read_as_other_numbers() -> None:
    table = read_rows("a,b\n5,1,3,5\n1,2\n1,2,x\n", NAMES)
    assert table.rows == (Row(3, (1.0, 2.0)),)
    assert table.bad == (
        BadRow(2, "has 4 values for 2 columns (decimal commas need semicolons between the columns)"),
        BadRow(4, "has 3 values for 2 columns"),
    )
    with pytest.raises(RowsError, match=r"^has 4 values for 2 columns \(decimal commas need .*\), and no header$"):
        read_rows("5,1,3,5\n", NAMES)


@pytest.mark.parametrize(
    "cell", ["=1+1", "@SUM(A1)", "+", "-", "1_000", "\uff11", "0x10", "1e999", "inf", "1 2", "1.2.3"]
)
def test_what_is_no_number_is_named_and_not_repeated(cell: str) -> None:
    table = read_rows(f"a,b\n{cell},2\n1,2\n", NAMES)
    assert table.rows == (Row(3, (1.0, 2.0)),)
    assert table.bad == (BadRow(2, "a is not a finite number"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,a\n1,2,3\n", "has the column a twice"),
        ("a,b\n1,\0\n", "contains NUL characters: it is not text"),
        ("sep=;\n", "is empty"),
        ("a,b\n" * 1 + "\n" * 100_000, "has no rows"),
        ("a,b\n" + "1,2\n" * 200_000, f"has more than {MAX_ROWS} rows"),
        ("1,2\n" * (MAX_ROWS + 1), f"has more than {MAX_ROWS} rows"),
        ("x" * (MAX_BYTES + 1), "is larger than 8 MiB"),
        ('"a,b\n1,2\n', "has a first line that is not CSV"),
        ("\n".join(["{"] * 100), "has no column a, b; it also has {"),
        ("a,,beta,target\n1,2,3,4\n", "has no column b; it also has beta, target"),
        (f"a,{'x' * 50}\x1b\n1,2\n", f"has no column b; it also has {'x' * 40}"),
        ("a,\x1b[2J\n1,2\n", "has no column b; it also has \N{REPLACEMENT CHARACTER}[2J"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(text: str, message: str) -> None:
    with pytest.raises(RowsError, match=f"^{re.escape(message)}$"):
        read_rows(text, NAMES)


def test_as_many_rows_as_are_allowed_are_read() -> None:
    for text in ("1,2\n" * MAX_ROWS, "sep=,\na,b\n" + "1,2\n" * MAX_ROWS):
        assert len(read_rows(text, NAMES).rows) == MAX_ROWS


def test_ten_thousand_columns_are_read_where_two_are_wanted_and_refused_where_all_are() -> None:
    others = [f"x{number}" for number in range(10_000)]
    text = f"{','.join(['b', *others, 'a'])}\n" + f"2{',0' * 10_000},1\n" * 50
    assert set(row.values for row in read_rows(text, NAMES).rows) == {(1.0, 2.0)}
    with pytest.raises(RowsError, match=r"^has more than 1000 columns$"):
        read_rows(text)
    with pytest.raises(RowsError, match=r"^has no column x0, x1, x2, x3, x4 and 9995 more; it also has a, b$"):
        read_rows("a,b\n1,2\n", others)


def test_a_text_of_many_short_lines_takes_no_memory_for_them() -> None:
    text = "1\n" * (MAX_BYTES // 2)
    tracemalloc.start()
    try:
        with pytest.raises(RowsError, match="more than"):
            read_rows(text, ("a",))
        assert tracemalloc.get_traced_memory()[1] < 8 * len(text)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_the_encodings_of_spreadsheets_are_read(encoding: str) -> None:
    text = "größe;länge\n1,5;2\n"
    assert read_rows(decode(text.encode(encoding)), ("größe", "länge")).rows == (Row(2, (1.5, 2.0)),)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04" + bytes(100), "is a workbook or another ZIP archive: save it as CSV"),
        (b"\xd0\xcf\x11\xe0" + bytes(100), "is an Excel workbook: save it as CSV"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "is compressed: unpack it first"),
        (b"%PDF-1.7\n", "is a PDF document: save the rows as CSV"),
        (b"\xff\xfea\0b", "begins as UTF-16 but continues as something else"),
        (b"\xef\xbb\xbfa,b\n1,\xff\n", "begins as UTF-8 but continues as something else"),
        (bytes(MAX_BYTES + 1), "is larger than 8 MiB"),
    ],
)
def test_a_file_that_is_no_text_is_named_for_what_it_is(data: bytes, message: str) -> None:
    with pytest.raises(RowsError, match=f"^{re.escape(message)}$"):
        decode(data)


def test_a_binary_file_of_another_kind_is_no_text() -> None:
    with pytest.raises(RowsError, match="not text"):
        read_rows(decode(b"SQLite format 3\0" + bytes(range(256)) * 4), NAMES)


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_whatever_is_uploaded_is_read_or_refused_in_one_line(data: bytes) -> None:
    try:
        table = read_rows(decode(data), NAMES)
    except RowsError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 200
    else:
        assert all(len(row.values) == 2 and all(map(isfinite, row.values)) for row in table.rows)
        assert all("\n" not in bad.problem for bad in table.bad)


# --- Categories and missing values

FLAT = make_card(flat_document())
HEADER = "area,rooms,city,heating,sea_view\n"


def test_the_training_rows_of_a_table_with_categories_are_read_as_the_card_says() -> None:
    table = read_rows(FLAT_ROWS.decode(), FLAT.features)
    assert [row.values for row in table.rows] == [
        (50.0, 2.0, "Oslo", "1", "false"),
        (None, 3.0, "Bergen", "2", "true"),
        (80.0, 3.0, None, "1", "false"),
        (120.0, 5.0, "Åsgårdstrand and surroundings", "3", "true"),
    ]
    assert within_limits(table, FLAT) == table


@pytest.mark.parametrize(
    ("row", "values"),
    [
        ("NA,2,N/A,nan,TRUE", (None, 2.0, None, None, "true")),
        ("50,2,Paris,3.0,False", (50.0, 2.0, "Paris", "3", "false")),
        ('50,2,"Oslo, west",1,true', (50.0, 2.0, "Oslo, west", "1", "true")),
    ],
)
def test_a_cell_may_be_written_as_other_programs_write_it(row: str, values: tuple[object, ...]) -> None:
    (found,) = read_rows(HEADER + row + "\n", FLAT.features).rows
    assert found.values == values


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("50,,Oslo,1,true", "rooms is missing"),
        ("50,2,Oslo,1,", "sea_view is missing"),
        ("50,NA,Oslo,1,true", "rooms is not a finite number"),
        ("fifty,2,Oslo,1,true", "area is not a finite number"),
        ("50,2,Oslo,4,true", "heating must be one of 2, 1, 3, or null"),
        ("50,2,Oslo,1,maybe", "sea_view must be one of false, true"),
        (
            f"50,2,{'x' * 201},1,true",
            "city must be a text, such as Oslo, Bergen, Åsgårdstrand and surroundings, or null",
        ),
        ("50,2,a\x1b[31m,1,true", "city must be a text, such as Oslo, Bergen, Åsgårdstrand and surroundings, or null"),
    ],
)
def test_a_row_that_the_model_does_not_accept_says_why(row: str, problem: str) -> None:
    assert read_rows(f"{HEADER}{row}\n50,2,Oslo,1,true\n", FLAT.features).bad == (BadRow(2, problem),)


def test_rows_with_categories_need_no_header_where_each_value_is_known() -> None:
    table = read_rows("50;2;Oslo;;true\n60,5;2;Bergen;2;false\n", FLAT.features)
    assert [row.values for row in table.rows] == [
        (50.0, 2.0, "Oslo", None, "true"),
        (60.5, 2.0, "Bergen", "2", "false"),
    ]
    with pytest.raises(RowsError, match="has no column area, rooms, city, heating, sea_view"):
        read_rows("50,2,Atlantis,1,true\n", FLAT.features)


def test_commas_in_categories_are_no_decimals() -> None:
    table = read_rows(HEADER.replace(",", ";") + "50.5;2;1,5;1;true\n", FLAT.features)
    assert table.rows[0].values == (50.5, 2.0, "1,5", "1", "true")


def test_a_category_that_is_called_like_a_missing_value_is_a_category() -> None:
    counts = {"None": 2, "some": 2}
    named = make_card(
        flat_document(
            features=[*FLAT.document["features"][:4], category("sea_view", "View", counts)],
            presets=[],
            known_answers=[{"features": [1.0, 3.0, None, None, "None"], "outputs": [1.0]}],
        )
    )
    (row,) = read_rows(HEADER + "NA,3,NA,NA,None\n", named.features).rows
    assert row.values == (None, 3.0, None, None, "None")


def test_without_a_card_a_column_without_numbers_is_text() -> None:
    table = read_rows("city,rooms\nOslo,2\nBergen,3\n")
    assert [row.values for row in table.rows] == [("Oslo", 2.0), ("Bergen", 3.0)]
    assert read_rows("city,rooms\nOslo,2\n7,x\n").bad == (
        BadRow(2, "city is not a finite number"),
        BadRow(3, "rooms is not a finite number"),
    )
    assert not read_rows("dear\nreader\n").rows, "a letter is no table"
