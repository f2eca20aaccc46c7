"""What a kind of run is: its plan and codec, how it is carried out, and what is said of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from benchmark.endpoints.endpoint import Endpoint
from benchmark.record.plan import MAX_RATE, MAX_REQUESTS
from benchmark.record.run import Run
from benchmark.record.samples import Samples
from benchmark.record.store import Store

if TYPE_CHECKING:
    from rich.console import Console

ProgressReport = Callable[[Mapping[str, Any]], None]
"""Told how far a run is: at least `done`, `total`, `phase` and `elapsed_s`."""


class RunRefused(Exception):
    """A run did not begin; the message says why in a sentence."""


class RunBroken(Exception):
    """A run ended before its plan was done; what was measured is in the record, which says so."""


class Shows(Enum):
    """What a decision takes from the runs of a kind."""

    COMPARISON = auto()
    """which endpoint is faster"""
    LOAD = auto()
    """how the endpoints hold up"""
    COLD_STARTS = auto()
    """how long a new instance takes, and when there is one"""


class AnySummary(Protocol):
    """What the summaries of all kinds have: the run that they are of."""

    @property
    def run(self) -> Run: ...


P = TypeVar("P")
S = TypeVar("S", bound=AnySummary)


@dataclass(frozen=True, slots=True)
class Order(Generic[P]):
    """What a process is asked to measure. All that it may reach was configured by the operator, never by a record."""

    plan: P
    endpoints: tuple[Endpoint, ...]
    run_id: str
    name: str = ""
    body_from: str = "card"
    """`card`, or a CSV file of what is sent"""
    allowed_hosts: frozenset[str] = frozenset()
    """hosts that may be measured, beside this machine"""
    max_requests: int = MAX_REQUESTS
    max_rate: float = MAX_RATE
    """per second, to all endpoints together"""
    resumed: Run | None = None
    """the run of the record that goes on; None for a new one"""


@dataclass(frozen=True, slots=True)
class Work:
    """A run that can begin: its endpoints have been asked, and its conditions are known."""

    run: Run
    total: int
    """requests or probes, whatever its progress counts"""
    announcement: str
    """what is about to happen"""
    execute: Callable[[ProgressReport], Run]
    """Carries it out, records it, and returns it as it ended. Raises PlanError, StoreError, RunBroken."""


def _count_samples(samples: Samples, outcome: Mapping[str, Any]) -> int:
    return len(samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKind(Generic[P, S]):
    """One kind of run, with plans of type P and summaries of type S."""

    name: str
    """in the record, in JSON and on the command line"""
    title: str
    """what people read"""
    read_plan: Callable[[Any], P]
    """From the `plan` of a manifest, trusting nothing. Raises PlanError."""
    write_plan: Callable[[P], dict[str, Any]]
    """The inverse."""
    describe: Callable[[P, int, Callable[[int], str]], str]
    """A plan for so many endpoints in a few words, with its large numbers as the function given writes them."""
    check: Callable[[Order[P]], None]
    """Refuses what could hurt somebody, before anything is sent. Raises PlanError."""
    prepare: Callable[[Order[P], Store], Work]
    """Asks the endpoints what they serve. Raises PlanError, RunRefused, StoreError."""
    summarise: Callable[[Run, Samples], S]
    """Raises PlanError for a run of another kind, and KeyError, TypeError or ValueError for a damaged one."""
    summary_type: type[S]
    print: "Callable[[S, Console | None], None]"
    document: Callable[[S], dict[str, Any]]
    """The summary as JSON holds it."""
    has_results: Callable[[S], bool]
    """Whether anything was measured."""
    page: str = "benchmark"
    """the path of the dashboard page that shows its runs"""
    panel: str
    """The module that draws a run, with `live(store, run)` and `finished(store, run)`; the dashboard imports it."""
    unit: str = "request"
    """what its progress counts"""
    count: Callable[[Samples, Mapping[str, Any]], int] = _count_samples
    """how many of these there are in samples and outcome"""
    shows: Shows | None = None
    """None where its runs are no evidence on endpoints"""
    needs_idle_endpoints: bool = False
    """whether a request from elsewhere, such as a look at /metrics, would spoil what it measures"""
