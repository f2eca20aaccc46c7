"""Rows of numbers from text that people made: what can be used, and what cannot by its line."""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from inference.card import DATA_FILE, ModelCard

MAX_ROWS = 10_000
_DELIMITERS = ",;\t"


class RowsError(ValueError):
    """Nothing in the text can be used; the message says why in a clause that follows the text's name."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line in the text, counted from 1, and its values in the order of the names asked for."""

    line: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used: its line in the text, counted from 1, and why."""

    line: int
    problem: str


@dataclass(frozen=True, slots=True)
class Table:
    """What a text holds: the names of the columns in the rows' order, the rows, and those that are none."""

    names: tuple[str, ...]
    rows: tuple[Row, ...]
    bad: tuple[BadRow, ...] = ()


def read_rows(text: str, names: Sequence[str] | None = None) -> Table:
    """The columns called `names` (without names: all of them) of comma-, semicolon- or tab-separated `text`.

    The first line names the columns in any order, and others may stand between them. Where it is as many numbers as
    there are `names`, it is a row already, and the columns are in their order. Every line is read by itself, so that
    a quote that is never closed spoils no row but its own. Empty lines are passed over.

    Raises RowsError where a column is missing, or there is nothing, or too much.
    """
    numbered = enumerate(io.StringIO(text.removeprefix("\ufeff"), newline=None), 1)
    lines = [(number, stripped) for number, line in numbered if (stripped := line.rstrip("\n")).strip(" ,;\t")]
    if not lines:
        raise RowsError("is empty")
    delimiter = max(_DELIMITERS, key=lines[0][1].count)
    header = [title.strip() for title in _cells(lines[0][1], delimiter) or ()]
    wanted = tuple(header if names is None else names)
    if names is not None and len(header) == len(wanted) and all(_number(cell) is not None for cell in header):
        header = list(wanted)
    else:
        del lines[0]
    missing = [name for name in wanted if name not in header]
    if missing or not wanted:
        raise RowsError(f"has no column {', '.join(missing)}" if missing else "has a first line that is no CSV")
    if twice := [name for name in wanted if header.count(name) > 1]:
        raise RowsError(f"has the column {twice[0]} twice")
    if not lines:
        raise RowsError("has no rows")
    if len(lines) > MAX_ROWS:
        raise RowsError(f"has more than {MAX_ROWS} rows")
    places = [(name, header.index(name)) for name in wanted]
    rows, bad = [], []
    for number, line in lines:
        found = _row(number, _cells(line, delimiter), places)
        if isinstance(found, Row):
            rows.append(found)
        else:
            bad.append(found)
    return Table(wanted, tuple(rows), tuple(bad))


def within_limits(table: Table, card: ModelCard) -> Table:
    """`table`, whose columns are the card's features, with what the card's limits forbid among the bad rows."""
    rows, bad = [], list(table.bad)
    for row in table.rows:
        problems = [
            f"{feature.name} must be {feature.limits.describe()}"
            for feature, value in zip(card.features, row.values, strict=True)
            if not feature.limits.contain(value)
        ]
        if problems:
            bad.append(BadRow(row.line, problems[0]))
        else:
            rows.append(row)
    return Table(table.names, tuple(rows), tuple(sorted(bad, key=lambda one: one.line)))


def training_text(directory: Path, card: ModelCard) -> str | None:
    """The training rows in `directory`, or None where they are not there or not those that `card` was trained on."""
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


def _row(number: int, cells: Sequence[str] | None, places: Sequence[tuple[str, int]]) -> Row | BadRow:
    if cells is None:
        return BadRow(number, "is no CSV")
    values = []
    for name, at in places:
        value = _number(cells[at]) if at < len(cells) else None
        if value is None:
            said = "is missing" if at >= len(cells) or not cells[at].strip() else "is not a finite number"
            return BadRow(number, f"{name} {said}")
        values.append(value)
    return Row(number, tuple(values))


def _cells(line: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None
