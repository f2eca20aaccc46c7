"""Read rows of numbers, or of numbers and texts, from user-supplied text, and report unusable rows by line."""

import codecs
import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from pathlib import Path

from inference.card import DATA_FILE, ModelCard

MAX_ROWS = 10_000
MAX_COLUMNS = 1000
"""Limit when all columns are read; with named columns, any number of others may be present."""
MAX_BYTES = 8 * 1024 * 1024
_DELIMITERS = ",;\t"
_NAMED = 5
"""How many missing columns to name."""

_BYTE_ORDER_MARKS = (  # the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_FILES = (
    (b"PK\x03\x04", "is a workbook or another ZIP archive: save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook: save it as CSV"),
    (b"\x1f\x8b", "is compressed: unpack it first"),
    (b"%PDF", "is a PDF document: save the rows as CSV"),
)

_TOO_LARGE = f"is larger than {MAX_BYTES // 1024 // 1024} MiB"

_NUMBER = r"[+-]?(?:\d+(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"
_WITH_POINT = re.compile(_NUMBER.format(point=r"\."), re.ASCII)
_WITH_COMMA = re.compile(_NUMBER.format(point=","), re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)


Value = float | str | None
"""A number, a category, or a missing value."""


class RowsError(ValueError):
    """The text is unusable; the message says why in a clause that follows the text's name."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of inputs: numbers or texts, and whether a cell may be empty."""

    name: str
    is_text: bool
    may_be_missing: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line in the text, counted from 1, and its values in the order of the requested names."""

    line: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BadRow:
    """An unusable row: its line in the text, counted from 1, and the problem."""

    line: int
    problem: str


@dataclass(frozen=True, slots=True)
class Table:
    """The content of a text: the column names in order, the rows, and the unusable rows."""

    names: tuple[str, ...]
    rows: tuple[Row, ...]
    bad: tuple[BadRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Inputs:
    """The same for columns of any kind."""

    names: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    bad: tuple[BadRow, ...]


def decode(data: bytes) -> str:
    """The text of a file: UTF-8, UTF-16 or UTF-32, or else the Windows code page 1252, in which every byte is text.

    Raises RowsError if it is too large, or a workbook or archive instead of text.
    """
    if len(data) > MAX_BYTES:
        raise RowsError(_TOO_LARGE)
    for signature, what in _OTHER_FILES:
        if data.startswith(signature):
            raise RowsError(what)
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), None) or _unmarked(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise RowsError(
                f"begins as {encoding.removesuffix('-sig').upper()} but continues as something else"
            ) from None
        return data.decode("cp1252", "replace")


def _unmarked(data: bytes) -> str:
    """Detect UTF-16 without a mark by the zero in every other byte of ASCII text."""
    even, odd = data[:1000:2], data[1:1000:2]
    if not even.count(0) and odd.count(0) > len(odd) // 2:
        return "utf-16-le"
    return "utf-16-be" if not odd.count(0) and even.count(0) > len(even) // 2 else "utf-8"


def read_rows(text: str, names: Sequence[str] | None = None) -> Table:
    """The columns called `names` (without names: all of them) of comma-, semicolon- or tab-separated `text`.

    The first line names the columns in any order, possibly with others between them. If it has only numbers, one for
    each of the `names`, it counts as a row, and the columns are in the order of `names`. Lines are read independently,
    so an unclosed quote affects only its own row. Empty lines are skipped. Decimals have a point, or a comma
    throughout the text.

    Raises RowsError if a column is missing, or the text is empty or too large.
    """
    wanted, found = _read_cells(text, names)
    point = _decimal_point(cell for _, cells in found if not isinstance(cells, str) for cell in cells)
    rows, bad = [], []
    for number, cells in found:
        read = cells if isinstance(cells, str) else _values(cells, wanted, point)
        if isinstance(read, str):
            bad.append(BadRow(number, read))
        else:
            rows.append(Row(number, read))
    return Table(wanted, tuple(rows), tuple(bad))


def read_inputs(text: str, columns: Sequence[Column] | None = None) -> Inputs:
    """The rows of `text` in its `columns` (without columns: in all of them), with numbers, texts and missing values.

    Without columns, one whose first filled cell is a number has numbers, any other one has texts, and cells of both may
    be missing. Otherwise as for `read_rows`. Raises RowsError.
    """
    wanted, found = _read_cells(text, None if columns is None else [column.name for column in columns])
    whole = [cells for _, cells in found if not isinstance(cells, str)]
    if columns is None:
        columns = [
            Column(name, next((not _is_number(cells[at]) for cells in whole if cells[at]), False), True)
            for at, name in enumerate(wanted)
        ]
    numbers = [at for at, column in enumerate(columns) if not column.is_text]
    point = _decimal_point(cells[at] for cells in whole for at in numbers)
    rows, bad = [], []
    for number, cells in found:
        read = cells if isinstance(cells, str) else _inputs(cells, columns, point)
        if isinstance(read, str):
            bad.append(BadRow(number, read))
        else:
            rows.append(read)
    return Inputs(wanted, tuple(rows), tuple(bad))


def _inputs(cells: Sequence[str], columns: Sequence[Column], point: str) -> tuple[Value, ...] | str:
    """The values in `cells`, or the problem."""
    values: list[Value] = []
    for cell, column in zip(cells, columns, strict=True):
        if not cell and column.may_be_missing:
            values.append(None)
        elif cell and column.is_text:
            values.append(cell)
        else:
            read = _values([cell], [column.name], point)
            if isinstance(read, str):
                return read
            values += read
    return tuple(values)


def _read_cells(text: str, names: Sequence[str] | None) -> tuple[tuple[str, ...], list[tuple[int, list[str] | str]]]:
    """The names of the wanted columns, and each line with its cells, or with its problem; see `read_rows`."""
    if len(text) > MAX_BYTES:
        raise RowsError(_TOO_LARGE)
    if "\0" in text:
        raise RowsError("contains NUL characters: it is not text")
    numbered = enumerate(io.StringIO(text.removeprefix("\ufeff"), newline=None), 1)
    filled = ((number, stripped) for number, line in numbered if (stripped := line.rstrip("\n")).strip(" ,;\t"))
    lines = list(islice(filled, MAX_ROWS + 3))  # two header lines, and one row above the limit
    delimiter = None
    if lines and (separator := re.fullmatch(f"sep=([{_DELIMITERS}])", lines[0][1].strip(" "))):
        delimiter = separator[1]  # the first line of some spreadsheets
        del lines[0]
    if not lines:
        raise RowsError("is empty")
    delimiter = delimiter or _delimiter(lines[0][1], names)
    header = [title.strip() for title in _cells(lines[0][1], delimiter) or ()]
    if not header:
        raise RowsError("has a first line that is not CSV")
    wanted = tuple(header if names is None else names)
    if names is None and len(wanted) > MAX_COLUMNS:
        raise RowsError(f"has more than {MAX_COLUMNS} columns")
    # Names may be numbers: a line with all of them is a header.
    is_row = all(map(_is_number, header)) and not set(wanted) <= set(header)
    if is_row and len(header) != len(wanted):
        raise RowsError(_too_many(len(header), len(wanted), delimiter) + ", and no header")
    if is_row:
        header = list(wanted)
    else:
        del lines[0]
    places = _places(header, wanted)
    if not lines:
        raise RowsError("has no rows")
    if len(lines) > MAX_ROWS:
        raise RowsError(f"has more than {MAX_ROWS} rows")
    found = [(number, _pick(_cells(line, delimiter), places, len(header), delimiter)) for number, line in lines]
    return wanted, found


def within_limits(table: Table, card: ModelCard) -> Table:
    """`table`, whose columns are the card's features, with rows outside the card's limits moved to the bad rows."""
    rows, bad = [], list(table.bad)
    for row in table.rows:
        problems = [
            f"{feature.name} {problem}"
            for feature, value in zip(card.features, row.values, strict=True)
            if (problem := feature.problem(value))
        ]
        if problems:
            bad.append(BadRow(row.line, problems[0]))
        else:
            rows.append(row)
    return Table(table.names, tuple(rows), tuple(sorted(bad, key=lambda one: one.line)))


def training_text(directory: Path, card: ModelCard) -> str | None:
    """The training rows in `directory`, or None if they are missing or not those of `card`."""
    try:
        data = (directory / DATA_FILE).read_bytes()
    except OSError:
        return None
    if hashlib.sha256(data).hexdigest() != card.sha256[DATA_FILE]:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _delimiter(line: str, names: Sequence[str] | None) -> str:
    """The delimiter that splits the first line into `names`, or into as many numbers; else the most frequent one."""
    wanted = frozenset(names or ())

    def fits(delimiter: str) -> int:
        cells = [cell.strip() for cell in _cells(line, delimiter) or ()]
        if len(cells) == len(wanted) and all(map(_is_number, cells)):
            return len(cells)
        return len(wanted.intersection(cells))

    return max(_DELIMITERS, key=lambda one: (fits(one), line.count(one)))


def _places(header: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """The positions of the `wanted` columns. Raises RowsError if one is missing or occurs twice."""
    counts, places = Counter(header), {name: place for place, name in enumerate(header)}
    if missing := [name for name in wanted if name not in places]:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise RowsError(f"has no column {', '.join(missing[:_NAMED])}{more}")
    if twice := next((name for name in wanted if counts[name] > 1), None):
        raise RowsError(f"has the column {twice} twice")
    return [places[name] for name in wanted]


def _pick(cells: Sequence[str] | None, places: Sequence[int], columns: int, delimiter: str) -> list[str] | str:
    """The cells at `places`, blank beyond the end of the line; or the problem if the line is longer than the header."""
    if cells is None:
        return "is not CSV"
    if any(cell.strip() for cell in cells[columns:]):
        return _too_many(len(cells), columns, delimiter)
    return [cells[place].strip() if place < len(cells) else "" for place in places]


def _too_many(values: int, columns: int, delimiter: str) -> str:
    """The problem of a line with too many values; decimal commas in comma-separated text double their number."""
    hint = " (decimal commas need semicolons between the columns)" if delimiter == "," and values == 2 * columns else ""
    return f"has {values} values for {columns} column{'' if columns == 1 else 's'}{hint}"


def _decimal_point(cells: Iterable[str]) -> str:
    """The decimal separator: a comma if no number has a point.

    Raises RowsError if all commas could separate thousands, because 1,234 is then ambiguous.
    """
    commas = []
    for cell in cells:
        if "." in cell and _WITH_POINT.fullmatch(cell):
            return "."
        if "," in cell and _WITH_COMMA.fullmatch(cell):
            commas.append(cell)
    if commas and all(map(_THOUSANDS.fullmatch, commas)):
        raise RowsError(f"has numbers such as {commas[0]}, which may be thousands or decimals: write them with a point")
    return "," if commas else "."


def _values(cells: Sequence[str], names: Sequence[str], point: str) -> tuple[float, ...] | str:
    """The numbers in `cells`, or the problem."""
    pattern = _WITH_POINT if point == "." else _WITH_COMMA
    values = []
    for name, cell in zip(names, cells, strict=True):
        if not cell:
            return f"{name} is missing"
        value = float(cell.replace(point, ".")) if pattern.fullmatch(cell) else float("nan")
        if not isfinite(value):
            mixed = point == "." and "," in cell and _WITH_COMMA.fullmatch(cell)
            return (
                f"{name} has a comma, though other numbers have points" if mixed else f"{name} is not a finite number"
            )
        values.append(value)
    return tuple(values)


def _cells(line: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None


def _is_number(cell: str) -> bool:
    return bool(_WITH_POINT.fullmatch(cell) or _WITH_COMMA.fullmatch(cell))
