"""`diff`: show only what differs between two runs."""

import argparse

from rich.console import Console

from benchmark.commands import add_results, results_store
from benchmark.commands.reading import read_summary
from benchmark.summary.diff import differences
from benchmark.summary.printing import table


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("first", metavar="ID")
    parser.add_argument("second", metavar="ID")
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the result; returns the exit status."""
    store = results_store(arguments.results)
    first, second = (read_summary(store, run_id) for run_id in (arguments.first, arguments.second))
    lines = [(line.name, (line.first, line.second)) for line in differences(first, second)]
    found = table((first.run.id, second.run.id), lines) if lines else "No difference."
    Console(highlight=False).print(found)
    return 0
