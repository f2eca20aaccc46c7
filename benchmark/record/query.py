"""Finding runs: filter, search, sort and paging, done by the database."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, case, exists, func, literal, or_, select

from benchmark.endpoints import readable
from benchmark.record.run import RunState
from benchmark.record.schema import run, run_endpoint


class SortBy(StrEnum):
    """What runs are sorted by."""

    RECORDED = "recorded"
    """the order in which they were recorded or imported"""
    STARTED = "started"
    KIND = "kind"
    NAME = "name"
    STATE = "state"
    STARTED_BY = "started_by"
    VERDICT = "verdict"
    P50 = "p50"
    """the lowest p50 of the run's endpoints"""
    P95 = "p95"
    """the lowest p95 of the run's endpoints"""


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs, in which order."""

    text: str = ""
    """words that must all occur in the ID, name, kind, state, start, verdict, user, or in a name of an endpoint"""
    kinds: tuple[str, ...] = ()
    """any of these; all if empty"""
    states: tuple[RunState, ...] = ()
    """any of these; all if empty"""
    endpoint: str = ""
    """the name of an endpoint; any if empty"""
    imported: bool | None = None
    sort_by: SortBy = SortBy.RECORDED
    descending: bool = True
    limit: int | None = 50
    offset: int = 0
    titles: Mapping[str, str] = field(default_factory=dict)
    """by kind, other words by which its runs are found"""


@dataclass(frozen=True, slots=True)
class FoundEndpoint:
    """An endpoint of a run, with figures in ms if they are known."""

    key: str
    name: str
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run without its documents."""

    id: str
    kind: str
    name: str
    state: RunState
    started_at_utc: str
    started_by: str
    """empty if unknown"""
    is_imported: bool
    verdict: str | None
    """None if unknown"""
    reason: str | None
    """why it ended early"""
    progress: Mapping[str, Any]
    endpoints: tuple[FoundEndpoint, ...]
    """in their order"""

    @property
    def is_over(self) -> bool:
        return self.state is not RunState.RUNNING


@dataclass(frozen=True, slots=True)
class FoundRuns:
    """One page of the runs that were found, and how many there are on all pages."""

    runs: list[FoundRun]
    total: int


def find(connection: Connection, query: RunQuery, state: ColumnElement[str]) -> FoundRuns:
    """Answer `query`; `state` is the expression for the state of a run."""
    wanted = _conditions(query, state)
    total = connection.scalar(select(func.count()).select_from(run).where(*wanted)) or 0
    rows = connection.execute(
        select(
            run.c.sequence,
            run.c.id,
            run.c.kind,
            run.c.name,
            state.label("state_now"),
            run.c.started_at_utc,
            run.c.started_by,
            run.c.imported,
            run.c.verdict,
            run.c.reason,
            run.c.progress,
        )
        .where(*wanted)
        .order_by(*_order(query, state))
        .limit(query.limit)
        .offset(query.offset)
    ).all()
    endpoints = _endpoints(connection, [row.sequence for row in rows])
    found = [
        FoundRun(
            row.id,
            row.kind,
            row.name,
            RunState(row.state_now),
            row.started_at_utc,
            row.started_by,
            bool(row.imported),
            row.verdict,
            row.reason,
            json.loads(row.progress),
            tuple(endpoints.get(row.sequence, ())),
        )
        for row in rows
    ]
    return FoundRuns(found, int(total))


def _endpoints(connection: Connection, sequences: list[int]) -> dict[int, list[FoundEndpoint]]:
    """The endpoints of the runs in these rows."""
    found: dict[int, list[FoundEndpoint]] = {}
    rows = connection.execute(
        select(
            run_endpoint.c.run,
            run_endpoint.c.key,
            run_endpoint.c.name,
            run_endpoint.c.p50_ms,
            run_endpoint.c.p95_ms,
        )
        .where(run_endpoint.c.run.in_(sequences))
        .order_by(run_endpoint.c.run, run_endpoint.c.position)
    )
    for sequence, *values in rows:
        found.setdefault(sequence, []).append(FoundEndpoint(*values))
    return found


def _conditions(query: RunQuery, state: ColumnElement[str]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.kinds:
        conditions.append(run.c.kind.in_(query.kinds))
    if query.states:
        conditions.append(state.in_([one.value for one in query.states]))
    if query.imported is not None:
        conditions.append(run.c.imported.is_(query.imported))
    if query.endpoint:
        conditions.append(_has_endpoint(run_endpoint.c.name == readable.readable(query.endpoint)))
    if words := readable.readable(query.text).split():
        facts = _facts(query, state)
        conditions += [
            or_(
                facts.icontains(word, autoescape=True),
                _has_endpoint(run_endpoint.c.name.icontains(word, autoescape=True)),
            )
            for word in words
        ]
    return conditions


def _has_endpoint(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(run_endpoint.c.run == run.c.sequence, condition)


def _facts(query: RunQuery, state: ColumnElement[str]) -> ColumnElement[str]:
    """What is searched of a run, as one text."""
    parts: list[ColumnElement[str]] = [
        run.c.id,
        run.c.name,
        run.c.kind,
        state,
        func.replace(func.substr(run.c.started_at_utc, 1, 19), "T", " ") + literal(" UTC"),
        run.c.started_by,
        func.coalesce(run.c.verdict, ""),
        case((run.c.imported.is_(True), "imported"), else_=""),
    ]
    if query.titles:
        parts.append(case(dict(query.titles), value=run.c.kind, else_=""))
    joined: ColumnElement[str] = literal("", String)
    for part in parts:
        joined = joined + literal(" ") + part
    return joined


def _order(query: RunQuery, state: ColumnElement[str]) -> list[ColumnElement[Any]]:
    """By the wanted column, unknown values last, then in the order in which they were recorded."""
    recorded = run.c.sequence.desc() if query.descending else run.c.sequence.asc()
    columns: Mapping[SortBy, ColumnElement[Any]] = {
        SortBy.STARTED: run.c.started_at_utc,
        SortBy.KIND: run.c.kind,
        SortBy.NAME: run.c.name,
        SortBy.STATE: state,
        SortBy.STARTED_BY: run.c.started_by,
        SortBy.VERDICT: run.c.verdict,
        SortBy.P50: _lowest(run_endpoint.c.p50_ms),
        SortBy.P95: _lowest(run_endpoint.c.p95_ms),
    }
    column = columns.get(query.sort_by)
    if column is None:
        return [recorded]
    order = column.desc() if query.descending else column.asc()
    may_be_unknown = query.sort_by in (SortBy.VERDICT, SortBy.P50, SortBy.P95)
    return [order.nulls_last() if may_be_unknown else order, recorded]


def _lowest(figure: ColumnElement[Any]) -> ColumnElement[Any]:
    return select(func.min(figure)).where(run_endpoint.c.run == run.c.sequence).scalar_subquery()
