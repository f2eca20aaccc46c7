"""`columns.toml`: what a CSV file does not say of its columns.

title = "Houses in Oslo"

[columns.area]
title = "Living area"
unit = "m²"
minimum = 0             # or exclusive_minimum; without limits, any ordinary number is accepted
maximum = 2000

[columns.floor]
type = "category"       # of whole numbers; without it they are numbers

[columns.district]
unknown = "ignore"      # accept districts that training has not seen; without it they are refused
"""

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from training.errors import TableError

MAX_BYTES = 1024 * 1024
_TEXT_LIMIT = 200
_COLUMN_KEYS = {"title", "unit", "minimum", "exclusive_minimum", "maximum", "type", "unknown"}


@dataclass(frozen=True, slots=True)
class ColumnOptions:
    """What is said of one column; None where nothing is."""

    title: str | None = None
    unit: str | None = None
    minimum: float | None = None
    exclusive_minimum: float | None = None
    maximum: float | None = None
    type: Literal["number", "category"] | None = None
    accepts_unknown: bool = False


@dataclass(frozen=True, slots=True)
class TableOptions:
    """The file: the title of the model, and options by column name."""

    title: str | None = None
    columns: Mapping[str, ColumnOptions] | None = None

    def of(self, name: str) -> ColumnOptions:
        """The options of one column."""
        return (self.columns or {}).get(name, ColumnOptions())


def read_columns(path: Path) -> TableOptions:
    """The options in a TOML file. Raises TableError, with the entry that is wrong."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TableError(f"{path.name} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise TableError(f"{path.name} is larger than {MAX_BYTES // 1024} KiB")
    try:
        document = tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise TableError(f"{path.name} is not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise TableError(f"{path.name} is not TOML: {str(error).splitlines()[0]}") from None
    if unknown := sorted(set(document) - {"title", "columns"}):
        raise TableError(f"{path.name}: {unknown[0]!r} is not known; it may have title and [columns.NAME]")
    columns = document.get("columns", {})
    if not isinstance(columns, dict) or not all(isinstance(one, dict) for one in columns.values()):
        raise TableError(f"{path.name}: columns are written as [columns.NAME]")
    return TableOptions(
        title=_text(document, "title", path.name),
        columns={name: _options(name, entry, path.name) for name, entry in columns.items()},
    )


def _options(name: str, entry: dict[str, Any], file: str) -> ColumnOptions:
    where = f"{file}, column {name!r}"
    if unknown := sorted(set(entry) - _COLUMN_KEYS):
        raise TableError(f"{where}: {unknown[0]!r} is not known; it may have {', '.join(sorted(_COLUMN_KEYS))}")
    kind = _choice(entry, "type", ("number", "category"), where)
    minimum, exclusive, maximum = (_number(entry, key, where) for key in ("minimum", "exclusive_minimum", "maximum"))
    lower = exclusive if minimum is None else minimum
    if minimum is not None and exclusive is not None:
        raise TableError(f"{where}: minimum and exclusive_minimum cannot be combined")
    if lower is not None and maximum is not None and lower >= maximum:
        raise TableError(f"{where}: the minimum is not below the maximum")
    return ColumnOptions(
        title=_text(entry, "title", where),
        unit=_text(entry, "unit", where),
        minimum=minimum,
        exclusive_minimum=exclusive,
        maximum=maximum,
        type=cast(Literal["number", "category"] | None, kind),
        accepts_unknown=_choice(entry, "unknown", ("refuse", "ignore"), where) == "ignore",
    )


def _text(entry: Mapping[str, Any], key: str, where: str) -> str | None:
    value = entry.get(key)
    if value is not None and not (isinstance(value, str) and len(value) <= _TEXT_LIMIT and value.isprintable()):
        raise TableError(f"{where}: {key} is not a text of at most {_TEXT_LIMIT} printable characters")
    return value or None


def _choice(entry: Mapping[str, Any], key: str, choices: tuple[str, ...], where: str) -> str | None:
    value = entry.get(key)
    if value is not None and value not in choices:
        raise TableError(f"{where}: {key} must be {' or '.join(choices)}")
    return cast(str | None, value)


def _number(entry: Mapping[str, Any], key: str, where: str) -> float | None:
    value = entry.get(key)
    if value is None:
        return None
    if type(value) not in (int, float) or not abs(value) <= sys.float_info.max:
        raise TableError(f"{where}: {key} is not a finite number")
    return float(value)
