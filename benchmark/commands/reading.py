"""Shared by the commands that read the record: find a run by its ID, and summarise it."""

import sys
from typing import Any

from benchmark.commands import UsageError
from benchmark.record.plan import PlanError
from benchmark.record.recording import load_samples
from benchmark.record.run import Run
from benchmark.record.samples import Samples
from benchmark.record.store import Store, StoreError
from benchmark.runs import kind_of_run
from benchmark.runs.kind import RunKind
from benchmark.summary.summarise import Summary


def read_run(store: Store, run_id: str) -> tuple[Run, Samples]:
    """A run by its ID or the beginning of it; warns on stderr if it was imported. Raises UsageError."""
    try:
        run = store.run(run_id)
        samples = load_samples(store, run.id)[0]
    except (StoreError, ValueError) as error:
        raise UsageError(str(error)) from error
    if run.is_imported:
        print(run.imported_text, file=sys.stderr)
    return run, samples


def read_any_summary(store: Store, run_id: str) -> tuple[RunKind[Any, Any], Any]:
    """A run's kind, and its summary. Raises UsageError."""
    run, samples = read_run(store, run_id)
    try:
        kind = kind_of_run(run)
        return kind, kind.summarise(run, samples)
    except (PlanError, KeyError) as error:
        raise UsageError(f"run {run.id} cannot be read: {error}") from error


def read_summary(store: Store, run_id: str) -> Summary:
    """The latency summary of a run. Raises UsageError, also for kinds of runs without latencies."""
    kind, summary = read_any_summary(store, run_id)
    if not isinstance(summary, Summary):
        raise UsageError(f"run {summary.run.id} is a {kind.title} run, not a comparison or a load")
    return summary
