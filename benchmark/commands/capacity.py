"""`capacity`: find the highest rate at which each endpoint keeps its objectives, with an interval.

    python -m benchmark capacity --endpoint api=URL --endpoint function=URL --slo 'p95_ms<200' --slo 'error_rate<0.001'

The endpoints take turns, in steps at rates that depend on the steps before: a bracket, then a search around the
capacity. There, a short overload before each step spends what the endpoint has saved, so that a burst is not taken for
a capacity.
"""

import argparse
from dataclasses import replace

from benchmark.commands import UsageError
from benchmark.commands.measuring import add_endpoints, add_output, conduct_plan, parse_endpoints
from benchmark.endpoints.endpoint import Endpoint
from benchmark.record.plan import MAX_RATE, MAX_REQUESTS, PlanError, read_abort
from benchmark.runs.capacity import KIND
from benchmark.runs.capacity.plan import CapacityPlan, read_slo

_START_RATE = 20.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    add_endpoints(parser)
    add = parser.add_argument
    add(
        "--slo",
        action="append",
        required=True,
        metavar="OBJECTIVE",
        help="objective to hold, such as 'p95_ms<200' or 'error_rate<0.001'; can be repeated. A failed request counts "
        "as slower than any limit",
    )
    add(
        "--max-rate",
        type=float,
        default=MAX_RATE,
        metavar="N",
        help=f"requests/s that no step exceeds (default {MAX_RATE:g})",
    )
    add(
        "--start-rate",
        type=float,
        metavar="N",
        help=f"requests/s of the first step (default {_START_RATE:g}, or --max-rate if that is lower)",
    )
    add("--steps", type=int, default=12, metavar="N", help="steps of each endpoint, at most (default 12)")
    add(
        "--step-s",
        type=float,
        default=8.0,
        metavar="S",
        help="measured part of a step (default 8); longer at low rates, for enough requests",
    )
    add("--limit-s", type=float, default=400.0, metavar="S", help="time limit of the search (default 400)")
    add(
        "--abort",
        action="append",
        default=[],
        metavar="LIMIT",
        help="end a step at once when an endpoint exceeds this in the last second (default error_rate>0.5); the search "
        "goes on at lower rates. Can be repeated",
    )
    add(
        "--usd-per-hour",
        action="append",
        default=[],
        metavar="NAME=USD",
        help="what an endpoint costs (default: the instances that answered, by the cost model); for all or none",
    )
    add(
        "--connection",
        choices=("reused", "new"),
        default="reused",
        help="reuse connections, or open one per request (default reused)",
    )
    add("--seed", type=int, default=0, help="seed of the order and arrivals (default 0)")
    add("--body-from", default="card", metavar="card|FILE.csv", help="inputs to send (default card)")
    add(
        "--max-requests",
        type=int,
        default=MAX_REQUESTS,
        metavar="N",
        help=f"maximum number of requests; the search ends before it (default {MAX_REQUESTS})",
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure; returns the exit status: 0 if anything was measured."""
    endpoints = parse_endpoints(arguments)
    try:
        plan = _plan(arguments, endpoints)
    except PlanError as error:
        raise UsageError(str(error)) from error
    return conduct_plan(KIND, plan, endpoints, arguments)


def _plan(arguments: argparse.Namespace, endpoints: list[Endpoint]) -> CapacityPlan:
    start = arguments.start_rate
    plan = CapacityPlan(
        tuple(map(read_slo, arguments.slo)),
        max_rate=arguments.max_rate,
        start_rate=min(_START_RATE, arguments.max_rate) if start is None else start,
        steps=arguments.steps,
        step_s=arguments.step_s,
        limit_s=arguments.limit_s,
        max_requests=arguments.max_requests,
        connection=arguments.connection,
        usd_per_hour=_costs(arguments.usd_per_hour, endpoints),
        timeout_s=arguments.timeout,
        seed=arguments.seed,
    )
    return replace(plan, abort=tuple(map(read_abort, arguments.abort))) if arguments.abort else plan


def _costs(texts: list[str], endpoints: list[Endpoint]) -> tuple[float, ...]:
    """The costs in the order of the endpoints. Raises UsageError."""
    given: dict[str, float] = {}
    for text in texts:
        key, equals, usd = text.partition("=")
        try:
            if not equals or key in given or key not in {one.key for one in endpoints}:
                raise ValueError
            given[key] = float(usd)
        except ValueError:
            raise UsageError(f"--usd-per-hour {text[:80]}: must be NAME=USD, each endpoint once") from None
    if given and len(given) < len(endpoints):
        raise UsageError("--usd-per-hour is needed for every endpoint, or for none")
    return tuple(given[one.key] for one in endpoints) if given else ()
