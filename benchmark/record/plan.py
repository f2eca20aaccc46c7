"""What a run is to do, fixed before it starts, and how much that will be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from benchmark.endpoints.endpoint import Endpoint

Connection = Literal["reused", "new"]
Arrivals = Literal["poisson", "constant"]

LOOPBACK_MARGIN_MS = 0.2
REMOTE_MARGIN_MS = 5.0
MARGIN_PCT = 5.0
MAX_REQUESTS = 200_000
MAX_RATE = 2_000.0
_MAX_VALUE = 1e12
"""Of any setting of a plan: products of two of them are still numbers."""


class PlanError(ValueError):
    """A run that makes no sense or is not allowed; the message says why in a sentence."""


@dataclass(frozen=True, slots=True)
class ComparePlan:
    """Pairs of the same body in random order, one request in flight: a closed loop, so what it gives is service time.

    The margins, fixed before the run, are what a difference has to exceed to matter.
    """

    pairs: int = 500
    warmup: int = 20
    """pairs before, counted and kept apart"""
    connection: Connection = "reused"
    margin_ms: float = REMOTE_MARGIN_MS
    margin_pct: float = MARGIN_PCT
    timeout_s: float = 10.0
    seed: int = 0

    kind = "compare"
    is_open_loop = False

    def __post_init__(self) -> None:
        _require(self.pairs >= 1, "at least 1 pair")
        _require(self.warmup >= 0, "a warm-up of 0 pairs or more")
        _require(self.connection in ("reused", "new"), "connections that are reused or new")
        _check_common(self)

    def in_flight(self, endpoints: int) -> int:
        """One, whatever the number of endpoints: they are asked in turn."""
        return 1

    def requests(self, endpoints: int) -> int:
        """How many requests go to all `endpoints` together, the warm-up included."""
        return (self.pairs + self.warmup) * endpoints


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Arrivals at a rate (open loop), or `concurrency` callers that each wait for their answer (closed loop).

    In an open loop response time counts from the scheduled send. The rate is that of each endpoint.
    """

    rate: float | None = 50.0
    duration_s: float = 30.0
    ramp: float | None = None
    """the rate in the beginning, from where it rises evenly to `rate`"""
    arrivals: Arrivals = "poisson"
    concurrency: int | None = None
    total: int | None = None
    """requests to each endpoint in a closed loop"""
    warmup: int = 20
    """the first requests to each endpoint, counted and kept apart"""
    connection: Connection = "reused"
    margin_ms: float = REMOTE_MARGIN_MS
    margin_pct: float = MARGIN_PCT
    timeout_s: float = 10.0
    seed: int = 0

    kind = "load"

    def __post_init__(self) -> None:
        if self.concurrency is None:
            _require(self.rate is not None and isfinite(self.rate) and self.rate > 0, "a rate above 0 requests/s")
            _require(isfinite(self.duration_s) and self.duration_s > 0, "a duration above 0 s")
            _require(self.ramp is None or (isfinite(self.ramp) and self.ramp >= 0), "a ramp from 0 requests/s or more")
            _require(isfinite((self.rate or 0) * self.duration_s), "a rate and a duration that can be multiplied")
            _require(isfinite((self.ramp or 0) * self.duration_s), "a ramp and a duration that can be multiplied")
            _require(self.arrivals in ("poisson", "constant"), "arrivals that are poisson or constant")
        else:
            _require(1 <= self.concurrency <= 1000, "a concurrency from 1 to 1000")
            _require(self.total is not None and self.total >= 1, "a number of requests for its closed loop")
        _require(self.warmup >= 0, "a warm-up of 0 requests or more")
        _check_common(self)

    @property
    def is_open_loop(self) -> bool:
        return self.concurrency is None

    def in_flight(self, endpoints: int) -> int:
        """How many requests a closed loop to all `endpoints` has out at once."""
        return (self.concurrency or 1) * endpoints

    def requests(self, endpoints: int) -> int:
        """How many requests go to all `endpoints` together, about, the warm-up included."""
        if self.rate is None or not self.is_open_loop:
            return (self.total or 0) * endpoints
        mean_rate = self.rate if self.ramp is None else (self.rate + self.ramp) / 2
        return max(1, round(mean_rate * self.duration_s)) * endpoints


