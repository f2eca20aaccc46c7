"""An endpoint as the Monitor page shows it: its readings so far, and the stretch of time that was chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from http import HTTPStatus
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
"""The approximate number of readings of one endpoint to draw: more would overlap."""


class Window(StrEnum):
    """The time spans to choose from: the life of the process, or the last minutes."""

    START = "Since start"
    HOUR = "1 hour"
    TEN_MINUTES = "10 minutes"
    MINUTE = "1 minute"


_WINDOW_S = {Window.HOUR: 3600.0, Window.TEN_MINUTES: 600.0, Window.MINUTE: 60.0}


@dataclass(frozen=True)
class Timeline:
    """What to draw of one endpoint over time: lines and the gaps between them."""

    stretches: tuple[Stretch, ...]
    holes: tuple[Hole, ...]

    @property
    def counted_holes(self) -> list[Hole]:
        """The gaps in which requests were counted."""
        return [
            one for one in self.holes if one.interval.counts.request_count or one.interval.test_counts.request_count
        ]

    @property
    def counts(self) -> int:
        """Requests in the lines."""
        return sum(interval.counts.request_count for one in self.stretches for _, interval in one.steps)

    @property
    def tests(self) -> int:
        """Test requests in the lines, in addition to those of users."""
        return sum(interval.test_counts.request_count for one in self.stretches for _, interval in one.steps)


@dataclass(frozen=True)  # no slots, because of the cached property
class EndpointSnapshot:
    """One endpoint, at its `position` among all of them, and its traffic of the chosen kind.

    `card` is the card of the model that answered the last reading, where it is known.
    """

    endpoint: Endpoint
    position: int
    snapshots: tuple[Snapshot, ...]
    failures: tuple[Unread, ...]
    interval: Interval | None
    card: ModelCard | None = None
    window: Window = Window.START
    tests: Counts | None = None
    """test traffic in the same time, if users' traffic was chosen"""

    @property
    def window_s(self) -> float | None:
        """The length of the chosen time; None for the life of the process."""
        return _WINDOW_S.get(self.window)

    @cached_property
    def timeline(self) -> Timeline:
        """The chosen time as far as it was read, in as many steps as a chart can show."""
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
        """Why the last scrape failed; None if it succeeded."""
        if not self.failures:
            return None
        newest = self.newest
        failure = self.failures[-1]
        return failure if newest is None or failure.taken_s > newest.taken_s else None

    @property
    def lacks_metrics(self) -> bool:
        """Whether it answers and has never had any metrics, as an endpoint that is not Faceoff's own."""
        return self.newest is None and self.failure is not None and self.failure.status == HTTPStatus.NOT_FOUND

    @property
    def changes(self) -> list[tuple[float, Succession]]:
        """When, on the monotonic clock, readings changed to another process, and how."""
        found: list[tuple[float, Succession]] = []
        for older, newer in pairwise(self.snapshots):
            kind = succession(older, newer)
            if kind is not Succession.SAME:
                found.append((newer.taken_s, kind))
        return found

    @property
    def instance_count(self) -> int:
        """How many processes have answered so far, counting only those that name themselves."""
        return len({snapshot.instance_id for snapshot in self.snapshots if snapshot.instance_id})


def endpoint_snapshot(
    endpoint: Endpoint,
    position: int,
    readings: Sequence[Reading],
    window: Window,
    card: ModelCard | None,
    traffic: Traffic = Traffic.USER,
) -> EndpointSnapshot:
    """Group the readings of one endpoint; `card` is used only if it belongs to the model that answered last."""
    snapshots = tuple(reading.of(traffic) for reading in readings if isinstance(reading, Snapshot))
    failures = tuple(reading for reading in readings if isinstance(reading, Unread))
    interval = None
    if snapshots:
        interval = since_start(snapshots[-1]) if window is Window.START else last(snapshots, _WINDOW_S[window])
        if card is not None and snapshots[-1].model_version not in (None, card.version):
            card = None
    tests = interval.test_counts if interval and traffic is Traffic.USER else None
    return EndpointSnapshot(endpoint, position, snapshots, failures, interval, card, window, tests)
