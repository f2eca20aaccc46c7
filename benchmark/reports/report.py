"""Runs as a document to hand in: the comparison that is otherwise written by hand, each part from evidence or marked.

What no run shows is said to be not measured, with the command that would measure it. Pure: runs with their samples go
in, a document comes out, which `benchmark.reports.document` gives its form.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from benchmark.coldstart import printing as coldstart_printing
from benchmark.coldstart import summary as coldstart_summary
from benchmark.coldstart.plan import KIND as COLDSTART
from benchmark.coldstart.summary import ColdFigures, ColdSummary, threshold_text
from benchmark.cost.bill import Configuration, CostError, Workload, crossings, grid, monthly_cost
from benchmark.cost.prices import BILLINGS, Billing, Prices
from benchmark.decision.decide import Decision, count
from benchmark.decision.findings import Findings, Side, find
from benchmark.endpoints.fairness import conditions as all_conditions
from benchmark.record.plan import ComparePlan
from benchmark.record.run import Run
from benchmark.record.samples import Floats, Samples, latency_ms, warm
from benchmark.reports import svg
from benchmark.reports.document import Block, Callout, Code, Document, Drawing, Items, Link, Section, Table, Text
from benchmark.statistics.estimates import upper_bound
from benchmark.summary import printing
from benchmark.summary.summarise import SHARE_NAMES, Summary, conditions, summarise

Recorded = tuple[Run, Samples]

_MOST_POINTS = 500
"""Dots of an endpoint in one drawing, so that a report of many runs stays small."""
_REQUESTS = (100_000, 1_000_000, 10_000_000, 100_000_000)
_SAME_PREDICTION = 1e-5
_METHODS = (
    "Both endpoints get the same bodies from the same client over the same network, in pairs whose order is random: "
    "what drifts meanwhile meets both.",
    "A comparison is a closed loop with one request in flight and gives service time. A load run at a rate is an open "
    "loop: response time counts from when a request was due, so that a stall is not hidden.",
    "Intervals are 95 %. Those of quantiles are free of a distribution (order statistics, widened by blocks of "
    "neighbours); those of differences come from resampling blocks, never single requests; those of shares are "
    "Wilson's. A quantile has an interval from n = 6 (p50), 72 (p95) and 368 (p99) on, below that none.",
    "A winner is named only where the interval excludes zero and the difference exceeds a margin that was fixed before "
    "the run. Equivalent means that the whole interval is within the margin; all else is inconclusive.",
    "No outlier is dropped. Warm-up is counted and kept apart; failures are in no latency and have a ledger of their "
    "own; a timeout counts as longer than any answer.",
    "Cold is what the server's own headers say, the first answer of an instance; without them the word is suspected "
    "cold. Cold and warm are two populations and are never mixed.",
    "Costs follow the platform's billing rules over the instances that the traffic needs, from a dated price list.",
    "All figures are computed from the recorded requests, by the code that the command line and the dashboard share.",
)
_SECRET_NAME = re.compile(r"token|secret|passw|authori[sz]ation|credential|api.?key|cookie|private.?key", re.IGNORECASE)
_SECRETS = (
    (re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+"), "Bearer (removed)"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.?[\w-]*"), "(removed)"),
    (re.compile(r"(https?://)[^/@\s\"'<>]+@"), r"\1"),
    (re.compile(r"(?i)\b(\w*(?:token|secret|passw(?:or)?d|api_?key)\w*)\s*=\s*[^\s\"'<>&,;]+"), r"\1=(removed)"),
)


def build(recorded: Sequence[Recorded], prices: Prices, made_at_utc: str, decision: Decision | None = None) -> Document:
    """The report on `recorded` runs, in any mixture of comparisons, loads and cold starts.

    With a `decision` on them, that comes first. Raises PlanError and KeyError for a run that cannot be read.
    """
    material = _Material(recorded, prices)
    names = " and ".join(material.names) or "no endpoint"
    kinds = ", ".join(f"{run.id} ({run.kind})" for run, _ in recorded)
    made = made_at_utc[:16].replace("T", " ")
    return Document(
        f"Faceoff report: {names}",
        f"Runs {kinds}. Made {made} UTC.",
        tuple(
            Section(title, tuple(blocks))
            for title, blocks in (
                *((("Decision", _decision(decision, material)),) if decision else ()),
                ("Verdict", _verdicts(material)),
                ("Latency", _latency(material)),
                ("Cold start", _cold(material)),
                ("State", _state(material)),
                ("Artifact loading", _artifact(material)),
                ("Reproducibility", _reproducibility(material)),
                ("Cost", _cost(material, decision)),
                ("Fairness", _fairness(material)),
                ("Methods", [Items(_METHODS)]),
                ("Limits", _limits(material, decision)),
                ("Manifest", _manifests(material)),
            )
        ),
    )


def without_secrets(text: str) -> str:
    """`text` without bearer tokens, signed tokens, passwords in addresses, and values called a secret."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


