"""The text of the Cost page: pure functions from figures to sentences."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Literal

from benchmark.cost.bill import EQUAL, Configuration, Cost, Crossing, estimate_usd
from benchmark.cost.prices import BILLINGS, Billing, Prices
from benchmark.cost.text import usd as plain_usd
from benchmark.cost.traffic import BURSTS, OFFICE, STEADY, Traffic
from benchmark.statistics.text import count as plain_count
from benchmark.statistics.text import listed
from dashboard.components.markup import Statement

_SAME_USD = 0.005

BILLING_NAMES: dict[Billing, str] = {"request": "request-based", "instance": "instance-based"}
SHAPES: dict[str, Traffic] = {"Steady": STEADY, "Office hours": OFFICE, "Bursts": BURSTS}
"""The shapes of traffic, by their names on the pages."""


def usd(low_usd: float, high_usd: float | None = None) -> str:
    """An amount in dollars and cents, `1 234.50`, or a range. An amount below a cent is not shown as 0."""
    if high_usd is None and 0 < low_usd < _SAME_USD:
        return "< 0.01"
    return _spaced(plain_usd(low_usd, high_usd))


def count(number: float) -> str:
    """A number of requests: `16.8 million`, `250 000`."""
    return _spaced(plain_count(number))


def _spaced(text: str) -> str:
    """With narrow no-break spaces between thousands."""
    return re.sub(r"(?<=\d)[ ,](?=\d{3})", "\N{NARROW NO-BREAK SPACE}", text)


def conditions(cost: Cost, configuration: Configuration, prices: Prices) -> str:
    """What the bill is based on, in one line."""
    instances = f"{cost.instances} instance{'' if cost.instances == 1 else 's'} at most"
    if configuration.billing == "instance":
        instances += ", each kept for 15 minutes after its last request: an upper bound"
    billed = f"{count(round(cost.active_s))} s billed"
    idle = f" + {count(round(cost.idle_s))} s idle" if cost.idle_s else ""
    tier = f"tier {prices.tier(configuration.region).number}"
    where = f"{configuration.region}, {tier}" if configuration.region else f"region not reported: {tier}"
    return f"{billed}{idle} · {instances} · {usd(cost.gross_usd - cost.net_usd)} USD of it free · {where}"


def verdict(names: Sequence[str], costs: Sequence[Cost | None], requests: int) -> Statement:
    """Which bill is the lowest after the free tier or, if those are equal, before it."""
    at = f"at {count(requests)} requests"
    known = sorted(
        ((name, cost) for name, cost in zip(names, costs, strict=True) if cost), key=lambda one: one[1].net_usd
    )
    if len(known) == len(names) == 1:
        return Statement("agree", f"{usd(known[0][1].net_usd)} USD a month", f"{names[0]}, after the free tier, {at}.")
    if len(known) < 2 or len(known) < len(names) == 2:
        return Statement("unknown", "No comparison", "The platform does not offer this configuration: see its card.")
    missing = [name for name, cost in zip(names, costs, strict=True) if not cost]
    without = f" No bill: {listed(missing)}." if missing else ""
    is_two = len(names) == 2
    first, second = (cost.net_usd for _, cost in known[:2])
    if second - first >= _SAME_USD:
        return _cheaper(known[0][0], known[1][0], (first, second), is_two, f"after the free tier, {at}.{without}")
    alike = [(name, cost) for name, cost in known if cost.net_usd - first < _SAME_USD]
    who = "Both" if is_two else listed(name for name, _ in alike)
    are_free = f"{who} are free" if first < _SAME_USD else ""
    alike.sort(key=lambda one: one[1].gross_usd)
    gross = alike[0][1].gross_usd, alike[1][1].gross_usd
    if gross[1] - gross[0] >= _SAME_USD:
        found = _cheaper(alike[0][0], alike[1][0], gross, is_two, f"before the free tier, {at}.{without}")
        return replace(found, sentence=f"{are_free}. {found.sentence}") if are_free else found
    same = are_free or ("The bills are the same" if is_two else f"{who} cost the same, {usd(first)} USD,")
    headline = "Same cost" if len(alike) == len(names) else f"{who} cost least"
    return Statement("agree", headline, f"{same} {at} a month.{without}")


def _cheaper(name: str, other: str, bills_usd: tuple[float, float], is_two: bool, where: str) -> Statement:
    gap_usd = bills_usd[1] - bills_usd[0]
    than = "" if is_two else f"than {other}, the next, "
    return Statement(
        "disagree",
        f"{name} costs {'less' if is_two else 'least'}",
        f"{usd(gap_usd)} USD a month less ({gap_usd / bills_usd[1]:.0%}) {than}{where}",
    )


def crossing(cheaper: str, dearer: str, at: Crossing) -> str:
    """The number of requests from which `cheaper` costs less."""
    from_here = f"From {count(at.requests_per_month)} requests a month"
    return f"{from_here}, {cheaper} costs less than {dearer} ({usd(at.usd)} USD there)."


def prices_table(prices: Prices) -> str:
    """The prices as a Markdown table."""
    rows = ["| | vCPU-second | GiB-second | million requests |", "|---|---|---|---|"]
    for tier, billing in product(prices.tiers, BILLINGS):
        tariff = tier.tariff(billing)
        name = f"{BILLING_NAMES[billing]}, tier {tier.number}"
        fee = f"{tariff.million_requests_usd:.2f}" if tariff.million_requests_usd else "none"
        active = tariff.active
        rows.append(f"| {name} | {_rate(active.vcpu_second_usd)} | {_rate(active.gib_second_usd)} | {fee} |")
        if tariff.idle:
            idle = tariff.idle
            rates = f"{_rate(idle.vcpu_second_usd)} | {_rate(idle.gib_second_usd)}"
            rows.append(f"| idle minimum instance, tier {tier.number} | {rates} | |")
    for billing in BILLINGS:
        free = prices.tier().tariff(billing).free
        requests = count(free.requests) if free.requests else ""
        name = f"free each month, {BILLING_NAMES[billing]}"
        rows.append(f"| {name} | {count(free.vcpu_s)} s | {count(free.gib_s)} s | {requests} |")
    return "\n".join(rows)


def _rate(value: float) -> str:
    return f"{value:.7f}".rstrip("0")


Claim = tuple[str, str]


def claims(prices: Prices) -> list[Claim]:
    """Common wrong claims about these prices, each with the facts, at the prices of tier 1."""
    tier = prices.tier()
    tariff = tier.request
    request_usd = estimate_usd(1, 1.0, prices, replace(EQUAL, region=tier.regions[0]))
    fee_usd = tariff.million_requests_usd / 1e6
    return [
        (
            f"Cloud Run costs {_rate(tariff.active.vcpu_second_usd)} USD per request",
            f"That is the price of a second of one vCPU. A request of up to {prices.rounding_ms:g} ms on "
            f"{EQUAL.vcpu:g} vCPU and {EQUAL.memory_gib:g} GiB costs {request_usd:.9f} in all, "
            f"{tariff.active.vcpu_second_usd / request_usd:.0f} times less.",
        ),
        (
            "A function costs 0.000004 USD per invocation",
            f"That is ten times too much: {tariff.million_requests_usd:.2f} a million is {_rate(fee_usd)} each, and "
            "the time of vCPU and memory is added to that. A 2nd-generation function is billed as a Cloud Run service.",
        ),
        (
            "A function takes one request per instance",
            "That is the default, not a limit: with 1 vCPU or more, --concurrency sets it as for a service.",
        ),
        (
            "Cloud Run's CPU is always allocated",
            "Only with instance-based billing. By default, CPU is allocated and billed while a request is handled.",
        ),
    ]


Basis = Literal["net", "gross"]


def basis_usd(cost: Cost, basis: Basis) -> float:
    return cost.net_usd if basis == "net" else cost.gross_usd
