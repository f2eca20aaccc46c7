"""The interface of a run kind: its plan and codec, its execution, and its summary."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from benchmark.endpoints.endpoint import Endpoint
from benchmark.engine.replay import Recording
from benchmark.record.plan import MAX_RATE, MAX_REQUESTS
from benchmark.record.run import Run
from benchmark.record.samples import Samples
from benchmark.record.store import Store
from benchmark.runs.headline import Headline

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.fleet.cluster import Cluster

ProgressReport = Callable[[Mapping[str, Any]], None]
"""Called with the progress of a run: at least `done`, `total`, `phase` and `elapsed_s`."""


class RunRefused(Exception):
    """The run could not start; the message says why in a sentence."""


class RunBroken(Exception):
    """A run ended before its plan was done; its samples are recorded."""


class Shows(Enum):
    """What a decision takes from the runs of a kind."""

    COMPARISON = auto()
    """which endpoint is faster"""
    LOAD = auto()
    """how the endpoints hold up"""
    COLD_STARTS = auto()
    """how long a new instance takes, and when there is one"""


class AnySummary(Protocol):
    """The interface of all summaries."""

    @property
    def run(self) -> Run: ...


P = TypeVar("P")
S = TypeVar("S", bound=AnySummary)


@dataclass(frozen=True, slots=True)
class Order(Generic[P]):
    """A run to measure. Everything it may contact was configured by the operator, never by a record."""

    plan: P
    endpoints: tuple[Endpoint, ...]
    run_id: str
    name: str = ""
    body_from: str = "card"
    """source of the inputs: `card`, or a CSV file"""
    allowed_hosts: frozenset[str] = frozenset()
    """allowed hosts, in addition to this machine"""
    max_requests: int = MAX_REQUESTS
    max_rate: float = MAX_RATE
    """per second, to all endpoints combined"""
    recording: Recording | None = None
    """the requests of a log that a load sends again, at its speed"""
    workers: "Cluster | None" = None
    """who sends the requests of a load; None for this process"""
    resumed: Run | None = None
    """the recorded run to resume; None for a new one"""


@dataclass(frozen=True, slots=True)
class Work:
    """A prepared run: its endpoints have been contacted, and its conditions are known."""

    run: Run
    total: int
    """number of requests or probes, the unit of its progress"""
    announcement: str
    """a description of the run before it starts"""
    execute: Callable[[ProgressReport], Run]
    """Carries out and records the run, and returns the ended run. Raises PlanError, StoreError, RunBroken."""


def _count_samples(samples: Samples, outcome: Mapping[str, Any]) -> int:
    return len(samples)


def _no_headline(summary: AnySummary) -> Headline:
    return Headline("")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKind(Generic[P, S]):
    """One kind of run, with plans of type P and summaries of type S."""

    name: str
    """the name in the record, in JSON and on the command line"""
    title: str
    """the display name"""
    read_plan: Callable[[Any], P]
    """Parses the untrusted `plan` of a manifest. Raises PlanError."""
    write_plan: Callable[[P], dict[str, Any]]
    """The inverse."""
    describe: Callable[[P, int, Callable[[int], str]], str]
    """Describes a plan for a number of endpoints briefly; the given function formats large numbers."""
    check: Callable[[Order[P]], None]
    """Refuses potentially harmful orders before anything is sent. Raises PlanError."""
    prepare: Callable[[Order[P], Store], Work]
    """Asks the endpoints what they serve. Raises PlanError, RunRefused, StoreError."""
    summarise: Callable[[Run, Samples], S]
    """Raises PlanError for a run of another kind, and KeyError, TypeError or ValueError for a damaged one."""
    summary_type: type[S]
    print: "Callable[[S, Console | None], None]"
    document: Callable[[S], dict[str, Any]]
    """The summary as JSON."""
    has_results: Callable[[S], bool]
    """Whether anything was measured."""
    headline: Callable[[S], Headline] = _no_headline
    """What a list says of a run."""
    page: str = "benchmark"
    """the path of the dashboard page that shows its runs"""
    panel: str
    """The module that displays a run, with `live(store, run)` and `finished(store, run)`; the dashboard imports it."""
    unit: str = "request"
    """the unit of its progress"""
    count: Callable[[Samples, Mapping[str, Any]], int] = _count_samples
    """counts these units in samples and outcome"""
    shows: Shows | None = None
    """None if its runs say nothing about endpoints"""
    needs_idle_endpoints: bool = False
    """whether other requests, such as scrapes of /metrics, would distort the measurement"""
