"""What a month costs: the platform's billing rules applied to simulated instances. Pure functions.

A 2nd-generation function is billed as a Cloud Run service. Not counted: network, images, builds, the shutdown time of
instances, additional instances that a sudden rise in traffic starts, and limits on the number of instances.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmark.cost.instances import TooManyAtOnceError, fleet, round_up
from benchmark.cost.prices import BILLINGS, Billing, PriceError, Prices
from benchmark.cost.traffic import MONTH_S, STEADY, Traffic, blocks

REQUESTS_AT_MOST = 10**12
_LONGEST_REQUEST_MS = 60 * 60 * 1000.0
_TARGET_UTILIZATION = 0.6
"""The autoscaler adds instances above this average use of processor or concurrency over a minute:
https://cloud.google.com/run/docs/about-instance-autoscaling"""
_WHOLE_VCPUS = (1, 2, 4, 6, 8)
_MEMORY_GIB = {
    0.08: (0.125, 0.5),
    0.5: (0.125, 1),
    1: (0.125, 4),
    2: (0.125, 8),
    4: (2, 16),
    6: (4, 24),
    8: (4, 32),
}
"""Minimum and maximum memory, by the lowest vCPU to which they apply."""


class CostError(ValueError):
    """The cost cannot be calculated: the platform does not offer this, or a value is invalid."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The size of an endpoint's instances, within the platform's limits
    (https://cloud.google.com/run/docs/configuring/services/cpu), and their region. Without a region, tier 1 prices
    apply. Raises CostError."""

    vcpu: float
    memory_gib: float
    concurrency: int
    min_instances: int = 0
    billing: Billing = "request"
    region: str | None = None

    def __post_init__(self) -> None:
        if not (0.08 <= self.vcpu < 1 or self.vcpu in _WHOLE_VCPUS):
            raise CostError("vCPU must be 1, 2, 4, 6 or 8, or a fraction from 0.08")
        least_gib, most_gib = _memory_range_gib(self.vcpu)
        if not least_gib <= self.memory_gib <= most_gib:
            raise CostError(f"at {self.vcpu:g} vCPU memory must be from {least_gib:g} to {most_gib:g} GiB")
        if not 1 <= self.concurrency <= 1000:
            raise CostError("concurrency must be from 1 to 1000")
        if not 0 <= self.min_instances <= 1000:
            raise CostError("minimum instances must be from 0 to 1000")
        if self.billing not in BILLINGS:
            raise CostError("billing must be request or instance")
        if self.vcpu < 1 and self.concurrency > 1:
            raise CostError("below 1 vCPU the platform allows a concurrency of 1 only")
        if self.vcpu < 1 and self.billing == "instance":
            raise CostError("below 1 vCPU the platform offers request-based billing only")


def _memory_range_gib(vcpu: float) -> tuple[float, float]:
    return _MEMORY_GIB[max(step for step in _MEMORY_GIB if step <= vcpu)]


def default_concurrency(vcpu: float) -> int:
    """The default concurrency of an instance. Below 1 vCPU the platform allows only 1."""
    return 80 if vcpu >= 1 else 1


def default_memory_gib(vcpu: float) -> float:
    """The default memory of an instance: half a GiB, or the minimum for this number of vCPU."""
    return max(0.5, _memory_range_gib(vcpu)[0])


EQUAL = Configuration(vcpu=1, memory_gib=0.5, concurrency=80)
"""The size of every endpoint that this project deploys, so that sizes do not distort the comparison."""
SERVICE_DEFAULTS = EQUAL
"""A Cloud Run service with default settings, which has the same size."""
FUNCTION_DEFAULTS = Configuration(vcpu=0.1666, memory_gib=0.25, concurrency=1)
"""A 2nd-generation function with default settings."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A month of requests. Raises CostError.

    services_ms: how long an instance is busy with a request, in ms; one value, or equally likely measured values
    startup_ms, cold_fraction: how long a start takes, and the share of requests that wait for one
    cpu_ms: processor time of a request, in ms; None for its whole service time on one processor, or on the available
        part of one, which is the maximum for a single-threaded server
    """

    requests_per_month: int
    services_ms: tuple[float, ...]
    traffic: Traffic = STEADY
    startup_ms: float = 0.0
    cold_fraction: float = 0.0
    cpu_ms: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.requests_per_month <= REQUESTS_AT_MOST:
            raise CostError(f"requests per month must be from 0 to {REQUESTS_AT_MOST:,}")
        if not self.services_ms or not all(0 < service <= _LONGEST_REQUEST_MS for service in self.services_ms):
            raise CostError("service times must be above 0 and at most an hour, in ms")
        if not 0 <= self.startup_ms <= _LONGEST_REQUEST_MS:
            raise CostError("the start-up time must be from 0 to an hour, in ms")
        if not 0 <= self.cold_fraction <= 1:
            raise CostError("the cold fraction must be from 0 to 1")
        if self.cpu_ms is not None and not 0 < self.cpu_ms <= _LONGEST_REQUEST_MS:
            raise CostError("the processor time must be above 0 and at most an hour, in ms")


