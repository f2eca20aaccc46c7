"""`simulate`: simulate endpoints with known latencies, to see what the statistics find, and how often."""

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
    """Add the arguments."""
    add = parser.add_argument
    add(
        "--pairs",
        type=int,
        default=500,
        metavar="N",
        help="measured pairs: one request to each endpoint (default 500)",
    )
    add("--rate", type=float, metavar="N", help="simulate an open loop at this rate instead of pairs")
    add("--duration", type=float, default=30.0, metavar="S", help="duration of the open loop (default 30)")
    add("--base-ms", type=float, default=50.0, metavar="MS", help="the first endpoint's true median (default 50)")
    add("--endpoints", type=int, default=2, metavar="N", help=f"number of endpoints, up to {len(KEYS)} (default 2)")
    add(
        "--difference-pct",
        type=float,
        action="append",
        metavar="PCT",
        help="delay of the second endpoint compared with the first (default 0); repeat it for further endpoints",
    )
    add(
        "--spread",
        type=float,
        default=0.2,
        metavar="S",
        help="standard deviation of the logarithm of a duration (default 0.2)",
    )
    add(
        "--correlation",
        type=float,
        default=0.0,
        metavar="R",
        help="correlation between consecutive requests (default 0)",
    )
    add(
        "--tail",
        type=float,
        metavar="A",
        help="use a power law with this exponent, such as 1.5, instead of the lognormal tail",
    )
    add("--burst-share", type=float, default=0.0, metavar="SHARE", help="share of requests in slow bursts (default 0)")
    add("--burst-requests", type=float, default=10.0, metavar="N", help="length of a burst (default 10)")
    add("--drift-pct", type=float, default=0.0, metavar="PCT", help="slowdown of the machine per minute")
    add(
        "--freeze",
        action="append",
        default=[],
        metavar="AT:S",
        help="pause everything at this second, for this many seconds; can be repeated",
    )
    add("--error-rate", type=float, default=0.0, metavar="SHARE", help="error rate of all endpoints (default 0)")
    add("--cold-ms", type=float, default=0.0, metavar="MS", help="duration of a cold start, after 15 idle minutes")
    add("--margin-ms", type=float, default=5.0, metavar="MS", help="(default 5)")
    add("--margin-pct", type=float, default=5.0, metavar="PCT", help="(default 5)")
    add("--seed", type=int, default=0, help="(default 0)")
    add("--runs", type=int, default=1, metavar="N", help="simulate N runs and count the verdicts (default 1)")
    add("--json", type=Path, metavar="FILE", help="write the figures as JSON; - for standard output")
    add("--record", action="store_true", help="record the run, marked as simulated")
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
    """Simulate many runs and print how often each verdict occurs."""
    if not 1 <= arguments.runs <= _MOST_RUNS:
        raise UsageError(f"--runs {arguments.runs}: must be 1 to {_MOST_RUNS}")
    if len(truth.endpoints) < 2:
        raise UsageError("--runs counts verdicts, which need two endpoints or more")
    if arguments.record:
        raise UsageError("--record records one run: leave out --runs")
    power = count_verdicts(truth, plan, arguments.runs)

    def text() -> None:
        medians = listed(number(endpoint.quantile_ms(0.5)) for endpoint in truth.endpoints)
        print(
            f"{power.runs} simulated runs; the true medians are {medians} ms.\n"
            "Percentage of runs with each verdict, with 95% intervals:"
        )
        print(f"{'':14}{'the verdict':24}if the whole interval had to exceed the margin")
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
            raise UsageError(f"--freeze {text}: must be START:DURATION in seconds, such as 5:2") from None
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
