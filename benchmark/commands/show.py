"""`show`: one run, recomputed from its samples."""

import argparse
from pathlib import Path

from benchmark.commands import add_results, results_store, write_json
from benchmark.commands.reading import read_summary
from benchmark.printing import print_summary
from benchmark.summary import to_document


def configure(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("run_id", metavar="ID", help="a run, or the beginning of its id")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures; - for standard output")
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print it; returns the exit status."""
    summary = read_summary(results_store(arguments.results), arguments.run_id)
    if arguments.json:
        write_json(arguments.json, to_document(summary))
    if str(arguments.json) != "-":
        print_summary(summary)
    return 0