@dataclass(frozen=True)
class _Material:
    """The runs, summarised once."""

    recorded: Sequence[Recorded]
    prices: Prices

    @cached_property
    def warm(self) -> list[tuple[Summary, Samples]]:
        return [(summarise(run, samples), samples) for run, samples in self.recorded if run.kind != COLDSTART]

    @cached_property
    def cold(self) -> list[ColdSummary]:
        return [coldstart_summary.summarise(run, samples) for run, samples in self.recorded if run.kind == COLDSTART]

    @cached_property
    def findings(self) -> Findings | None:
        samples = {run.id: samples for run, samples in self.recorded}
        return find([run for run, _ in self.recorded], lambda run: samples[run.id])

    @property
    def names(self) -> tuple[str, ...]:
        return self.recorded[0][0].endpoint_names if self.recorded else ()

    def command(self, kind: str, options: str = "") -> str:
        """What would measure what is missing."""
        run = next((run for run, _ in self.recorded if run.kind != COLDSTART), None)
        entries = run.manifest["endpoints"] if run else [{"key": key} for key in ("api", "function")]
        ends = [f"--endpoint {entry['key']}={entry.get('url') or 'URL'}" for entry in entries]
        return " ".join(["python -m benchmark", kind, *ends, options]).strip()


def _not_measured(what: str, command: str) -> list[Block]:
    return [Text(what, mark="Not measured:"), Text("Run this:", small=True), Code(command)]


def _title(run: Run) -> str:
    return f"Run {run.id}, {run.kind}" + (f", {run.name}" if run.name else "")


# --- Sections


def _decision(decision: Decision, material: _Material) -> Iterator[Block]:
    needs = decision.needs
    yield Callout(decision.sentence)
    asked = [f"{count(needs.requests_per_month)} requests a month, {needs.traffic.name}"]
    asked.append("what matters: " + ", then ".join(needs.matters))
    if needs.min_instances:
        asked.append(f"{needs.min_instances} minimum instances")
    yield Text("; ".join(asked) + ".", small=True, mark="Asked for:")
    names = [one for one in material.names]
    keys = material.recorded[0][0].endpoint_keys if material.recorded else ()
    rows = []
    for objective in dict.fromkeys(one.name for one in decision.objectives):
        by_key = {one.key: one for one in decision.objectives if one.name == objective}
        rows.append((objective, *(f"{by_key[key].holds}: {by_key[key].found}" for key in keys if key in by_key)))
    if rows:
        yield Table(("objective", *names), tuple(rows))
    if decision.flips:
        yield Text("The answer flips:")
        yield Items(tuple(flip.sentence for flip in decision.flips))
    for missing in decision.missing:
        yield Text(missing.what, mark="Missing:")
        yield Code(missing.command)


