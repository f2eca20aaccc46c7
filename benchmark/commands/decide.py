"""`decide`: which of two endpoints to choose for stated needs, on the evidence of the record alone."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.commands import UsageError, add_results, present, results_store
from benchmark.commands.cost import read_traffic
from benchmark.cost.prices import BILLINGS, PriceError, load_prices
from benchmark.cost.traffic import SHAPES
from benchmark.decision.decide import Decision, decide
from benchmark.decision.evidence import Bill
from benchmark.decision.findings import Findings, gather
from benchmark.decision.needs import MATTERS, Matter, Needs, NeedsError, Percentile, described
from benchmark.decision.objectives import Holds
from benchmark.decision.words import usd
from benchmark.record.store import StoreError

_DEFAULT = Needs()


def configure(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument(
        "run_ids",
        nargs="*",
        metavar="ID",
        help="rest on these runs alone, in any order (default: all of the newest plan)",
    )
    add_needs(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything; - for standard output alone")
    add_results(parser)


def add_needs(parser: argparse.ArgumentParser) -> None:
    """Options that say what is asked for."""
    add = parser.add_argument
    add("--requests-per-month", type=int, metavar="N", help=f"(default {_DEFAULT.requests_per_month:,})")
    add("--shape", default="steady", metavar="|".join((*SHAPES, "FILE.csv")), help="of the traffic (default steady)")
    latency = parser.add_mutually_exclusive_group()
    latency.add_argument("--p95-ms", type=float, metavar="MS", help="95 %% of requests answered within")
    latency.add_argument("--p99-ms", type=float, metavar="MS", help="99 %% of requests answered within")
    add("--availability", type=float, metavar="PCT", help="share of requests that must be answered, like 99.9")
    add("--budget-usd", type=float, metavar="USD", help="what a month may cost after the free tier")
    add(
        "--matters",
        default=",".join(_DEFAULT.matters),
        metavar="|".join(MATTERS),
        help="what decides; several by commas, each where those before it tie (default latency,cost)",
    )
    add("--min-instances", type=int, default=0, metavar="N", help="of each endpoint, kept alive always (default 0)")
    add("--billing", choices=BILLINGS, default="request", help="what is paid for (default request)")


def read_needs(arguments: argparse.Namespace) -> Needs:
    """What these options say. Raises UsageError."""
    traffic, from_file = read_traffic(arguments.shape)
    asked = (arguments.requests_per_month, from_file, _DEFAULT.requests_per_month)
    percentile: Percentile = "p99" if arguments.p99_ms is not None else "p95"
    try:
        return Needs(
            next(requests for requests in asked if requests is not None),
            traffic,
            percentile,
            arguments.p99_ms if percentile == "p99" else arguments.p95_ms,
            arguments.availability,
            arguments.budget_usd,
            _matters(arguments.matters),
            arguments.min_instances,
            arguments.billing,
        )
    except NeedsError as error:
        raise UsageError(str(error)) from error


def run(arguments: argparse.Namespace) -> int:
    """Decide and print; returns 0, also where the evidence does not suffice, and 2 where there is none at all."""
    needs = read_needs(arguments)
    try:
        findings = gather(results_store(arguments.results), run_ids=arguments.run_ids)
        prices = load_prices()
    except (StoreError, PriceError) as error:
        raise UsageError(str(error)) from error
    if findings is None or not findings.runs:
        raise UsageError(
            "there is no finished run of two endpoints to decide on. Run this: python -m benchmark compare "
            "--endpoint api=URL --endpoint function=URL"
        )
    decision = decide(needs, findings, prices)
    present(to_document(decision, findings), arguments.json, lambda: print(_readable(decision, findings)))
    return 0


def _matters(text: str) -> tuple[Matter, ...]:
    known = {str(matter): matter for matter in MATTERS}
    words = [part.strip() for part in text.split(",")]
    if not set(words) <= set(known):
        raise UsageError(f"--matters {text}: must be among {', '.join(MATTERS)}, by commas")
    return tuple(known[word] for word in words)


def to_document(decision: Decision, findings: Findings) -> dict[str, Any]:
    """Everything that was decided as JSON holds it."""
    document = asdict(decision)
    document["needs"]["traffic"] = decision.needs.traffic.name
    document["flips"] = [{"sentence": flip.sentence, **asdict(flip)} for flip in decision.flips]
    del document["bills"]
    bills = zip(findings.keys, decision.bills, strict=True)
    document["costs"] = {key: None if bill is None else _cost_document(bill) for key, bill in bills}
    return {"format_version": 1, **document}


def _cost_document(bill: Bill) -> dict[str, Any]:
    """With the most cold starts that the evidence allows; and what it is, at least, with the fewest."""
    return {
        "gross_usd": bill.high.gross_usd,
        "net_usd": bill.high.net_usd,
        "least_gross_usd": bill.low.gross_usd,
        "least_net_usd": bill.low.net_usd,
        **asdict(bill.high),
    }


def _readable(decision: Decision, findings: Findings) -> str:
    names = dict(zip(findings.keys, findings.names, strict=True))
    _, assumed = described(decision.needs)
    lines = [decision.sentence, *([f"Assumed, since nothing else is asked for: {assumed}."] if assumed else []), ""]
    marks = {Holds.KEPT: "kept   ", Holds.BROKEN: "BROKEN ", Holds.UNKNOWN: "unknown"}
    lines += [f"{marks[one.holds]}  {names[one.key]}, {one.name}: {one.found}" for one in decision.objectives]
    for name, bill in zip(findings.names, decision.bills, strict=True):
        text = "not known"
        if bill:
            net = usd(bill.low.net_usd, bill.high.net_usd)
            text = f"USD {net} net, {usd(bill.low.gross_usd, bill.high.gross_usd)} gross"
        lines.append(f"a month   {name}: {text}")
    for title, texts in (
        ("It flips", [one.sentence for one in decision.flips]),
        ("Missing", [f"{one.what}\n    {one.command}" for one in decision.missing]),
        ("Rests on", [f"run {one.run_id} ({one.kind}): {one.sentence or one.samples}" for one in decision.sources]),
        ("Passed over", [f"run {one.run_id} ({one.kind}): {one.why}" for one in decision.passed_over]),
        ("Taken for granted", decision.assumptions),
    ):
        if texts:
            lines += ["", f"{title}:", *(f"  {text}" for text in texts)]
    return "\n".join(lines)
