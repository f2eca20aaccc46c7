"""The readings of an endpoint, kept for a day in bounded memory, and the lines that can be drawn from them.

Counts only grow, so leaving out a reading between two others of the same process loses only detail. Old readings are
thinned that way. No line is drawn where a process ends or readings are too far apart: a `Stretch` has no such holes.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from benchmark.endpoints.sample import Failure
from benchmark.monitor.counts import Counts, Interval, Snapshot, between

HOLE_S = 25.0
"""Readings further apart than this have a hole between them: two slow intervals, of which one failed, are not."""

_KEPT_S = 24 * 3600.0
_RESOLUTIONS_S = ((600.0, 0.0), (7200.0, 30.0), (_KEPT_S, 300.0))
"""Up to which age, how far apart: all for ten minutes, one every 30 s for two hours, then one every five minutes."""
_THINNED_EVERY_S = 30.0
_MAX_READINGS = 2000
_MAX_NUMBERS = 1_000_000
"""Maximum number of counts of one endpoint, about 40 MB: models with hundreds of features have a shorter history."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A failed scrape, at `taken_s` on the monotonic clock: why it failed, with any HTTP status."""

    taken_s: float
    failure: Failure
    status: int | None = None
    detail: str | None = None


Reading = Snapshot | Unread
_R = TypeVar("_R", Snapshot, Reading)


class History:
    """The readings of one endpoint, oldest first. Its owner holds a lock."""

    def __init__(self) -> None:
        self._readings: list[Reading] = []
        self._thinned_s = -_THINNED_EVERY_S

    @property
    def readings(self) -> list[Reading]:
        return list(self._readings)

    def add(self, reading: Reading) -> None:
        """Add `reading`, which is the newest, and thin the old ones."""
        if isinstance(reading, Snapshot):
            reading = self._sharing(reading)
        now_s = reading.taken_s
        self._readings.append(reading)
        if now_s - self._thinned_s < _THINNED_EVERY_S:
            return
        self._thinned_s = now_s
        recent = [one for one in self._readings if now_s - one.taken_s <= _KEPT_S]
        kept = thinned(recent, lambda one: resolution_s(now_s - one.taken_s))[-_MAX_READINGS:]
        numbers, first = 0, len(kept)
        while first and (numbers := numbers + _numbers(kept[first - 1])) <= _MAX_NUMBERS:
            first -= 1
        self._readings = kept[min(first, len(kept) - 1) :]

    def _sharing(self, snapshot: Snapshot) -> Snapshot:
        """The same reading, which shares unchanged counts with the one before it."""
        before = next((one for one in reversed(self._readings) if isinstance(one, Snapshot)), None)
        if before is None:
            return snapshot
        counts, tests = before.counts, before.test_counts
        return replace(
            snapshot,
            counts=counts if snapshot.counts == counts else snapshot.counts,
            test_counts=tests if snapshot.test_counts == tests else snapshot.test_counts,
        )


def resolution_s(age_s: float) -> float:
    """How far apart readings of this age are kept."""
    return next((apart_s for until_s, apart_s in _RESOLUTIONS_S if age_s <= until_s), _RESOLUTIONS_S[-1][1])


def thinned(readings: Sequence[_R], apart_s: Callable[[_R], float]) -> list[_R]:
    """Leave out each reading whose neighbours of the same process are at most `apart_s(reading)` apart.

    The first and the last reading of a process stay, as do the readings on both sides of a reset.
    """
    following: dict[int, _R] = {}
    seen: dict[Hashable, _R] = {}
    for index in range(len(readings) - 1, -1, -1):
        one = readings[index]
        if (later := seen.get(_series(one))) is not None:
            following[index] = later
        seen[_series(one)] = one
    kept: list[_R] = []
    before: dict[Hashable, _R] = {}
    for index, one in enumerate(readings):
        older, newer = before.get(_series(one)), following.get(index)
        if (
            older is not None
            and newer is not None
            and newer.taken_s - older.taken_s <= apart_s(one)
            and _continues(older, one)
            and _continues(one, newer)
        ):
            continue
        before[_series(one)] = one
        kept.append(one)
    return kept


def _series(reading: Reading) -> Hashable:
    """The key of readings that are neighbours: those of one process, or failures of one kind."""
    return reading.instance_id if isinstance(reading, Snapshot) else reading.failure


def _continues(older: Reading, newer: Reading) -> bool:
    if not isinstance(older, Snapshot) or not isinstance(newer, Snapshot):
        return True
    if newer.instance_id is None and newer.counts.request_count < older.counts.request_count:
        return False
    return newer.continues(older)


def _numbers(reading: Reading) -> int:
    """The number of counts, as a measure of its memory."""
    if not isinstance(reading, Snapshot):
        return 1
    return _numbers_of(reading.counts) + _numbers_of(reading.test_counts)


def _numbers_of(counts: Counts) -> int:
    entries = len(counts.requests) + 4 * len(counts.latency) + len(counts.predictions) + len(counts.out_of_range)
    return entries + sum(4 + len(bins) for bins in counts.binned.values())


@dataclass(frozen=True, slots=True)
class Stretch:
    """Readings of one process without a hole: the first, then each later one with what happened before it."""

    first: Snapshot
    steps: tuple[tuple[Snapshot, Interval], ...]


@dataclass(frozen=True, slots=True)
class Hole:
    """Time without readings of a process that kept running: what happened is known, but not when."""

    from_s: float
    to_s: float
    interval: Interval


def stretches(
    snapshots: Sequence[Snapshot], hole_s: Callable[[Snapshot], float] = lambda _: HOLE_S
) -> tuple[list[Stretch], list[Hole]]:
    """The stretches to draw as lines and the holes between them, both in the order in which they begin.

    `snapshots` are in order of time and may be of several processes that answer in turn. Two readings of one process
    that are more than `hole_s(newer)` apart have a hole between them.
    """
    opened: list[tuple[Snapshot, list[tuple[Snapshot, Interval]]]] = []
    current: dict[str | None, list[tuple[Snapshot, Interval]]] = {}
    before: dict[str | None, Snapshot] = {}
    holes: list[Hole] = []
    for snapshot in snapshots:
        key = snapshot.instance_id
        interval = between(before[key], snapshot) if key in before else None
        if interval and interval.duration_s <= hole_s(snapshot):
            current[key].append((snapshot, interval))
        else:
            if interval:
                holes.append(Hole(before[key].taken_s, snapshot.taken_s, interval))
            current[key] = []
            opened.append((snapshot, current[key]))
        before[key] = snapshot
    return [Stretch(first, tuple(steps)) for first, steps in opened], holes