def _verdicts(material: _Material) -> Iterator[Block]:
    for summary, _ in material.warm:
        if summary.verdict:
            yield Callout(summary.verdict.sentence)
        yield Text(f"{_title(summary.run)}: {'; '.join(conditions(summary.run, summary.plan))}.", small=True)
    for cold in material.cold:
        if cold.verdict:
            yield Callout(cold.verdict.sentence)
        yield Text(f"{_title(cold.run)}: {'; '.join(cold.conditions)}.", small=True)


def _latency(material: _Material) -> Iterator[Block]:
    if not material.warm:
        yield from _not_measured("the latency of warm instances.", material.command("compare", "--pairs 500"))
    for summary, samples in material.warm:
        run = summary.run
        kind = "response time" if summary.is_open_loop else "service time"
        legend = [f"{one.name} (n = {one.n})" for one in summary.endpoints]
        header = ("", *(one.name for one in summary.endpoints))
        yield Table(header, tuple((label, *values) for label, values in printing.rows(summary.endpoints)), _title(run))
        for one in summary.endpoints:
            if one.ledger:
                said = ", ".join(f"{line.count} {line.failure.value.replace('_', ' ')}" for line in one.ledger)
                yield Text(f"{one.name} failed {one.failed} of {one.attempts} requests: {said}.", mark="Failures:")
        values = [_values_ms(summary, samples, position) for position in range(len(legend))]
        if not all(map(len, values)):
            continue
        yield _ecdf(values, legend, kind)
        yield _percentiles(summary, legend, kind)
        yield _over_time(summary, samples, values, legend, kind)
        if summary.verdict:
            pairs = zip(SHARE_NAMES, summary.differences, strict=True)
            rows = tuple((name, printing.interval(estimate)) for name, estimate in pairs)
            caption = f"Differences in ms, {header[1]} minus {header[2]}, with 95 % intervals"
            yield Table(("", "difference (ms)"), rows, caption, sides=False)


def _cold(material: _Material) -> Iterator[Block]:
    if not material.cold:
        yield from _not_measured(
            "how long a new instance takes for its first answer.", "python -m benchmark coldstart --repeats 20"
        )
    for summary in material.cold:
        sides = summary.endpoints
        header = ("", *(side.name for side in sides))
        rows = tuple((label, *values) for label, values in coldstart_printing.rows(summary))
        yield Table(header, rows, _title(summary.run))
        if any(side.cold_values_ms for side in sides):
            yield _cold_drawing(sides)
    if not any(summary.plan.mode == "ladder" for summary in material.cold):
        yield from _not_measured(
            "after which idle gap an instance is gone.", material.command("coldstart", "--idle 1m,5m,15m,30m")
        )


def _state(material: _Material) -> Iterator[Block]:
    rows = []
    for summary, _ in material.warm:
        counts = (str(one.instances) if one.instances else "not said" for one in summary.endpoints)
        colds = (str(len(one.cold_ms)) for one in summary.endpoints)
        rows.append((f"instances that answered in run {summary.run.id}", *counts))
        rows.append(("of which started during it", *colds))
    if rows and len({len(row) for row in rows}) == 1 and len(rows[0]) == len(material.names) + 1:
        yield Table(("", *material.names), tuple(rows))
    elif rows:
        yield Items(tuple(": ".join((row[0], ", ".join(row[1:]))) for row in rows))
    else:
        yield from _not_measured("how many instances answer at a time.", material.command("load", "--rate 50"))
    ladders = [summary for summary in material.cold if summary.plan.mode == "ladder"]
    for ladder in ladders:
        for side in ladder.endpoints:
            yield Text(threshold_text(side))
    if not ladders:
        yield from _not_measured(
            "how long an idle instance keeps what it has in memory.",
            material.command("coldstart", "--idle 1m,5m,15m,30m"),
        )
    yield Text(
        "What an instance keeps in memory is its own: another one does not have it, and it is gone with the instance.",
        small=True,
    )


