"""`import`: add a run from a file that `export --format json` wrote, on this or another machine."""

import argparse
from pathlib import Path

from benchmark.commands import UsageError, add_results, results_store
from benchmark.record.recording import add_finished_run
from benchmark.record.store import StoreError
from benchmark.reports.export import run_from_bytes
from benchmark.reports.imported import MAX_BYTES, ImportFault
from benchmark.runs.headlines import write_headline


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE")
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Add it to the record; returns the exit status."""
    try:
        with arguments.file.open("rb") as file:
            found, samples = run_from_bytes(file.read(MAX_BYTES + 1))
        store = results_store(arguments.results)
        add_finished_run(store, found, samples)
        write_headline(store, found, samples)
    except OSError as error:
        raise UsageError(f"{arguments.file}: cannot be read ({error.strerror})") from error
    except (ImportFault, StoreError) as error:
        raise UsageError(f"{arguments.file}: {error}") from error
    print(found.id)
    return 0