Plan = ComparePlan | LoadPlan
_AnyPlan = TypeVar("_AnyPlan")


def check_limits(
    plan: Plan, endpoints: Sequence[Endpoint], allowed_hosts: frozenset[str], max_requests: int, max_rate: float
) -> None:
    """Refuse what could hurt somebody: strange hosts, too many requests, too high a rate. Raises PlanError.

    This machine itself is always allowed. What would send a warm-up and nothing after it is refused too.
    """
    if isinstance(plan, LoadPlan) and plan.requests(1) <= plan.warmup:
        raise PlanError(
            f"{plan.requests(1)} requests to each endpoint are all warm-up, which takes the first {plan.warmup}: "
            "send more, or lower --warmup"
        )
    check_hosts(endpoints, allowed_hosts)
    if (requests := plan.requests(len(endpoints))) > max_requests:
        raise PlanError(f"{requests} requests are more than the {max_requests} allowed: raise --max-requests")
    if isinstance(plan, LoadPlan) and plan.is_open_loop:
        rate = max(plan.rate or 0, plan.ramp or 0) * len(endpoints)
        if rate > max_rate:
            raise PlanError(f"{rate:g} requests/s in all are more than the {max_rate:g} allowed: raise --max-rate")


def check_hosts(endpoints: Sequence[Endpoint], allowed_hosts: frozenset[str]) -> None:
    """Refuse hosts that nobody allowed; this machine itself always is. Raises PlanError."""
    for endpoint in endpoints:
        if not endpoint.is_local and endpoint.host not in allowed_hosts:
            raise PlanError(
                f"{endpoint.host} is not among the hosts that may be measured: add it to BENCHMARK_HOSTS, "
                "or allow it for this run with --allow-host"
            )


def default_margin_ms(endpoints: Sequence[Endpoint]) -> float:
    """On this machine a fifth of a millisecond matters; across a network it is noise."""
    return LOOPBACK_MARGIN_MS if all(endpoint.is_local for endpoint in endpoints) else REMOTE_MARGIN_MS


def to_document(plan: Plan) -> dict[str, Any]:
    """`plan` as JSON holds it."""
    return {"kind": plan.kind, **asdict(plan)}


def from_document(document: Any) -> Plan:
    """The inverse of `to_document`. Raises PlanError."""
    if not isinstance(document, Mapping):
        raise PlanError("this run has no plan")
    values = dict(document)
    kind = values.pop("kind", None)
    if kind not in ("compare", "load"):
        raise PlanError(f"a run of the kind {kind} is none of pairs or load")
    return read_fields(ComparePlan, values) if kind == "compare" else read_fields(LoadPlan, values)


def read_fields(plan: Callable[..., _AnyPlan], values: Mapping[str, Any]) -> _AnyPlan:
    """The plan, a dataclass, with `values` as its fields, each of the field's own type. Raises PlanError."""
    hints = get_type_hints(plan)
    for name, value in values.items():
        if name not in hints:
            raise PlanError(f"the plan of this run cannot be read: {name[:80]} is unknown")
        if not _fits(value, hints[name]):
            raise PlanError(f"the plan of this run cannot be read: {name} is out of its range, or of another type")
    try:
        return plan(**values)
    except TypeError as error:
        raise PlanError("the plan of this run cannot be read: something is missing") from error


def _fits(value: Any, hint: Any) -> bool:
    """Whether `value` is of this type, and a number that arithmetic can take. A bool is no number."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(entry, parts[0]) for entry in value)
    if parts:
        return any(_fits(value, part) for part in parts)
    if hint is float:
        return type(value) in (int, float) and abs(value) <= _MAX_VALUE
    return type(value) is hint and (hint is not int or abs(value) < 2**63)


def _check_common(plan: Plan) -> None:
    _require(isfinite(plan.margin_ms) and plan.margin_ms >= 0, "a margin of 0 ms or more")
    _require(0 <= plan.margin_pct <= 100, "a margin from 0 to 100 %")
    _require(0 < plan.timeout_s <= 600, "a timeout above 0 and at most 600 s")
    _require(isinstance(plan.seed, int) and 0 <= plan.seed < 2**63, "a seed from 0")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise PlanError(f"a run needs {what}")
