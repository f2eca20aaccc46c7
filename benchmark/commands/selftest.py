"""`selftest`: measure one server against itself, to find the smallest difference that this machine can resolve."""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any, TextIO

from benchmark.commands import UsageError, add_results, results_store, write_json
from benchmark.commands.measuring import add_endpoints, allowed_hosts, carry_out, parse_endpoints
from benchmark.endpoints.bodies import Bodies, card_for, from_card, from_descriptions
from benchmark.endpoints.catalog import Served
from benchmark.endpoints.endpoint import Endpoint
from benchmark.engine.execute import ask, make_manifest
from benchmark.engine.overhead import NullServerError, null_server
from benchmark.record.plan import MAX_RATE, MAX_REQUESTS, ComparePlan, PlanError, check_limits, to_document
from benchmark.record.run import RunState, new_run_id
from benchmark.record.store import Store
from benchmark.runs import selftest
from benchmark.runs.requests import new_run, work
from benchmark.statistics.text import number, span
from benchmark.summary.summarise import Summary
from benchmark.synthetic.selftest import FEWEST_RUNS, KIND, resolution
from inference.card import ModelCard

_MOST_RUNS = 100
_NULL_BODY = Bodies("null", (json.dumps({"features": [1.0, 2.0, 3.0, 4.0]}).encode(),))


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--runs", type=int, default=8, metavar="N", help="number of runs (default 8)")
    parser.add_argument("--pairs", type=int, default=100, metavar="N", help="measured pairs in each run (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random order (default 0)")
    add_endpoints(parser, required=False)
    add_results(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON; - for standard output")


def run(arguments: argparse.Namespace) -> int:
    """Measure; returns the exit status."""
    if not FEWEST_RUNS <= arguments.runs <= _MOST_RUNS:
        raise UsageError(f"--runs {arguments.runs}: must be {FEWEST_RUNS} to {_MOST_RUNS}, to measure a spread")
    try:
        # No margin: the question is which differences are visible, not which are relevant.
        plan = ComparePlan(
            pairs=arguments.pairs, margin_ms=0, margin_pct=0, seed=arguments.seed, timeout_s=arguments.timeout
        )
        endpoints = parse_endpoints(arguments)
        check_limits(plan, endpoints * 2, allowed_hosts(arguments), MAX_REQUESTS // arguments.runs, MAX_RATE)
    except PlanError as error:
        raise UsageError(str(error)) from error
    store = results_store(arguments.results)
    with ExitStack() as stack:
        try:
            null = Endpoint("null", "a server that does nothing", stack.enter_context(null_server()))
        except NullServerError as error:
            raise UsageError(str(error)) from error
        served = [Served(problem="has no model")] * 2
        floor = _against_itself(null, None, plan, arguments.runs, served, _NULL_BODY, None, store)
    text_to = sys.stderr if str(arguments.json) == "-" else sys.stdout
    floor_ms = median(summary.endpoints[0].service_ms[0].value for summary in floor)
    document: dict[str, Any] = {
        "kind": KIND,
        "floor_ms": floor_ms if isfinite(floor_ms) else None,
        **_report(floor, null, text_to),
        "endpoints": {},
    }
    for endpoint in endpoints:
        served = ask([endpoint]) * 2
        card = card_for([endpoint], served[:1])
        bodies = from_card(card) if card else from_descriptions([endpoint], served[:1])
        if bodies is None:
            raise UsageError(f"{endpoint.key} {served[0].problem}")
        summaries = _against_itself(endpoint, endpoint.url, plan, arguments.runs, served, bodies, card, store)
        document["endpoints"][endpoint.key] = _report(summaries, endpoint, text_to)
    if arguments.json:
        write_json(arguments.json, document)
    return 0 if document["resolution_ms"] is not None else 2


def _against_itself(
    endpoint: Endpoint,
    against: str | None,
    plan: ComparePlan,
    runs: int,
    served: Sequence[Served],
    bodies: Bodies,
    card: ModelCard | None,
    store: Store,
) -> list[Summary]:
    """Run `runs` times, each with its own seed."""
    sides = [replace(endpoint, key=key, name=f"{endpoint.name} ({key})") for key in ("first", "second")]
    test, summaries = new_run_id(), []
    for count in range(runs):
        one = replace(plan, seed=plan.seed + count)
        manifest = make_manifest(sides, served, to_document(one), bodies, card)
        manifest |= {"against": against, "selftest": test}
        run = new_run(KIND, f"{endpoint.name} against itself, {count + 1} of {runs}", manifest, new_run_id())
        summary = carry_out(selftest.KIND, work(run, sides, bodies, card, store, ""), store, "auto")
        if summary.run.state is not RunState.FINISHED:
            raise UsageError(f"it was {summary.run.state} before its end, so the resolution is unknown")
        summaries.append(summary)
    return summaries


def _report(summaries: Sequence[Summary], endpoint: Endpoint, text_to: TextIO) -> dict[str, Any]:
    """Print the result of runs of one server against itself; returns it as JSON."""
    found = resolution(summaries)
    pairs = [one.verdict.pairs[0].effect.n for one in summaries if one.verdict]
    document = {"resolution_ms": found.ms, "differences_ms": list(found.differences_ms), "pairs": pairs}
    if found.ms is None:
        failed = sum(one.endpoints[0].failed for one in summaries)
        print(f"{endpoint.name}: not measured ({failed} requests failed)", file=text_to)
        return document
    p50_ms = median(one.endpoints[0].service_ms[0].value for one in summaries)
    low_ms, high_ms, runs = min(found.differences_ms), max(found.differences_ms), len(found.differences_ms)
    differed = span(low_ms, high_ms, "{:.4f}".format)
    print(
        f"{endpoint.name}: p50 {number(p50_ms)} ms. In {runs} runs of {min(pairs)} pairs it differed from itself by "
        f"{differed} ms in the median. One more such run would differ by more than {found.ms:.4f} ms in 5% of cases. "
        "Smaller differences are not claimed on this machine.",
        file=text_to,
    )
    return document