def _artifact(material: _Material) -> Iterator[Block]:
    found = [side for summary in material.cold for side in summary.endpoints if side.split]
    if not found:
        yield from _not_measured(
            "how much of a start is loading the model.", "python -m benchmark coldstart --repeats 20"
        )
        return
    for summary in material.cold:
        splits = [side.split for side in summary.endpoints]
        if not any(splits):
            continue
        rows = []
        names = coldstart_summary.part_names(summary.plan)
        for name, part in zip(names, ("imports_ms", "model_ms", "rest_ms"), strict=True):
            rows.append(
                (f"{name} (ms)", *(printing.number(getattr(one, part)) if one else "not said" for one in splits))
            )
        counts = ", ".join(f"n = {side.split_n} of {side.name}" for side in summary.endpoints)
        yield Table(
            ("median", *(side.name for side in summary.endpoints)), tuple(rows), f"{_title(summary.run)}; {counts}"
        )


def _reproducibility(material: _Material) -> Iterator[Block]:
    rows: dict[str, tuple[str, ...]] = {}
    for run, _ in material.recorded:
        facts = [run.manifest["facts"].get(key, {}) for key in run.endpoint_keys]
        for name in ("model version", "model sha256", "runtime", "Python"):
            if any(one.get(name) for one in facts) and len(facts) == len(material.names):
                rows.setdefault(name, tuple(one.get(name) or "unknown" for one in facts))
    if rows:
        yield Table(("", *material.names), tuple((name, *values) for name, values in rows.items()))
    compared = [(summary, samples) for summary, samples in material.warm if isinstance(summary.plan, ComparePlan)]
    for summary, samples in compared:
        differing, n = disagreements(samples)
        if n:
            most = upper_bound(differing, n)
            yield Text(
                f"In run {summary.run.id} both were asked the same {n} times and gave another prediction {differing} "
                f"times: with 95 % confidence they differ in less than {100 * most:.2g} % of such requests.",
                mark="Same answers:",
            )
    if not compared:
        yield from _not_measured("whether both give the same answers.", material.command("agree"))
    for run, _ in material.recorded:
        plan, bodies = run.manifest["plan"], run.manifest.get("bodies") or {}
        sent = f"{bodies.get('count')} bodies from {bodies.get('source')}, sha256 {str(bodies.get('sha256'))[:12]}"
        yield Text(f"Run {run.id} has seed {plan.get('seed')}; it sent {sent}.", small=True)


def _cost(material: _Material, decision: Decision | None) -> Iterator[Block]:
    findings, prices = material.findings, material.prices
    if findings is None or not all(side.services_ms for side in findings.sides):
        yield from _not_measured("the service times of both, which a bill is made from.", material.command("compare"))
    else:
        needs = decision.needs if decision else None
        minimum = needs.min_instances if needs else 0
        requests = sorted({*_REQUESTS, *([needs.requests_per_month] if needs else [])})
        bills = {
            (side.key, billing): _bill(side, billing, minimum, needs.traffic if needs else None, prices)
            for side in findings.sides
            for billing in BILLINGS
        }
        rows = []
        for number in requests:
            for billing in BILLINGS:
                costs = (bills[side.key, billing](number) for side in findings.sides)
                rows.append(
                    (f"{count(number)}, {billing}-based", *("not offered" if c is None else f"{c:,.2f}" for c in costs))
                )
        caption = "USD a month after the free tier, by requests a month"
        yield Table(("", *findings.names), tuple(rows), caption)
        yield _cost_drawing(findings, bills)
        yield from _cheaper(findings, bills)
        sizes = [(side, side.configuration) for side in findings.sides]
        for side, size in sizes:
            assumed = f"; assumed: {', '.join(side.assumed)}" if side.assumed else ""
            yield Text(
                f"{side.name}: {size.vcpu:g} vCPU, {size.memory_gib:g} GiB, concurrency {size.concurrency}, median "
                f"service time {printing.number(float(np.median(side.services_ms)))} ms as the client saw it{assumed}.",
                small=True,
            )
    yield Text(
        f"Prices in USD of {prices.as_of}, tier {prices.tier}, for regions such as {', '.join(prices.regions[:2])}. "
        "Not counted: network, images, builds, and what else uses the free tier.",
        small=True,
    )
    yield Link("The published prices", prices.source)


