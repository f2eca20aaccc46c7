"""What the record says of a run, read and summarised once: a summary bootstraps, which takes longer than to draw it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from benchmark.record.run import Run
from benchmark.record.samples import Samples, join, unpack
from benchmark.record.store import Store
from benchmark.runs import kind_of_run

Chunks = Sequence[tuple[int, bytes]]


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """A run with all that is known of it."""

    samples: Samples
    summary: Any
    """as the run's kind summarises it"""

    @property
    def run(self) -> Run:
        run: Run = self.summary.run
        return run


def read(store: Store, run: Run) -> Report:
    """The report of `run` as it is in the record now. Raises what `findings.UNREADABLE` names."""
    make = _kept_report if run.is_over else _report
    found = make(replace(run, name=""), store.chunks(run.id))
    return replace(found, summary=replace(found.summary, run=run))


def _report(run: Run, chunks: Chunks) -> Report:
    samples = join(unpack(chunk) for _, chunk in chunks)
    return Report(samples, kind_of_run(run).summarise(run, samples))


# Kept by all that they are made from but the name, and not by the id: a run that was lost may go on, and one that was
# deleted may be imported again.
_kept_report = st.cache_resource(max_entries=8, show_spinner="Reading the run")(_report)
