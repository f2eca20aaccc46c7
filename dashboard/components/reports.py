"""The report of a run, read and summarised once: computing a summary takes longer than drawing it."""

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
    """A run with its samples and summary."""

    samples: Samples
    summary: Any
    """made by the run's kind"""

    @property
    def run(self) -> Run:
        run: Run = self.summary.run
        return run


def read(store: Store, run: Run) -> Report:
    """The report of `run` as it is in the record now. Raises the errors in `gather.UNREADABLE`."""
    make = _kept_report if run.is_over else _report
    found = make(replace(run, name=""), store.chunks(run.id))
    return replace(found, summary=replace(found.summary, run=run))


def _report(run: Run, chunks: Chunks) -> Report:
    samples = join(unpack(chunk) for _, chunk in chunks)
    return Report(samples, kind_of_run(run).summarise(run, samples))


# The cache key is everything that a report is made from, except the name. The id is not enough: a lost run may
# continue, and a deleted run may be imported again.
_kept_report = st.cache_resource(max_entries=8, show_spinner="Reading the run")(_report)