def _cheaper(findings: Findings, bills: Mapping[tuple[str, Billing], Callable[[int], float | None]]) -> Iterator[Block]:
    """From where on which of two is the cheaper one."""
    options = [
        (f"{side.name}, {billing}-based", bills[side.key, billing]) for side in findings.sides for billing in BILLINGS
    ]
    said = []
    for index, (name, first) in enumerate(options):
        for other, second in options[index + 1 :]:
            for at in crossings(_total(first), _total(second), 10_000, 1_000_000_000):
                cheaper, dearer = (name, other) if at.first_is_cheaper_above else (other, name)
                said.append(
                    f"From {count(at.requests_per_month)} requests a month on, {cheaper} costs less than {dearer} "
                    f"(USD {at.usd:,.2f} there)."
                )
    if said:
        yield Items(tuple(said))


def _fairness(material: _Material) -> Iterator[Block]:
    seen: list[tuple[Any, ...]] = []
    for run, _ in material.recorded:
        facts = [run.manifest["facts"].get(key, {}) for key in run.endpoint_keys]
        if len(facts) < 2:
            yield Text(f"Run {run.id} is about one endpoint: there is nothing to compare.", small=True)
            continue
        rows = tuple(
            (
                one.name,
                *(value or "unknown" for value in one.values),
                "equal" if one.is_equal else "differs" if one.is_known else "unknown",
            )
            for one in all_conditions(facts)
        )
        if rows in seen:
            continue
        seen.append(rows)
        unequal = sum(row[-1] != "equal" for row in rows)
        if unequal:
            yield Text(
                f"{unequal} of {len(rows)} are not equal, or not known to be: these two deployments are compared, not "
                "two platforms.",
            )
        else:
            yield Text("All that is known of both is equal.")
        yield Table(("", *run.endpoint_names, ""), rows, f"Run {run.id}")


def _limits(material: _Material, decision: Decision | None) -> Iterator[Block]:
    said = list(decision.assumptions) if decision else []
    for run, _ in material.recorded:
        if "truth" in run.manifest:  # said in the same words as by a decision, so that it is there once
            said.append(f"Run {run.id} is simulated: it says nothing of any platform.")
        client = run.manifest["client"]
        said.append(
            f"Run {run.id} was measured from one place ({client['host']}, {client['machine']}), once, at "
            f"{run.started_at_utc[:16].replace('T', ' ')} UTC: another place or hour may give other figures."
        )
        generator = run.outcome.get("generator") or {}
        if generator.get("limited"):
            said.append(f"Run {run.id} is generator-limited ({'; '.join(generator.get('reasons', ()))}).")
        if run.state.value != "finished":
            said.append(f"Run {run.id} did not end by itself: it is {run.state.value}.")
        local = [str(one.get("url") or "") for one in run.manifest["endpoints"]]
        if run.kind != COLDSTART and all("//127.0.0.1" in url or "//localhost" in url for url in local):
            said.append(f"Run {run.id} is of programs on this machine, not of a platform.")
        if run.kind == COLDSTART and run.manifest["plan"].get("mode") == "spawn":
            said.append(
                f"Run {run.id} starts programs of this machine: a platform adds the time for a place, an image and a "
                "network to it."
            )
        if run.kind == COLDSTART and run.manifest["plan"].get("mode") == "forced":
            said.append(f"Run {run.id} forces new instances, which is not scaling from zero.")
    for summary, _ in material.warm:
        if not summary.is_open_loop:
            said.append(f"Run {summary.run.id} is a closed loop, which hides what requests do to each other.")
    yield Items(tuple(dict.fromkeys(said)))


def _manifests(material: _Material) -> Iterator[Block]:
    for run, _ in material.recorded:
        yield Text(_title(run), small=True)
        yield Code(json.dumps(_redacted(dict(run.manifest)), indent=1, ensure_ascii=False))
    yield Text("python -m benchmark export ID --format json gives the requests themselves.", small=True)


