"""`selftest`: the same server against itself, to find the smallest difference that this machine can resolve."""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from math import isfinite
from pathlib import Path
from typing import Any, TextIO

from benchmark.commands import UsageError, add_results, results_store, write_json
from benchmark.commands.measuring import add_endpoints, allowed_hosts, conduct, new_run, parse_endpoints
from benchmark.endpoints.bodies import Bodies, from_card
from benchmark.endpoints.catalog import Served
from benchmark.endpoints.endpoint import Endpoint
from benchmark.engine.execute import ask, make_manifest
from benchmark.engine.floor import FloorError, null_server
from benchmark.record.plan import MAX_RATE, MAX_REQUESTS, ComparePlan, PlanError, check_limits
from benchmark.record.run import RunState
from benchmark.record.store import Store
from benchmark.statistics.text import number
from benchmark.summary.summarise import Summary
from benchmark.synthetic.selftest import KIND, resolution_ms

_NULL_BODY = Bodies("null", (json.dumps({"features": [1.0, 2.0, 3.0, 4.0]}).encode(),))


def configure(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("--pairs", type=int, default=500, metavar="N", help="measured pairs (default 500)")
    parser.add_argument("--seed", type=int, default=0, help="of the order (default 0)")
    add_endpoints(parser, required=False)
    add_results(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures; - for standard output")


def run(arguments: argparse.Namespace) -> int:
    """Measure; returns the exit status."""
    try:
        # Whether something matters is not the question here, but what is seen at all: no margin.
        plan = ComparePlan(
            pairs=arguments.pairs, margin_ms=0, margin_pct=0, seed=arguments.seed, timeout_s=arguments.timeout
        )
        endpoints = parse_endpoints(arguments)
        check_limits(plan, endpoints * 2, allowed_hosts(arguments), MAX_REQUESTS, MAX_RATE)
    except PlanError as error:
        raise UsageError(str(error)) from error
    store = results_store(arguments.results)
    with ExitStack() as stack:
        try:
            null = Endpoint("null", "a server that does nothing", stack.enter_context(null_server()))
        except FloorError as error:
            raise UsageError(str(error)) from error
        floor = _against_itself(null, None, plan, [Served(problem="is no model")] * 2, _NULL_BODY, store)
    text_to = sys.stderr if str(arguments.json) == "-" else sys.stdout
    floor_ms = floor.endpoints[0].service_ms[0].value
    document: dict[str, Any] = {
        "kind": KIND,
        "floor_ms": floor_ms if isfinite(floor_ms) else None,
        "resolution_ms": _report(floor, null, text_to),
        "endpoints": {},
    }
    for endpoint in endpoints:
        served = ask([endpoint]) * 2
        if served[0].card is None:
            raise UsageError(f"{endpoint.key} {served[0].problem}")
        summary = _against_itself(endpoint, endpoint.url, plan, served, from_card(served[0].card), store)
        document["endpoints"][endpoint.key] = {"resolution_ms": _report(summary, endpoint, text_to)}
    if arguments.json:
        write_json(arguments.json, document)
    return 0 if document["resolution_ms"] is not None else 2


def _against_itself(
    endpoint: Endpoint, against: str | None, plan: ComparePlan, served: Sequence[Served], bodies: Bodies, store: Store
) -> Summary:
    sides = [
        Endpoint(key, f"{endpoint.name} ({key})", endpoint.url, endpoint.timeout_s, endpoint.token, endpoint.identity)
        for key in ("first", "second")
    ]
    manifest = make_manifest(sides, served, plan, bodies, served[0].card)
    manifest["against"] = against
    run = new_run(KIND, f"{endpoint.name} against itself", manifest)
    summary = conduct(run, sides, bodies, served[0].card, store, "auto")
    if summary.run.state is not RunState.FINISHED:
        raise UsageError(f"it was {summary.run.state} before its end, so it says nothing of what can be resolved")
    return summary


def _report(summary: Summary, endpoint: Endpoint, text_to: TextIO) -> float | None:
    """Print what one A/A run says; returns the smallest difference that can be resolved, in ms."""
    resolution = resolution_ms(summary)
    p50 = summary.endpoints[0].service_ms[0]
    if resolution is None:
        print(f"{endpoint.name}: not measured ({summary.endpoints[0].failed} requests failed)", file=text_to)
        return None
    print(
        f"{endpoint.name}: p50 {number(p50.value)} ms (n = {p50.n} pairs); smaller differences than "
        f"{resolution:.4f} ms cannot be told from none",
        file=text_to,
    )
    return resolution
