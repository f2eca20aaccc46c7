"""`simulate`: a run of two endpoints whose truth is known, to see what the statistics make of it."""

import argparse
from pathlib import Path

from benchmark.commands import UsageError, add_results, present, results_store
from benchmark.record.plan import ComparePlan, LoadPlan, PlanError
from benchmark.record.recording import add_finished_run
from benchmark.record.store import StoreError
from benchmark.summary.printing import print_summary
from benchmark.summary.summarise import summarise, to_document
from benchmark.synthetic.demo import simulate_run
from benchmark.synthetic.simulate import Machine, TrueEndpoint, Truth


def configure(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add = parser.add_argument
    add("--pairs", type=int, default=500, metavar="N", help="measured pairs (default 500)")
    add("--rate", type=float, metavar="N", help="an open loop at this rate instead of pairs")
    add("--duration", type=float, default=30.0, metavar="S", help="of the open loop (default 30)")
    add("--base-ms", type=float, default=50.0, metavar="MS", help="the first endpoint's true median (default 50)")
    add("--difference-pct", type=float, default=0.0, metavar="PCT", help="how much slower the second is (default 0)")
    add("--spread", type=float, default=0.2, metavar="S", help="of the logarithm of a duration (default 0.2)")
    add("--correlation", type=float, default=0.0, metavar="R", help="between one request and the next (default 0)")
    add("--drift-pct", type=float, default=0.0, metavar="PCT", help="how much slower the machine gets in a minute")
    add("--freeze", action="append", default=[], metavar="AT:S", help="seconds: when nothing moves, and how long")
    add("--error-rate", type=float, default=0.0, metavar="SHARE", help="of both endpoints (default 0)")
    add("--cold-ms", type=float, default=0.0, metavar="MS", help="what a cold start adds, after 15 minutes idle")
    add("--margin-ms", type=float, default=5.0, metavar="MS", help="(default 5)")
    add("--margin-pct", type=float, default=5.0, metavar="PCT", help="(default 5)")
    add("--seed", type=int, default=0, help="(default 0)")
    add("--json", type=Path, metavar="FILE", help="write the figures; - for standard output")
    add("--record", action="store_true", help="keep the run in the record, marked as simulated")
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Simulate and print; returns the exit status."""
    try:
        margins = {"margin_ms": arguments.margin_ms, "margin_pct": arguments.margin_pct, "seed": arguments.seed}
        plan = (
            ComparePlan(pairs=arguments.pairs, **margins)
            if arguments.rate is None
            else LoadPlan(rate=arguments.rate, duration_s=arguments.duration, warmup=0, **margins)
        )
        truth = _truth(arguments)
    except PlanError as error:
        raise UsageError(str(error)) from error
    found, samples = simulate_run(truth, plan)
    if arguments.record:
        try:
            add_finished_run(results_store(arguments.results), found, samples)
        except StoreError as error:
            raise UsageError(str(error)) from error
    summary = summarise(found, samples)
    present(to_document(summary), arguments.json, lambda: print_summary(summary))
    return 0


def _truth(arguments: argparse.Namespace) -> Truth:
    freezes = []
    for text in arguments.freeze:
        try:
            at, length = (float(part) for part in text.split(":"))
        except ValueError:
            raise UsageError(f"--freeze {text}: must be like 5:2, from second 5 for 2 s") from None
        freezes.append((at * 1000, length * 1000))
    first, second = (
        TrueEndpoint(
            base_ms=base_ms,
            spread=arguments.spread,
            correlation=arguments.correlation,
            error_share=arguments.error_rate,
            cold_ms=arguments.cold_ms,
            idle_ms=900_000.0 if arguments.cold_ms else None,
        )
        for base_ms in (arguments.base_ms, arguments.base_ms * (1 + arguments.difference_pct / 100))
    )
    return Truth((first, second), Machine(arguments.drift_pct / 100, tuple(sorted(freezes))))