def disagreements(samples: Samples) -> tuple[int, int]:
    """How many of the pairs that both answered have different predictions, and how many such pairs there are."""
    usable = samples[~samples["warmup"] & (samples["failure"] == 0) & ~np.isnan(samples["prediction"])]
    first, second = (usable[usable["endpoint"] == position] for position in (0, 1))
    _, one, other = np.intersect1d(first["group"], second["group"], return_indices=True)
    left, right = first["prediction"][one], second["prediction"][other]
    return int(np.count_nonzero(~np.isclose(left, right, rtol=_SAME_PREDICTION, atol=0))), len(left)


# --- Drawings


def _values_ms(summary: Summary, samples: Samples, position: int) -> Floats:
    return latency_ms(warm(samples, position), summary.is_open_loop)


def _ecdf(values: Sequence[Floats], legend: Sequence[str], kind: str) -> Drawing:
    shares = np.unique(np.concatenate([np.linspace(0, 1, 160), 1 - np.geomspace(0.1, 0.001, 40)]))
    lines = [
        svg.Line(position, tuple(zip(np.quantile(one, shares).tolist(), (100 * shares).tolist(), strict=True)))
        for position, one in enumerate(values)
    ]
    x = svg.log_axis(f"{kind} (ms, log scale)", [float(edge) for one in values for edge in (one.min(), one.max())])
    medians = "; ".join(
        f"{name}: half within {np.median(one):.3g} ms, 95 % within {np.quantile(one, 0.95):.3g} ms"
        for name, one in zip(legend, values, strict=True)
    )
    alt = f"Cumulative share of requests by {kind}. {medians}."
    y = svg.Axis("% answered within", 0, 100)
    return Drawing(f"Answered within: {kind}", svg.chart(x, y, lines, legend, alt), alt)


def _percentiles(summary: Summary, legend: Sequence[str], kind: str) -> Drawing:
    marks, edges, said = [], [], []
    for position, one in enumerate(summary.endpoints):
        for index, estimate in enumerate(one.latency_ms):
            y = 2 - index + (0.16 if position == 0 else -0.16)
            marks.append(svg.Whisker(position, y, estimate.value, estimate.low, estimate.high))
            edges += [edge for edge in (estimate.low, estimate.value, estimate.high) if edge is not None]
            said.append(f"{one.name} {SHARE_NAMES[index]} {printing.interval(estimate)} ms")
    alt = f"Percentiles of the {kind} with 95 % intervals: {'; '.join(said)}."
    y_axis = svg.Axis("", -0.5, 2.5, names=tuple((2 - index, name) for index, name in enumerate(SHARE_NAMES)))
    x_axis = svg.log_axis(f"{kind} (ms, log scale)", edges)
    return Drawing("Percentiles, with 95 % intervals", svg.chart(x_axis, y_axis, marks, legend, alt), alt)


def _over_time(
    summary: Summary, samples: Samples, values: Sequence[Floats], legend: Sequence[str], kind: str
) -> Drawing:
    marks = []
    last_s = 1.0
    for position, one in enumerate(values):
        times_s = warm(samples, position)["scheduled_ms"] / 1000
        last_s = max(last_s, float(times_s.max()))
        kept = _thinned(one)
        points = zip(times_s[kept].tolist(), one[kept].tolist(), strict=True)
        marks.append(svg.Dots(position, tuple(points), size=1.6))
    y = svg.log_axis(f"{kind} (ms, log)", [float(edge) for one in values for edge in (one.min(), one.max())])
    alt = f"{kind.capitalize()} of each request over {last_s:.3g} s, for {' and '.join(legend)}."
    more = max(map(len, values)) > _MOST_POINTS
    title = "Over time" + (f" ({_MOST_POINTS} of each endpoint, the slowest among them)" if more else "")
    return Drawing(title, svg.chart(svg.Axis("time (s)", 0, last_s), y, marks, legend, alt), alt)


