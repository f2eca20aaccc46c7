"""A run as text on a terminal: errors first, then figures with their intervals, then the verdict."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmark.endpoints.fairness import Condition
from benchmark.record.run import Run, RunState
from benchmark.statistics.estimates import Estimate
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.text import interval, number
from benchmark.statistics.verdict import Verdict
from benchmark.summary.summarise import Correctness, Figures, StageFigures, Summary, Vantage, conditions

_WORKERS_SHOWN = 20


def print_summary(summary: Summary, console: Console | None = None) -> None:
    """Print everything about one run on one screen."""
    console = console or Console(highlight=False)
    run, sides = summary.run, summary.endpoints
    print_head(console, run, "Run")
    for one in sides:
        for line in one.ledger:
            detail = f" ({escape(line.detail)})" if line.detail else ""
            console.print(f"[red]{escape(one.name)}: {line.count} of {one.attempts} {line.failure.value}{detail}[/red]")
    console.print(table(run.endpoint_names, [*rows(sides), *_stage_rows(sides)]))
    if len(summary.differences) == 1:
        named = zip(PERCENTILES, summary.differences[0], strict=True)
        console.print(f"Differences in ms, {escape(sides[0].name)} minus {escape(sides[1].name)}:")
        console.print(f"  {', '.join(f'{name} {interval(estimate)}' for name, estimate in named)}")
    elif summary.verdict:
        console.print(table(*pairs_table(summary.verdict, run.endpoint_names, summary.differences)))
    _print_workers(console, summary)
    print_verdict(console, summary.verdict, summary.mismatches, (*conditions(run, summary.plan), generator(run)))


def _print_workers(console: Console, summary: Summary) -> None:
    """Print what each worker saw, if there are several."""
    if not summary.workers:
        return
    shown = summary.workers[:_WORKERS_SHOWN]
    lines = [
        (one.name, [worker_state(one), *(f"{_value(found[0])} / {_value(found[1])}" for found in one.latency_ms)])
        for one in shown
    ]
    heads = ["requests", *(f"{one.name} p50 / p95 (ms)" for one in summary.endpoints)]
    console.print(table(heads, lines))
    for one in shown:
        if one.problem:
            console.print(f"[red]Worker {escape(one.name)} was lost: {escape(one.problem)}[/red]")
    if len(summary.workers) > _WORKERS_SHOWN:
        console.print(f"  and {len(summary.workers) - _WORKERS_SHOWN} more workers, which --json has")


def worker_state(one: Vantage) -> str:
    """How many requests a worker sent, lost, and whether it was the limit."""
    lost = f", {one.lost} lost" if one.lost else ""
    return f"{one.sent}{lost}{', LIMITED' if one.limited else ''}"


def _value(estimate: Estimate) -> str:
    return number(estimate.value) if estimate.n else "-"


def print_head(console: Console, run: Run, what: str) -> None:
    """Print the run's name, state and start."""
    title = f"{what} {run.id}" + (f", {escape(run.name)}" if run.name else "")
    console.print(f"[bold]{title}[/bold] ({run.state.value}, {escape(run.started_text)})")
    if run.state is RunState.ABORTED and run.outcome.reason:
        console.print(f"[red]Aborted: {escape(run.outcome.reason)}[/red]")


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


def stages_table(endpoints: Iterable[Figures]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Every stage of a load: the column heads, and for each line the stage, the endpoint and its texts.

    A figure without an interval has too few requests for one.
    """
    sides = list(endpoints)
    limits_ms = dict.fromkeys(one.goodput.limit_ms for one in sides if one.goodput)
    heads = ["endpoint", "requests", "failed", "answered/s", *(f"{name} (ms)" for name in PERCENTILES)]
    lines = []
    for index, stage in enumerate(sides[0].stages):
        cut = f", ended after {stage.reached_s:.1f} s" if stage.reached_s else ", not reached"
        label = f"{index + 1}: {_held(stage)}{'' if stage.reached_s == stage.stage.duration_s else cut}"
        for one in sides:
            found = one.stages[index]
            texts = [one.name, str(found.attempts), str(found.failed), f"{found.rate:.1f}" if found.reached_s else "-"]
            texts += map(_short, found.response_ms)
            lines.append((label, [*texts, *([_short(found.goodput.share, 100)] if found.goodput else [])]))
    return [*heads, *map(goodput_name, limits_ms)], lines


def _short(estimate: Estimate, factor: float = 1.0) -> str:
    """A figure with its interval if it has one."""
    if not estimate.n:
        return "-"
    return interval(estimate, factor) if estimate.estimable else number(estimate.value * factor)


def _stage_rows(sides: Sequence[Figures]) -> Iterator[tuple[str, list[str]]]:
    """The same as lines with a text for each endpoint, which fit on a terminal."""
    for index, stage in enumerate(sides[0].stages):
        (_, counts), *others = stage_rows([one.stages[index] for one in sides])
        yield f"stage {index + 1}: {_held(stage)}", counts
        yield from ((f"  {label}", texts) for label, texts in others)


def stage_rows(found: Sequence[StageFigures]) -> Iterator[tuple[str, list[str]]]:
    """The figures of a stage by line, the counts first: a label, and a text for each of `found`."""
    counts = [f"{one.attempts} measured, {one.failed} failed, {one.rate:.1f} answered per s" for one in found]
    yield "requests", counts
    for place, name in enumerate(PERCENTILES):
        yield f"response {name} (ms)", [interval(one.response_ms[place]) for one in found]
    if goodput := found[0].goodput:
        name = goodput_name(goodput.limit_ms)
        yield name, [interval(one.goodput.share, 100) if one.goodput else "-" for one in found]


def _held(found: StageFigures) -> str:
    return f"{found.stage.rate:g}/s for {found.stage.duration_s:g} s"


def rows(endpoints: Iterable[Figures]) -> list[tuple[str, list[str]]]:
    """The figures by line: a label, and a text for each endpoint."""
    sides = list(endpoints)
    lines = [
        ("requests", [f"{one.attempts} measured, {one.warmup} warm-up" for one in sides]),
        ("available (%)", [interval(one.availability, 100) for one in sides]),
        ("instances that answered", [_state(one) for one in sides]),
    ]
    for limit_ms in dict.fromkeys(one.goodput.limit_ms for one in sides if one.goodput):
        shares = [one.goodput if one.goodput and one.goodput.limit_ms == limit_ms else None for one in sides]
        lines.append((goodput_name(limit_ms), ["-" if one is None else interval(one.share, 100) for one in shares]))
    if any(one.correctness for one in sides):
        lines.append(("changed answers", [changed_text(one.correctness) for one in sides]))
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


def goodput_name(limit_ms: float) -> str:
    """The name of the goodput within `limit_ms`."""
    return f"goodput, {limit_ms:g} ms (%)"


def changed_text(found: Correctness | None) -> str:
    """How many answers changed under load, and on which instances."""
    if found is None:
        return "not compared"
    text = f"{found.changed} of {found.compared}"
    changed = sorted((one for one in found.by_instance if one[2]), key=lambda one: -one[2])
    if changed:
        named = [f"{instance or 'unknown'} {count} of {n}" for instance, n, count in changed[:_SHOWN]]
        text += f" (by instance: {', '.join(named)}{', ...' if len(changed) > _SHOWN else ''})"
    return text + (f", {found.unstable} of {found.bodies} inputs unstable at rest" if found.unstable else "")


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
