"""`simulate`: runs of endpoints whose truth is known, to see what the statistics say about them, and how often."""

import argparse
from pathlib import Path

from benchmark.commands import UsageError, add_results, present, results_store
from benchmark.record.plan import ComparePlan, OpenLoopPlan, Plan, PlanError
from benchmark.record.recording import add_finished_run
from benchmark.record.store import StoreError
from benchmark.statistics.text import interval, listed, number
from benchmark.summary.printing import print_summary
from benchmark.summary.summarise import summarise, to_document
from benchmark.synthetic.demo import KEYS, simulate_run
from benchmark.synthetic.power import count_verdicts, share
from benchmark.synthetic.power import to_document as to_power_document
from benchmark.synthetic.simulate import Machine, TrueEndpoint, Truth

_MOST_RUNS = 100_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    add = parser.add_argument
    add(
        "--pairs",
        type=int,
        default=500,
        metavar="N",
        help="measured pairs: one request to each endpoint (default 500)",
    )
    add("--rate", type=float, metavar="N", help="an open loop at this rate instead of pairs")
    add("--duration", type=float, default=30.0, metavar="S", help="of the open loop (default 30)")
    add("--base-ms", type=float, default=50.0, metavar="MS", help="the first endpoint's true median (default 50)")
    add("--endpoints", type=int, default=2, metavar="N", help=f"how many, up to {len(KEYS)} (default 2)")
    add(
        "--difference-pct",
        type=float,
        action="append",
        metavar="PCT",
        help="how much slower the second endpoint is than the first (default 0); repeat for the third, and so on",
    )
    add("--spread", type=float, default=0.2, metavar="S", help="of the logarithm of a duration (default 0.2)")
    add("--correlation", type=float, default=0.0, metavar="R", help="between one request and the next (default 0)")
    add("--tail", type=float, metavar="A", help="a power law of this exponent instead of the lognormal tail, like 1.5")
    add("--burst-share", type=float, default=0.0, metavar="SHARE", help="of requests in bursts of slowness (default 0)")
    add("--burst-requests", type=float, default=10.0, metavar="N", help="how long a burst lasts (default 10)")
    add("--drift-pct", type=float, default=0.0, metavar="PCT", help="how much slower the machine gets in a minute")
    add(
        "--freeze",
        action="append",
        default=[],
        metavar="AT:S",
        help="when everything stands still, and for how long, in s",
    )
    add("--error-rate", type=float, default=0.0, metavar="SHARE", help="of all endpoints (default 0)")
    add("--cold-ms", type=float, default=0.0, metavar="MS", help="what a cold start adds, after 15 minutes idle")
    add("--margin-ms", type=float, default=5.0, metavar="MS", help="(default 5)")
    add("--margin-pct", type=float, default=5.0, metavar="PCT", help="(default 5)")
    add("--seed", type=int, default=0, help="(default 0)")
    add("--runs", type=int, default=1, metavar="N", help="simulate N runs and count the verdicts (default 1)")
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
            else OpenLoopPlan(rate=arguments.rate, duration_s=arguments.duration, warmup=0, **margins)
        )
        truth = _truth(arguments)
    except PlanError as error:
        raise UsageError(str(error)) from error
    if arguments.runs != 1:
        return _count(arguments, truth, plan)
    found, samples = simulate_run(truth, plan)
    if arguments.record:
        try:
            add_finished_run(results_store(arguments.results), found, samples)
        except StoreError as error:
            raise UsageError(str(error)) from error
    summary = summarise(found, samples)
    present(to_document(summary), arguments.json, lambda: print_summary(summary))
    return 0


def _count(arguments: argparse.Namespace, truth: Truth, plan: Plan) -> int:
    """Simulate many runs and print how often each verdict is found."""
    if not 1 <= arguments.runs <= _MOST_RUNS:
        raise UsageError(f"--runs {arguments.runs}: must be 1 to {_MOST_RUNS}")
    if len(truth.endpoints) < 2:
        raise UsageError("--runs counts verdicts, which need two endpoints or more")
    if arguments.record:
        raise UsageError("--record keeps one run: leave --runs out")
    power = count_verdicts(truth, plan, arguments.runs)

    def text() -> None:
        medians = listed(number(endpoint.quantile_ms(0.5)) for endpoint in truth.endpoints)
        print(
            f"{power.runs} simulated runs; the true medians are {medians} ms.\n"
            "How many percent of runs find what, with 95% intervals:"
        )
        print(f"{'':14}{'the verdict':24}if the whole interval had to be beyond the margin")
        for name, count in power.verdict.items():
            shares = [interval(share(found, power.runs), 100) for found in (count, power.strict[name])]
            print(f"{name:14}{shares[0]:24}{shares[1]}")
        if len(truth.endpoints) > 2:
            print(f"{'any winner':14}{interval(share(power.any_winner, power.runs), 100)}")
            print(f"{'true order':14}{interval(share(power.true_order, power.runs), 100)}")

    present(to_power_document(power), arguments.json, text)
    return 0


def _truth(arguments: argparse.Namespace) -> Truth:
    freezes = []
    for text in arguments.freeze:
        try:
            at, length = (float(part) for part in text.split(":"))
        except ValueError:
            raise UsageError(f"--freeze {text}: must be like 5:2, from second 5 for 2 s") from None
        freezes.append((at * 1000, length * 1000))
    slower_pct = [0.0, *(arguments.difference_pct or ())]
    count = max(arguments.endpoints, len(slower_pct))
    if not arguments.endpoints >= 1 or count > len(KEYS):
        raise UsageError(f"a simulated run has 1 to {len(KEYS)} endpoints")
    endpoints = tuple(
        TrueEndpoint(
            base_ms=arguments.base_ms * (1 + pct / 100),
            spread=arguments.spread,
            correlation=arguments.correlation,
            tail=arguments.tail,
            burst_share=arguments.burst_share,
            burst_requests=arguments.burst_requests,
            error_share=arguments.error_rate,
            cold_ms=arguments.cold_ms,
            idle_ms=900_000.0 if arguments.cold_ms else None,
        )
        for pct in slower_pct + [0.0] * (count - len(slower_pct))
    )
    return Truth(endpoints, Machine(arguments.drift_pct / 100, tuple(sorted(freezes))))
