"""The record: every comparison in one SQLite file that needs no set-up and survives a restart."""

import csv
import io
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path

from benchmark.sample import Answer, Comparison, Failure, Sample

FILE_NAME = "faceoff.sqlite3"
SCHEMA_VERSION = 1
_BUSY_TIMEOUT_S = 5.0

_SCHEMA = """
CREATE TABLE comparison (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at_utc TEXT NOT NULL,
    model TEXT NOT NULL,
    inputs TEXT NOT NULL
) STRICT;
CREATE INDEX comparison_by_model ON comparison (model, sequence);
CREATE TABLE sample (
    comparison INTEGER NOT NULL REFERENCES comparison (sequence) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    sent_at_utc TEXT NOT NULL,
    latency_ms REAL NOT NULL,
    status INTEGER,
    server_ms REAL,
    connection_reused INTEGER,
    instance_id TEXT,
    instance_age_ms REAL,
    request_count INTEGER,
    failure TEXT,
    failure_detail TEXT,
    answer TEXT,
    PRIMARY KEY (comparison, position)
) STRICT, WITHOUT ROWID;
"""

_SAMPLE_COLUMNS = tuple(field.name for field in fields(Sample))
# Only names of our own dataclass are put together here; values always go in as parameters.
_INSERT_SAMPLE = (
    f"INSERT INTO sample (comparison, position, {', '.join(_SAMPLE_COLUMNS)}) "  # noqa: S608
    f"VALUES (?, ?{', ?' * len(_SAMPLE_COLUMNS)})"
)


class StoreError(Exception):
    """The record cannot be read or written; the message says why. What is on the page is not affected."""


class Store:
    """The record in one directory. Safe to share: one connection an operation, writes one after the other."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME

    def add(self, comparison: Comparison) -> None:
        """Append one comparison with its samples, all or nothing. Raises StoreError."""
        with self._write() as database:
            cursor = database.execute(
                "INSERT INTO comparison (id, at_utc, model, inputs) VALUES (?, ?, ?, ?)",
                (comparison.id, comparison.at_utc, comparison.model, json.dumps(comparison.inputs)),
            )
            rows = [
                (cursor.lastrowid, position, *_to_row(sample)) for position, sample in enumerate(comparison.samples)
            ]
            database.executemany(_INSERT_SAMPLE, rows)

    def latest(self, model: str, limit: int) -> list[Comparison]:
        """The last `limit` comparisons of a model, oldest first. Raises StoreError."""
        with self._read() as database:
            heads = database.execute(
                "SELECT sequence, id, at_utc, model, inputs FROM comparison WHERE model = ? "
                "ORDER BY sequence DESC LIMIT ?",
                (model, limit),
            ).fetchall()
            if not heads:
                return []
            rows = database.execute(
                f"SELECT comparison, {', '.join(_SAMPLE_COLUMNS)} FROM sample "  # noqa: S608
                "WHERE comparison >= ? ORDER BY comparison, position",
                (heads[-1][0],),
            ).fetchall()
            samples: dict[int, list[Sample]] = {}
            for sequence, *row in rows:
                samples.setdefault(sequence, []).append(_from_row(row))
            return [
                Comparison(identity, at_utc, model, tuple(json.loads(inputs)), tuple(samples.get(sequence, ())))
                for sequence, identity, at_utc, model, inputs in reversed(heads)
            ]

    def count(self, model: str) -> int:
        """How many comparisons of a model are recorded. Raises StoreError."""
        with self._read() as database:
            (count,) = database.execute("SELECT count(*) FROM comparison WHERE model = ?", (model,)).fetchone()
        return int(count)

    def clear(self, model: str) -> None:
        """Delete all comparisons of a model. Raises StoreError."""
        with self._write() as database:
            database.execute("DELETE FROM comparison WHERE model = ?", (model,))

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._open() as database:
            # IMMEDIATE takes the write lock first: a deferred transaction that reads and then writes fails under
            # concurrent writers instead of waiting for them.
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with self._open() as database:
            yield database

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
            with closing(connection) as database:
                database.execute("PRAGMA foreign_keys = ON")
                _migrate(database)
                yield database
        except (sqlite3.Error, OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{self.path}: {error}") from error


def _migrate(database: sqlite3.Connection) -> None:
    """Bring a file to the current schema; a file from a later version is left alone."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA_VERSION:
        return
    if version > SCHEMA_VERSION:
        raise ValueError("was written by a later version")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("BEGIN IMMEDIATE")
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()  # another process may have been first
        if version == 0:
            for statement in _SCHEMA.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def _to_row(sample: Sample) -> tuple[object, ...]:
    values = {name: getattr(sample, name) for name in _SAMPLE_COLUMNS}
    values["answer"] = json.dumps(asdict(sample.answer)) if sample.answer else None
    return tuple(values.values())


def _from_row(row: Sequence[object]) -> Sample:
    values = dict(zip(_SAMPLE_COLUMNS, row, strict=True))
    sample = Sample(**values)  # type: ignore[arg-type]  # the columns are the fields
    answer = json.loads(str(values["answer"])) if values["answer"] else None
    if answer and answer["probabilities"] is not None:
        answer["probabilities"] = tuple(answer["probabilities"])
    return replace(
        sample,
        failure=Failure(sample.failure) if sample.failure else None,
        connection_reused=None if sample.connection_reused is None else bool(sample.connection_reused),
        answer=Answer(**answer) if answer else None,
    )


def to_csv(comparisons: Sequence[Comparison], feature_names: Sequence[str], class_names: Sequence[str]) -> str:
    """One line a sample, with the inputs and the answer in columns of their own; times in ms.

    A text that a spreadsheet would take for a formula gets a quote in front.
    """
    measured = [name for name in _SAMPLE_COLUMNS if name != "answer"]
    answered = ["prediction", "label", "confidence", "model_version"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    header = ["comparison", "at_utc", "model", *feature_names, *measured, "temperature", *answered]
    writer.writerow([*header, *(f"probability_{name}" for name in class_names)])
    for comparison in comparisons:
        for sample in comparison.samples:
            answer = sample.answer
            # A former model of the same name may have had other features and classes: they belong in no column here.
            inputs = comparison.inputs if len(comparison.inputs) == len(feature_names) else [None] * len(feature_names)
            row = [comparison.id, comparison.at_utc, comparison.model, *inputs]
            row += [getattr(sample, name) for name in measured]
            row += [str(sample.temperature)]
            row += [getattr(answer, name) if answer else None for name in answered]
            shares = (answer and answer.probabilities) or ()
            row += shares if len(shares) == len(class_names) else [None] * len(class_names)
            writer.writerow([_spreadsheet_safe(value) for value in row])
    return out.getvalue()


def _spreadsheet_safe(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
