"""The record: every comparison and every run in one SQLite file that needs no set-up and survives a restart."""

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from benchmark.endpoints import readable
from benchmark.endpoints.sample import Answer, Comparison, Failure, Sample
from benchmark.record.run import Run, RunState

FILE_NAME = "faceoff.sqlite3"
_BUSY_TIMEOUT_S = 10.0
_RETRY_S = 0.01
_LOST_AFTER_S = 20.0
"""A run in progress writes at least every 5 s; a busy file delays this by at most 10 s."""

# Migrations of the schema in order; a file's user_version is the number of applied steps. History: 1 the
# comparisons of the Predict page, 2 the runs of the measurement engine, 3 which of them were imported, 4 the owners of
# comparisons.
_COMPARISONS = """
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
) STRICT, WITHOUT ROWID
"""
_RUNS = """
CREATE TABLE run (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at_utc TEXT NOT NULL,
    process INTEGER,
    seen_at REAL NOT NULL,
    progress TEXT NOT NULL,
    manifest TEXT NOT NULL,
    outcome TEXT NOT NULL
) STRICT;
CREATE TABLE chunk (
    run INTEGER NOT NULL REFERENCES run (sequence) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    samples BLOB NOT NULL,
    PRIMARY KEY (run, position)
) STRICT
"""
# Runs measured here record their duration. Earlier imports did not, because an import created new progress.
_IMPORTED = """
ALTER TABLE run ADD COLUMN imported INTEGER NOT NULL DEFAULT 0;
UPDATE run SET imported = 1 WHERE progress <> '{}' AND progress NOT LIKE '%"elapsed_s"%'
"""
# Earlier comparisons have no owner. `clearing` counts deletions, so that a reader knows when to start again.
_OWNERS = """
ALTER TABLE comparison ADD COLUMN owner TEXT NOT NULL DEFAULT '';
CREATE INDEX comparison_by_owner ON comparison (model, owner, sequence);
CREATE TABLE clearing (
    model TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""
_STEPS = (_COMPARISONS, _RUNS, _IMPORTED, _OWNERS)
SCHEMA_VERSION = len(_STEPS)

_SAMPLE_COLUMNS = tuple(field.name for field in fields(Sample))
# Only field names of our dataclass are inserted here; values are always parameters.
_INSERT_SAMPLE = (
    f"INSERT INTO sample (comparison, position, {', '.join(_SAMPLE_COLUMNS)}) "  # noqa: S608
    f"VALUES (?, ?{', ?' * len(_SAMPLE_COLUMNS)})"
)


NOBODY = ""
"""The owner of comparisons that were recorded without one."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a history has been read."""

    sequence: int = 0
    clearings: int = 0


START = Place()


@dataclass(frozen=True, slots=True)
class News:
    """What a history has after a place: the last of its new comparisons, oldest first, and how many are new."""

    comparisons: list[Comparison]
    count: int
    place: Place
    """where to continue"""
    restarted: bool
    """comparisons have been deleted, so this is the history from its start"""


class StoreError(Exception):
    """The record cannot be read or written; the message says why."""


class UnknownRun(StoreError):
    """No run has this ID, or several IDs begin with it."""


class ReadOnly(StoreError):
    """The record is read-only."""

    def __init__(self) -> None:
        super().__init__("the record is read-only")


