"""Simulated endpoints with known latencies, measured in virtual time, to check the statistics.

The samples have the form of a real run's. Nothing sleeps, and one seed gives the same run every time.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf, isfinite, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from benchmark.endpoints.sample import Failure, Temperature
from benchmark.record.plan import PlanError
from benchmark.record.samples import FAILURES, ROW, TEMPERATURES, Row, Samples, phase_values

_FAULT = 1 + FAILURES.index(Failure.SERVER_ERROR)
_TIMEOUT = 1 + FAILURES.index(Failure.TIMEOUT)
_COLD = TEMPERATURES.index(Temperature.COLD)
_WARM = TEMPERATURES.index(Temperature.WARM)
_QUEUED = TEMPERATURES.index(Temperature.QUEUED)
_CLIENT_MS = 0.05  # between an answer and the next send
_RECEIVE_MS = 0.05
_MOST_MS = 3_600_000.0


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise PlanError(f"a simulated run needs {what}")


@dataclass(frozen=True, slots=True)
class TrueEndpoint:
    """The true behaviour of one endpoint. Its work is lognormal: median `base_ms`, `spread` in the logarithm.

    It can also have a tail, and bursts in which all work takes `burst_factor` times as long.
    """

    base_ms: float = 50.0
    spread: float = 0.2
    correlation: float = 0.0  # of the logarithm of the work between consecutive requests (first-order autoregression)
    network_ms: float = 0.0
    error_share: float = 0.0
    cold_ms: float = 0.0  # what a start adds to the request that waits for it
    idle_ms: float | None = None  # an instance unused for longer stops, and none runs at first; None: always running
    instances: int = 8  # maximum; each serves one request at a time, further requests queue
    timeout_ms: float = 10_000.0
    tail: float | None = None  # instead of the lognormal one a power law of this exponent; below 2 without a variance
    burst_share: float = 0.0  # of requests that fall into a burst
    burst_requests: float = 10.0  # how long a burst lasts in the mean
    burst_factor: float = 4.0

    def __post_init__(self) -> None:
        """Raises PlanError."""
        _require(0 < self.base_ms <= _MOST_MS, "durations above 0 ms, and of an hour at most")
        _require(0 <= self.spread <= 10, "a spread from 0 to 10")  # e^10 is a factor of 22 000
        _require(0 <= self.correlation < 1, "a correlation from 0 to below 1")
        _require(self.tail is None or 0.5 <= self.tail <= 100, "a tail from 0.5 to 100")
        _require(0 <= self.burst_share <= 0.5, "bursts for up to half of the requests")
        _require(1 <= self.burst_requests <= 1e6, "bursts of 1 request or more")
        _require(1 <= self.burst_factor <= 1000, "bursts that make work 1 to 1000 times as long")
        _require(0 <= self.network_ms <= _MOST_MS and 0 <= self.cold_ms <= _MOST_MS, "delays from 0 ms to an hour")
        _require(0 <= self.error_share <= 1, "an error rate from 0 to 1")
        _require(self.idle_ms is None or self.idle_ms >= 0, "an idle time of 0 ms or more")
        _require(self.instances >= 1, "at least 1 instance")
        _require(0 < self.timeout_ms <= _MOST_MS, "a timeout above 0 ms, and of an hour at most")

    def quantile_ms(self, share: float) -> float:
        """The true quantile of a warm request without queueing, bursts, drift and freezes."""
        return self.network_ms + self.base_ms * float(self._factor(float(ndtri(share))))

    def work_ms(self, count: int, random: np.random.Generator) -> NDArray[np.float64]:
        """How long each of `count` requests in a row takes, without network and machine, in ms."""
        factor = self._factor(_noise(random, count, self.correlation))
        if self.burst_share:
            factor = (
                np.where(_bursts(random, count, self.burst_share, self.burst_requests), self.burst_factor, 1) * factor
            )
        work: NDArray[np.float64] = self.base_ms * factor
        return work

    def _factor(self, noise: Any) -> Any:
        """How many times the median a request takes whose standard normal noise this is."""
        if self.tail is None:
            return np.exp(self.spread * noise)
        # Pareto's law shifted to begin near 0 (Lomax), so that its median is 1.
        return 1 + self.spread * (np.power(2 * ndtr(-noise), -1 / self.tail) - 1)


@dataclass(frozen=True, slots=True)
class Machine:
    """Effects on all endpoints alike: drift, which slows work over time, and freezes, in which nothing advances."""

    drift_per_minute: float = 0.0  # 0.2: after a minute all work takes 20% longer
    freezes: tuple[tuple[float, float], ...] = ()  # start and duration in ms since the run began, in order, apart

    def __post_init__(self) -> None:
        """Raises PlanError."""
        _require(0 <= self.drift_per_minute <= 100, "a drift from 0 to 10 000 % a minute")
        end_ms = 0.0
        for start_ms, duration_ms in self.freezes:
            _require(end_ms <= start_ms and 0 <= duration_ms < inf, "freezes above 0 ms, in order and without overlap")
            end_ms = start_ms + duration_ms
        _require(isfinite(end_ms), "freezes that end")


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that defines a simulated run except its plan and seed."""

    endpoints: tuple[TrueEndpoint, ...]
    machine: Machine = Machine()


