"""Runs as a report: each part is based on evidence, or marked as not measured.

A part without evidence has the command that would measure it. Pure: takes runs with their samples, and returns a
document for `benchmark.reports.document`.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from benchmark.coldstart import printing as coldstart_printing
from benchmark.coldstart import summary as coldstart_summary
from benchmark.coldstart.summary import ColdSummary, threshold_text
from benchmark.cost.bill import CostError, crossings
from benchmark.cost.prices import BILLINGS, Billing, Prices
from benchmark.cost.text import usd
from benchmark.decision.decide import Decision
from benchmark.decision.evidence import Bill, Evidence
from benchmark.decision.findings import Findings, Side, sides_of
from benchmark.decision.measurement import IDLE_SWEEP, command
from benchmark.decision.needs import Needs
from benchmark.decision.sentence import described
from benchmark.decision.text import slo_evidence, slo_name
from benchmark.endpoints.endpoint import is_on_this_machine
from benchmark.endpoints.fairness import conditions as all_conditions
from benchmark.record.plan import ComparePlan
from benchmark.record.run import Run, RunState
from benchmark.record.samples import Samples, latency_ms, warm
from benchmark.reports import drawings
from benchmark.reports.document import Block, Callout, Code, Document, Items, Link, Section, Table, Text
from benchmark.reports.redaction import redacted
from benchmark.runs import kind_of_run
from benchmark.statistics.estimates import Estimate
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.text import count, in_words, interval, listed, number
from benchmark.statistics.verdict import Verdict
from benchmark.summary import printing
from benchmark.summary.summarise import Summary, conditions

Recorded = tuple[Run, Samples]

_REQUESTS = (100_000, 1_000_000, 10_000_000, 100_000_000)
_SAME_PREDICTION = 1e-5
_METHODS = (
    "All endpoints get the same bodies from the same client over the same network, in blocks of one request to each "
    "whose order is random (of two endpoints, pairs). Drift during the run affects all of them alike.",
    "A comparison is a closed loop with one request in flight and gives service time. A load run at a rate is an open "
    "loop: response time counts from when a request was due, so that a stall is not hidden.",
    "Intervals are 95 %. Those of quantiles and their differences assume no distribution (order statistics) and are "
    "widened by how much neighbouring requests resemble each other, which shows in slow waves along the run. Those of "
    "shares are Wilson's. A quantile has an interval from n = 6 (p50), 72 (p95) and 368 (p99) on, unless requests come "
    "in clusters with fewer independent ones.",
    "A winner is named only where the interval excludes zero and the point estimate lies beyond a margin that was "
    "fixed before the run. The interval may reach into the margin. Equivalent means that the whole interval is within "
    "the margin. Everything else is inconclusive. No difference is claimed if it is smaller than the one between "
    "runs of one server against itself on the measuring machine, or if the client was the limit.",
    "With more than two endpoints, every pair is tested with Holm's correction: the chance of any false winner among "
    "all pairs is at most 5 %. Endpoints that no winner separates are tied.",
    "Outliers are never dropped. Warm-up requests are counted separately. Latencies exclude failures, which are listed "
    "separately. A timeout counts as longer than any answer.",
    "A cold start is the first answer of an instance that started while the request waited, by the server's own "
    "headers. Requests that queued for the same start are counted separately. Without headers, a cold start is "
    "suspected and the state of other answers is unknown. Cold and warm are never mixed.",
    "Costs follow the platform's billing rules for the instances that the traffic needs, from a dated price list.",
    "All figures are computed from the recorded requests, by the code that the command line and the dashboard share.",
)


def build(
    recorded: Sequence[Recorded],
    prices: Prices,
    made_at_utc: str,
    findings: Findings | None,
    decision: Decision | None = None,
) -> Document:
    """The report on `recorded` runs, in any combination of comparisons, loads and cold starts.

    `findings` are those of the same runs, and the basis of bills. A `decision` on them comes first.
    Raises PlanError and KeyError for a run that cannot be read.
    """
    material = _Material(recorded, prices, findings)
    names = listed(material.names) if material.names else "no endpoint"
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


@dataclass(frozen=True)
class _Material:
    """The runs, summarised once."""

    recorded: Sequence[Recorded]
    prices: Prices
    findings: Findings | None

    @cached_property
    def summaries(self) -> list[tuple[Any, Samples]]:
        """Of each run, as its kind summarises it."""
        known = {one.run.id: one for one in self.findings.runs} if self.findings else {}
        return [
            (known.get(run.id) or kind_of_run(run).summarise(run, samples), samples) for run, samples in self.recorded
        ]

    @property
    def warm(self) -> list[tuple[Summary, Samples]]:
        return [(one, samples) for one, samples in self.summaries if isinstance(one, Summary)]

    @property
    def cold(self) -> list[ColdSummary]:
        return [one for one, _ in self.summaries if isinstance(one, ColdSummary)]

    @property
    def names(self) -> tuple[str, ...]:
        return self.recorded[0][0].endpoint_names if self.recorded else ()

    def command(self, kind: str, options: str = "") -> str:
        """The command that would measure a missing part."""
        sides = sides_of(self.warm[0][0].run) if self.warm else [Side(key, key, None) for key in ("api", "function")]
        return command(kind, sides, options)


def _not_measured(what: str, command: str) -> list[Block]:
    return [Text(what, mark="Not measured:"), Text("Run this:", small=True), Code(command)]


def _title(run: Run) -> str:
    return (
        f"Run {run.id}, {run.kind}" + (", imported" if run.is_imported else "") + (f", {run.name}" if run.name else "")
    )


# --- Sections


def _decision(decision: Decision, material: _Material) -> Iterator[Block]:
    needs = decision.needs
    yield Callout(decision.sentence)
    asked, assumed = described(needs)
    if asked:
        yield Text(f"{asked}.", small=True, mark="Asked for:")
    if assumed:
        yield Text(f"{assumed}.", small=True, mark="Assumed:")
    if decision.slos and material.findings:
        by_side = [[one for one in decision.slos if one.key == key] for key in material.findings.keys]
        rows = [
            (slo_name(of[0].slo), *(f"{one.holds}: {slo_evidence(one)}" for one in of))
            for of in zip(*by_side, strict=True)
        ]
        yield Table(("objective", *material.findings.names), tuple(rows))
    if decision.sensitivity:
        yield Text("Sensitivity:")
        yield Items(tuple(change.sentence for change in decision.sensitivity))
    if decision.passed_over:
        yield Text("Runs that were not used:")
        yield Items(tuple(f"Run {one.run_id}, {one.kind}: {one.why}." for one in decision.passed_over))
    for missing in decision.missing:
        yield Text(missing.what, mark="Missing:")
        yield Code(missing.command)


def _verdicts(material: _Material) -> Iterator[Block]:
    for summary, _ in material.warm:
        if summary.verdict:
            yield from _claim(summary.verdict, summary.run.endpoint_names)
        yield Text(f"{_title(summary.run)}: {'; '.join(conditions(summary.run, summary.plan))}.", small=True)
    for cold in material.cold:
        if cold.verdict:
            yield from _claim(cold.verdict, cold.run.endpoint_names)
        yield Text(f"{_title(cold.run)}: {'; '.join(cold.conditions)}.", small=True)


def _claim(verdict: Verdict, names: Sequence[str]) -> Iterator[Block]:
    """The verdict and its rule and, for more than two endpoints, a table of all pairs."""
    yield Callout(verdict.sentence)
    yield Text(verdict.rule, mark="Rule:", small=True)
    if len(names) > 2:
        yield _pairs(verdict, names, f"Pairs by the {verdict.metric}, the first minus the second")


def _pairs(
    verdict: Verdict, names: Sequence[str], caption: str, differences: Sequence[Sequence[Estimate]] = ()
) -> Table:
    heads, lines = printing.pairs_table(verdict, names, differences)
    return Table(("", *heads), tuple((label, *texts) for label, texts in lines), caption, sides=False)


def _latency(material: _Material) -> Iterator[Block]:
    if not material.warm:
        yield from _not_measured("the latency of warm instances.", material.command("compare", "--pairs 500"))
    for summary, samples in material.warm:
        run = summary.run
        kind = "response time" if summary.is_open_loop else "service time"
        legend = [f"{one.name} (n = {one.n})" for one in summary.endpoints]
        header = ("", *(one.name for one in summary.endpoints))
        yield Table(header, tuple((label, *values) for label, values in printing.rows(summary.endpoints)), _title(run))
        if any(one.stages for one in summary.endpoints):
            heads, lines = printing.stages_table(summary.endpoints)
            stages = tuple((label, *values) for label, values in lines)
            yield Table(("stage", *heads), stages, "By stage, of the requests that were due in it", sides=False)
        for one in summary.endpoints:
            if one.ledger:
                said = ", ".join(f"{line.count} {line.failure.value.replace('_', ' ')}" for line in one.ledger)
                yield Text(f"{one.name} failed {one.failed} of {one.attempts} requests: {said}.", mark="Failures:")
        values = [latency_ms(warm(samples, position), summary.is_open_loop) for position in range(len(legend))]
        if not all(map(len, values)):
            continue
        yield drawings.ecdf(values, legend, kind)
        yield drawings.percentiles(summary, legend, kind)
        yield drawings.over_time(samples, values, legend, kind)
        if len(summary.differences) == 1:
            pairs = zip(PERCENTILES, summary.differences[0], strict=True)
            rows = tuple((name, interval(estimate)) for name, estimate in pairs)
            caption = f"Differences in ms, {header[1]} minus {header[2]}, with 95 % intervals"
            yield Table(("", "difference (ms)"), rows, caption, sides=False)
        elif summary.verdict:
            caption = "Differences in ms, the first minus the second, with intervals that hold for all pairs together"
            yield _pairs(summary.verdict, header[1:], caption, summary.differences)


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
            yield drawings.cold_starts(sides)
    if not any(summary.plan.mode == "ladder" for summary in material.cold):
        yield from _not_measured("after which idle gap an instance stops.", material.command("coldstart", IDLE_SWEEP))


def _state(material: _Material) -> Iterator[Block]:
    rows = []
    for summary, _ in material.warm:
        counts = (str(one.instances) if one.instances else "not reported" for one in summary.endpoints)
        colds = (str(len(one.cold_ms)) for one in summary.endpoints)
        rows.append((f"instances that answered in run {summary.run.id}", *counts))
        rows.append(("of which started during it", *colds))
    if rows and len({len(row) for row in rows}) == 1 and len(rows[0]) == len(material.names) + 1:
        yield Table(("", *material.names), tuple(rows))
    elif rows:
        yield Items(tuple(": ".join((row[0], ", ".join(row[1:]))) for row in rows))
    else:
        yield from _not_measured("how many instances answer at a time.", material.command("load", "--rate 50"))
    sweeps = [summary for summary in material.cold if summary.plan.mode == "ladder"]
    for sweep in sweeps:
        for side in sweep.endpoints:
            yield Text(threshold_text(side))
    if not sweeps:
        yield from _not_measured(
            "how long an idle instance keeps what it has in memory.",
            material.command("coldstart", IDLE_SWEEP),
        )
    yield Text(
        "What an instance keeps in memory is not shared with other instances, and is lost when the instance stops.",
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
            rows.append((f"{name} (ms)", *(number(getattr(one, part)) if one else "not reported" for one in splits)))
        counts = ", ".join(f"n = {side.split_n} of {side.name}" for side in summary.endpoints)
        yield Table(
            ("median", *(side.name for side in summary.endpoints)), tuple(rows), f"{_title(summary.run)}; {counts}"
        )


def _reproducibility(material: _Material) -> Iterator[Block]:
    rows: dict[str, tuple[str, ...]] = {}
    for run, _ in material.recorded:
        facts = run.manifest.facts
        for name in ("model version", "model sha256", "runtime", "Python"):
            if any(one.get(name) for one in facts) and len(facts) == len(material.names):
                rows.setdefault(name, tuple(one.get(name) or "unknown" for one in facts))
    if rows:
        yield Table(("", *material.names), tuple((name, *values) for name, values in rows.items()))
    compared = [(summary, samples) for summary, samples in material.warm if isinstance(summary.plan, ComparePlan)]
    for summary, samples in compared:
        differing, n = disagreements(samples)
        if n:
            # A model repeats its answers to equal inputs, so requests of a few bodies are not a sample of inputs.
            bodies = (summary.run.manifest.get("bodies") or {}).get("count")
            inputs = f"{bodies} input{'' if bodies == 1 else 's'}" if bodies else "an unknown number of inputs"
            several = len(summary.endpoints) > 2
            yield Text(
                f"In run {summary.run.id} {'two or more endpoints' if several else 'both'} answered {n} "
                f"{'blocks' if several else 'pairs'} of the same request, made from {inputs}, and gave different "
                f"predictions in {differing}. This says nothing about other inputs.",
                mark="Same answers:",
            )
    if not compared:
        yield from _not_measured("whether all give the same answers.", material.command("agree"))
    for run, _ in material.recorded:
        plan, bodies = run.manifest.plan, run.manifest.get("bodies") or {}
        sent = f"{bodies.get('count')} bodies from {bodies.get('source')}, sha256 {str(bodies.get('sha256'))[:12]}"
        yield Text(f"Run {run.id} has seed {plan.get('seed')}; it sent {sent}.", small=True)


def _cost(material: _Material, decision: Decision | None) -> Iterator[Block]:
    findings, prices = material.findings, material.prices
    if findings is None or not all(side.services_ms for side in findings.sides):
        yield from _not_measured(
            "the service times of all endpoints, which a bill is made from.", material.command("compare")
        )
    else:
        yield from _bills(findings, prices, decision.needs if decision else Needs())
    yield Text(
        f"Prices in USD of {prices.as_of}, by region. Not counted: network, images, builds, and other use of "
        "the free tier.",
        small=True,
    )
    yield Link("The published prices", prices.source)


def _bills(findings: Findings, prices: Prices, needs: Needs) -> Iterator[Block]:
    evidence = Evidence(findings, prices)

    def bill(position: int, billing: Billing, requests: int) -> Bill | None:
        found = evidence.bill(replace(needs, requests_per_month=requests, billing=billing), position)
        return found if isinstance(found, Bill) else None

    def most_usd(position: int, billing: Billing, requests: int) -> float | None:
        found = bill(position, billing, requests)
        return found.high.net_usd if found else None

    rows = []
    is_open = False
    for requests in sorted({*_REQUESTS, needs.requests_per_month}):
        for billing in BILLINGS:
            found = [bill(position, billing, requests) for position in range(len(findings.names))]
            texts = [usd(one.low.net_usd, one.high.net_usd) if one else "no bill" for one in found]
            rows.append((f"{count(requests)}, {billing}-based", *texts))
            is_open |= any(one and one.low != one.high for one in found)
    yield Table(("", *findings.names), tuple(rows), "USD a month after the free tier, by requests a month")
    if is_open:
        yield Text(
            "From the fewest to the most cold starts that the measured idle gaps allow. The rest of this section "
            "assumes the most.",
            small=True,
        )
    yield drawings.costs(findings.names, most_usd)
    if said := list(_cheaper(findings, most_usd)):
        yield Items(tuple(said))
    for side in findings.sides:
        size = side.configuration
        assumed = f"; assumed: {', '.join(side.assumed)}" if side.assumed else ""
        where = size.region or "at the prices of tier 1"
        yield Text(
            f"{side.name}: {where}, {size.vcpu:g} vCPU, {size.memory_gib:g} GiB, concurrency {size.concurrency}, "
            f"median service time {number(float(np.median(side.services_ms)))} ms as the client saw it{assumed}.",
            small=True,
        )


def _cheaper(findings: Findings, net_usd: Callable[[int, Billing, int], float | None]) -> Iterator[str]:
    """The numbers of requests above which one option is cheaper than another."""

    def option(position: int, billing: Billing) -> Callable[[int], float]:
        def total_usd(requests: int) -> float:
            found = net_usd(position, billing, requests)
            if found is None:
                raise CostError("not offered")
            return found

        return total_usd

    options = [(position, billing) for position in range(len(findings.names)) for billing in BILLINGS]
    for one, two in combinations(options, 2):
        if len(findings.names) > 2 and one[0] != two[0] and one[1] != two[1]:
            continue  # of many endpoints: one billing, or one endpoint
        name, other = (f"{findings.names[position]}, {billing}-based" for position, billing in (one, two))
        for at in crossings(option(*one), option(*two), 10_000, 1_000_000_000):
            cheaper, dearer = (name, other) if at.first_is_cheaper_above else (other, name)
            yield (
                f"From {count(at.requests_per_month)} requests a month on, {cheaper} costs less than {dearer} "
                f"(USD {usd(at.usd)} there)."
            )


def _fairness(material: _Material) -> Iterator[Block]:
    seen: list[tuple[Any, ...]] = []
    for run, _ in material.recorded:
        facts = run.manifest.facts
        if len(facts) < 2:
            yield Text(f"Run {run.id} has one endpoint: there is nothing to compare.", small=True)
            continue
        rows = tuple(
            (one.name, *(value or "unknown" for value in one.values), one.comparison) for one in all_conditions(facts)
        )
        if rows in seen:
            continue
        seen.append(rows)
        unequal = sum(row[-1] != "equal" for row in rows)
        if unequal:
            yield Text(
                f"{unequal} of {len(rows)} conditions differ or are unknown: this compares {in_words(len(facts))} "
                "deployments, not platforms.",
            )
        else:
            yield Text("All known conditions are equal.")
        yield Table(("", *run.endpoint_names, ""), rows, f"Run {run.id}")


def _limits(material: _Material, decision: Decision | None) -> Iterator[Block]:
    said = list(decision.assumptions) if decision else []
    for summary, _ in material.summaries:
        run: Run = summary.run
        if run.manifest.is_simulated:  # the same text as in a decision, so that it appears once
            said.append(f"Run {run.id} is simulated: it says nothing about any platform.")
        if run.is_imported:
            said.append(run.imported_text)
        client = run.manifest.client
        said.append(
            f"Run {run.id} was measured from one place ({client.host}, {client.machine}), once, at "
            f"{run.started_text}: results may differ for other places and times."
        )
        generator = run.outcome.generator
        if generator.get("limited"):
            said.append(f"Run {run.id} is generator-limited ({'; '.join(generator.get('reasons', ()))}).")
        if run.state.value != "finished":
            why = f" ({run.outcome.reason})" if run.state is RunState.ABORTED and run.outcome.reason else ""
            said.append(f"Run {run.id} did not finish: it is {run.state.value}{why}.")
        if isinstance(summary, Summary) and all(is_on_this_machine(side.url or "") for side in sides_of(run)):
            said.append(f"Run {run.id} measured programs on this machine, not a platform.")
        mode = summary.plan.mode if isinstance(summary, ColdSummary) else None
        if mode == "spawn":
            said.append(
                f"Run {run.id} starts programs on this machine: a platform adds time for scheduling, the image and the "
                "network."
            )
        if mode == "forced":
            said.append(f"Run {run.id} forces new instances instead of scaling from zero.")
    for summary, _ in material.warm:
        if not summary.is_open_loop:
            said.append(f"Run {summary.run.id} is a closed loop, which hides how requests slow each other down.")
    yield Items(tuple(dict.fromkeys(said)))


def _manifests(material: _Material) -> Iterator[Block]:
    for run, _ in material.recorded:
        yield Text(_title(run), small=True)
        yield Code(json.dumps(redacted(dict(run.manifest)), indent=1, ensure_ascii=False))
    yield Text("To get the individual requests, run python -m benchmark export ID --format json.", small=True)


def disagreements(samples: Samples) -> tuple[int, int]:
    """The number of blocks with different predictions, and of blocks that two or more endpoints answered."""
    usable = samples[~samples["warmup"] & (samples["failure"] == 0) & ~np.isnan(samples["prediction"])]
    _, block, answers = np.unique(usable["group"], return_inverse=True, return_counts=True)
    low, high = np.full(len(answers), np.inf), np.full(len(answers), -np.inf)
    np.minimum.at(low, block, usable["prediction"])
    np.maximum.at(high, block, usable["prediction"])
    shared = answers > 1
    same = np.isclose(low, high, rtol=_SAME_PREDICTION, atol=0)
    return int(np.count_nonzero(shared & ~same)), int(np.count_nonzero(shared))
