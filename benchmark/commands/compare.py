"""`compare`: the same body to every endpoint in rounds of random order, one request in flight."""

import argparse

from benchmark.commands.measuring import add_arguments, measure, request_terms
from benchmark.record.plan import ComparePlan


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--pairs",
        type=int,
        default=500,
        metavar="N",
        help="measured pairs, or rounds of several endpoints (default 500)",
    )
    parser.add_argument("--warmup", type=int, default=20, metavar="N", help="warm-up pairs before them (default 20)")
    add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure; returns the exit status."""
    return measure(arguments, "compare", _plan)


def _plan(arguments: argparse.Namespace, margin_ms: float) -> ComparePlan:
    terms = request_terms(arguments, margin_ms)
    return ComparePlan(pairs=arguments.pairs, warmup=arguments.warmup, **terms)
