"""Plans: what a run will do, fixed before it starts, and how many requests that takes."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from benchmark.endpoints.configured import MOST as MAX_ENDPOINTS
from benchmark.endpoints.endpoint import Endpoint
from benchmark.statistics.percentiles import PERCENTILES

Connection = Literal["reused", "new"]
Arrivals = Literal["poisson", "constant", "gamma"]

LOOPBACK_MARGIN_MS = 0.2
REMOTE_MARGIN_MS = 5.0
MARGIN_PCT = 5.0
MAX_REQUESTS = 200_000
MAX_RATE = 2_000.0
MAX_STAGES = 100
MAX_ABORTS = 10
MAX_REPLAY_S = 86_400.0
"""The longest replay: one entry with a wrong date would otherwise make a run of years."""
ABORT_METRICS = ("error_rate", *(f"{name}_ms" for name in PERCENTILES))
"""What a run can be aborted on, in a sliding window."""
_BURSTINESS = (0.01, 100.0)
SPEEDS = (0.1, 100.0)
"""From the slowest to the fastest replay, in times the recorded speed."""
_MAX_VALUE = 1e12
"""The largest value of any setting, so that products of two settings stay finite."""
_ABORT = re.compile(r"(?P<metric>[a-z0-9._]+)\s*>\s*(?P<limit>[0-9]+(\.[0-9]+)?([eE]-?[0-9]+)?)")


class PlanError(ValueError):
    """The plan is invalid or not allowed; the message says why in a sentence."""


class Segment(NamedTuple):
    """A part of an open loop, in which the rate to each endpoint rises or falls evenly."""

    duration_s: float
    start_rate: float
    end_rate: float

    @property
    def expected(self) -> float:
        """The mean number of arrivals."""
        return (self.start_rate + self.end_rate) / 2 * self.duration_s


class Stage(NamedTuple):
    """A rate per second to each endpoint, held for a duration."""

    duration_s: float
    rate: float


class AbortRule(NamedTuple):
    """A limit that ends a run as soon as any endpoint exceeds it in the sliding window."""

    metric: str
    """one of ABORT_METRICS"""
    limit: float

    @property
    def text(self) -> str:
        """The rule as it is written on the command line."""
        return f"{self.metric}>{self.limit:g}"


def read_abort(text: str) -> AbortRule:
    """Parse `METRIC>LIMIT`, such as `error_rate>0.05` or `p95_ms>800`. Raises PlanError."""
    found = _ABORT.fullmatch(text.strip())
    if not found or found["metric"] not in ABORT_METRICS:
        raise PlanError(
            f"--abort {text[:80]}: must be like error_rate>0.05 or p95_ms>800, of {', '.join(ABORT_METRICS)}"
        )
    return AbortRule(found["metric"], float(found["limit"]))


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
    goodput_ms: float | None = None
    """the limit within which an answer counts as good; None for no goodput"""

    is_open_loop = False
    unit = "requests"
    """what a warm-up counts"""

    def check_requests(self) -> None:
        """Raises PlanError."""
        self.require(self.warmup >= 0, f"a warm-up of 0 {self.unit} or more")
        self.require(self.connection in ("reused", "new"), "connections that are reused or new")
        good_ms = self.goodput_ms
        self.require(good_ms is None or (isfinite(good_ms) and good_ms > 0), "a goodput limit above 0 ms")
        self.check_terms()


@dataclass(frozen=True, slots=True, kw_only=True)
class _LoadTerms(_RequestTerms):
    """What the plans of loads have in common."""

    abort: tuple[AbortRule, ...] = ()
    """limits that end the run"""
    abort_window_s: float = 10.0
    """the length of the sliding window in which they are judged"""
    correctness: bool = False
    """whether answers are compared with those at rest, taken before the load"""

    kind = "load"

    def check_load(self) -> None:
        """Raises PlanError."""
        self.require(len(self.abort) <= MAX_ABORTS, f"at most {MAX_ABORTS} limits to abort on")
        for rule in self.abort:
            self.require(rule.metric in ABORT_METRICS, f"limits to abort on, of {', '.join(ABORT_METRICS)}")
            self.require(isfinite(rule.limit) and rule.limit >= 0, "a limit of 0 or more to abort on")
            self.require(rule.metric != "error_rate" or rule.limit < 1, "an error_rate below 1 to abort on")
        self.require(1 <= self.abort_window_s <= 3600, "an abort window from 1 to 3600 s")
        self.check_requests()


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenTerms(_LoadTerms):
    """What the plans of open loops have in common: sends are scheduled, and do not wait for answers."""

    is_open_loop = True

    def check_arrivals(self, arrivals: Arrivals, burstiness: float | None) -> None:
        """Raises PlanError."""
        self.require(arrivals in get_args(Arrivals), "arrivals that are poisson, constant or gamma")
        low, high = _BURSTINESS
        is_given = burstiness is not None and low <= burstiness <= high
        self.require(arrivals != "gamma" or is_given, f"a burstiness from {low:g} to {high:g} for gamma arrivals")
        self.require(arrivals == "gamma" or burstiness is None, "gamma arrivals for a burstiness")

    def in_flight(self, endpoints: int) -> int:
        """The minimum number of requests in flight: one to each endpoint, because sends do not wait for answers."""
        return endpoints


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
class OpenLoopPlan(_OpenTerms):
    """Requests arrive at a rate per endpoint, and response time counts from the scheduled send."""

    rate: float = 50.0
    duration_s: float = 30.0
    ramp: float | None = None
    """the initial rate, which rises linearly to `rate`"""
    arrivals: Arrivals = "poisson"
    burstiness: float | None = None
    """of gamma arrivals only: the shape of their gaps, 1 for Poisson, smaller for bursts"""

    def __post_init__(self) -> None:
        self.require(isfinite(self.rate) and self.rate > 0, "a rate above 0 requests/s")
        self.require(isfinite(self.duration_s) and self.duration_s > 0, "a duration above 0 s")
        self.require(self.ramp is None or (isfinite(self.ramp) and self.ramp >= 0), "a ramp from 0 requests/s or more")
        self.require(isfinite(self.rate * self.duration_s), "a smaller rate or duration")
        self.require(isfinite((self.ramp or 0) * self.duration_s), "a smaller ramp or duration")
        self.check_arrivals(self.arrivals, self.burstiness)
        self.check_load()

    @property
    def start_rate(self) -> float:
        """The initial rate."""
        return self.rate if self.ramp is None else self.ramp

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The rate over time."""
        return (Segment(self.duration_s, self.start_rate, self.rate),)

    @property
    def peak_rate(self) -> float:
        """The highest rate to each endpoint."""
        return max(self.rate, self.start_rate)

    def requests(self, endpoints: int) -> int:
        """The approximate total number of requests to all `endpoints`, including the warm-up."""
        return max(1, round(self.segments[0].expected)) * endpoints


