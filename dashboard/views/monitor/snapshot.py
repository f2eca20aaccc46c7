"""An endpoint as the Monitor page shows it: its readings so far, and the stretch of time that is asked about."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import pairwise

from benchmark.endpoints.endpoint import Endpoint
from benchmark.monitor.counts import Counts, Interval, Snapshot, Succession, Traffic, last, since_start, succession
from benchmark.monitor.history import (
    HOLE_S,
    Hole,
    Reading,
    Stretch,
    Unread,
    resolution_s,
    stretches,
    thinned,
)
from inference.card import ModelCard

_POINTS = 150
"""Readings drawn of one endpoint, about: more would cover each other."""


class Window(StrEnum):
    """The stretches of time that can be asked about: the life of the process, or the last so many minutes."""

    START = "Since start"
    HOUR = "1 hour"
    TEN_MINUTES = "10 minutes"
    MINUTE = "1 minute"


_WINDOW_S = {Window.HOUR: 3600.0, Window.TEN_MINUTES: 600.0, Window.MINUTE: 60.0}


@dataclass(frozen=True)
class Timeline:
    """What is drawn over time of one endpoint: lines, and the holes between them."""

    stretches: tuple[Stretch, ...]
    holes: tuple[Hole, ...]

    @property
    def counted_holes(self) -> list[Hole]:
        """The holes in which something was asked."""
        return [
            one for one in self.holes if one.interval.counts.request_count or one.interval.test_counts.request_count
        ]

    @property
    def counts(self) -> int:
        """Requests in the lines."""
        return sum(interval.counts.request_count for one in self.stretches for _, interval in one.steps)

    @property
    def tests(self) -> int:
        """Test requests in the lines, beside those of users."""
        return sum(interval.test_counts.request_count for one in self.stretches for _, interval in one.steps)


@dataclass(frozen=True)  # without slots, for what is computed once
class Watched:
    """One endpoint and the traffic that is asked about.

    `card` is the card of the model that its last snapshot is about, where one is known.
    """

    endpoint: Endpoint
    snapshots: tuple[Snapshot, ...]
    failures: tuple[Unread, ...]
    interval: Interval | None
    card: ModelCard | None = None
    window: Window = Window.START
    tests: Counts | None = None
    """what measured or audited in the same time, where that is not what is asked about"""

    @property
    def window_s(self) -> float | None:
        """The length of the time asked about; None for the life of the process."""
        return _WINDOW_S.get(self.window)

    @cached_property
    def timeline(self) -> Timeline:
        """The time asked about, as far as it was read, in as many steps as can be told apart."""
        newest: list[Reading] = [*self.snapshots[-1:], *self.failures[-1:]]
        newest_s = max((one.taken_s for one in newest), default=0.0)
        from_s = newest_s - self.window_s if self.window_s else -1.0
        found = [one for one in self.snapshots if one.taken_s >= from_s]
        step_s = (newest_s - found[0].taken_s) / _POINTS if found else 0.0
        lines, holes = stretches(
            thinned(found, lambda _: step_s),
            lambda one: max(HOLE_S, step_s, resolution_s(newest_s - one.taken_s)),
        )
        return Timeline(tuple(lines), tuple(holes))

    @property
    def newest(self) -> Snapshot | None:
        return self.snapshots[-1] if self.snapshots else None

    @property
    def failure(self) -> Unread | None:
        """Why the last scrape failed; None where it did not."""
        if not self.failures:
            return None
        newest = self.newest
        failure = self.failures[-1]
        return failure if newest is None or failure.taken_s > newest.taken_s else None

    @property
    def changes(self) -> list[tuple[float, Succession]]:
        """When, on the monotonic clock, a reading came from another process than the one before, and which kind."""
        found: list[tuple[float, Succession]] = []
        for older, newer in pairwise(self.snapshots):
            kind = succession(older, newer)
            if kind is not Succession.SAME:
                found.append((newer.taken_s, kind))
        return found

    @property
    def instance_count(self) -> int:
        """How many processes have answered so far, as far as they name themselves."""
        return len({snapshot.instance_id for snapshot in self.snapshots if snapshot.instance_id})


def watched(
    endpoint: Endpoint,
    readings: Sequence[Reading],
    window: Window,
    card: ModelCard | None,
    traffic: Traffic = Traffic.USER,
) -> Watched:
    """Sort the readings of one endpoint; `card` is used only where it is of the model that answered last."""
    snapshots = tuple(reading.of(traffic) for reading in readings if isinstance(reading, Snapshot))
    failures = tuple(reading for reading in readings if isinstance(reading, Unread))
    interval = None
    if snapshots:
        interval = since_start(snapshots[-1]) if window is Window.START else last(snapshots, _WINDOW_S[window])
        if card is not None and snapshots[-1].model_version not in (None, card.version):
            card = None
    tests = interval.test_counts if interval and traffic is Traffic.USER else None
    return Watched(endpoint, snapshots, failures, interval, card, window, tests)
