"""`diff`: two runs side by side, only what differs."""

import argparse

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmark.commands import add_results, results_store
from benchmark.commands.reading import read_summary
from benchmark.summary.comparison import differences


def configure(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("first", metavar="ID")
    parser.add_argument("second", metavar="ID")
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print it; returns the exit status."""
    store = results_store(arguments.results)
    first, second = (read_summary(store, run_id) for run_id in (arguments.first, arguments.second))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("", first.run.id, second.run.id):
        table.add_column(title)
    for line in differences(first, second):
        table.add_row(escape(line.name), escape(line.first), escape(line.second))
    Console(highlight=False).print(table if table.row_count else "No difference.")
    return 0
