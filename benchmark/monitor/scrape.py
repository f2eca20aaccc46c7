"""Read the `/metrics` of endpoints again and again, without waiting for one that does not answer.

A failure is a reading too: it is kept with the others and says when the endpoint could not be read, and why.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait
from time import monotonic, perf_counter_ns

import httpx

from benchmark.endpoints.answer import TooLarge
from benchmark.endpoints.bounded import EXCHANGE_ERRORS, exchange_failure, read_body
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.identity import TokenError
from benchmark.endpoints.sample import Failure
from benchmark.endpoints.traffic import TEST_HEADERS
from benchmark.monitor.counts import NotMetrics, parse
from benchmark.monitor.history import History, Reading, Unread

TIMEOUT_S = 2.0
"""How long one scrape may take: metrics that come after the next reading is due are useless."""

_MAX_BYTES = 1024 * 1024
_HEADERS = {"accept": "text/plain;version=0.0.4", **TEST_HEADERS}


def metrics_urls(endpoint: Endpoint) -> tuple[str, ...]:
    """Possible URLs of the metrics, most likely first."""
    return endpoint.spoken.metrics_urls(endpoint.url)


def scrape(client: httpx.Client, endpoint: Endpoint) -> Reading:
    """Read the endpoint's metrics once, within TIMEOUT_S plus the time for a token. Its failures never raise."""
    try:
        headers = {**_HEADERS, **endpoint.headers}
    except TokenError as error:
        return Unread(monotonic(), Failure.NO_IDENTITY, detail=str(error))
    deadline_s = monotonic() + TIMEOUT_S
    reading: Reading = Unread(monotonic(), Failure.UNREACHABLE)
    for url in metrics_urls(endpoint):
        reading = _get(client, url, headers, deadline_s)
        if not (isinstance(reading, Unread) and reading.status == 404):
            break
    return reading


def _get(client: httpx.Client, url: str, headers: dict[str, str], deadline_s: float) -> Reading:
    left_s = max(0.001, deadline_s - monotonic())
    started_ns = perf_counter_ns()
    try:
        with client.stream("GET", url, headers=headers, timeout=left_s) as response:
            status = response.status_code
            if status != 200:
                failure = {4: Failure.CLIENT_ERROR, 5: Failure.SERVER_ERROR}.get(
                    status // 100, Failure.UNEXPECTED_STATUS
                )
                return Unread(monotonic(), failure, status)
            body = read_body(response, _MAX_BYTES, started_ns, left_s)
    except EXCHANGE_ERRORS as error:
        return Unread(monotonic(), exchange_failure(error), 200 if isinstance(error, TooLarge) else None)
    taken_s = monotonic()
    try:
        return parse(body.decode(), taken_s)
    except (NotMetrics, UnicodeDecodeError) as error:
        detail = str(error) if isinstance(error, NotMetrics) else "is not text"
        return Unread(taken_s, Failure.WRONG_SCHEMA, status, detail)


class Watch:
    """The readings of endpoints so far. Safe to share between threads, which share one scrape at a time."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._histories: dict[Endpoint, History] = {}
        self._pending: dict[Endpoint, Future[None]] = {}
        self._asked_s: dict[Endpoint, float] = {}

    def look(self, endpoints: Sequence[Endpoint], *, every_s: float, wait_s: float) -> list[list[Reading]]:
        """Scrape the endpoints that were last scraped `every_s` or more ago; return the readings of each, oldest first.

        Waits at most `wait_s`; a later reading is returned by the next call.
        """
        wait([self._scrape(endpoint, every_s) for endpoint in endpoints], wait_s)
        return self.readings(endpoints)

    def readings(self, endpoints: Sequence[Endpoint]) -> list[list[Reading]]:
        """The readings of each so far, oldest first, without scraping."""
        with self._lock:
            return [self._histories[one].readings if one in self._histories else [] for one in endpoints]

    def _scrape(self, endpoint: Endpoint, every_s: float) -> Future[None]:
        with self._lock:
            pending = self._pending.get(endpoint)
            if pending is not None and (not pending.done() or monotonic() - self._asked_s[endpoint] < every_s):
                return pending
            future: Future[None] = Future()
            self._pending[endpoint] = future
            self._asked_s[endpoint] = monotonic()
        threading.Thread(target=self._run, args=(endpoint, future), name=f"scrape-{endpoint.key}", daemon=True).start()
        return future

    def _run(self, endpoint: Endpoint, future: Future[None]) -> None:
        try:
            reading = scrape(self._client, endpoint)
        except Exception as error:  # for example an address that httpx rejects: a failure of this endpoint only
            reading = Unread(monotonic(), Failure.UNREACHABLE, detail=type(error).__name__)
        with self._lock:
            self._histories.setdefault(endpoint, History()).add(reading)
        future.set_result(None)
