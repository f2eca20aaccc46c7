"""When endpoints are read: while the page is open, always, or only on request. All sessions share one sampler.

A reading is a request: it takes the endpoint's time, may be billed, and keeps an instance from scaling to zero. While
the page is closed nothing is read unless that was chosen, and no reading ever disturbs a measurement.
"""

import math
import threading
from collections.abc import Callable, Sequence
from enum import StrEnum

from benchmark.endpoints.endpoint import Endpoint
from benchmark.monitor.history import Reading
from benchmark.monitor.scrape import Watch

OPEN_S = 2.0
"""Between two readings while the page is open."""
SELDOM_S = 10.0
"""Between two readings while the page is closed, or while a run measures the endpoints."""
_EARLY = 0.75
"""Refreshes come a little early or late: the next reading is due after this share of the interval."""


class When(StrEnum):
    """When endpoints are read automatically."""

    OFF = "off"
    OPEN = "open"
    ALWAYS = "always"


class Measuring(StrEnum):
    """What a run in progress measures."""

    NOTHING = "nothing"
    REQUESTS = "requests"
    STARTS = "starts"


def default_when(endpoints: Sequence[Endpoint]) -> When:
    """While the page is open, if all endpoints are on this machine; elsewhere a reading may cost money."""
    return When.OPEN if all(endpoint.is_local for endpoint in endpoints) else When.OFF


def pace_s(when: When, measuring: Measuring, *, is_open: bool, is_first: bool) -> float | None:
    """Seconds between two readings; None if there are none. `is_first`: an endpoint has never been read.

    A reading would wake the instances that a cold-start run waits for to become idle. In other runs a reading costs
    about 0.5 ms, but the first of a process about 60 ms, because the process imports prometheus_client for it.
    """
    if when is When.OFF or _spoils(measuring, is_first) or (when is When.OPEN and not is_open):
        return None
    return OPEN_S if is_open and measuring is Measuring.NOTHING else SELDOM_S


def _spoils(measuring: Measuring, is_first: bool) -> bool:
    return measuring is Measuring.STARTS or (measuring is Measuring.REQUESTS and is_first)


class Sampler:
    """Reads `endpoints` when `when` says so. Safe to share between threads."""

    def __init__(
        self,
        watch: Watch,
        endpoints: Sequence[Endpoint],
        when: When,
        measuring: Callable[[], Measuring] = lambda: Measuring.NOTHING,
    ) -> None:
        self._watch = watch
        self._endpoints = tuple(endpoints)
        self._measuring = measuring
        self._lock = threading.Lock()
        self._stop: threading.Event | None = None
        self._when = When.OFF
        self.set(when)

    @property
    def when(self) -> When:
        return self._when

    @property
    def is_paused(self) -> bool:
        """Whether a run is in progress that a reading would disturb."""
        return _spoils(self._measuring(), self._is_first)

    @property
    def _is_first(self) -> bool:
        return not all(self._watch.readings(self._endpoints))

    def set(self, when: When) -> None:
        """Change when endpoints are read, for all sessions."""
        with self._lock:
            self._when = when
            if self._stop is not None:
                self._stop.set()
                self._stop = None
            if when is When.ALWAYS:
                self._stop = threading.Event()
                threading.Thread(target=self._run, args=(self._stop,), name="sampler", daemon=True).start()

    def close(self) -> None:
        """Stop reading."""
        self.set(When.OFF)

    def look(self, *, wait_s: float) -> list[list[Reading]]:
        """The readings of each endpoint, oldest first, for an open page; takes a new one when it is due."""
        every_s = self._pace_s(is_open=True)
        if every_s is None:
            return self._watch.readings(self._endpoints)
        return self._watch.look(self._endpoints, every_s=_EARLY * every_s, wait_s=wait_s)

    def read_first(self, *, wait_s: float) -> None:
        """Read the endpoints that were never read, because a page was opened."""
        if self._is_first and not self.is_paused:
            self._watch.look(self._endpoints, every_s=math.inf, wait_s=wait_s)

    def read_now(self, *, wait_s: float) -> None:
        """Read once on request, unless a run is in progress that a reading would disturb."""
        if not self.is_paused:
            self._watch.look(self._endpoints, every_s=0.0, wait_s=wait_s)

    def _pace_s(self, *, is_open: bool) -> float | None:
        return pace_s(self._when, self._measuring(), is_open=is_open, is_first=self._is_first)

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            every_s = self._pace_s(is_open=False)
            if every_s is not None:
                self._watch.look(self._endpoints, every_s=_EARLY * every_s, wait_s=0.0)
            stop.wait(SELDOM_S)
