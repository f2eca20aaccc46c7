"""`decide`: recommend an endpoint for your needs, using only recorded evidence."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.commands import UsageError, add_results, present, results_store
from benchmark.commands.cost import add_prices, read_traffic
from benchmark.cost.prices import BILLINGS, PriceError, find_prices
from benchmark.cost.text import usd
from benchmark.cost.traffic import SHAPES
from benchmark.decision import criteria
from benchmark.decision.decide import Decision, decide
from benchmark.decision.evidence import Bill
from benchmark.decision.findings import Findings
from benchmark.decision.gather import gather
from benchmark.decision.needs import Needs, NeedsError, Percentile
from benchmark.decision.sensitivity import Change
from benchmark.decision.sentence import described, reason
from benchmark.decision.slos import Holds
from benchmark.decision.text import slo_evidence, slo_name
from benchmark.record.store import StoreError

_DEFAULT = Needs()


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "run_ids",
        nargs="*",
        metavar="ID",
        help="use only these runs, in any order (default: all runs of the newest plan)",
    )
    add_needs(parser)
    add_prices(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON; - for standard output")
    add_results(parser)


def add_needs(parser: argparse.ArgumentParser) -> None:
    """Add the options for needs: traffic, SLOs and criteria."""
    add = parser.add_argument
    add(
        "--requests-per-month",
        type=int,
        metavar="N",
        help=f"requests a month (default {_DEFAULT.requests_per_month:,})",
    )
    add(
        "--shape",
        default="steady",
        metavar="|".join((*SHAPES, "FILE.csv")),
        help="shape of the traffic (default steady)",
    )
    latency = parser.add_mutually_exclusive_group()
    latency.add_argument(
        "--p95-ms", type=float, metavar="MS", help="SLO: 95 %% of requests are answered within this time"
    )
    latency.add_argument(
        "--p99-ms", type=float, metavar="MS", help="SLO: 99 %% of requests are answered within this time"
    )
    add("--availability", type=float, metavar="PCT", help="SLO: percentage of requests that are answered, such as 99.9")
    add("--budget-usd", type=float, metavar="USD", help="SLO: maximum cost a month after the free tier")
    add(
        "--matters",
        default=",".join(_DEFAULT.criteria),
        metavar="|".join(criteria.names()),
        help="criteria in order of importance, separated by commas; each breaks ties of those before it "
        f"(default {','.join(_DEFAULT.criteria)})",
    )
    add(
        "--min-instances",
        type=int,
        default=0,
        metavar="N",
        help="minimum instances of each endpoint (default 0)",
    )
    add("--billing", choices=BILLINGS, default="request", help="billing model (default request)")


def read_needs(arguments: argparse.Namespace) -> Needs:
    """The needs that these options describe. Raises UsageError."""
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
            _criteria(arguments.matters),
            arguments.min_instances,
            arguments.billing,
        )
    except NeedsError as error:
        raise UsageError(str(error)) from error


def run(arguments: argparse.Namespace) -> int:
    """Decide and print; returns 0 even if the evidence is insufficient, and 2 if there is none."""
    needs = read_needs(arguments)
    try:
        findings = gather(results_store(arguments.results), run_ids=arguments.run_ids)
        prices = find_prices(arguments.prices)
    except (StoreError, PriceError) as error:
        raise UsageError(str(error)) from error
    if findings is None or not findings.runs:
        raise UsageError(
            "no finished run to decide on. Run this: python -m benchmark compare "
            "--endpoint api=URL --endpoint function=URL"
        )
    decision = decide(needs, findings, prices)
    present(to_document(decision, findings), arguments.json, lambda: print(_readable(decision, findings)))
    return 0


def _criteria(text: str) -> tuple[str, ...]:
    """The criteria in `latency,cost`. Raises UsageError for an unknown one."""
    try:
        return tuple(criteria.named(part.strip()).name for part in text.split(","))
    except criteria.UnknownCriterionError as error:
        raise UsageError(f"--matters {text}: {error}") from error


def to_document(decision: Decision, findings: Findings) -> dict[str, Any]:
    """The decision as JSON. Keys keep the names of the first version of the format."""
    needs = asdict(decision.needs)
    bills = zip(findings.keys, decision.bills, strict=True)
    return {
        "format_version": 1,
        "needs": {
            **{name: value for name, value in needs.items() if name != "criteria"},
            "traffic": decision.needs.traffic.name,
            "matters": list(decision.needs.criteria),
        },
        "outcome": decision.outcome,
        "key": decision.key,
        "sentence": decision.sentence,
        "why": decision.why,
        "preferences": [
            {
                "matter": one.criterion,
                "key": None if one.preferred is None else findings.keys[one.preferred],
                "is_tie": one.is_tie,
                "reason": reason(one, findings.names),
            }
            for one in decision.judgements
        ],
        "objectives": [
            {
                "kind": one.slo.kind,
                "name": slo_name(one.slo),
                "key": one.key,
                "holds": one.holds,
                "found": slo_evidence(one),
            }
            for one in decision.slos
        ],
        "flips": [_change_document(one) for one in decision.sensitivity],
        "missing": [asdict(one) for one in decision.missing],
        "sources": [asdict(one) for one in decision.sources],
        "passed_over": [asdict(one) for one in decision.passed_over],
        "assumptions": list(decision.assumptions),
        "fair": decision.fair,
        "costs": {key: None if bill is None else _cost_document(bill) for key, bill in bills},
    }


def _change_document(change: Change) -> dict[str, Any]:
    name = "matters" if change.input == "criteria" else change.input
    return {"sentence": change.sentence, **asdict(change), "input": name}


def _cost_document(bill: Bill) -> dict[str, Any]:
    """The bill with the most cold starts that the evidence allows, and with the fewest."""
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
    lines = [decision.sentence, *([f"Assumed by default: {assumed}."] if assumed else []), ""]
    marks = {Holds.KEPT: "kept   ", Holds.BROKEN: "BROKEN ", Holds.UNKNOWN: "unknown"}
    lines += [
        f"{marks[one.holds]}  {names[one.key]}, {slo_name(one.slo)}: {slo_evidence(one)}" for one in decision.slos
    ]
    for name, bill in zip(findings.names, decision.bills, strict=True):
        text = "not known"
        if bill:
            net = usd(bill.low.net_usd, bill.high.net_usd)
            text = f"USD {net} net, {usd(bill.low.gross_usd, bill.high.gross_usd)} gross"
        lines.append(f"a month   {name}: {text}")
    for title, texts in (
        ("Sensitivity", [one.sentence for one in decision.sensitivity]),
        ("Missing", [f"{one.what}\n    {one.command}" for one in decision.missing]),
        ("Evidence", [f"run {one.run_id} ({one.kind}): {one.sentence or one.samples}" for one in decision.sources]),
        ("Not used", [f"run {one.run_id} ({one.kind}): {one.why}" for one in decision.passed_over]),
        ("Assumptions", decision.assumptions),
    ):
        if texts:
            lines += ["", f"{title}:", *(f"  {text}" for text in texts)]
    return "\n".join(lines)
