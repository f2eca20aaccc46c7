"""A CSV file as rows to learn from: what each column is, and what is wrong with the file, in one line."""

import csv
import difflib
import io
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inference.card import MAX_CATEGORIES, RESERVED_NAMES, CategoryType, Limits, Task, is_column_name
from training.columns import ColumnOptions, TableOptions
from training.datasets import CategoryInfo, Dataset, FeatureInfo, resolution
from training.errors import TableError

TaskChoice = Literal["auto", "classification", "regression"]

MAX_COLUMNS = 256
"""Features; the card allows no more."""
MIN_ROWS = 10
MAX_CLASSES = 100
AUTO_CLASSES = 20
"""`auto` takes whole numbers for classes up to so many different ones."""
MAX_CELLS = 400_000_000
"""Rows times encoded columns: 3 GiB of numbers, of which training holds two copies."""
LARGEST = 1e15
"""Without limits of its own a column accepts what is at most so large, or a thousand times what training had."""
MAX_MAGNITUDE = 1e30
"""ONNX Runtime and trees compute in single precision, which ends at 3.4e38."""

_MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "#N/A", "<NA>")
_DELIMITERS = ",;\t|"
_SHOWN = 40
_OTHER_FILES = (
    (b"PK\x03\x04", "is a workbook or another ZIP archive: save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook: save it as CSV"),
    (b"\x1f\x8b", "is compressed: unpack it first"),
    (b"PAR1", "is a Parquet file: save it as CSV"),
    (b"%PDF", "is a PDF document: save the rows as CSV"),
    (b"\xff\xfe", "is UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "is UTF-16: save it as UTF-8"),
)
_ENOUGH_NUMBERS = 0.5
"""A column of which more than this share are numbers is one of numbers, and the rest are mistakes."""


def read_table(
    path: Path,
    target: str,
    *,
    task: TaskChoice = "auto",
    drop: Sequence[str] = (),
    name: str | None = None,
    options: TableOptions | None = None,
    columns: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
) -> Dataset:
    """The rows of a CSV file: `target` is what is predicted, every other column that is not in `drop` is a feature.

    For an estimator that is fitted already, `columns` are its features in its order, and `classes` its classes in its
    order. Columns of numbers are numbers, others are categories, as `options` say or their values.

    Raises TableError for anything that cannot be trained on.
    """
    options = options or TableOptions()
    reader = _Reader(path)
    _check_names(reader, target, drop, options)
    frame = reader.read()
    frame = frame.drop(columns=list(drop))
    if columns is not None:
        if absent := next((one for one in columns if one not in frame.columns or one == target), None):
            raise reader.error(f"has no column {_show(absent)}, which the estimator takes")
        frame = frame[[*columns, target]]
    if len(frame) < MIN_ROWS:
        raise reader.error(f"has {_count(len(frame), 'row')}; at least {MIN_ROWS} are needed")
    notes = []
    unlabelled = frame[target].isna().to_numpy()
    if unlabelled.all():
        raise reader.error(f"has no value in {_show(target)}, the target")
    if unlabelled.any():
        frame = frame[~unlabelled].reset_index(drop=True)
        notes.append(f"Left out {_count(int(unlabelled.sum()), 'row')} without {target}")
        if len(frame) < MIN_ROWS:
            raise reader.error(
                f"has {_count(len(frame), 'row')} with a {_show(target)}; at least {MIN_ROWS} are needed"
            )
    found_task, class_names, targets = _target(reader, frame[target], task, classes)
    frame = frame.drop(columns=[target])
    if not len(frame.columns):
        raise reader.error("has no column but the target")
    features = []
    taken: set[str] = set()
    for column in frame.columns:
        feature_name = _feature_name(str(column), taken)
        taken.add(feature_name)
        if feature_name != column:
            notes.append(f"Requests call the column {_show(str(column))} {feature_name}")
        series, feature = _feature(reader, frame[column], feature_name, options.of(str(column)))
        if isinstance(feature, CategoryInfo) and feature.type == "text" and series.nunique() > len(series) / 2:
            notes.append(
                f"{_show(str(column))} has {series.nunique()} texts in {len(series)} rows: "
                f"leave out an id or a date with --drop {_quoted(str(column))}"
            )
        frame[column] = series
        features.append(feature)
    width = sum(
        int(frame.iloc[:, place].nunique()) + 1 if isinstance(one, CategoryInfo) else 1
        for place, one in enumerate(features)
    )
    if width * len(frame) > MAX_CELLS:
        raise reader.error(
            f"has {len(frame)} rows of {width} columns once each category is one: too many to train on; "
            "--drop the columns with the most categories, or train on fewer rows"
        )
    about_target = options.of(target)
    return Dataset(
        name=name or plain_name(path.stem),
        title=options.title or f"{_label(target)} ({path.stem})"[:200],
        task=found_task,
        source=path.name,
        target_label=about_target.title or _label(target),
        target_unit=about_target.unit or "",
        features=tuple(features),
        classes=class_names,
        inputs=frame,
        targets=targets,
        notes=tuple(notes),
    )


def plain_name(stem: str) -> str:
    """A file's stem as the name of a model and its directory."""
    return re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")[:63] or "model"


class _Reader:
    """One CSV file: its delimiter, its header, and the line in which a cell is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                start = file.read(64 * 1024)
        except OSError as error:
            raise TableError(f"{path} cannot be read: {error.strerror}") from error
        for signature, what in _OTHER_FILES:
            if start.startswith(signature):
                raise self.error(what)
        if b"\0" in start:
            raise self.error("is not a text file")
        if not start.strip():
            raise self.error("is empty")
        self.encoding = "utf-8-sig"
        try:
            text = io.TextIOWrapper(io.BytesIO(start), self.encoding, errors="ignore").read()
            first = text.lstrip("\r\n").splitlines()[0]
        except IndexError:
            raise self.error("is empty") from None
        self.delimiter = max(_DELIMITERS, key=first.count)
        # Where columns are separated by semicolons, a comma is a decimal point unless points are.
        has_comma = self.delimiter == ";" and re.search(r"(?:^|;)-?\d+,\d+(?:;|$)", text, re.MULTILINE)
        self.decimal = "," if has_comma and not re.search(r"(?:^|;)-?\d+\.\d+(?:;|$)", text, re.MULTILINE) else "."
        with self._open() as file_text:
            try:
                rows = csv.reader(file_text, delimiter=self.delimiter)
                self.header = [cell.strip() for cell in next(row for row in rows if row)]
            except UnicodeDecodeError:
                raise self.error("is not UTF-8: save it as UTF-8") from None
            except csv.Error as error:
                raise self.error(f"is not CSV ({error})") from None

    def error(self, problem: str) -> TableError:
        return TableError(f"{self.path.name} {problem}")

    def _open(self) -> TextIO:
        return self.path.open(encoding=self.encoding, newline="")

    def read(self) -> pd.DataFrame:
        """All rows. Texts are as they are written; numbers, booleans and missing cells are recognised."""
        try:
            frame = pd.read_csv(
                self.path,
                sep=self.delimiter,
                decimal=self.decimal,
                encoding=self.encoding,
                header=0,
                names=self.header,
                index_col=False,
                keep_default_na=False,
                na_values=list(_MISSING),
                low_memory=False,
                on_bad_lines="error",
                skipinitialspace=True,
            )
        except UnicodeDecodeError:
            raise self.error("is not UTF-8: save it as UTF-8") from None
        except pd.errors.EmptyDataError:
            raise self.error("has no rows") from None
        except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
            line = self._long_line()
            problem = f"line {line} has more cells than the header" if line else " ".join(str(error).split())[:200]
            raise TableError(f"{self.path.name}, {problem}") from None
        return frame

    def _long_line(self) -> int | None:
        try:
            for line, row in self._rows():
                if len(row) > len(self.header):
                    return line
        except (csv.Error, UnicodeDecodeError):
            return None
        return None

    def _rows(self) -> Iterable[tuple[int, list[str]]]:
        with self._open() as text:
            reader = csv.reader(text, delimiter=self.delimiter, skipinitialspace=True)
            header_seen = False
            for row in reader:
                if not row:
                    continue
                if header_seen:
                    yield reader.line_num, row
                header_seen = True

    def line_of(self, column: str, is_wrong: Callable[[str], object]) -> tuple[int, str]:
        """The first line whose cell of `column` is wrong, and the cell."""
        place = self.header.index(column)
        return next(
            (line, row[place].strip())
            for line, row in self._rows()
            if place < len(row) and row[place].strip() not in _MISSING and is_wrong(row[place].strip())
        )

    def is_number(self, cell: str) -> bool:
        """Whether a cell is a number as this file writes it."""
        try:
            float(cell.replace(",", ".") if self.decimal == "," else cell)
        except ValueError:
            return False
        return "_" not in cell


def _check_names(reader: _Reader, target: str, drop: Sequence[str], options: TableOptions) -> None:
    header = reader.header
    twice = next((name for name, group in itertools.groupby(sorted(header)) if len(list(group)) > 1), None)
    if twice:
        raise reader.error(f"has the column {_show(twice)} twice: rename one of them")
    if "" in header:
        raise reader.error(f"has no name for column {header.index('') + 1}: name it in the first line")
    if all(map(reader.is_number, header)):
        raise reader.error("has numbers in its first line, which must name the columns")
    for wanted, what in ((target, "target"), *((one, "column to drop") for one in drop)):
        if wanted not in header:
            near = difflib.get_close_matches(wanted, header, 3, 0.5) or header[:5]
            raise reader.error(f"has no column {_show(wanted)}, the {what}; it has {', '.join(map(_show, near))}")
    if target in drop:
        raise TableError(f"{_show(target)} is the target and cannot be dropped")
    if unknown := [name for name in options.columns or () if name not in header]:
        raise reader.error(f"has no column {_show(unknown[0])}, which columns.toml names")
    if len(header) - 1 - len(set(drop)) > MAX_COLUMNS:
        raise reader.error(
            f"has {len(header) - 1 - len(set(drop))} columns beside the target; "
            f"at most {MAX_COLUMNS} can be trained on: --drop the others"
        )


def _kind(reader: _Reader, series: "pd.Series[Any]") -> Literal["number", "integer", "boolean", "text"]:
    """What the values of a column are. Raises TableError where a column of numbers has texts among them."""
    column = str(series.name)
    present = series.dropna()
    if pd.api.types.is_bool_dtype(series.dtype) or (len(present) and all(type(value) is bool for value in present)):
        return "boolean"
    if pd.api.types.is_numeric_dtype(series.dtype):
        values = present.to_numpy(np.float64)
        if len(values) and not np.isfinite(values).all():
            line, cell = reader.line_of(column, lambda cell: not np.isfinite(float(cell.replace(",", "."))))
            raise TableError(f"{reader.path.name}, line {line}: {_show(column)} is {_show(cell)}, not a finite number")
        if len(values) and np.abs(values).max() > MAX_MAGNITUDE:
            raise reader.error(f"has numbers above {MAX_MAGNITUDE:g} in {_show(column)}: change its unit")
        return "integer" if np.array_equal(values, np.round(values)) else "number"
    texts = present.astype(str).str.strip()
    numeric = texts.map(reader.is_number)
    if numeric.mean() > _ENOUGH_NUMBERS:
        line, cell = reader.line_of(column, lambda cell: not reader.is_number(cell))
        raise TableError(
            f"{reader.path.name}, line {line}: {_show(column)} is {_show(cell)}, but a number in most lines: "
            'correct it, or say type = "category" in columns.toml'
        )
    return "text"


def _target(
    reader: _Reader, series: "pd.Series[Any]", task: TaskChoice, known: Sequence[str] | None
) -> tuple[Task, tuple[str, ...], NDArray[Any]]:
    """The task, the names of its classes (which may be `known`), and the class indices or values."""
    name = _show(str(series.name))
    kind = _kind(reader, series)
    if series.nunique() < 2:
        raise reader.error(f"has only one value in {name}, the target: there is nothing to predict")
    if task == "auto":
        has_few = kind == "integer" and series.nunique() <= AUTO_CLASSES
        task = "classification" if has_few or kind in ("text", "boolean") else "regression"
    if task == "regression":
        if kind not in ("number", "integer"):
            raise reader.error(f"has texts in {name}, the target: a regression needs numbers")
        return "regression", (), series.to_numpy(np.float64)
    if series.nunique() > MAX_CLASSES:
        hint = "" if kind == "text" else "; for a number, say --task regression"
        raise reader.error(f"has {series.nunique()} classes in {name}, the target; at most {MAX_CLASSES} work{hint}")
    if kind == "number":
        raise reader.error(f"has fractions in {name}, the target: say --task regression")
    as_text = {"integer": lambda value: str(int(value)), "boolean": lambda value: str(bool(value)).lower()}
    texts = series.map(as_text.get(kind, lambda value: str(value).strip()))
    classes = sorted(set(texts), key=int if kind == "integer" else str)
    if known is not None:
        if other := next((one for one in classes if one not in known), None):
            raise reader.error(f"has the class {_show(other)} in {name}, which the estimator does not know")
        return "classification", tuple(known), texts.map({one: at for at, one in enumerate(known)}).to_numpy(np.int64)
    for one in classes:
        _check_text(reader, str(series.name), one)
    targets = texts.map({one: place for place, one in enumerate(classes)}).to_numpy(np.int64)
    counts = np.bincount(targets)
    if counts.min() < 2:
        rare = classes[int(counts.argmin())]
        raise reader.error(
            f"has one row of the class {_show(rare)} in {name}; a class needs at least two: add rows or remove this one"
        )
    return "classification", tuple(classes), targets


def _feature(
    reader: _Reader, series: "pd.Series[Any]", name: str, options: ColumnOptions
) -> tuple["pd.Series[Any]", FeatureInfo | CategoryInfo]:
    """The column as the estimator gets it, and what it is."""
    column = str(series.name)
    if series.isna().all():
        raise reader.error(f"has no value in {_show(column)}: leave it out with --drop {_quoted(column)}")
    is_text = options.type == "category" and not pd.api.types.is_numeric_dtype(series.dtype)
    kind = "text" if is_text and not pd.api.types.is_bool_dtype(series.dtype) else _kind(reader, series)
    label = options.title or _label(column)
    if options.type == "category" and kind == "number":
        raise reader.error(f"has fractions in {_show(column)}, which columns.toml calls a category")
    if options.type == "number" and kind in ("text", "boolean"):
        raise reader.error(f"has texts in {_show(column)}, which columns.toml calls a number")
    if kind == "number" or (kind == "integer" and options.type != "category"):
        return series, FeatureInfo(
            name, label, options.unit or "", resolution(series.to_numpy(np.float64)), _limits(reader, series, options)
        )
    limits = (options.minimum, options.exclusive_minimum, options.maximum)
    if any(limit is not None for limit in limits):
        raise reader.error(f"has categories in {_show(column)}, for which columns.toml states limits")
    return _category(reader, series, kind, CategoryInfo(name, label, _TYPES[kind], options.accepts_unknown))


_TYPES: dict[str, CategoryType] = {"text": "text", "boolean": "boolean", "integer": "integer"}


def _category(
    reader: _Reader, series: "pd.Series[Any]", kind: str, feature: CategoryInfo
) -> tuple["pd.Series[Any]", CategoryInfo]:
    column = str(series.name)
    if kind == "text":
        series = series.astype(object).where(series.isna(), series.astype(str).str.strip())
    if kind == "integer":
        present = {value: int(value) for value in series.dropna().unique()}
        series = series.map(present) if series.isna().sum() == 0 else series.astype(object).map(present)
    if feature.accepts_unknown and kind != "text":
        raise reader.error(f"has no texts in {_show(column)}, for which columns.toml says unknown")
    known = series.dropna().unique()
    if len(known) > MAX_CATEGORIES:
        raise reader.error(
            f"has {len(known)} categories in {_show(column)}; at most {MAX_CATEGORIES} work: "
            f"group the rare ones, or leave the column out with --drop {_quoted(column)}"
        )
    for value in known:
        _check_text(reader, column, str(value))
    if kind != "boolean" or series.isna().any():
        series = series.astype(object).where(series.notna(), np.nan)
    return series, feature


def _check_text(reader: _Reader, column: str, text: str) -> None:
    if len(text) > 200 or not text.isprintable():
        line, _ = reader.line_of(column, lambda cell: len(cell) > 200 or not cell.isprintable())
        raise TableError(
            f"{reader.path.name}, line {line}: {_show(column)} is not a text of at most 200 printable characters; "
            f"to leave the column out: --drop {_quoted(column)}"
        )


def _limits(reader: _Reader, series: "pd.Series[Any]", options: ColumnOptions) -> Limits:
    low, high = float(series.min()), float(series.max())
    ordinary = max(LARGEST, 1000 * max(abs(low), abs(high)))
    lower = options.minimum if options.minimum is not None else options.exclusive_minimum
    limits = Limits(
        -ordinary if lower is None else lower,
        ordinary if options.maximum is None else options.maximum,
        minimum_is_exclusive=options.exclusive_minimum is not None,
    )
    if not (limits.contain(low) and limits.contain(high)):
        raise reader.error(
            f"has {low:g} to {high:g} in {_show(str(series.name))}, but columns.toml says {limits.describe()}"
        )
    return limits


def _feature_name(column: str, taken: set[str]) -> str:
    """The column's own name where a request can use it, and one like it otherwise."""
    name = column if is_column_name(column) else re.sub(r"[^\w.()%+-]+", "_", column)[:60].strip("_.()%+-") or "column"
    if name in RESERVED_NAMES or name == "target":
        name += "_"
    candidates = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    return next(one for one in candidates if one not in taken)


def _label(column: str) -> str:
    """A column's name for people: `sale_price` as `Sale price`, and `MedInc` as it is."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in column.replace("_", " ")).split())
    return (text[:1].upper() + text[1:])[:200] or "Column"


def _show(text: str) -> str:
    """A name or cell of the file in a message: without control characters, and not too long."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return repr(shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…")


def _quoted(column: str) -> str:
    return column if re.fullmatch(r"\w+", column) else _show(column)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