def simulate_compare(
    truth: Truth, pairs: int, warmup: int, seed: int, *, pause_ms: float = 0.0, sequential: bool = False
) -> Samples:
    """Blocks of one request to each endpoint in random order, `warmup` of them first: one request in flight.

    With `sequential`, the first endpoint gets all its requests before the next one starts, as in a naive script.
    Returns endpoints x (warmup + pairs) rows in the order of sending.
    """
    random = np.random.default_rng(seed)
    count = warmup + pairs
    servers = [_Server(endpoint, truth.machine, count, random) for endpoint in truth.endpoints]
    positions = range(len(servers))
    if sequential:
        plan = [(pair, endpoint) for endpoint in positions for pair in range(count)]
    else:
        orders = random.permuted(np.tile(positions, (count, 1)), axis=1).tolist()
        plan = [(pair, endpoint) for pair, order in enumerate(orders) for endpoint in order]
    now_ms = 0.0
    rows = []
    for pair, endpoint in plan:
        row = servers[endpoint].request(endpoint, pair, now_ms, now_ms, pair < warmup)
        rows.append(row)
        now_ms += row[_SERVICE] + _CLIENT_MS + pause_ms
    return _samples(rows)


def simulate_load(
    truth: Truth,
    rate: float,
    duration_s: float,
    seed: int,
    *,
    poisson: bool = True,
    connections: int = 1000,
) -> Samples:
    """An open loop: `rate` requests a second to each endpoint, each sent when it is due.

    A request that finds all `connections` of its endpoint busy is sent late: this client queue is only in the response
    time. Waiting in the server's queue is in the service time too.
    Returns the rows in the order of sending.
    """
    random = np.random.default_rng(seed)

    def due_s() -> Iterator[NDArray[np.float64]]:
        for _ in truth.endpoints:
            count = int(random.poisson(rate * duration_s)) if poisson else int(rate * duration_s)
            # Given their number, the arrivals of a Poisson process are uniform.
            yield np.sort(random.uniform(0, duration_s, count)) if poisson else np.arange(count) / rate

    return _open_loop(truth, due_s(), random, connections)


def simulate_arrivals(truth: Truth, due_s: Iterable[NDArray[np.float64]], seed: int) -> Samples:
    """An open loop with these arrivals at each endpoint, in s since the start, ascending.

    Returns the rows in the order of sending.
    """
    return _open_loop(truth, due_s, np.random.default_rng(seed), 1000)


def _open_loop(
    truth: Truth, due_s: Iterable[NDArray[np.float64]], random: np.random.Generator, connections: int
) -> Samples:
    rows = []
    for position, (endpoint, due) in enumerate(zip(truth.endpoints, due_s, strict=False)):
        server = _Server(endpoint, truth.machine, len(due), random)
        free = [0.0] * connections
        for number, scheduled_ms in enumerate((due * 1000).tolist()):
            sent_ms = max(scheduled_ms, free[0])
            row = server.request(position, number, scheduled_ms, sent_ms, False)
            heapq.heapreplace(free, sent_ms + row[_SERVICE])
            rows.append(row)
    return _samples(sorted(rows, key=_sent))


def simulate_closed(
    truth: Truth, requests: int, seed: int, *, connections: int = 1, rate: float | None = None
) -> Samples:
    """A closed loop: each of `connections` sends its next request when it has the answer to the last one.

    With `rate` the sends are paced to that many a second in total, as long as the answers keep up: the same demand as
    in `simulate_load`, until something stalls. Then the loop stalls too, and the stall is hardly visible.
    Returns `requests` rows for each endpoint in the order of sending.
    """
    random = np.random.default_rng(seed)
    rows = []
    pace_ms = 0.0 if rate is None else 1000 * connections / rate
    for position, endpoint in enumerate(truth.endpoints):
        server = _Server(endpoint, truth.machine, requests, random)
        free = [pace_ms * connection / connections for connection in range(connections)]
        for number in range(requests):
            sent_ms = free[0]
            row = server.request(position, number, sent_ms, sent_ms, False)
            heapq.heapreplace(free, sent_ms + max(row[_SERVICE] + _CLIENT_MS, pace_ms))
            rows.append(row)
    return _samples(sorted(rows, key=_sent))


_SERVICE = (ROW.names or ()).index("service_ms")
_SENT = (ROW.names or ()).index("sent_ms")