@dataclass(frozen=True, slots=True)
class StagedPlan(_OpenTerms):
    """An open loop of stages in order, each with its own rate; a spike is a short stage."""

    stages: tuple[Stage, ...]
    arrivals: Arrivals = "poisson"
    burstiness: float | None = None

    def __post_init__(self) -> None:
        self.require(1 <= len(self.stages) <= MAX_STAGES, f"from 1 to {MAX_STAGES} stages")
        for stage in self.stages:
            self.require(isfinite(stage.duration_s) and stage.duration_s > 0, "stages that last longer than 0 s")
            self.require(isfinite(stage.rate) and stage.rate >= 0, "stages with a rate of 0 requests/s or more")
            self.require(isfinite(stage.rate * stage.duration_s), "smaller stages")
        self.require(self.peak_rate > 0, "a stage with a rate above 0 requests/s")
        self.check_arrivals(self.arrivals, self.burstiness)
        self.check_load()

    @property
    def duration_s(self) -> float:
        """Of all stages."""
        return sum(stage.duration_s for stage in self.stages)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The rate over time."""
        return tuple(Segment(stage.duration_s, stage.rate, stage.rate) for stage in self.stages)

    @property
    def peak_rate(self) -> float:
        """The highest rate to each endpoint."""
        return max(stage.rate for stage in self.stages)

    def requests(self, endpoints: int) -> int:
        """The approximate total number of requests to all `endpoints`, including the warm-up."""
        return max(1, round(sum(segment.expected for segment in self.segments))) * endpoints


@dataclass(frozen=True, slots=True)
class ReplayPlan(_OpenTerms):
    """An open loop at the times of a recorded log: each of its requests goes to every endpoint.

    The times themselves are not part of the plan. They are in the log before the run, and in the samples after it.
    """

    log: str
    """the name of the log file"""
    sha256: str
    """of the log file"""
    total: int
    """requests to each endpoint"""
    duration_s: float
    """from the first send to the last, at this speed"""
    peak_rate: float
    """the most requests to each endpoint that are due within a second, at this speed"""
    speed: float = 1.0
    """how many times faster than recorded"""

    def __post_init__(self) -> None:
        low, high = SPEEDS
        self.require(low <= self.speed <= high, f"a speed from {low:g} to {high:g}")
        self.require(len(self.log) <= 200, "a log with a name of at most 200 characters")
        self.require(self.total >= 1, "a log with at least 1 request")
        self.require(
            0 <= self.duration_s <= MAX_REPLAY_S,
            f"a log of at most {MAX_REPLAY_S / 3600:g} h at this speed, not {self.duration_s / 3600:.4g} h",
        )
        self.require(isfinite(self.peak_rate) and self.peak_rate > 0, "a peak rate above 0 requests/s")
        self.check_load()

    def requests(self, endpoints: int) -> int:
        """The total number of requests to all `endpoints`, including the warm-up."""
        return self.total * endpoints


@dataclass(frozen=True, slots=True)
class ClosedLoopPlan(_LoadTerms):
    """A number of callers per endpoint, each waiting for its answer before it sends again, so service time."""

    concurrency: int
    """callers of each endpoint"""
    total: int
    """requests to each endpoint"""

    def __post_init__(self) -> None:
        self.require(1 <= self.concurrency <= 1000, "a concurrency from 1 to 1000")
        self.require(self.total >= 1, "a number of requests for its closed loop")
        self.check_load()

    def in_flight(self, endpoints: int) -> int:
        """The number of requests in flight to all `endpoints`."""
        return self.concurrency * endpoints

    def requests(self, endpoints: int) -> int:
        """The total number of requests to all `endpoints`, including the warm-up."""
        return self.total * endpoints


OpenPlan = OpenLoopPlan | StagedPlan | ReplayPlan
LoadPlan = OpenPlan | ClosedLoopPlan
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
_LATER_FIELDS = ("goodput_ms", "abort", "abort_window_s", "correctness", "burstiness")
"""Recorded only if they differ from their defaults, so that earlier versions can read the other plans."""
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
        raise PlanError(f"{requests} requests exceed the maximum of {max_requests} (--max-requests)")
    if isinstance(plan, OpenPlan) and (rate := plan.peak_rate * len(endpoints)) > max_rate:
        raise PlanError(f"{rate:g} requests/s in total exceed the maximum of {max_rate:g} (--max-rate)")


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
    common = _LOAD_FIELDS if isinstance(plan, OpenLoopPlan | ClosedLoopPlan) else {}
    unused = {field.name for field in fields(plan) if getattr(plan, field.name) == field.default}
    known = {name: value for name, value in asdict(plan).items() if name not in unused.intersection(_LATER_FIELDS)}
    return {"kind": plan.kind, **common, **known}


def from_document(document: Any) -> Plan:
    """The inverse of `to_document`. Raises PlanError."""
    if not isinstance(document, Mapping):
        raise PlanError("this run has no plan")
    kind = document.get("kind")
    if kind == ComparePlan.kind:
        return read_fields(ComparePlan, document)
    if kind != OpenLoopPlan.kind:
        raise PlanError(f"a run of the kind {kind} is not a comparison or a load")
    if "stages" in document:
        return read_fields(StagedPlan, document)
    if "speed" in document:
        return read_fields(ReplayPlan, document)
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
        return plan(**{name: _built(value, hints[name]) for name, value in values.items()})
    except TypeError as error:
        raise PlanError("the plan of this run cannot be read: something is missing") from error


def _fits(value: Any, hint: Any) -> bool:
    """Whether `value` is of this type, and finite if it is a number. A bool is not a number."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(entry, parts[0]) for entry in value)
    if members := getattr(hint, "_fields", None):
        hints = get_type_hints(hint).values()
        return (
            isinstance(value, list | tuple)
            and len(value) == len(members)
            and all(_fits(entry, part) for entry, part in zip(value, hints, strict=True))
        )
    if parts:
        return any(_fits(value, part) for part in parts)
    if hint is float:
        return type(value) in (int, float) and abs(value) <= _MAX_VALUE
    return type(value) is hint and (hint is not int or abs(value) < 2**63)


def _built(value: Any, hint: Any) -> Any:
    """`value`, which fits the type, with its lists as tuples, also named ones."""
    if get_origin(hint) is tuple:
        return tuple(_built(entry, get_args(hint)[0]) for entry in value)
    return hint(*value) if hasattr(hint, "_fields") else tuple(value) if isinstance(value, list) else value
