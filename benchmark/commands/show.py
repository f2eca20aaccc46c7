"""`show`: show one run, recomputed from its samples."""

import argparse
from pathlib import Path

from benchmark.commands import add_results, present, results_store
from benchmark.commands.reading import read_any_summary


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("run_id", metavar="ID", help="run ID, or its beginning")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON; - for standard output")
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the result; returns the exit status."""
    kind, summary = read_any_summary(results_store(arguments.results), arguments.run_id)
    present(kind.document(summary), arguments.json, lambda: kind.print(summary, None))
    return 0
