"""An endpoint as the Monitor page shows it: its readings so far, and the stretch of time that is asked about."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from benchmark.endpoints.endpoint import Endpoint
from benchmark.monitor.counts import Interval, Snapshot, Succession, last, since_start, succession
from benchmark.monitor.scrape import Reading, Unread
from inference.card import ModelCard


class Window(StrEnum):
    """The stretches of time that can be asked about: the life of the process, or the last so many minutes."""

    START = "Since start"
    TEN_MINUTES = "10 minutes"
    MINUTE = "1 minute"


_WINDOW_S = {Window.TEN_MINUTES: 600.0, Window.MINUTE: 60.0}


@dataclass(frozen=True, slots=True)
class Watched:
    """One endpoint: `card` is the card of the model that its last snapshot is about, where one is known."""

    endpoint: Endpoint
    snapshots: tuple[Snapshot, ...]
    failures: tuple[Unread, ...]
    interval: Interval | None
    card: ModelCard | None = None

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


def watched(endpoint: Endpoint, readings: Sequence[Reading], window: Window, card: ModelCard | None) -> Watched:
    """Sort the readings of one endpoint; `card` is used only where it is of the model that answered last."""
    snapshots = tuple(reading for reading in readings if isinstance(reading, Snapshot))
    failures = tuple(reading for reading in readings if isinstance(reading, Unread))
    interval = None
    if snapshots:
        interval = since_start(snapshots[-1]) if window is Window.START else last(snapshots, _WINDOW_S[window])
        if card is not None and snapshots[-1].model_version not in (None, card.version):
            card = None
    return Watched(endpoint, snapshots, failures, interval, card)
