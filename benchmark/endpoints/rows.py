"""Read rows of numbers and categories from user-supplied text, and report unusable rows by line."""

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

from benchmark.endpoints import readable
from inference.card import DATA_FILE, CategoryFeature, Feature, ModelCard, Value

MAX_ROWS = 10_000
MAX_COLUMNS = 1000
"""Limit when all columns are read; with named columns, any number of others may be present."""
MAX_BYTES = 8 * 1024 * 1024
_DELIMITERS = ",;\t"
_NAMED = 5
"""How many missing columns to name, and how many others."""
_NAME_CHARACTERS = 40

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

_MISSING = frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "#N/A", "<NA>"})
"""What means missing in a column that accepts it: the same as in a table to train on."""

_TOO_LARGE = f"is larger than {MAX_BYTES // 1024 // 1024} MiB"

_NUMBER = r"[+-]?(?:\d+(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"
_WITH_POINT = re.compile(_NUMBER.format(point=r"\."), re.ASCII)
_WITH_COMMA = re.compile(_NUMBER.format(point=","), re.ASCII)
_WHOLE = re.compile(r"-?\d+(?:\.0*)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)


class RowsError(ValueError):
    """The text is unusable; the message says why in a clause that follows the text's name."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line in the text, counted from 1, and its values in the order of the requested names."""

    line: int
    values: tuple[Value, ...]


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


def read_rows(text: str, wanted: Sequence[str | Feature] | None = None) -> Table:
    """The `wanted` columns (by default all of them) of comma-, semicolon- or tab-separated `text`.

    A column that is wanted by its name has numbers, one that is wanted as a feature has what this feature accepts: an
    empty cell is a missing value if it may be missing. Without `wanted`, columns without any number have text if
    others have numbers.

    The first line names the columns in any order, possibly with others between them. If it has only values, one for
    each of the `wanted` columns, it counts as a row, and the columns are in that order. Lines are read independently,
    so an unclosed quote affects only its own row. Empty lines are skipped. Decimals have a point, or a comma
    throughout the text.

    Raises RowsError if a column is missing, or the text is empty or too large.
    """
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
    columns = None if wanted is None else [_Column(one) for one in wanted]
    delimiter = delimiter or _delimiter(lines[0][1], columns or ())
    header = [title.strip() for title in _cells(lines[0][1], delimiter) or ()]
    if not header:
        raise RowsError("has a first line that is not CSV")
    if columns is None and len(header) > MAX_COLUMNS:
        raise RowsError(f"has more than {MAX_COLUMNS} columns")
    names = tuple(header if columns is None else [column.name for column in columns])
    # Names may be numbers: a line with all of them is a header.
    is_row = not set(names) <= set(header) and _is_row(header, columns or ())
    if is_row and len(header) != len(names):
        raise RowsError(_too_many(len(header), len(names), delimiter) + ", and no header")
    if is_row:
        header = list(names)
    else:
        del lines[0]
    places = _places(header, names)
    if not lines:
        raise RowsError("has no rows")
    if len(lines) > MAX_ROWS:
        raise RowsError(f"has more than {MAX_ROWS} rows")
    found = [(number, _pick(_cells(line, delimiter), places, len(header), delimiter)) for number, line in lines]
    columns = columns or _guessed(names, [cells for _, cells in found if not isinstance(cells, str)])
    point = _decimal_point(
        cell
        for _, cells in found
        if not isinstance(cells, str)
        for column, cell in zip(columns, cells, strict=True)
        if column.has_numbers
    )
    rows, bad = [], []
    for number, cells in found:
        read = cells if isinstance(cells, str) else _values(cells, columns, point)
        if isinstance(read, str):
            bad.append(BadRow(number, read))
        else:
            rows.append(Row(number, read))
    return Table(names, tuple(rows), tuple(bad))


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


class _Column:
    """A column to read: of numbers, of a feature, or of any text."""

    __slots__ = ("feature", "has_numbers", "name")

    def __init__(self, wanted: str | Feature, has_numbers: bool = True) -> None:
        self.name = wanted if isinstance(wanted, str) else wanted.name
        self.feature = None if isinstance(wanted, str) else wanted
        self.has_numbers = has_numbers and not isinstance(wanted, CategoryFeature)

    def accepts_missing(self, cell: str) -> bool:
        """Whether `cell` says that the value is missing, where it may be."""
        return self.feature is not None and self.feature.accepts_missing and cell in _MISSING

    def is_known(self, cell: str) -> bool:
        """Whether `cell` is certainly a value of this column, and not its name."""
        if isinstance(self.feature, CategoryFeature):
            return _category(cell, self.feature) in self.feature.index_of or self.accepts_missing(cell)
        return _is_number(cell) or self.accepts_missing(cell)

    def read(self, cell: str, point: str) -> Value:
        """The value in `cell`. Raises _CellError."""
        if isinstance(self.feature, CategoryFeature):
            category = _category(cell, self.feature)
            if category not in self.feature.index_of and self.accepts_missing(cell):
                return None
            if not cell:
                raise _CellError("is missing")
            if problem := self.feature.problem(category):
                raise _CellError(problem)
            return category
        if self.accepts_missing(cell):
            return None
        if not cell:
            raise _CellError("is missing")
        return _number(cell, point) if self.has_numbers else cell


class _CellError(ValueError):
    """The cell has no value of its column; the message says why in a clause that follows the column's name."""


def _is_row(cells: Sequence[str], columns: Sequence[_Column]) -> bool:
    """Whether these are values: numbers, or a value for each column."""
    return all(map(_is_number, cells)) or (
        len(cells) == len(columns) and all(column.is_known(cell) for column, cell in zip(columns, cells, strict=True))
    )


def _guessed(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[_Column]:
    """Columns without any number are text, unless all are: then the text is no table of inputs."""
    numeric = [any(_is_number(row[place]) for row in rows) for place in range(len(names))]
    return [_Column(name, is_numeric or not any(numeric)) for name, is_numeric in zip(names, numeric, strict=True)]


def _delimiter(line: str, columns: Sequence[_Column]) -> str:
    """The delimiter that splits the first line into names or values of the `columns`; else the most frequent one."""
    wanted = frozenset(column.name for column in columns)

    def fits(delimiter: str) -> int:
        cells = [cell.strip() for cell in _cells(line, delimiter) or ()]
        if len(cells) == len(columns) and _is_row(cells, columns):
            return len(cells)
        return len(wanted.intersection(cells))

    return max(_DELIMITERS, key=lambda one: (fits(one), line.count(one)))


def _places(header: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """The positions of the `wanted` columns. Raises RowsError if one is missing or occurs twice."""
    counts, places = Counter(header), {name: place for place, name in enumerate(header)}
    known = frozenset(wanted)
    if missing := [name for name in wanted if name not in places]:
        others = [name for name in places if name and name not in known]
        raise RowsError(f"has no column {_few(missing)}" + (f"; it also has {_few(others)}" if others else ""))
    if twice := next((name for name in wanted if counts[name] > 1), None):
        raise RowsError(f"has the column {twice} twice")
    return [places[name] for name in wanted]


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(readable.name(one, _NAME_CHARACTERS) for one in names[:_NAMED]) + more


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


def _values(cells: Sequence[str], columns: Sequence[_Column], point: str) -> tuple[Value, ...] | str:
    """The values in `cells`, or the problem."""
    values = []
    for column, cell in zip(columns, cells, strict=True):
        try:
            values.append(column.read(cell, point))
        except _CellError as error:
            return f"{column.name} {error}"
    return tuple(values)


def _number(cell: str, point: str) -> float:
    pattern = _WITH_POINT if point == "." else _WITH_COMMA
    value = float(cell.replace(point, ".")) if pattern.fullmatch(cell) else float("nan")
    if not isfinite(value):
        mixed = point == "." and "," in cell and _WITH_COMMA.fullmatch(cell)
        raise _CellError("has a comma, though other numbers have points" if mixed else "is not a finite number")
    return value


def _category(cell: str, feature: CategoryFeature) -> str:
    """The category that `cell` means: tables write `True`, and `3.0` in a column with empty cells."""
    if feature.type == "boolean":
        return cell.lower()
    if feature.type == "integer" and _WHOLE.fullmatch(cell):
        return cell.partition(".")[0]
    return cell


def _cells(line: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None


def _is_number(cell: str) -> bool:
    return bool(_WITH_POINT.fullmatch(cell) or _WITH_COMMA.fullmatch(cell))
