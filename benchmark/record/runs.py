"""The runs of the measurement engine: created, continued and closed by the process that measures, read by all."""

import json
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from benchmark.endpoints import readable
from benchmark.record.database import Database, StoreError, row_number
from benchmark.record.listed import listed_endpoints, listed_reason
from benchmark.record.query import FoundRuns, RunQuery, find
from benchmark.record.run import Run, RunState
from benchmark.record.schema import chunk as chunks
from benchmark.record.schema import run as runs
from benchmark.record.schema import run_endpoint

LOST_AFTER_S = 20.0
"""A run in progress writes at least every 5 s; a busy file delays this by at most 10 s."""

Chunk = tuple[int, bytes]
"""Packed samples and their number within the run, from 1."""


class UnknownRun(StoreError):
    """No run has this ID, or several IDs begin with it."""


class Runs:
    """The runs in a database."""

    def __init__(self, database: Database, user: str = "") -> None:
        """`user` is recorded as the one who starts the runs of this process."""
        self._database = database
        self._user = user

    def create_run(self, run: Run, chunk: bytes | None = None) -> None:
        """Record a run, with all its packed samples if it is over.

        Raises StoreError, also if the ID is already recorded.
        """
        with self._database.write() as connection:
            if connection.scalar(select(runs.c.sequence).where(runs.c.id == run.id)) is not None:
                raise StoreError(f"run {run.id} is already in the record")
            created = connection.execute(
                insert(runs).values(
                    id=run.id,
                    kind=run.kind,
                    name=run.name,
                    state=run.state,
                    started_at_utc=run.started_at_utc,
                    process=None if run.is_over else os.getpid(),
                    seen_at=self._database.now,
                    progress=json.dumps(run.progress),
                    manifest=json.dumps(run.manifest),
                    outcome=json.dumps(run.outcome),
                    imported=run.is_imported,
                    started_by=run.started_by or ("" if run.is_over else self._user),
                    reason=listed_reason(run.outcome),
                )
            )
            sequence = row_number(created)
            if endpoints := listed_endpoints(run.manifest):
                connection.execute(insert(run_endpoint), [{"run": sequence, **one} for one in endpoints])
            if chunk:
                self._add_chunks(connection, sequence, [(1, chunk)])

    def append(
        self, run_id: str, chunk: bytes | None, progress: Mapping[str, Any], position: int | None = None
    ) -> bool:
        """Append packed samples, and update the progress of a run; returns whether its cancellation is wanted.

        A chunk with a `position` is recorded once, even if it is appended again because the first answer was lost.
        Raises StoreError.
        """
        with self._database.write() as connection:
            sequence = _sequence(connection, run_id, for_update=True)
            if chunk:
                self._add_chunks(connection, sequence, [(position or _last_chunk(connection, sequence) + 1, chunk)])
            connection.execute(
                update(runs)
                .where(runs.c.sequence == sequence)
                .values(seen_at=self._database.now, progress=json.dumps(progress))
            )
            return bool(connection.scalar(select(runs.c.cancel_wanted).where(runs.c.sequence == sequence)))

    def add_chunks(self, run_id: str, added: Iterable[Chunk], progress: Mapping[str, Any] | None = None) -> None:
        """Add numbered chunks that are not recorded yet, and a later progress, without a sign of life.

        Raises UnknownRun, StoreError.
        """
        with self._database.write() as connection:
            sequence = _sequence(connection, run_id, for_update=True)
            self._add_chunks(connection, sequence, added)
            if progress is not None:
                later = update(runs).where(runs.c.sequence == sequence).values(progress=json.dumps(progress))
                connection.execute(later)

    def _add_chunks(self, connection: Connection, sequence: int, added: Iterable[Chunk]) -> None:
        dialect = postgresql if self._database.is_shared else sqlite
        for position, samples in added:
            row = dialect.insert(chunks).values(run=sequence, position=position, samples=samples)
            if connection.execute(row.on_conflict_do_nothing().returning(chunks.c.position)).first():
                continue
            recorded = select(chunks.c.samples).where(chunks.c.run == sequence, chunks.c.position == position)
            if connection.execute(recorded).scalar_one() != samples:
                raise StoreError(f"chunk {position} of this run is recorded with other samples")

    def finish(self, run_id: str, state: RunState, outcome: Mapping[str, Any]) -> None:
        """Close a run. Raises StoreError."""
        with self._database.write() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.sequence == _sequence(connection, run_id, for_update=True))
                .values(
                    state=state,
                    outcome=json.dumps(outcome),
                    reason=listed_reason(outcome),
                    process=None,
                    seen_at=self._database.now,
                )
            )

    def resume_run(self, run_id: str) -> None:
        """Take over an interrupted, cancelled or failed run in this process.

        Raises UnknownRun, and StoreError if it is finished, still in progress, or imported.
        """
        with self._database.write() as connection:
            sequence = _sequence(connection, run_id, for_update=True)
            found = self._read_run(connection, sequence)
            if found.is_imported:
                raise StoreError(f"run {run_id} was imported: only runs measured here can be resumed")
            state = found.state
            process = connection.scalar(select(runs.c.process).where(runs.c.sequence == sequence))
            if state is RunState.RUNNING and process is not None and is_here(found) and not _is_alive(process):
                state = RunState.LOST  # killed a moment ago
            if state in (RunState.RUNNING, RunState.FINISHED):
                raise StoreError(f"run {run_id} is {state.value}, so there is nothing to resume")
            connection.execute(
                update(runs)
                .where(runs.c.sequence == sequence)
                .values(
                    state=RunState.RUNNING,
                    process=os.getpid(),
                    seen_at=self._database.now,
                    outcome="{}",
                    reason=None,
                    cancel_wanted=False,
                )
            )

    def wish_cancel(self, run_id: str) -> None:
        """Ask the process of a run, wherever it is, to cancel it. It learns that when it writes next.

        Raises UnknownRun, StoreError.
        """
        with self._database.write() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.sequence == _sequence(connection, run_id, for_update=True))
                .values(cancel_wanted=True)
            )

    def set_headline(
        self, run_id: str, verdict: str | None, figures: Mapping[int, tuple[float | None, float | None]]
    ) -> None:
        """Keep what a list shows of a summary: its verdict, and p50 and p95 in ms by position of the endpoint.

        Raises UnknownRun, StoreError.
        """
        with self._database.write() as connection:
            sequence = _sequence(connection, run_id, for_update=True)
            connection.execute(update(runs).where(runs.c.sequence == sequence).values(verdict=verdict))
            for position, (p50_ms, p95_ms) in figures.items():
                connection.execute(
                    update(run_endpoint)
                    .where(run_endpoint.c.run == sequence, run_endpoint.c.position == position)
                    .values(p50_ms=p50_ms, p95_ms=p95_ms)
                )

    def runs(self, limit: int = 500, *, with_imported: bool = True) -> list[Run]:
        """The newest runs, newest first; without imported ones if they are to be evidence. Raises StoreError."""
        wanted = select(*self._columns).order_by(runs.c.sequence.desc()).limit(limit)
        if not with_imported:
            wanted = wanted.where(runs.c.imported.is_(False))
        with self._database.read() as connection:
            return [_to_run(row) for row in connection.execute(wanted)]

    def find(self, query: RunQuery) -> FoundRuns:
        """The runs that `query` describes, without their documents. Raises StoreError."""
        with self._database.read() as connection:
            return find(connection, query, self._state)

    def run(self, run_id: str) -> Run:
        """One run by its ID, or by the beginning of it. Raises UnknownRun, StoreError."""
        with self._database.read() as connection:
            return self._read_run(connection, _sequence(connection, run_id))

    def process(self, run_id: str) -> int | None:
        """The process of a run in progress. Raises UnknownRun, StoreError."""
        with self._database.read() as connection:
            sequence = _sequence(connection, run_id)
            process = connection.scalar(select(runs.c.process).where(runs.c.sequence == sequence))
        return None if process is None else int(process)

    def chunks(self, run_id: str, after: int = 0) -> list[Chunk]:
        """A run's packed samples with the numbers of their chunks, from the one after number `after`.

        Raises UnknownRun, StoreError.
        """
        with self._database.read() as connection:
            rows = connection.execute(
                select(chunks.c.position, chunks.c.samples)
                .where(chunks.c.run == _sequence(connection, run_id), chunks.c.position > after)
                .order_by(chunks.c.position)
            )
            return [(position, samples) for position, samples in rows]

    def last_chunk(self, run_id: str) -> int:
        """The number of a run's last chunk; 0 without one. Raises UnknownRun, StoreError."""
        with self._database.read() as connection:
            return _last_chunk(connection, _sequence(connection, run_id))

    def rename_run(self, run_id: str, name: str) -> None:
        """Raises UnknownRun, StoreError."""
        with self._database.write() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.sequence == _sequence(connection, run_id, for_update=True))
                .values(name=readable.name(name))
            )

    def delete_run(self, run_id: str) -> None:
        """Delete a run with its samples. Raises UnknownRun, StoreError."""
        with self._database.write() as connection:
            connection.execute(delete(runs).where(runs.c.sequence == _sequence(connection, run_id, for_update=True)))

    def _read_run(self, connection: Connection, sequence: int) -> Run:
        return _to_run(connection.execute(select(*self._columns).where(runs.c.sequence == sequence)).one())

    @property
    def _state(self) -> ColumnElement[str]:
        return state_at(self._database.now)

    @property
    def _columns(self) -> list[ColumnElement[Any]]:
        return [
            runs.c.id,
            runs.c.kind,
            runs.c.name,
            self._state.label("state"),
            runs.c.started_at_utc,
            runs.c.manifest,
            runs.c.outcome,
            runs.c.progress,
            runs.c.imported,
            runs.c.started_by,
        ]


