"""`show`: one run, recomputed from its samples."""

import argparse
from pathlib import Path

from benchmark.coldstart.plan import KIND
from benchmark.commands import add_results, present, results_store
from benchmark.commands.reading import read_run, summary_of
from benchmark.record.run import Run
from benchmark.record.samples import Samples
from benchmark.summary.printing import print_summary
from benchmark.summary.summarise import to_document


def configure(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("run_id", metavar="ID", help="a run, or the beginning of its id")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures; - for standard output")
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print it; returns the exit status."""
    found, samples = read_run(results_store(arguments.results), arguments.run_id)
    if found.kind == KIND:
        return _show_coldstart(arguments, found, samples)
    summary = summary_of(found, samples)
    present(to_document(summary), arguments.json, lambda: print_summary(summary))
    return 0


def _show_coldstart(arguments: argparse.Namespace, run: Run, samples: Samples) -> int:
    from benchmark.coldstart import summary as cold
    from benchmark.coldstart.printing import print_coldstart

    found = cold.summarise(run, samples)
    present(cold.to_document(found), arguments.json, lambda: print_coldstart(found))
    return 0
