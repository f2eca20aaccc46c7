"""Deleting what is old: first what would be deleted, then the deletion in parts, so that others can write meanwhile."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, select, union_all

from benchmark.record.comparisons import count_clearing
from benchmark.record.run import RunState
from benchmark.record.runs import state_at
from benchmark.record.schema import chunk, comparison, run
from benchmark.record.schema import sample as compared
from benchmark.record.store import Store

_RUNS_AT_ONCE = 50
_COMPARISONS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Outdated:
    """What is older than a moment."""

    runs: int
    requests: int
    """recorded for these runs; probes for cold starts"""
    samples_bytes: int
    """their packed samples"""
    comparisons: int
    oldest_utc: str | None
    newest_utc: str | None
    """the starts of the oldest and newest of both; None without any"""


def outdated(store: Store, before_utc: str, *, keep_named: bool) -> Outdated:
    """What `delete_outdated` would delete. Raises StoreError.

    Runs in progress are never outdated, nor are those whose start is not a time. `before_utc` is in ISO 8601.
    """
    with store.database.read() as connection:
        old_run, old_comparison = _old_run(store, before_utc, keep_named), _old(comparison.c.at_utc, before_utc)
        progress = connection.execute(select(run.c.progress).where(old_run)).scalars().all()
        size = connection.scalar(
            select(func.sum(func.length(chunk.c.samples))).where(chunk.c.run == run.c.sequence, old_run)
        )
        comparisons = connection.scalar(select(func.count()).select_from(comparison).where(old_comparison))
        times = union_all(
            select(run.c.started_at_utc.label("at")).where(old_run),
            select(comparison.c.at_utc.label("at")).where(old_comparison),
        ).subquery()
        oldest, newest = connection.execute(select(func.min(times.c.at), func.max(times.c.at))).one()
    return Outdated(len(progress), sum(map(_done, progress)), int(size or 0), int(comparisons or 0), oldest, newest)


def delete_outdated(
    store: Store, before_utc: str, *, keep_named: bool, report: Callable[[int, int], None] = lambda *_: None
) -> None:
    """Delete runs and comparisons that began before `before_utc`, in transactions of a few, and free their space.

    `report` is called with the deleted runs and comparisons so far. What is deleted stays deleted if it is interrupted.
    Raises StoreError.
    """
    runs = comparisons = 0
    while deleted := _delete_some_runs(store, before_utc, keep_named):
        runs += deleted
        report(runs, comparisons)
    while deleted := _delete_some_comparisons(store, before_utc):
        comparisons += deleted
        report(runs, comparisons)
    if runs or comparisons:
        store.database.free_space()


def _delete_some_runs(store: Store, before_utc: str, keep_named: bool) -> int:
    with store.database.write() as connection:
        some = select(run.c.sequence).where(_old_run(store, before_utc, keep_named)).limit(_RUNS_AT_ONCE)
        # Locked, because a lost run may be resumed meanwhile; SQLite's writers take turns anyway.
        sequences = connection.execute(some.with_for_update()).scalars().all()
        connection.execute(delete(run).where(run.c.sequence.in_(sequences)))  # with its samples and endpoints
    return len(sequences)


def _delete_some_comparisons(store: Store, before_utc: str) -> int:
    with store.database.write() as connection:
        store.database.serialise_comparisons(connection)
        some = select(comparison.c.sequence, comparison.c.model).where(_old(comparison.c.at_utc, before_utc))
        found = connection.execute(some.limit(_COMPARISONS_AT_ONCE)).all()
        sequences = [row.sequence for row in found]
        connection.execute(delete(compared).where(compared.c.comparison.in_(sequences)))
        connection.execute(delete(comparison).where(comparison.c.sequence.in_(sequences)))
        for model in {row.model for row in found}:
            count_clearing(connection, model)
    return len(found)


def _old_run(store: Store, before_utc: str, keep_named: bool) -> ColumnElement[bool]:
    is_over = state_at(store.database.now) != RunState.RUNNING.value
    old = _old(run.c.started_at_utc, before_utc) & is_over
    return old & (run.c.name == "") if keep_named else old


def _old(at_utc: ColumnElement[str], before_utc: str) -> ColumnElement[bool]:
    return (at_utc < before_utc) & at_utc.like("____-__-__T%")


def _done(progress: str) -> int:
    try:
        done = json.loads(progress).get("done", 0)
    except (ValueError, AttributeError):  # damaged
        return 0
    return done if isinstance(done, int) else 0
