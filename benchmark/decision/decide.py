"""Which of two endpoints to choose for stated needs: one sentence, what it rests on, where it flips, what is missing.

Pure functions over `Findings`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmark.coldstart.summary import ColdSummary
from benchmark.cost.prices import Prices
from benchmark.decision.answer import Answer, Outcome, answer
from benchmark.decision.evidence import Bill, Evidence
from benchmark.decision.findings import Findings, PassedOver
from benchmark.decision.flips import Flip, flips
from benchmark.decision.missing import Missing, missing
from benchmark.decision.needs import Needs
from benchmark.decision.objectives import Objective
from benchmark.decision.preferences import Preference
from benchmark.decision.words import count, joined


@dataclass(frozen=True, slots=True)
class Source:
    """A run that the answer rests on."""

    run_id: str
    kind: str
    started_at_utc: str
    samples: str
    sentence: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer with all that it rests on. `bills` are by endpoint, None where none can be made; `why` is the clause
    of the sentence that gives the reason."""

    needs: Needs
    outcome: Outcome
    key: str | None
    sentence: str
    why: str
    preferences: tuple[Preference, ...]
    objectives: tuple[Objective, ...]
    bills: tuple[Bill | None, ...]
    flips: tuple[Flip, ...]
    missing: tuple[Missing, ...]
    sources: tuple[Source, ...]
    passed_over: tuple[PassedOver, ...]
    """runs of these endpoints that are newer, or of the same plan, and no evidence"""
    assumptions: tuple[str, ...]
    fair: bool


def decide(needs: Needs, findings: Findings, prices: Prices) -> Decision:
    """The answer to `needs`, as far as `findings` go."""
    evidence = Evidence(findings, prices)
    found = answer(evidence, needs)
    open_questions = tuple(missing(evidence, needs, found))
    bills = (evidence.bill(needs, position) for position in (0, 1))
    return Decision(
        needs,
        found.outcome,
        found.key,
        _sentence(findings, needs, found, open_questions),
        found.why,
        found.preferences,
        found.objectives,
        tuple(bill if isinstance(bill, Bill) else None for bill in bills),
        tuple(flips(evidence, needs)),
        open_questions,
        tuple(_sources(findings)),
        findings.passed_over,
        tuple(_assumptions(evidence, needs)),
        not findings.mismatches and bool(findings.runs),
    )


def _sentence(findings: Findings, needs: Needs, found: Answer, open_questions: Sequence[Missing]) -> str:
    unfair = bool(findings.mismatches)
    if found.outcome is Outcome.NOT_ENOUGH:
        run = f" Run this: {open_questions[0].command}" if open_questions else ""
        return f"Not enough evidence: {found.why}.{run}"
    if found.outcome is Outcome.NEITHER:
        lead = "Neither of these two deployments keeps" if unfair else "Neither keeps"
        return f"{lead} what you ask for: {found.why}."
    at = f"at {count(needs.requests_per_month)} requests a month"
    if found.key is None:
        return f"{'These two deployments are a tie' if unfair else 'It is a tie'} {at}: {found.why}."
    lead = "Of these two deployments choose" if unfair else "Choose"
    name = findings.names[findings.keys.index(found.key)]
    kept = sum(one.key == found.key for one in found.objectives)
    promise = ""
    if kept and not found.by_elimination:  # which says so itself
        promise = f", and it keeps {'the objective' if kept == 1 else f'all {kept} objectives'}"
    return f"{lead} {name} {at}: {found.why}{promise}."


def _sources(findings: Findings) -> Iterator[Source]:
    for summary in findings.runs:
        run = summary.run
        if isinstance(summary, ColdSummary):
            conditions = summary.conditions
            samples = ", ".join(f"{len(side.probes)} probes of {side.name}" for side in summary.endpoints)
        else:
            conditions = summary.verdict.conditions if summary.verdict else ()
            samples = ", ".join(f"{one.n} answers of {one.name}" for one in summary.endpoints)
        sentence = summary.verdict.sentence if summary.verdict else ""
        yield Source(run.id, run.kind, run.started_at_utc, samples, sentence, conditions)


def _assumptions(evidence: Evidence, needs: Needs) -> Iterator[str]:
    """What the answer takes for granted."""
    findings = evidence.findings
    measured = findings.measured
    for summary in findings.runs:
        if "truth" in summary.run.manifest:
            yield f"Run {summary.run.id} is simulated: it says nothing of any platform."
        if summary.run.is_imported:
            yield summary.run.imported_text
        if summary.run.outcome.get("generator", {}).get("limited"):
            yield f"Run {summary.run.id} is generator-limited: its latencies are in part the client's own."
    if measured and not measured.newest.is_open_loop:
        yield "Objectives are held against a closed loop, which hides what requests do to each other: a load run tells."
    for repeated in (findings.comparison, findings.load, findings.cold, findings.ladder):
        if repeated and len(repeated.runs) > 1:
            yield (
                f"The {len(repeated.runs)} {repeated.newest.run.kind} runs of the same plan, addresses, model and "
                "revision count together, with what they differ in the interval."
            )
    for side in findings.sides:
        size = side.configuration
        unsaid = [name for name in side.assumed if name != "region"]
        if unsaid and side.services_ms:
            yield (
                f"{side.name} does not say its {joined(unsaid)}, or says what is not offered: billed as "
                f"{size.vcpu:g} vCPU, {size.memory_gib:g} GiB and concurrency {size.concurrency}."
            )
        if size.region is None and side.services_ms:
            yield f"{side.name} does not report a region of the platform: billed at the prices of tier 1."
    if any(side.services_ms for side in findings.sides):
        yield (
            "Bills rest on service times as the client saw them, network included, and take all of that as processor "
            "time: they are rather too high."
        )
    unknown = findings.runs and not needs.min_instances
    if unknown and any(evidence.cold_shares(needs, position) is None for position in (0, 1)):
        yield "How often a request meets a cold start is not measured, so latency objectives and bills leave them out."
    if findings.mismatches:
        yield "Not equal, or not known to be: " + "; ".join(one.describe() for one in findings.mismatches) + "."