def _sent(row: Row) -> float:
    return float(row[_SENT])


def _samples(rows: list[Row]) -> Samples:
    return np.array(rows, dtype=ROW)


def _noise(random: np.random.Generator, count: int, correlation: float) -> NDArray[np.float64]:
    """A stationary first-order autoregression with standard normal margins."""
    noise = random.standard_normal(count)
    if not correlation:
        return noise
    fresh = sqrt(1 - correlation**2)
    values = noise.tolist()
    for position in range(1, count):
        values[position] = correlation * values[position - 1] + fresh * values[position]
    return np.array(values)


def _bursts(random: np.random.Generator, count: int, share: float, length: float) -> NDArray[np.bool_]:
    """Which requests fall into a burst: two states that last geometrically long, from a stationary beginning."""
    leave = 1 / length
    enter = min(1.0, leave * share / (1 - share))
    begins = random.random() < share
    spans = np.empty(count, dtype=np.int64)
    spans[begins::2] = random.geometric(enter, len(spans[begins::2]))
    spans[1 - begins :: 2] = random.geometric(leave, len(spans[1 - begins :: 2]))
    return np.repeat((np.arange(count) + begins) % 2 == 1, spans)[:count]


class _Server:
    """An endpoint with its instances. Requests must come in the order of their sending."""

    def __init__(self, truth: TrueEndpoint, machine: Machine, count: int, random: np.random.Generator) -> None:
        self._truth = truth
        self._machine = machine
        self._work_ms = truth.work_ms(count, random).tolist()
        self._faulty = (random.random(count) < truth.error_share).tolist()
        self._answered = 0
        self._started_at_ms: dict[int, float] = {}
        """the start times of instances that did not run from the beginning"""
        self._busy: list[tuple[float, int]] = []  # until when, and which instance
        # Free since, and which instance; last in, first out, so that the others may stop.
        self._idle: list[tuple[float, int]] = []
        if truth.idle_ms is None:
            self._idle = [(-inf, instance) for instance in range(truth.instances, 0, -1)]

    def request(self, endpoint: int, group: int, scheduled_ms: float, sent_ms: float, warmup: bool) -> Row:
        truth = self._truth
        work_ms, faulty = self._work_ms[self._answered], self._faulty[self._answered]
        self._answered += 1
        begin_ms, instance, cold = self._instance(sent_ms)
        work_ms *= 1 + self._machine.drift_per_minute * begin_ms / 60_000
        end_ms = self._advance(begin_ms, work_ms + (truth.cold_ms if cold else 0.0))
        heapq.heappush(self._busy, (end_ms, instance))
        service_ms = end_ms - sent_ms + truth.network_ms
        is_new = self._started_at_ms.get(instance, -inf) >= sent_ms
        temperature = _COLD if cold else _QUEUED if is_new else _WARM
        if service_ms > truth.timeout_ms:
            unknown = TEMPERATURES.index(Temperature.UNKNOWN)
            answer = (endpoint, warmup, unknown, _TIMEOUT, 0, 0, group, scheduled_ms, sent_ms, truth.timeout_ms)
            return (*answer, nan, *phase_values({}), nan, nan, nan, 0)
        receive_ms = min(_RECEIVE_MS, service_ms)
        failure, status, prediction = (_FAULT, 503, nan) if faulty else (0, 200, float(group % 3))
        answer = (endpoint, warmup, temperature, failure, status, instance, group, scheduled_ms, sent_ms, service_ms)
        phases = phase_values({"wait_ms": service_ms - receive_ms, "receive_ms": receive_ms})
        return (*answer, work_ms, *phases, prediction, nan, nan, 0)

    def _instance(self, sent_ms: float) -> tuple[float, int, bool]:
        """When the work begins, on which instance, and whether the instance must start first."""
        busy, idle, idle_ms = self._busy, self._idle, self._truth.idle_ms
        while busy and busy[0][0] <= sent_ms:
            idle.append(heapq.heappop(busy))
        if idle_ms is not None:
            while idle and sent_ms - idle[0][0] > idle_ms:
                del idle[0]
        if idle:
            return sent_ms, idle.pop()[1], False
        if len(busy) < self._truth.instances:
            instance = len(self._started_at_ms) + 1
            self._started_at_ms[instance] = sent_ms
            return sent_ms, instance, True
        end_ms, instance = heapq.heappop(busy)
        return end_ms, instance, False

    def _advance(self, begin_ms: float, work_ms: float) -> float:
        """The end of work that begins at `begin_ms`, including freezes."""
        end_ms = begin_ms + work_ms
        for start_ms, duration_ms in self._machine.freezes:
            if begin_ms < start_ms + duration_ms and end_ms > start_ms:
                end_ms += start_ms + duration_ms - max(begin_ms, start_ms)
        return end_ms
