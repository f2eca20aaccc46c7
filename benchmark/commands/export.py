"""`export`: write a run in the formats of other programs."""

import argparse
import json
import sys
from pathlib import Path

from benchmark.commands import UsageError, add_results, results_store
from benchmark.commands.reading import read_run
from benchmark.record.run import Run
from benchmark.record.samples import Samples
from benchmark.reports.export import percentile_log, run_to_document, samples_to_csv


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("run_id", metavar="ID", help="run ID, or its beginning")
    parser.add_argument(
        "--format",
        choices=("csv", "json", "hgrm"),
        default="csv",
        help="csv: one line per request; json: the whole run; hgrm: percentiles for HdrHistogram's plotter",
    )
    parser.add_argument("--endpoint", metavar="NAME", help="endpoint for hgrm (default: the first)")
    parser.add_argument(
        "--output", type=Path, default=Path("-"), metavar="FILE", help="output file (default: standard output)"
    )
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the file; returns the exit status."""
    found, samples = read_run(results_store(arguments.results), arguments.run_id)
    if arguments.format == "csv":
        text = samples_to_csv(found, samples)
    elif arguments.format == "json":
        text = json.dumps(run_to_document(found, samples)) + "\n"
    else:
        text = _histogram(found, samples, arguments.endpoint)
    if str(arguments.output) == "-":
        sys.stdout.write(text)
        return 0
    try:
        arguments.output.write_text(text)
    except OSError as error:
        raise UsageError(f"--output {arguments.output}: cannot be written ({error.strerror})") from error
    return 0


def _histogram(found: Run, samples: Samples, key: str | None) -> str:
    if key is not None and key not in found.endpoint_keys:
        raise UsageError(f"run {found.id} has no endpoint {key}, only {', '.join(found.endpoint_keys)}")
    position = found.endpoint_keys.index(key) if key else 0
    return percentile_log(found, samples, position)
