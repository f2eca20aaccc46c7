"""`gate`: check SLOs against a run, for a pipeline that stops when one is broken."""

import argparse
from pathlib import Path

from benchmark.commands import UsageError, add_results, results_store
from benchmark.commands.reading import read_summary
from benchmark.summary.gate import GateError, check_non_inferior, check_slo, flaws, to_junit, to_markdown


def configure(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "run_id",
        metavar="ID",
        help="a run, or the beginning of its ID; one that did not finish or is generator-limited fails",
    )
    parser.add_argument(
        "--slo", action="append", default=[], metavar="SLO", help="like 'api.p95_ms<200' or 'api.error_rate<0.01'"
    )
    parser.add_argument(
        "--non-inferior",
        action="append",
        default=[],
        metavar="A:B:LIMIT",
        help="A's median exceeds B's by less than LIMIT, like function:api:10%% or a:b:5ms",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="an SLO is kept only if its whole interval keeps it; a rate has no interval and never is",
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a table for a pull request")
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check the run; returns 0 if a sound run keeps every SLO, else 1."""
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
