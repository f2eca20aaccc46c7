"""What the Cost page says about bills: pure functions from figures to sentences."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Literal

from benchmark.cost.bill import EQUAL, Configuration, Cost, Crossing, estimate_usd
from benchmark.cost.prices import BILLINGS, Billing, Prices
from benchmark.cost.traffic import BURSTS, OFFICE, STEADY, Traffic
from dashboard.components import markup
from dashboard.components.markup import Statement

_SAME_USD = 0.005
_SPACE = "\N{NARROW NO-BREAK SPACE}"
_UNITS = ((1e9, "billion"), (1e6, "million"))

BILLING_NAMES: dict[Billing, str] = {"request": "request-based", "instance": "instance-based"}
SHAPES: dict[str, Traffic] = {"Steady": STEADY, "Office hours": OFFICE, "Bursts": BURSTS}
"""The shapes of traffic by the names that the pages give them."""


def usd(value: float) -> str:
    """An amount in dollars and cents, `1 234.50`; one that is below a cent is not shown as nothing."""
    if 0 < value < 0.005:
        return "< 0.01"
    return f"{value:,.2f}".replace(",", _SPACE)


def count(number: float) -> str:
    """A number of requests as one says it: `16.8 million`, `250 000`."""
    for unit, name in _UNITS:
        if number >= unit * 0.9995:
            return f"{number / unit:.3g} {name}"
    return markup.count(number)


def conditions(cost: Cost, configuration: Configuration, prices: Prices) -> str:
    """What the bill was made from, in one line."""
    instances = f"{cost.instances} instance{'' if cost.instances == 1 else 's'} at most"
    if configuration.billing == "instance":
        instances += ", each 15 minutes longer than its last request: an upper bound"
    billed = f"{count(round(cost.active_s))} s billed"
    idle = f" + {count(round(cost.idle_s))} s idle" if cost.idle_s else ""
    tier = f"tier {prices.tier(configuration.region).number}"
    where = f"{configuration.region}, {tier}" if configuration.region else f"region not reported: {tier}"
    return f"{billed}{idle} · {instances} · {usd(cost.gross_usd - cost.net_usd)} USD of it free · {where}"


def verdict(names: Sequence[str], costs: Sequence[Cost | None], requests: int) -> Statement:
    """Whose bill is lower after the free tier; and before it, where both are free."""
    one, other = costs
    if one is None or other is None:
        return Statement("unknown", "No comparison", "A configuration that is not offered has no cost: see its card.")
    for which, bills in (
        ("after the free tier", (one.net_usd, other.net_usd)),
        ("before the free tier", (one.gross_usd, other.gross_usd)),
    ):
        gap = abs(bills[0] - bills[1])
        if gap < _SAME_USD:
            continue
        cheaper = names[0] if bills[0] < bills[1] else names[1]
        free = "" if which.startswith("after") or max(one.net_usd, other.net_usd) >= _SAME_USD else "Both are free. "
        return Statement(
            "disagree",
            f"{cheaper} costs less",
            f"{free}{usd(gap)} USD a month less ({gap / max(bills):.0%}) {which}, at {count(requests)} requests.",
        )
    free = "Both are free" if max(one.net_usd, other.net_usd) < _SAME_USD else "The bills are the same"
    return Statement("agree", "Same cost", f"{free} at {count(requests)} requests a month.")


def crossing(cheaper: str, dearer: str, at: Crossing) -> str:
    """From where on `cheaper` is the cheaper one."""
    from_here = f"From {count(at.requests_per_month)} requests a month on"
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
    """What is often written about these prices and is wrong, and what holds instead, at the prices of tier 1."""
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
            f"Ten times too much: {tariff.million_requests_usd:.2f} a million is {_rate(fee_usd)} each, and the time "
            "of vCPU and memory comes on top. A 2nd-generation function is billed as a Cloud Run service.",
        ),
        (
            "A function takes one request per instance",
            "That is its default, not a limit: from 1 vCPU on, --concurrency sets it as for a service.",
        ),
        (
            "Cloud Run's CPU is always allocated",
            "Only with instance-based billing. By default it is there, and paid for, while a request is being handled.",
        ),
    ]


Basis = Literal["net", "gross"]


def basis_usd(cost: Cost, basis: Basis) -> float:
    return cost.net_usd if basis == "net" else cost.gross_usd
