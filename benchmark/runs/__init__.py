"""The kinds of runs, in one registry: commands, reports and pages ask it, and none of them knows a kind by name.

To add a kind, write a module or package with a `KIND`, a `RunKind`, and add a line to `KINDS`. A kind is imported when
it is first asked for.
"""

from importlib import import_module
from typing import Any

from benchmark.record.plan import PlanError
from benchmark.record.run import Run
from benchmark.runs.kind import RunKind

KINDS: dict[str, str] = {
    "compare": "benchmark.runs.compare",
    "load": "benchmark.runs.load",
    "selftest": "benchmark.runs.selftest",
    "coldstart": "benchmark.runs.coldstart",
}
"""The name of each kind, as the record holds it, and its module."""


class UnknownKind(PlanError):
    """There is no such kind of run here; a later version may have recorded it."""


def kind_named(name: str) -> RunKind[Any, Any]:
    """The kind of this name. Raises UnknownKind."""
    if name not in KINDS:
        raise UnknownKind(f"there is no kind of run called {name[:80]}, only {', '.join(KINDS)}")
    kind: RunKind[Any, Any] = import_module(KINDS[name]).KIND
    return kind


def kind_of_run(run: Run) -> RunKind[Any, Any]:
    """The kind of `run`. Raises UnknownKind."""
    return kind_named(run.kind)


def plan_of(run: Run) -> Any:
    """The plan of `run`, as its kind reads it. Raises PlanError."""
    return kind_of_run(run).read_plan(run.manifest.plan)
