"""`run`: carry out the run described on standard input. The dashboard starts its runs with this hidden command."""

import argparse
import sys

from benchmark.commands import UsageError, user_name
from benchmark.commands.measuring import carry_out
from benchmark.record.journal import recover
from benchmark.record.plan import PlanError
from benchmark.record.store import Store, StoreError
from benchmark.runs.job import JobError, read_job
from benchmark.runs.kind import RunBroken, RunRefused


def configure(parser: argparse.ArgumentParser) -> None:
    """There are no arguments: `benchmark/runs/job.py` defines the job on standard input."""


def run(arguments: argparse.Namespace) -> int:
    """Measure; returns the exit status."""
    try:
        job = read_job(sys.stdin.read())
        store = Store(job.results, user=job.user or user_name())
        recover(store)
        kind, order = job.order(store)
        work = kind.prepare(order, store)
    except (JobError, PlanError, RunRefused) as error:
        raise UsageError(str(error)) from error
    except StoreError as error:
        raise UsageError(f"the record cannot be used: {error}") from error
    try:
        summary = carry_out(kind, work, store, "none")
    except RunBroken as error:
        raise UsageError(str(error)) from error
    return 0 if kind.has_results(summary) else 2
