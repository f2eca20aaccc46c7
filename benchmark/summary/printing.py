"""A run as text on a terminal: errors first, then figures with their intervals, then the verdict."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmark.endpoints.fairness import Condition
from benchmark.record.run import Run
from benchmark.statistics.estimates import Estimate
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.text import interval, number
from benchmark.statistics.verdict import Verdict
from benchmark.summary.summarise import Figures, Summary, conditions


def print_summary(summary: Summary, console: Console | None = None) -> None:
    """Print everything about one run on one screen."""
    console = console or Console(highlight=False)
    run, sides = summary.run, summary.endpoints
    print_head(console, run, "Run")
    for one in sides:
        for line in one.ledger:
            detail = f" ({escape(line.detail)})" if line.detail else ""
            console.print(f"[red]{escape(one.name)}: {line.count} of {one.attempts} {line.failure.value}{detail}[/red]")
    console.print(table(run.endpoint_names, rows(sides)))
    if len(summary.differences) == 1:
        named = zip(PERCENTILES, summary.differences[0], strict=True)
        console.print(f"Differences in ms, {escape(sides[0].name)} minus {escape(sides[1].name)}:")
        console.print(f"  {', '.join(f'{name} {interval(estimate)}' for name, estimate in named)}")
    elif summary.verdict:
        console.print(table(*pairs_table(summary.verdict, run.endpoint_names, summary.differences)))
    print_verdict(console, summary.verdict, summary.mismatches, (*conditions(run, summary.plan), generator(run)))


def print_head(console: Console, run: Run, what: str) -> None:
    """Print the run's name, state and start."""
    title = f"{what} {run.id}" + (f", {escape(run.name)}" if run.name else "")
    console.print(f"[bold]{title}[/bold] ({run.state.value}, {escape(run.started_text)})")


def table(names: Sequence[str], lines: Iterable[tuple[str, Sequence[str]]]) -> Table:
    """A table with a column for each of `names` after the labels, and a line for each label."""
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("", *names):
        found.add_column(escape(name))
    for label, values in lines:
        found.add_row(escape(label), *map(escape, values))
    return found


def print_verdict(
    console: Console, verdict: Verdict | None, unequal: Sequence[Condition], conditions: Sequence[str]
) -> None:
    """Print the verdict, if any, and its conditions."""
    if verdict:
        console.print(f"[bold]{escape(verdict.sentence)}[/bold]")
        console.print(f"  {escape(verdict.rule)}", style="dim")
    if unequal:
        console.print("Different or unknown conditions: " + escape("; ".join(one.describe() for one in unequal)))
    for condition in conditions:
        console.print(f"  {escape(condition)}", style="dim")


def pairs_table(
    verdict: Verdict, names: Sequence[str], differences: Sequence[Sequence[Estimate]] = ()
) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Every pair of the endpoints called `names`: the column heads, and for each line the pair and its texts.

    `differences` are those of the percentiles, parallel to the verdict's pairs; the verdict's own metric is not shown
    twice.
    """
    shown = [
        place
        for place, _ in enumerate(PERCENTILES if differences else ())
        if any(found[place] != pair.effect for found, pair in zip(differences, verdict.pairs, strict=True))
    ]
    heads = [f"{verdict.metric} (ms)", *(f"{name} (ms)" for at, name in enumerate(PERCENTILES) if at in shown)]
    lines = []
    for index, pair in enumerate(verdict.pairs):
        texts = [interval(pair.effect), *(interval(differences[index][at]) for at in shown)]
        claim = pair.outcome.value if pair.winner is None else f"{names[pair.winner]} faster"
        lines.append((f"{names[pair.first]} minus {names[pair.second]}", [*texts, claim]))
    return [*heads, "result"], lines


def rows(endpoints: Iterable[Figures]) -> list[tuple[str, list[str]]]:
    """The figures by line: a label, and a text for each endpoint."""
    sides = list(endpoints)
    lines = [
        ("requests", [f"{one.attempts} measured, {one.warmup} warm-up" for one in sides]),
        ("available (%)", [interval(one.availability, 100) for one in sides]),
        ("instances that answered", [_state(one) for one in sides]),
    ]
    for label, pick in (("response", "response_ms"), ("service", "service_ms"), ("server", "server_ms")):
        for index, share in enumerate(PERCENTILES):
            estimates = [getattr(one, pick) for one in sides]
            if any(found and found[0].n for found in estimates):
                lines.append(
                    (f"{label} {share} (ms)", [interval(found[index]) if found else "-" for found in estimates])
                )
    if any(one.censored_ms is not one.latency_ms for one in sides):  # used by comparisons and SLOs
        for index, share in enumerate(PERCENTILES):
            lines.append((f"{share} with timeouts (ms)", [interval(one.censored_ms[index]) for one in sides]))
    for index, (name, _, _) in enumerate(sides[0].phases_ms):
        medians = [one.phases_ms[index] for one in sides]
        if any(value is not None for _, value, _ in medians):
            lines.append(
                (
                    f"{name}, median (ms)",
                    ["-" if value is None else f"{number(value)} (n = {count})" for _, value, count in medians],
                )
            )
    lines.append(("answered per s", [f"{one.rate:.1f}" for one in sides]))
    if any(one.cold_ms for one in sides):
        lines.append(("cold starts (ms)", [_few(one.cold_ms) for one in sides]))
    if any(one.queued_ms for one in sides):
        lines.append(("queued for a start (ms)", [_few(one.queued_ms) for one in sides]))
    lines.append(("instances seen", [str(one.instances) if one.instances else "unknown" for one in sides]))
    return lines


def _state(one: Figures) -> str:
    """The number of answers from warm instances and from unknown ones."""
    warm = one.n - one.unknown
    return ", ".join(f"{count} {state}" for count, state in ((warm, "warm"), (one.unknown, "unknown")) if count) or "-"


_SHOWN = 5


def _few(values_ms: Sequence[float]) -> str:
    if not values_ms:
        return "none"
    more = ", ..." if len(values_ms) > _SHOWN else ""
    return f"{', '.join(map(number, values_ms[:_SHOWN]))}{more} (n = {len(values_ms)})"


def generator(run: Run) -> str:
    """The load generator's health, in a sentence."""
    health = run.outcome.generator
    if not health:
        return "No generator: simulated." if run.manifest.is_simulated else "The run did not finish."
    overhead = "unknown" if health["floor_ms"] is None else f"{number(health['floor_ms'])} ms"
    text = f"Generator: client overhead {overhead}, loop {health['loop_lag_ms']:.1f} ms late (p99)"
    text += f", {health['cpu']:.0%} of a core"
    if health["late_ms"] is not None:
        text += f", sends {health['late_ms']:.1f} ms late (p99)"
    if health["limited"]:
        text += f". GENERATOR-LIMITED: {'; '.join(health['reasons'])}"
    return text + "."
