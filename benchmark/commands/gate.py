"""`gate`: check SLOs against a run, for pipelines that must stop when one is broken."""

import argparse
from pathlib import Path

from benchmark.commands import UsageError, add_results, results_store
from benchmark.commands.reading import read_summary
from benchmark.summary.gate import GateError, check_non_inferior, check_slo, flaws, to_junit, to_markdown


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "run_id",
        metavar="ID",
        help="run ID, or its beginning; an unfinished or generator-limited run fails",
    )
    parser.add_argument(
        "--slo",
        action="append",
        default=[],
        metavar="SLO",
        help="SLO such as 'api.p95_ms<200' or 'api.error_rate<0.01'",
    )
    parser.add_argument(
        "--non-inferior",
        action="append",
        default=[],
        metavar="A:B:LIMIT",
        help="A's median must exceed B's by less than LIMIT, such as function:api:10%% or a:b:5ms",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="an SLO passes only if its whole interval passes; a rate has no interval and never passes",
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the result as JUnit XML")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a Markdown table for a pull request")
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check the run; returns 0 if the run is sound and keeps every SLO, else 1."""
    if not arguments.slo and not arguments.non_inferior:
        raise UsageError("nothing to check: give --slo or --non-inferior")
    summary = read_summary(results_store(arguments.results), arguments.run_id)
    try:
        checks = list(flaws(summary))
        checks += [check_slo(summary, text, strict=arguments.strict) for text in arguments.slo]
        checks += [check_non_inferior(summary, text) for text in arguments.non_inferior]
    except GateError as error:
        raise UsageError(str(error)) from error
    if not any(side.attempts for side in summary.endpoints):
        raise UsageError(f"run {summary.run.id} measured nothing")
    for check in checks:
        print(f"{'kept  ' if check.holds else 'BROKEN'}  {check.objective}: {check.found}")
    for path, text in ((arguments.junit, to_junit), (arguments.markdown, to_markdown)):
        if path:
            try:
                path.write_text(text(summary, checks))
            except OSError as error:
                raise UsageError(f"{path}: cannot be written ({error.strerror})") from error
    return 0 if all(check.holds for check in checks) else 1
