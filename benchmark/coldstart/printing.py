"""A cold-start run as text on a terminal: failures first, then figures with intervals, then the verdict."""

from rich.console import Console
from rich.markup import escape

from benchmark.coldstart.plan import gap_text
from benchmark.coldstart.summary import (
    COLD_PERCENTILES,
    ColdFigures,
    ColdSummary,
    part_names,
    runtime_text,
    threshold_text,
)
from benchmark.statistics.text import interval, number
from benchmark.summary.printing import pairs_table, print_head, print_verdict, table


def print_coldstart(summary: ColdSummary, console: Console | None = None) -> None:
    """Print everything about one run on one screen."""
    console = console or Console(highlight=False)
    sides = summary.endpoints
    print_head(console, summary.run, "Cold starts, run")
    for side in sides:
        if side.failed:
            details = "; ".join(f"{name}: {text}" for name, text in side.failure_details.items())
            console.print(
                f"[red]{escape(side.name)}: {side.failed} of {len(side.probes)} failed ({escape(details)})[/red]"
            )
    console.print(table([side.name for side in sides], rows(summary)))
    if summary.plan.mode == "ladder":
        for side in sides:
            console.print(escape(threshold_text(side)))
    if summary.verdict and len(sides) > 2:
        console.print(table(*pairs_table(summary.verdict, [side.name for side in sides])))
    print_verdict(console, summary.verdict, summary.mismatches, summary.conditions)


def rows(summary: ColdSummary) -> list[tuple[str, list[str]]]:
    """The figures by line: a label, and a text for each endpoint."""
    sides = summary.endpoints
    lines = [("runtime", [runtime_text(side) for side in sides]), ("probes", [_probes(side) for side in sides])]
    for pick, words in (
        ("cold_ms", [side.cold_word for side in sides]),
        ("warm_ms", [side.warm_word for side in sides]),
    ):
        said = " or ".join(sorted(set(words), key=len))
        for index, share in enumerate(COLD_PERCENTILES):
            lines.append((f"{said} {share} (ms)", [interval(getattr(side, pick)[index]) for side in sides]))
    parts = zip(part_names(summary.plan), ("imports_ms", "model_ms", "rest_ms"), strict=True)
    if any(side.split for side in sides):
        for name, part in parts:
            values = [
                f"{number(getattr(side.split, part))} (n = {side.split_n})" if side.split else "not reported"
                for side in sides
            ]
            lines.append((f"  {name}, median (ms)", values))
    for index, gap_s in enumerate(sorted(summary.plan.idle_s)):
        shares = [side.gaps[index] for side in sides]
        lines.append(
            (
                f"cold after {gap_text(gap_s)} (%)",
                [f"{interval(gap.share, 100)}, {gap.cold} of {gap.share.n}" for gap in shares],
            )
        )
    return lines


def _probes(side: ColdFigures) -> str:
    return f"{len(side.probes)}, of which {len(side.cold_values_ms)} {side.cold_word}"
