"""`load`: send requests at a fixed rate (open loop), or from callers that wait for answers (closed loop)."""

import argparse
from dataclasses import replace
from typing import Any

from benchmark.commands import UsageError
from benchmark.commands.measuring import add_arguments, measure
from benchmark.record.plan import ClosedLoopPlan, LoadPlan, OpenLoopPlan

_WARMUP = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--rate", type=float, metavar="N", help="requests/s to each endpoint (default 50)")
    parser.add_argument("--duration", type=float, metavar="S", help="duration (default 30)")
    parser.add_argument("--ramp", type=float, metavar="N", help="start at this rate and rise linearly to --rate")
    parser.add_argument(
        "--arrivals",
        choices=("poisson", "constant"),
        default="poisson",
        help="distribution of the arrivals (default poisson)",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        metavar="N",
        help="closed loop with this many callers per endpoint, each waiting for its answer; hides stalls",
    )
    parser.add_argument("--requests", type=int, metavar="M", help="requests to each endpoint in the closed loop")
    parser.add_argument(
        "--warmup", type=int, metavar="N", help="warm-up requests to each endpoint (default 20, at most a tenth of all)"
    )
    add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure; returns the exit status."""
    closed = arguments.concurrency is not None
    if closed and (arguments.rate is not None or arguments.duration is not None or arguments.ramp is not None):
        raise UsageError("--concurrency is a closed loop without a rate: leave out --rate, --duration and --ramp")
    if arguments.requests is not None and not closed:
        raise UsageError("--requests requires --concurrency")
    return measure(arguments, "load", _plan)


def _plan(arguments: argparse.Namespace, margin_ms: float) -> LoadPlan:
    terms: dict[str, Any] = {
        "warmup": arguments.warmup or 0,
        "connection": arguments.connection,
        "margin_ms": margin_ms,
        "margin_pct": arguments.margin_pct,
        "timeout_s": arguments.timeout,
        "seed": arguments.seed,
    }
    plan: LoadPlan
    if arguments.concurrency is not None:
        plan = ClosedLoopPlan(arguments.concurrency, arguments.requests or 0, **terms)
    else:
        rate = 50.0 if arguments.rate is None else arguments.rate
        duration_s = 30.0 if arguments.duration is None else arguments.duration
        plan = OpenLoopPlan(rate, duration_s, arguments.ramp, arguments.arrivals, **terms)
    if arguments.warmup is None:
        plan = replace(plan, warmup=min(_WARMUP, plan.requests(1) // 10))
    return plan
