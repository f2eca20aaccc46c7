"""Plans: what a run will do, fixed before it starts, and how many requests that takes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from benchmark.endpoints.configured import MOST as MAX_ENDPOINTS
from benchmark.endpoints.endpoint import Endpoint

Connection = Literal["reused", "new"]
Arrivals = Literal["poisson", "constant"]

LOOPBACK_MARGIN_MS = 0.2
REMOTE_MARGIN_MS = 5.0
MARGIN_PCT = 5.0
MAX_REQUESTS = 200_000
MAX_RATE = 2_000.0
_MAX_VALUE = 1e12
"""The largest value of any setting, so that products of two settings stay finite."""


class PlanError(ValueError):
    """The plan is invalid or not allowed; the message says why in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The settings of every plan, including the margins that a relevant difference must exceed."""

    margin_ms: float = REMOTE_MARGIN_MS
    margin_pct: float = MARGIN_PCT
    timeout_s: float = 10.0
    seed: int = 0

    subject = "a run needs"
    """the beginning of error messages"""

    def check_terms(self) -> None:
        """Raises PlanError."""
        self.require(isfinite(self.margin_ms) and self.margin_ms >= 0, "a margin of 0 ms or more")
        self.require(0 <= self.margin_pct <= 100, "a margin from 0 to 100 %")
        self.require(0 < self.timeout_s <= 600, "a timeout above 0 and at most 600 s")
        self.require(isinstance(self.seed, int) and 0 <= self.seed < 2**63, "a seed from 0")

    def require(self, holds: bool, what: str) -> None:
        """Raises PlanError unless it `holds`."""
        if not holds:
            raise PlanError(f"{self.subject} {what}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _RequestTerms(Terms):
    """What the plans have in common that send requests to endpoints as they are."""

    warmup: int = 20
    """the first requests to each endpoint, counted and kept apart"""
    connection: Connection = "reused"

    is_open_loop = False
    unit = "requests"
    """what a warm-up counts"""

    def check_requests(self) -> None:
        """Raises PlanError."""
        self.require(self.warmup >= 0, f"a warm-up of 0 {self.unit} or more")
        self.require(self.connection in ("reused", "new"), "connections that are reused or new")
        self.check_terms()


@dataclass(frozen=True, slots=True)
class ComparePlan(_RequestTerms):
    """Rounds of the same body to every endpoint in random order, one request in flight: a closed loop, so service time.

    With two endpoints such a round is a pair.
    """

    pairs: int = 500
    """measured rounds, after those of the warm-up"""

    kind = "compare"
    unit = "pairs"

    def __post_init__(self) -> None:
        self.require(self.pairs >= 1, "at least 1 pair")
        self.check_requests()

    def in_flight(self, endpoints: int) -> int:
        """Always one: the endpoints are asked in turn."""
        return 1

    def requests(self, endpoints: int) -> int:
        """The total number of requests to all `endpoints`, including the warm-up."""
        return (self.pairs + self.warmup) * endpoints


@dataclass(frozen=True, slots=True)
class OpenLoopPlan(_RequestTerms):
    """Requests arrive at a rate per endpoint, and response time counts from the scheduled send."""

    rate: float = 50.0
    duration_s: float = 30.0
    ramp: float | None = None
    """the initial rate, which rises linearly to `rate`"""
    arrivals: Arrivals = "poisson"

    kind = "load"
    is_open_loop = True

    def __post_init__(self) -> None:
        self.require(isfinite(self.rate) and self.rate > 0, "a rate above 0 requests/s")
        self.require(isfinite(self.duration_s) and self.duration_s > 0, "a duration above 0 s")
        self.require(self.ramp is None or (isfinite(self.ramp) and self.ramp >= 0), "a ramp from 0 requests/s or more")
        self.require(isfinite(self.rate * self.duration_s), "a smaller rate or duration")
        self.require(isfinite((self.ramp or 0) * self.duration_s), "a smaller ramp or duration")
        self.require(self.arrivals in ("poisson", "constant"), "arrivals that are poisson or constant")
        self.check_requests()

    @property
    def start_rate(self) -> float:
        """The initial rate."""
        return self.rate if self.ramp is None else self.ramp

    @property
    def peak_rate(self) -> float:
        """The highest rate to each endpoint."""
        return max(self.rate, self.start_rate)

    def in_flight(self, endpoints: int) -> int:
        """The minimum number of requests in flight: one to each endpoint, because sends do not wait for answers."""
        return endpoints

    def requests(self, endpoints: int) -> int:
        """The approximate total number of requests to all `endpoints`, including the warm-up."""
        return max(1, round((self.start_rate + self.rate) / 2 * self.duration_s)) * endpoints


@dataclass(frozen=True, slots=True)
class ClosedLoopPlan(_RequestTerms):
    """A number of callers per endpoint, each waiting for its answer before it sends again, so service time."""

    concurrency: int
    """callers of each endpoint"""
    total: int
    """requests to each endpoint"""

    kind = "load"

    def __post_init__(self) -> None:
        self.require(1 <= self.concurrency <= 1000, "a concurrency from 1 to 1000")
        self.require(self.total >= 1, "a number of requests for its closed loop")
        self.check_requests()

    def in_flight(self, endpoints: int) -> int:
        """The number of requests in flight to all `endpoints`."""
        return self.concurrency * endpoints

    def requests(self, endpoints: int) -> int:
        """The total number of requests to all `endpoints`, including the warm-up."""
        return self.total * endpoints


LoadPlan = OpenLoopPlan | ClosedLoopPlan
Plan = ComparePlan | LoadPlan
_LOAD_FIELDS: Mapping[str, Any] = {
    "rate": None,
    "duration_s": 30.0,
    "ramp": None,
    "arrivals": "poisson",
    "concurrency": None,
    "total": None,
}
"""Defaults of fields that only one loop has. Records keep the format of one common load plan, which `concurrency`
distinguishes."""
_AnyPlan = TypeVar("_AnyPlan")


def check_limits(
    plan: Plan, endpoints: Sequence[Endpoint], allowed_hosts: frozenset[str], max_requests: int, max_rate: float
) -> None:
    """Refuse potentially harmful plans: unknown hosts, too many requests, too high a rate. Raises PlanError.

    This machine is always allowed. A load that consists only of warm-up is also refused.
    """
    if not isinstance(plan, ComparePlan) and plan.requests(1) <= plan.warmup:
        raise PlanError(
            f"{plan.requests(1)} requests to each endpoint are all warm-up (the first {plan.warmup}): "
            "send more, or lower --warmup"
        )
    check_hosts(endpoints, allowed_hosts)
    if (requests := plan.requests(len(endpoints))) > max_requests:
        raise PlanError(f"{requests} requests exceed the maximum of {max_requests}: raise --max-requests")
    if isinstance(plan, OpenLoopPlan) and (rate := plan.peak_rate * len(endpoints)) > max_rate:
        raise PlanError(f"{rate:g} requests/s in total exceed the maximum of {max_rate:g}: raise --max-rate")


def check_hosts(endpoints: Sequence[Endpoint], allowed_hosts: frozenset[str]) -> None:
    """Refuse hosts that are not allowed; this machine always is. Raises PlanError."""
    for endpoint in endpoints:
        if not endpoint.is_local and endpoint.host not in allowed_hosts:
            raise PlanError(
                f"{endpoint.host} is not an allowed host: add it to BENCHMARK_HOSTS, "
                "or allow it for this run with --allow-host"
            )


def check_count(endpoints: int) -> None:
    """Refuse an unsupported number of endpoints. Raises PlanError."""
    if not 1 <= endpoints <= MAX_ENDPOINTS:
        raise PlanError(f"a run takes from 1 to {MAX_ENDPOINTS} endpoints, not {endpoints}")


def default_margin_ms(endpoints: Sequence[Endpoint]) -> float:
    """The default margin: on this machine a fifth of a millisecond is relevant; across a network it is noise."""
    return LOOPBACK_MARGIN_MS if all(endpoint.is_local for endpoint in endpoints) else REMOTE_MARGIN_MS


def to_document(plan: Plan) -> dict[str, Any]:
    """`plan` as JSON holds it."""
    fields = {} if isinstance(plan, ComparePlan) else _LOAD_FIELDS
    return {"kind": plan.kind, **fields, **asdict(plan)}


def from_document(document: Any) -> Plan:
    """The inverse of `to_document`. Raises PlanError."""
    if not isinstance(document, Mapping):
        raise PlanError("this run has no plan")
    kind = document.get("kind")
    if kind == ComparePlan.kind:
        return read_fields(ComparePlan, document)
    if kind != OpenLoopPlan.kind:
        raise PlanError(f"a run of the kind {kind} is not a comparison or a load")
    if document.get("concurrency") is None:
        return read_fields(OpenLoopPlan, document, ignore=_LOAD_FIELDS)
    return read_fields(ClosedLoopPlan, document, ignore=_LOAD_FIELDS)


def read_fields(plan: Callable[..., _AnyPlan], document: Mapping[str, Any], ignore: Collection[str] = ()) -> _AnyPlan:
    """Build the plan, a dataclass, from the members of `document`, checking each field's type.

    The member `kind` is skipped, and so are those in `ignore` that the plan does not have. Raises PlanError.
    """
    hints = get_type_hints(plan)
    values = {name: value for name, value in document.items() if name in hints or name not in {"kind", *ignore}}
    for name, value in values.items():
        if name not in hints:
            raise PlanError(f"the plan of this run cannot be read: {name[:80]} is unknown")
        if not _fits(value, hints[name]):
            raise PlanError(f"the plan of this run cannot be read: {name} is out of range, or of the wrong type")
    try:
        return plan(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    except TypeError as error:
        raise PlanError("the plan of this run cannot be read: something is missing") from error


def _fits(value: Any, hint: Any) -> bool:
    """Whether `value` is of this type, and finite if it is a number. A bool is not a number."""
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
