"""`report`: write runs as one file to share, HTML or Markdown by its suffix."""

import argparse
from pathlib import Path

from benchmark.commands import UsageError, add_results, results_store
from benchmark.commands.cost import add_prices
from benchmark.commands.decide import add_needs, read_needs
from benchmark.commands.reading import read_run
from benchmark.cost.prices import PriceError, find_prices
from benchmark.decision.decide import decide
from benchmark.decision.gather import UNREADABLE, find
from benchmark.decision.needs import Needs
from benchmark.endpoints.sample import utc_now
from benchmark.reports.document import to_html, to_markdown
from benchmark.reports.redaction import without_secrets
from benchmark.reports.report import build

_FORMS = {".html": to_html, ".md": to_markdown}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("run_ids", nargs="+", metavar="ID", help="run IDs, or their beginnings")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="output file, such as report.html or report.md"
    )
    parser.add_argument("--decide", action="store_true", help="begin with a recommendation based on these runs")
    add_needs(parser)
    add_prices(parser)
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the file; returns the exit status."""
    form = _FORMS.get(arguments.out.suffix.lower())
    if form is None:
        raise UsageError(f"--out {arguments.out}: must end in {' or '.join(_FORMS)}")
    needs = read_needs(arguments)
    if not arguments.decide and needs != Needs():
        raise UsageError("options for needs require --decide")
    store = results_store(arguments.results)
    recorded = [read_run(store, run_id) for run_id in dict.fromkeys(arguments.run_ids)]
    try:
        prices = find_prices(arguments.prices)
        samples = {run.id: found for run, found in recorded}
        findings = find([run for run, _ in recorded], lambda run: samples[run.id])
        decision = decide(needs, findings, prices) if arguments.decide and findings else None
        text = without_secrets(form(build(recorded, prices, utc_now(), findings, decision)))
    except (*UNREADABLE, PriceError) as error:
        raise UsageError(f"one of these runs cannot be read: {error}") from error
    try:
        arguments.out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--out {arguments.out}: cannot be written ({error.strerror})") from error
    print(f"{arguments.out}: {len(text.encode()) / 1024:.0f} KB")
    return 0
