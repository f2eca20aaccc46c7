"""A run as text on a terminal: errors first, then figures with their intervals, then the verdict."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmark.record.run import Run
from benchmark.statistics.estimates import Estimate
from benchmark.summary.summarise import SHARE_NAMES, Figures, Summary, conditions


def print_summary(summary: Summary, console: Console | None = None) -> None:
    """Everything about one run in one screen."""
    console = console or Console(highlight=False)
    run = summary.run
    title = f"Run {run.id}" + (f", {escape(run.name)}" if run.name else "")
    console.print(f"[bold]{title}[/bold] ({run.state.value}, {escape(run.started_text)})")
    for one in summary.endpoints:
        for line in one.ledger:
            detail = f" ({escape(line.detail)})" if line.detail else ""
            console.print(f"[red]{escape(one.name)}: {line.count} of {one.attempts} {line.failure.value}{detail}[/red]")
    console.print(_figures(summary))
    if summary.verdict:
        differences = ", ".join(
            f"{name} {interval(estimate)}" for name, estimate in zip(SHARE_NAMES, summary.differences, strict=True)
        )
        console.print(
            f"Differences in ms, {escape(summary.endpoints[0].name)} minus {escape(summary.endpoints[1].name)}:"
        )
        console.print(f"  {differences}")
        console.print(f"[bold]{escape(summary.verdict.sentence)}[/bold]")
        if summary.mismatches:
            console.print(
                "Not equal, or not known to be: " + escape("; ".join(one.describe() for one in summary.mismatches))
            )
    for condition in conditions(run, summary.plan):
        console.print(f"  {escape(condition)}", style="dim")
    console.print(f"  {escape(generator(run))}", style="dim")


def _figures(summary: Summary) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for one in summary.endpoints:
        table.add_column(escape(one.name), justify="left")
    for label, values in rows(summary.endpoints):
        table.add_row(label, *values)
    return table


def rows(endpoints: Iterable[Figures]) -> list[tuple[str, list[str]]]:
    """The figures by line: a label, and a text for each endpoint."""
    sides = list(endpoints)
    lines = [
        ("requests", [f"{one.attempts} measured, {one.warmup} warm-up" for one in sides]),
        ("available (%)", [interval(one.availability, 100) for one in sides]),
    ]
    for label, pick in (("response", "response_ms"), ("service", "service_ms"), ("server", "server_ms")):
        for index, share in enumerate(SHARE_NAMES):
            estimates = [getattr(one, pick) for one in sides]
            if any(found and found[0].n for found in estimates):
                lines.append(
                    (f"{label} {share} (ms)", [interval(found[index]) if found else "-" for found in estimates])
                )
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
        lines.append(("cold starts (ms)", [_cold(one.cold_ms) for one in sides]))
    lines.append(("instances seen", [str(one.instances) if one.instances else "unknown" for one in sides]))
    return lines


_COLD_SHOWN = 5


def _cold(cold_ms: Sequence[float]) -> str:
    if not cold_ms:
        return "none"
    more = ", ..." if len(cold_ms) > _COLD_SHOWN else ""
    return f"{', '.join(map(number, cold_ms[:_COLD_SHOWN]))}{more} (n = {len(cold_ms)})"


def generator(run: Run) -> str:
    """How the generator did, in a sentence."""
    health = run.outcome.get("generator")
    if not health:
        return "No generator: simulated." if "truth" in run.manifest else "The run did not end by itself."
    floor = "unknown" if health["floor_ms"] is None else f"{number(health['floor_ms'])} ms"
    text = f"Generator: floor {floor}, loop {health['loop_lag_ms']:.1f} ms late (p99), {health['cpu']:.0%} of a core"
    if health["late_ms"] is not None:
        text += f", sends {health['late_ms']:.1f} ms late (p99)"
    if health["limited"]:
        text += f". GENERATOR-LIMITED: {'; '.join(health['reasons'])}"
    return text + "."


def interval(estimate: Estimate, factor: float = 1.0) -> str:
    """A figure with its interval, or that it has none."""
    if not estimate.n:
        return "not measured"
    value = number(estimate.value * factor)
    if estimate.low is None or estimate.high is None:
        return f"{value} (interval not estimable, n = {estimate.n})"
    return f"{value} ({number(estimate.low * factor)} to {number(estimate.high * factor)})"


def number(value: float) -> str:
    """Three digits, as far as they mean something."""
    size = abs(value)
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{places}f}"