def _thinned(values: Floats) -> Any:
    """Positions of at most `_MOST_POINTS` values: the slowest 50, and the others evenly."""
    if len(values) <= _MOST_POINTS:
        return np.arange(len(values))
    slowest = np.argsort(values)[-50:]
    return np.unique(np.concatenate([np.linspace(0, len(values) - 1, _MOST_POINTS - 50).astype(np.int64), slowest]))


def _cold_drawing(sides: Sequence[ColdFigures]) -> Drawing:
    marks: list[svg.Mark] = []
    edges: list[float] = []
    names = []
    for position, side in enumerate(sides):
        for row, (values, hollow) in enumerate(((side.cold_values_ms, False), (side.warm_values_ms, True))):
            y = 3.0 - 2 * row - position * 0.8
            shown = values[:_MOST_POINTS]
            # A little up and down, the same each time, so that equal ones do not hide each other.
            points = tuple((value, y + 0.12 * ((index * 7) % 5 - 2) / 2) for index, value in enumerate(shown))
            marks.append(svg.Dots(position, points, hollow, 3.0))
            edges += list(shown)
            names.append((y, side.cold_word.replace("suspected ", "?") if not hollow else "warm"))
    legend = [f"{side.name} ({len(side.cold_values_ms)} {side.cold_word})" for side in sides]
    alt = "Cold and warm answers in ms: " + "; ".join(
        f"{side.name} cold p50 {printing.interval(side.cold_ms[0])}, warm p50 {printing.interval(side.warm_ms[0])}"
        for side in sides
    )
    y_axis = svg.Axis("", -0.4, 3.5, names=tuple(names))
    drawing = svg.chart(svg.log_axis("to the last byte (ms, log scale)", edges), y_axis, marks, legend, alt + ".")
    return Drawing("Cold and warm (hollow), one dot an answer", drawing, alt + ".")


def _cost_drawing(findings: Findings, bills: Mapping[tuple[str, Billing], Callable[[int], float | None]]) -> Drawing:
    marks = []
    edges = []
    for position, side in enumerate(findings.sides):
        for billing in BILLINGS:
            costs = [(float(n), bills[side.key, billing](n)) for n in grid(100_000, 100_000_000, 49)]
            points = tuple((n, usd) for n, usd in costs if usd is not None and usd >= 0.01)
            edges += [usd for _, usd in points]
            marks.append(svg.Line(position, points, dashed=billing == "instance"))
    alt = (
        f"USD a month after the free tier over requests a month, for {' and '.join(findings.names)}, request-based "
        "and, dashed, instance-based; the table has the figures."
    )
    x = svg.Axis("requests a month (log scale)", 1e5, 1e8, log=True)
    drawing = svg.chart(x, svg.log_axis("USD a month (log)", edges), marks, findings.names, alt)
    return Drawing("Cost: request-based, and instance-based (dashed)", drawing, alt)


def _bill(side: Side, billing: Billing, minimum: int, traffic: Any, prices: Prices) -> Callable[[int], float | None]:
    """Net USD a month by requests; None where the platform does not offer it."""
    size: Configuration = side.configuration

    def usd(requests: int) -> float | None:
        try:
            workload = Workload(requests, side.services_ms, *([traffic] if traffic else []))
            return monthly_cost(workload, replace(size, billing=billing, min_instances=minimum), prices).net_usd
        except CostError:
            return None

    return usd


def _total(bill: Callable[[int], float | None]) -> Callable[[int], float]:
    """The same for `crossings`, which ends at a CostError."""

    def usd(requests: int) -> float:
        found = bill(requests)
        if found is None:
            raise CostError("not offered")
        return found

    return usd


def _redacted(value: Any) -> Any:
    """The same without what is called a secret."""
    if isinstance(value, Mapping):
        return {
            str(name): "(removed)" if _SECRET_NAME.search(str(name)) and entry else _redacted(entry)
            for name, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [_redacted(entry) for entry in value]
    return without_secrets(value) if isinstance(value, str) else value