class Store:
    """The record in one directory. Safe to share: one connection per operation, with serialised writes."""

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        """If it is `read_only`, every change of a comparison or a run raises ReadOnly."""
        self.path = directory / FILE_NAME
        self.read_only = read_only

    def add(self, comparison: Comparison, owner: str = NOBODY) -> None:
        """Append one comparison with its samples, all or nothing. Raises StoreError."""
        with self._write() as database:
            cursor = database.execute(
                "INSERT INTO comparison (id, at_utc, model, inputs, owner) VALUES (?, ?, ?, ?, ?)",
                (comparison.id, comparison.at_utc, comparison.model, json.dumps(comparison.inputs), owner),
            )
            rows = [
                (cursor.lastrowid, position, *_to_row(sample)) for position, sample in enumerate(comparison.samples)
            ]
            database.executemany(_INSERT_SAMPLE, rows)

    def latest(self, model: str, limit: int | None = None, owner: str | None = None) -> list[Comparison]:
        """The last `limit` comparisons of a model by `owner`, by default all of everyone, oldest first.

        Raises StoreError.
        """
        return self.news(model, owner, START, limit).comparisons

    def news(self, model: str, owner: str | None, after: Place, limit: int | None = None) -> News:
        """The last `limit` comparisons of a model by `owner`, or everyone, that were added after this place.

        Raises StoreError.
        """
        whose, parameters = ("", (model,)) if owner is None else ("AND owner = ? ", (model, owner))
        with self._read() as database:
            database.execute("BEGIN")  # one snapshot for all reads
            found = database.execute("SELECT count FROM clearing WHERE model = ?", (model,)).fetchone()
            clearings = int(found[0]) if found else 0
            restarted = after != START and clearings != after.clearings
            since = 0 if restarted else after.sequence
            count, last = database.execute(
                f"SELECT count(*), max(sequence) FROM comparison WHERE model = ? {whose}AND sequence > ?",  # noqa: S608
                (*parameters, since),
            ).fetchone()
            place = Place(last or since, clearings)
            if not count:
                return News([], 0, place, restarted)
            heads = database.execute(
                "SELECT sequence, id, at_utc, model, inputs FROM comparison "  # noqa: S608  our own text
                f"WHERE model = ? {whose}AND sequence > ? ORDER BY sequence DESC LIMIT ?",
                (*parameters, since, -1 if limit is None else limit),
            ).fetchall()
            rows = database.execute(
                f"SELECT sample.comparison, {', '.join(f'sample.{name}' for name in _SAMPLE_COLUMNS)} "  # noqa: S608
                "FROM comparison JOIN sample ON sample.comparison = comparison.sequence "
                f"WHERE model = ? {whose}AND sequence >= ? ORDER BY sequence, position",
                (*parameters, heads[-1][0] if heads else place.sequence + 1),
            ).fetchall()
            samples: dict[int, list[Sample]] = {}
            for sequence, *row in rows:
                samples.setdefault(sequence, []).append(_from_row(row))
            comparisons = [
                Comparison(identity, at_utc, model, tuple(json.loads(inputs)), tuple(samples.get(sequence, ())))
                for sequence, identity, at_utc, model, inputs in reversed(heads)
            ]
            return News(comparisons, int(count), place, restarted)

    def count(self, model: str, owner: str | None = None) -> int:
        """How many comparisons of a model by `owner`, or everyone, are recorded. Raises StoreError."""
        with self._read() as database:
            (count,) = database.execute(
                "SELECT count(*) FROM comparison WHERE model = ?1 AND (?2 IS NULL OR owner = ?2)", (model, owner)
            ).fetchone()
        return int(count)

    def has_comparisons(self, model: str) -> bool:
        """Whether any comparison of a model is recorded. Raises StoreError."""
        with self._read() as database:
            found = database.execute("SELECT 1 FROM comparison WHERE model = ? LIMIT 1", (model,)).fetchone()
        return found is not None

    def clear(self, model: str, owners: Sequence[str] | None = None) -> None:
        """Delete the comparisons of a model by these `owners`, by default by everyone. Raises StoreError."""
        with self._write() as database:
            if owners is None:
                database.execute("DELETE FROM comparison WHERE model = ?", (model,))
            for owner in owners or ():
                database.execute("DELETE FROM comparison WHERE model = ? AND owner = ?", (model, owner))
            database.execute(
                "INSERT INTO clearing VALUES (?, 1) ON CONFLICT (model) DO UPDATE SET count = count + 1", (model,)
            )

    # --- Runs

    def create_run(self, run: Run, chunk: bytes | None = None) -> None:
        """Record a run, with all its packed samples if it is over.

        Raises StoreError, also if the ID is already recorded.
        """
        with self._write() as database:
            (known,) = database.execute("SELECT count(*) FROM run WHERE id = ?", (run.id,)).fetchone()
            if known:
                raise StoreError(f"run {run.id} is already in the record")
            cursor = database.execute(
                "INSERT INTO run (id, kind, name, state, started_at_utc, process, seen_at, progress, manifest, outcome,"
                " imported) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    run.id,
                    run.kind,
                    run.name,
                    run.state,
                    run.started_at_utc,
                    None if run.is_over else os.getpid(),
                    time.time(),
                    json.dumps(run.progress),
                    json.dumps(run.manifest),
                    json.dumps(run.outcome),
                    run.is_imported,
                ),
            )
            if chunk:
                database.execute("INSERT INTO chunk VALUES (?, 1, ?)", (cursor.lastrowid, chunk))

    def append(self, run_id: str, chunk: bytes | None, progress: Mapping[str, Any]) -> None:
        """Append packed samples, and update the progress of a run. Raises StoreError."""
        with self._write() as database:
            sequence = _sequence(database, run_id)
            if chunk:
                database.execute(
                    "INSERT INTO chunk SELECT ?, coalesce(max(position), 0) + 1, ? FROM chunk WHERE run = ?",
                    (sequence, chunk, sequence),
                )
            database.execute(
                "UPDATE run SET seen_at = ?, progress = ? WHERE sequence = ?",
                (time.time(), json.dumps(progress), sequence),
            )

    def finish(self, run_id: str, state: RunState, outcome: Mapping[str, Any]) -> None:
        """Close a run. Raises StoreError."""
        with self._write() as database:
            database.execute(
                "UPDATE run SET state = ?, outcome = ?, process = NULL, seen_at = ? WHERE sequence = ?",
                (state, json.dumps(outcome), time.time(), _sequence(database, run_id)),
            )

    def resume_run(self, run_id: str) -> None:
        """Take over an interrupted, cancelled or failed run in this process.

        Raises UnknownRun, and StoreError if it is finished, still in progress, or imported.
        """
        with self._write() as database:
            sequence = _sequence(database, run_id)
            row = database.execute(
                f"SELECT {_RUN_COLUMNS} FROM run WHERE sequence = ?",  # noqa: S608  our own names
                (sequence,),
            ).fetchone()
            found = _to_run(row)
            if found.is_imported:
                raise StoreError(f"run {run_id} was imported: only runs measured here can be resumed")
            state = found.state
            (process,) = database.execute("SELECT process FROM run WHERE sequence = ?", (sequence,)).fetchone()
            if state is RunState.RUNNING and process is not None and not _is_alive(process):
                state = RunState.LOST  # killed a moment ago
            if state in (RunState.RUNNING, RunState.FINISHED):
                raise StoreError(f"run {run_id} is {state.value}, so there is nothing to resume")
            database.execute(
                "UPDATE run SET state = ?, process = ?, seen_at = ?, outcome = '{}' WHERE sequence = ?",
                (RunState.RUNNING, os.getpid(), time.time(), sequence),
            )

    def runs(self, limit: int = 500, *, with_imported: bool = True) -> list[Run]:
        """The newest runs, newest first; without imported ones if they are to be evidence. Raises StoreError."""
        with self._read() as database:
            rows = database.execute(
                f"SELECT {_RUN_COLUMNS} FROM run WHERE imported <= ? "  # noqa: S608  our own names
                "ORDER BY sequence DESC LIMIT ?",
                (with_imported, limit),
            ).fetchall()
            return [_to_run(row) for row in rows]

    def count_runs(self) -> int:
        """How many runs are recorded. Raises StoreError."""
        with self._read() as database:
            (count,) = database.execute("SELECT count(*) FROM run").fetchone()
        return int(count)

    def run(self, run_id: str) -> Run:
        """One run by its ID, or by the beginning of it. Raises UnknownRun, StoreError."""
        with self._read() as database:
            row = database.execute(
                f"SELECT {_RUN_COLUMNS} FROM run WHERE sequence = ?",  # noqa: S608  our own names
                (_sequence(database, run_id),),
            ).fetchone()
            return _to_run(row)

    def process(self, run_id: str) -> int | None:
        """The process of a run in progress. Raises UnknownRun, StoreError."""
        with self._read() as database:
            (process,) = database.execute(
                "SELECT process FROM run WHERE sequence = ?", (_sequence(database, run_id),)
            ).fetchone()
        return None if process is None else int(process)

    def chunks(self, run_id: str, after: int = 0) -> list[tuple[int, bytes]]:
        """A run's packed samples with the numbers of their chunks, from the one after number `after`.

        Raises UnknownRun, StoreError.
        """
        with self._read() as database:
            return database.execute(
                "SELECT position, samples FROM chunk WHERE run = ? AND position > ? ORDER BY position",
                (_sequence(database, run_id), after),
            ).fetchall()

    def rename_run(self, run_id: str, name: str) -> None:
        """Raises UnknownRun, StoreError."""
        with self._write() as database:
            database.execute(
                "UPDATE run SET name = ? WHERE sequence = ?", (readable.name(name), _sequence(database, run_id))
            )

    def delete_run(self, run_id: str) -> None:
        """Delete a run with its samples. Raises UnknownRun, StoreError."""
        with self._write() as database:
            database.execute("DELETE FROM run WHERE sequence = ?", (_sequence(database, run_id),))

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        if self.read_only:
            raise ReadOnly
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
            with closing(self._connect()) as database:
                yield database
        except (sqlite3.Error, OSError, ValueError, TypeError, KeyError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or error
            raise StoreError(f"{self.path}: {reason}") from error

    def _connect(self) -> sqlite3.Connection:
        # SQLite does not wait for some locks, for example while another process creates the file.
        give_up_at = time.monotonic() + _BUSY_TIMEOUT_S
        while True:
            database = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
            try:
                database.execute("PRAGMA foreign_keys = ON")
                _migrate(database)
                return database
            except BaseException as error:
                database.close()
                if not _is_busy(error) or time.monotonic() >= give_up_at:
                    raise
            time.sleep(_RETRY_S)


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


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
        for step in _STEPS[version:]:
            for statement in step.split(";"):
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


_RUN_COLUMNS = "id, kind, name, state, started_at_utc, seen_at, progress, manifest, outcome, imported"


def _to_run(row: Sequence[Any]) -> Run:
    identity, kind, name, state, started_at_utc, seen_at, progress, manifest, outcome, imported = row
    now = RunState(state)
    if now is RunState.RUNNING and time.time() - seen_at > _LOST_AFTER_S:
        now = RunState.LOST
    return Run(
        identity,
        kind,
        name,
        now,
        started_at_utc,
        manifest=json.loads(manifest),
        outcome=json.loads(outcome),
        progress=json.loads(progress),
        is_imported=bool(imported),
    )


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True


def _sequence(database: sqlite3.Connection, run_id: str) -> int:
    """The row of a run by its ID or by a unique beginning of it."""
    rows = database.execute(
        "SELECT sequence, id FROM run WHERE substr(id, 1, length(?1)) = ?1 AND ?1 <> '' ORDER BY length(id) LIMIT 2",
        (run_id,),
    ).fetchall()
    if not rows:
        raise UnknownRun(f"there is no run {run_id}")
    sequence, found = rows[0]  # the shortest: an exact match, if any
    if found != run_id and len(rows) > 1:
        raise UnknownRun(f"more than one run begins with {run_id}")
    return int(sequence)


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
