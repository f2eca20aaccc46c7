"""`show`: one run, recomputed from its samples."""

import argparse
from pathlib import Path

from benchmark.coldstart.plan import KIND
from benchmark.commands import add_results, present, results_store
from benchmark.commands.reading import read_run, read_summary
from benchmark.record.store import Store
from benchmark.summary.printing import print_summary
from benchmark.summary.summarise import to_document


def configure(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("run_id", metavar="ID", help="a run, or the beginning of its id")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures; - for standard output")
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print it; returns the exit status."""
    store = results_store(arguments.results)
    if read_run(store, arguments.run_id)[0].kind == KIND:
        return _show_coldstart(arguments, store)
    summary = read_summary(store, arguments.run_id)
    present(to_document(summary), arguments.json, lambda: print_summary(summary))
    return 0


def _show_coldstart(arguments: argparse.Namespace, store: Store) -> int:
    from benchmark.coldstart import summary as cold
    from benchmark.coldstart.printing import print_coldstart

    found = cold.summarise(*read_run(store, arguments.run_id))
    present(cold.to_document(found), arguments.json, lambda: print_coldstart(found))
    return 0
