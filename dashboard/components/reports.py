"""What the record says of a run, read and summarised once: a summary bootstraps, which takes longer than to draw it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from benchmark.coldstart import summary as coldstart_summary
from benchmark.coldstart.summary import ColdSummary
from benchmark.record.run import Run
from benchmark.record.samples import Samples, join, unpack
from benchmark.record.store import Store
from benchmark.summary.summarise import Summary, summarise

Chunks = Sequence[tuple[int, bytes]]


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """A run with all that is known of it."""

    samples: Samples
    summary: Summary

    @property
    def run(self) -> Run:
        return self.summary.run


def read(store: Store, run: Run) -> Report:
    """The report of `run` as it is in the record now. Raises what `findings.UNREADABLE` names."""
    make = _kept_report if run.is_over else _report
    found = make(replace(run, name=""), store.chunks(run.id))
    return replace(found, summary=replace(found.summary, run=run))


def read_cold(store: Store, run: Run) -> ColdSummary:
    """What `run` says of cold starts. Raises what `findings.UNREADABLE` names."""
    make = _kept_cold if run.is_over else _cold
    return replace(make(replace(run, name=""), store.chunks(run.id)), run=run)


def _report(run: Run, chunks: Chunks) -> Report:
    samples = _samples(chunks)
    return Report(samples, summarise(run, samples))


def _cold(run: Run, chunks: Chunks) -> ColdSummary:
    return coldstart_summary.summarise(run, _samples(chunks))


def _samples(chunks: Chunks) -> Samples:
    return join(unpack(chunk) for _, chunk in chunks)


# Kept by all that they are made from but the name, and not by the id: a run that was lost may go on, and one that was
# deleted may be imported again.
_keep = st.cache_resource(max_entries=4, show_spinner="Reading the run")
_kept_report, _kept_cold = _keep(_report), _keep(_cold)
