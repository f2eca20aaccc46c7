"""The registry of run kinds. Commands, reports and pages use it, and never refer to a kind by name.

To add a kind, write a module or package with a `KIND`, a `RunKind`, and add a line to `KINDS`. A kind is imported on
first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmark.record.plan import PlanError
from benchmark.record.run import Run

if TYPE_CHECKING:
    from benchmark.runs.kind import RunKind

KINDS: dict[str, str] = {
    "compare": "benchmark.runs.compare",
    "load": "benchmark.runs.load",
    "selftest": "benchmark.runs.selftest",
    "coldstart": "benchmark.runs.coldstart",
    "capacity": "benchmark.runs.capacity",
}
"""The name of each kind, as the record holds it, and its module."""


class UnknownKind(PlanError):
    """The kind of run is unknown; a later version may have recorded it."""


def kind_named(name: str) -> "RunKind[Any, Any]":
    """The kind of this name. Raises UnknownKind."""
    if name not in KINDS:
        raise UnknownKind(f"unknown kind of run {name[:80]}; the kinds are {', '.join(KINDS)}")
    kind: RunKind[Any, Any] = import_module(KINDS[name]).KIND
    return kind


def kind_of_run(run: Run) -> "RunKind[Any, Any]":
    """The kind of `run`. Raises UnknownKind."""
    return kind_named(run.kind)


def titles() -> dict[str, str]:
    """The display name of each kind; imports all of them."""
    return {name: kind_named(name).title for name in KINDS}


def plan_of(run: Run) -> Any:
    """The plan of `run`, parsed by its kind. Raises PlanError."""
    return kind_of_run(run).read_plan(run.manifest.plan)
