"""What the commands that read the record share: a run by its id, with its samples and its summary."""

import sys

from benchmark.commands import UsageError
from benchmark.record.plan import PlanError
from benchmark.record.recording import load_samples
from benchmark.record.run import Run
from benchmark.record.samples import Samples
from benchmark.record.store import Store, StoreError
from benchmark.summary.summarise import Summary, summarise


def read_run(store: Store, run_id: str) -> tuple[Run, Samples]:
    """A run by its id or the beginning of it; says on stderr where it was imported. Raises UsageError."""
    try:
        run = store.run(run_id)
        samples = load_samples(store, run.id)[0]
    except (StoreError, ValueError) as error:
        raise UsageError(str(error)) from error
    if run.is_imported:
        print(run.imported_text, file=sys.stderr)
    return run, samples


def read_summary(store: Store, run_id: str) -> Summary:
    """The same, summarised. Raises UsageError, also for a kind of run that has no such summary."""
    return summary_of(*read_run(store, run_id))


def summary_of(run: Run, samples: Samples) -> Summary:
    """What a run says. Raises UsageError for a kind of run that has no such summary."""
    try:
        return summarise(run, samples)
    except (PlanError, KeyError) as error:
        raise UsageError(f"run {run.id} is no comparison and no load: {error}") from error