def _last_chunk(connection: Connection, sequence: int) -> int:
    return connection.scalar(select(func.max(chunks.c.position)).where(chunks.c.run == sequence)) or 0


def state_at(now: ColumnElement[Any]) -> ColumnElement[str]:
    """The state of a run at the time `now`, in s since 1970: one that has stopped writing is lost."""
    is_lost = (runs.c.state == RunState.RUNNING.value) & (now - runs.c.seen_at > LOST_AFTER_S)
    return case((is_lost, RunState.LOST.value), else_=runs.c.state)


def is_here(run: Run) -> bool:
    """Whether this machine measures `run`, so that its process can be looked for here."""
    try:
        return run.manifest.client.host == socket.gethostname()
    except (KeyError, TypeError):  # damaged
        return False


def _to_run(row: Sequence[Any]) -> Run:
    identity, kind, name, state, started_at_utc, manifest, outcome, progress, imported, started_by = row
    return Run(
        identity,
        kind,
        name,
        RunState(state),
        started_at_utc,
        manifest=json.loads(manifest),
        outcome=json.loads(outcome),
        progress=json.loads(progress),
        is_imported=bool(imported),
        started_by=started_by,
    )


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True


def _sequence(connection: Connection, run_id: str, *, for_update: bool = False) -> int:
    """The row of a run by its ID or by a unique beginning of it; other writers then wait, if it is `for_update`."""
    if not run_id or not readable.is_readable(run_id):  # not even PostgreSQL takes all characters
        raise UnknownRun(f"there is no run {run_id}")
    exact = select(runs.c.sequence).where(runs.c.id == run_id)
    # SQLite has no FOR UPDATE and needs none: a writer has the whole file.
    found = connection.scalar(exact.with_for_update() if for_update else exact)
    if found is not None:
        return int(found)
    beginning = func.substr(runs.c.id, 1, len(run_id)) == run_id
    rows = connection.execute(select(runs.c.sequence, runs.c.id).where(beginning).limit(2)).all()
    if not rows:
        raise UnknownRun(f"there is no run {run_id}")
    if len(rows) > 1:
        raise UnknownRun(f"more than one run begins with {run_id}")
    return _sequence(connection, rows[0].id, for_update=True) if for_update else int(rows[0].sequence)
