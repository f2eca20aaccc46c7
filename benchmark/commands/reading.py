"""What the commands that read the record share: a run by its id, with its samples and its summary."""

from benchmark.commands import UsageError
from benchmark.record.plan import PlanError
from benchmark.record.recording import load_samples
from benchmark.record.run import Run
from benchmark.record.samples import Samples
from benchmark.record.store import Store, StoreError
from benchmark.summary.summarise import Summary, summarise


def read_run(store: Store, run_id: str) -> tuple[Run, Samples]:
    """A run by its id or the beginning of it. Raises UsageError."""
    try:
        run = store.run(run_id)
        return run, load_samples(store, run.id)[0]
    except (StoreError, ValueError) as error:
        raise UsageError(str(error)) from error


def read_summary(store: Store, run_id: str) -> Summary:
    """The same, summarised. Raises UsageError, also for a kind of run that has no such summary."""
    run, samples = read_run(store, run_id)
    try:
        return summarise(run, samples)
    except (PlanError, KeyError) as error:
        raise UsageError(f"run {run.id} is no comparison and no load: {error}") from error
