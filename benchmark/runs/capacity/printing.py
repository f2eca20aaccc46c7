"""A capacity run as text: the capacities, their ratio, and every step."""

from collections.abc import Callable

from rich.console import Console
from rich.markup import escape

from benchmark.runs.capacity.search import Range
from benchmark.runs.capacity.step import Step
from benchmark.runs.capacity.summary import Capacity, CapacitySummary, conditions
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.text import count, number
from benchmark.summary.printing import print_head, table


def range_text(found: Range, write: Callable[[float], str] = number, under: str = "below") -> str:
    """A figure with its interval: `80.1 (78.0 to 82.2)`, `at least 400`, `below 1.5` (or another word for it)."""
    value, low, high = (None if one is None else write(one) for one in (found.value, found.low, found.high))
    if value is not None and low is not None and high is not None:
        return f"{value} ({low} to {high})"
    if low is not None and high is not None:
        return f"from {low} to {high}"
    return f"at least {low}" if low is not None else f"{under} {high}" if high is not None else "not found"


def capacity_text(one: Capacity) -> str:
    """The capacity in a clause, with the reason for a bound."""
    text = f"{range_text(one.range)} requests/s" if one.range.is_known else "not found"
    if one.client_limited:
        return f"{text}: the client was the limit"
    return f"{text}: the maximum rate" if one.capped else text


def sentences(summary: CapacitySummary) -> list[str]:
    """What the run has found: how much each endpoint carries, and the first over the second, also per dollar."""
    slos = " and ".join(slo.text for slo in summary.plan.slos)
    found = [f"{one.name} holds {slos} {_up_to(one)}." for one in summary.endpoints if one.range.is_known]
    found += [
        f"The capacity of {one.name} was {capacity_text(one)}." for one in summary.endpoints if not one.range.is_known
    ]
    if (ratio := _times_as_much(summary.ratio)) is not None:
        first, second = summary.endpoints[:2]
        found.append(f"{first.name} carries {ratio} as {second.name}.")
    if (per_usd := _times_as_much(summary.ratio_per_usd)) is not None:
        found.append(f"Per dollar it carries {per_usd}.")
    return found


def _up_to(one: Capacity) -> str:
    found = capacity_text(one)
    if one.range.value is not None:
        return f"up to {found}"
    return f"up to a rate {found}" if one.range.low is not None else f"at no rate that was tried: {found}"


def _times_as_much(ratio: Range | None) -> str | None:
    """A ratio as a clause; None if nothing is known of it."""
    return f"{range_text(ratio, under='less than')} times as much" if ratio and ratio.is_known else None


def cost_text(one: Capacity) -> str:
    """The price and what it buys."""
    per_usd = one.requests_per_usd
    if one.price is None or per_usd is None:
        return "no price"
    price = f"USD {one.price.usd_per_hour:.3g}/h ({one.price.source})"
    return f"{price}: {range_text(per_usd, count)} requests per dollar" if per_usd.is_known else price


def result_text(step: Step) -> str:
    """The result of a step in a word, or the objective that it broke."""
    if step.is_client_limited:
        return "client limited"
    if step.broken is None:
        return "held"
    return f"{'stopped' if step.bounds.stopped else 'broke'} {step.broken.partition(':')[0]}"


def print_capacity(summary: CapacitySummary, console: Console | None = None) -> None:
    """Print everything about one run."""
    console = console or Console(highlight=False)
    print_head(console, summary.run, "Capacity, run")
    for sentence in sentences(summary):
        console.print(f"[bold]{escape(sentence)}[/bold]")
    if summary.limits:
        console.print(f"[bold]GENERATOR-LIMITED: {escape('; '.join(summary.limits))}.[/bold]")
    for one in summary.endpoints:
        console.print(f"  {escape(one.name)}: {escape(cost_text(one))}")
    for one in summary.endpoints:
        steps = sorted(one.steps, key=lambda step: step.bounds.rate)
        lines = [
            (
                number(step.bounds.rate),
                [
                    *("none" if value is None else number(value) for value in step.percentiles_ms),
                    number(step.goodput),
                    f"{step.errors} of {step.n}",
                    str(step.cold),
                    result_text(step),
                ],
            )
            for step in steps
        ]
        heads = [*(f"{name} (ms)" for name in PERCENTILES), "good answers/s", "errors", "cold", "result"]
        console.print(f"{escape(one.name)}, by requests/s:")
        console.print(table(heads, lines))
    for condition in conditions(summary):
        console.print(f"  {escape(condition)}", style="dim")