@dataclass(frozen=True, slots=True)
class Cost:
    """A month's bill in USD: four parts, the free tier's share of each, and the billed quantities.

    active_s, idle_s: billed seconds of all instances together; instances: the most at the same time
    """

    vcpu_usd: float
    memory_usd: float
    requests_usd: float
    idle_usd: float
    free_vcpu_usd: float
    free_memory_usd: float
    free_requests_usd: float
    active_s: float
    idle_s: float
    instances: int

    @property
    def gross_usd(self) -> float:
        """Before the free tier."""
        return self.vcpu_usd + self.memory_usd + self.requests_usd + self.idle_usd

    @property
    def net_usd(self) -> float:
        """After the free tier, assuming that nothing else in the billing account uses it."""
        return (
            (self.vcpu_usd - self.free_vcpu_usd)
            + (self.memory_usd - self.free_memory_usd)
            + (self.requests_usd - self.free_requests_usd)
            + self.idle_usd
        )


def monthly_cost(workload: Workload, configuration: Configuration, prices: Prices) -> Cost:
    """The monthly cost of `workload` on instances of `configuration`. Raises CostError, also for a region without
    published prices.

    One period of the traffic is simulated and scaled to a month of 30 days. The rules, from
    https://cloud.google.com/run/pricing and https://cloud.google.com/run/docs/configuring/billing-settings:

    - request-based: an instance is billed while it handles at least one request, and while it starts. Each such
      interval is rounded up to 100 ms, but never past the start of the next one, so no time is billed twice. A minimum
      instance costs the idle price for the rest of the time.
    - instance-based: an instance is billed from its start to its end. The end is assumed to be 15 minutes after its
      last request, which is an upper bound: the platform may stop it earlier.
    - the free tier covers active time and requests, not the idle time of minimum instances. It is a discount at the
      prices of tier 1, whatever the region.

    The number of instances keeps the average use of each within 60 % of its vCPU and of its concurrency, which is the
    autoscaler's target. How the platform distributes requests is not published; here instances take turns. A server
    can use all of its vCPU, and a request takes as long as `workload` says, regardless of other requests on its
    instance.
    """
    try:
        tariff = prices.tier(configuration.region).tariff(configuration.billing)
    except PriceError as error:
        raise CostError(str(error)) from error
    active_s, idle_s, instances = _billed_time(workload, configuration, prices.rounding_ms)
    idle = tariff.idle or tariff.active
    vcpu_usd = active_s * configuration.vcpu * tariff.active.vcpu_second_usd
    memory_usd = active_s * configuration.memory_gib * tariff.active.gib_second_usd
    requests_usd = workload.requests_per_month * tariff.million_requests_usd / 1e6
    return Cost(
        vcpu_usd=vcpu_usd,
        memory_usd=memory_usd,
        requests_usd=requests_usd,
        idle_usd=idle_s * (configuration.vcpu * idle.vcpu_second_usd + configuration.memory_gib * idle.gib_second_usd),
        free_vcpu_usd=min(vcpu_usd, tariff.free.vcpu_usd),
        free_memory_usd=min(memory_usd, tariff.free.memory_usd),
        free_requests_usd=min(requests_usd, tariff.free.requests_usd),
        active_s=active_s,
        idle_s=idle_s,
        instances=instances,
    )


