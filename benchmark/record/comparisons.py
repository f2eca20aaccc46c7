"""The comparisons of the Predict page, with their owners."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from benchmark.endpoints.sample import Answer, Comparison, Failure, Sample
from benchmark.record.database import Database, row_number
from benchmark.record.schema import clearing, comparison, sample

NOBODY = ""
"""The owner of comparisons that were recorded without one."""

_SAMPLE_COLUMNS = tuple(field.name for field in fields(Sample))


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


class Comparisons:
    """The comparisons in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, added: Comparison, owner: str = NOBODY) -> None:
        """Append one comparison with its samples, all or nothing. Raises StoreError."""
        with self._database.write() as connection:
            self._database.serialise_comparisons(connection)
            inserted = connection.execute(
                insert(comparison).values(
                    id=added.id,
                    at_utc=added.at_utc,
                    model=added.model,
                    inputs=json.dumps(added.inputs),
                    owner=owner,
                )
            )
            sequence = row_number(inserted)
            rows = [
                {"comparison": sequence, "position": position, **_to_row(one)}
                for position, one in enumerate(added.samples)
            ]
            if rows:
                connection.execute(insert(sample), rows)

    def latest(self, model: str, limit: int | None = None, owner: str | None = None) -> list[Comparison]:
        """The last `limit` comparisons of a model by `owner`, by default all of everyone, oldest first.

        Raises StoreError.
        """
        return self.news(model, owner, START, limit).comparisons

    def news(self, model: str, owner: str | None, after: Place, limit: int | None = None) -> News:
        """The last `limit` comparisons of a model by `owner`, or everyone, that were added after this place.

        Raises StoreError.
        """
        whose = _of(model, owner)
        with self._database.read() as connection:
            clearings = connection.scalar(select(clearing.c.count).where(clearing.c.model == model)) or 0
            restarted = after != START and clearings != after.clearings
            since = 0 if restarted else after.sequence
            count, last = connection.execute(
                select(func.count(), func.max(comparison.c.sequence)).where(whose, comparison.c.sequence > since)
            ).one()
            place = Place(last or since, clearings)
            if not count:
                return News([], 0, place, restarted)
            heads = connection.execute(
                select(
                    comparison.c.sequence,
                    comparison.c.id,
                    comparison.c.at_utc,
                    comparison.c.model,
                    comparison.c.inputs,
                )
                .where(whose, comparison.c.sequence > since)
                .order_by(comparison.c.sequence.desc())
                .limit(limit)
            ).all()
            rows = connection.execute(
                select(sample.c.comparison, *(sample.c[name] for name in _SAMPLE_COLUMNS))
                .join(comparison, sample.c.comparison == comparison.c.sequence)
                .where(whose, comparison.c.sequence >= (heads[-1].sequence if heads else place.sequence + 1))
                .order_by(sample.c.comparison, sample.c.position)
            ).all()
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
        with self._database.read() as connection:
            count = connection.scalar(select(func.count()).select_from(comparison).where(_of(model, owner)))
        return int(count or 0)

    def has_comparisons(self, model: str) -> bool:
        """Whether any comparison of a model is recorded. Raises StoreError."""
        with self._database.read() as connection:
            found = connection.scalar(select(comparison.c.sequence).where(_of(model, None)).limit(1))
        return found is not None

    def clear(self, model: str, owners: Sequence[str] | None = None) -> None:
        """Delete the comparisons of a model by these `owners`, by default by everyone. Raises StoreError."""
        with self._database.write() as connection:
            self._database.serialise_comparisons(connection)
            whose = comparison.c.model == model
            if owners is not None:
                whose = and_(whose, comparison.c.owner.in_(owners))
            connection.execute(delete(comparison).where(whose))
            count_clearing(connection, model)


def count_clearing(connection: Connection, model: str) -> None:
    """Note that comparisons of a model were deleted, so that readers of its history start again."""
    counted = connection.execute(update(clearing).where(clearing.c.model == model).values(count=clearing.c.count + 1))
    if not counted.rowcount:
        connection.execute(insert(clearing).values(model=model, count=1))


def _of(model: str, owner: str | None) -> ColumnElement[bool]:
    """Which comparisons are of `model`, and by `owner` if there is one."""
    of_model = comparison.c.model == model
    return of_model if owner is None else and_(of_model, comparison.c.owner == owner)


def _to_row(one: Sample) -> dict[str, object]:
    answer = json.dumps(asdict(one.answer)) if one.answer else None
    return {name: getattr(one, name) for name in _SAMPLE_COLUMNS} | {"answer": answer}


def _from_row(row: Sequence[object]) -> Sample:
    values = dict(zip(_SAMPLE_COLUMNS, row, strict=True))
    found = Sample(**values)  # type: ignore[arg-type]  # the columns are the fields
    answer = json.loads(str(values["answer"])) if values["answer"] else None
    if answer and answer["probabilities"] is not None:
        answer["probabilities"] = tuple(answer["probabilities"])
    return replace(
        found,
        failure=Failure(found.failure) if found.failure else None,
        connection_reused=None if found.connection_reused is None else bool(found.connection_reused),
        answer=Answer(**answer) if answer else None,
    )
