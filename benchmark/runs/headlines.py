"""Writes headlines to the record: when a run ends, when it is imported, and when a list first shows an older one."""

from contextlib import suppress
from typing import Any

from benchmark.record.recording import load_samples
from benchmark.record.run import Run
from benchmark.record.samples import Samples
from benchmark.record.store import ReadOnly, Store, StoreError
from benchmark.runs import kind_of_run
from benchmark.runs.headline import Headline
from benchmark.runs.kind import AnySummary, RunKind

DAMAGED = (ValueError, KeyError, IndexError, TypeError, AttributeError)
"""Errors of a run that is damaged, or was recorded by another version; PlanError is among them."""


def headline_of(run: Run, samples: Samples) -> Headline:
    """What a list says of `run`. Raises the errors in DAMAGED."""
    kind = kind_of_run(run)
    return kind.headline(kind.summarise(run, samples))


def write_headline(store: Store, run: Run, samples: Samples) -> None:
    """Write the headline of a run that was imported; a damaged one has none. Raises StoreError."""
    with suppress(*DAMAGED):
        _write(store, run.id, headline_of(run, samples))


def write_headline_of(store: Store, kind: RunKind[Any, Any], summary: AnySummary) -> None:
    """Write the headline of a run that has just ended. Where that fails, a list makes up for it."""
    with suppress(StoreError, *DAMAGED):
        _write(store, summary.run.id, kind.headline(summary))


def read_headline(store: Store, run_id: str) -> Headline | None:
    """The headline of a recorded run from its samples, which it then has in the record too, unless that is read-only.

    None for a damaged run. Raises StoreError.
    """
    run = store.run(run_id)
    try:
        found = headline_of(run, load_samples(store, run_id)[0])
    except DAMAGED:
        return None
    with suppress(ReadOnly):
        _write(store, run_id, found)
    return found


def _write(store: Store, run_id: str, found: Headline) -> None:
    store.set_headline(run_id, found.verdict, dict(enumerate(found.latencies_ms)))