def _billed_time(workload: Workload, configuration: Configuration, rounding_ms: float) -> tuple[float, float, int]:
    """Active seconds, idle seconds, and the most instances at the same time, in a month."""
    traffic = workload.traffic.with_enough(workload.requests_per_month)
    period_s = traffic.period_s
    months_per_period = period_s / MONTH_S
    minimum = configuration.min_instances
    if not workload.requests_per_month:
        always_s = minimum * MONTH_S
        return (0.0, always_s, minimum) if configuration.billing == "request" else (always_s, 0.0, minimum)

    per_period = workload.requests_per_month * months_per_period
    arrivals = blocks(traffic, per_period)
    try:
        used = fleet(
            arrivals,
            period_s,
            workload.services_ms,
            configuration.concurrency,
            _target_in_flight(workload, configuration),
            rounding_ms,
        )
    except TooManyAtOnceError as error:
        raise CostError(str(error)) from error
    instances = max(minimum, len(used.billed_ms))
    # The number of simulated requests is rounded to a whole number of at least one, so it may differ.
    scale = per_period / sum(block.requests for block in arrivals)
    cold = workload.requests_per_month * workload.cold_fraction

    if configuration.billing == "instance":
        lives = scale if per_period < 1 else 1.0
        alive_ms = minimum * period_s * 1000.0 + sum(used.alive_ms[minimum:]) * lives
        starting_s = cold * round_up(workload.startup_ms, rounding_ms) / 1000.0
        return alive_ms / 1000.0 / months_per_period + starting_s, 0.0, instances

    busy_s = [min(billed_ms * scale / 1000.0, period_s) for billed_ms in used.billed_ms]
    active_s = sum(busy_s) / months_per_period
    # A start and the request that waits for it are one interval on one instance.
    starting_s = cold * _mean_extra_ms(workload.services_ms, workload.startup_ms, rounding_ms) / 1000.0
    idle_s = (minimum * period_s - sum(busy_s[:minimum])) / months_per_period
    return active_s + starting_s, idle_s, instances


def _target_in_flight(workload: Workload, configuration: Configuration) -> float:
    """The average number of concurrent requests of an instance at the autoscaler's target."""
    vcpu, service_ms = configuration.vcpu, sum(workload.services_ms) / len(workload.services_ms)
    cpu_ms = service_ms * min(1.0, vcpu) if workload.cpu_ms is None else workload.cpu_ms
    return _TARGET_UTILIZATION * min(configuration.concurrency, vcpu * service_ms / cpu_ms)


def _mean_extra_ms(services_ms: Sequence[float], startup_ms: float, rounding_ms: float) -> float:
    """The billed time that starts add to a request, on average."""
    extra = (round_up(service + startup_ms, rounding_ms) - round_up(service, rounding_ms) for service in services_ms)
    return sum(extra) / len(services_ms)


def estimate_usd(
    requests: int, service_ms: float, prices: Prices, configuration: Configuration = EQUAL, startups_ms: float = 0.0
) -> float:
    """The maximum cost of measuring `requests`, estimated in advance: gross, request-based, without overlap.

    `startups_ms` is the total time of all instance starts. Without a region in `configuration`, the most
    expensive tier applies.
    """
    tiers = (prices.tier(configuration.region),) if configuration.region else prices.tiers
    tariff = max((tier.request for tier in tiers), key=lambda one: one.active.vcpu_second_usd)
    billed_s = (requests * round_up(service_ms, prices.rounding_ms) + startups_ms) / 1000.0
    return (
        billed_s * configuration.vcpu * tariff.active.vcpu_second_usd
        + billed_s * configuration.memory_gib * tariff.active.gib_second_usd
        + requests * tariff.million_requests_usd / 1e6
    )


@dataclass(frozen=True, slots=True)
class Crossing:
    """The number of requests above which the other of two options is cheaper, and the cost of both there in USD."""

    requests_per_month: int
    usd: float
    first_is_cheaper_above: bool


def crossings(
    first: Callable[[int], float], second: Callable[[int], float], low: int, high: int, points: int = 61
) -> list[Crossing]:
    """Where the costs of two options cross between `low` and `high` requests a month.

    Both are functions from requests to USD. They are compared on a logarithmic grid of `points`, then narrowed down to
    one request, so two crossings between neighbouring points are missed. Equal costs do not cross. The search stops if
    one of them raises CostError.
    """

    def sign(requests: int) -> int:
        one, other = first(requests), second(requests)
        return 0 if math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9) else 1 if one > other else -1

    found: list[Crossing] = []
    before: tuple[int, int] | None = None
    try:
        for requests in grid(low, high, points):
            now = sign(requests)
            if not now:
                continue
            if before and now != before[1]:
                left, right = before[0], requests
                while right - left > 1:
                    middle = (left + right) // 2
                    left, right = (middle, right) if sign(middle) == before[1] else (left, middle)
                found.append(Crossing(right, first(right), now < 0))
            before = (requests, now)
    except CostError:
        pass
    return found


def grid(low: int, high: int, points: int) -> list[int]:
    """Whole numbers from `low` to `high`, evenly spaced on a logarithmic scale, each once."""
    step = (high / low) ** (1 / (points - 1))
    return sorted({round(low * step**index) for index in range(points)} | {low, high})
