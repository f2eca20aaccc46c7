"""Recommend an endpoint: one sentence with its evidence, sensitivity and missing measurements.

Pure functions over `Findings`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmark.coldstart.summary import ColdSummary
from benchmark.cost.prices import Prices
from benchmark.decision import sentence as said
from benchmark.decision.answer import Choice, answer
from benchmark.decision.criterion import Judgement
from benchmark.decision.evidence import Bill, Evidence
from benchmark.decision.findings import Findings, PassedOver
from benchmark.decision.measurement import Missing
from benchmark.decision.missing import missing
from benchmark.decision.needs import Needs
from benchmark.decision.sensitivity import Change, sensitivity
from benchmark.decision.slos import SloResult
from benchmark.summary.summarise import conditions


@dataclass(frozen=True, slots=True)
class Source:
    """A run used as evidence."""

    run_id: str
    kind: str
    started_at_utc: str
    samples: str
    sentence: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer with its evidence. `bills` are by endpoint, None if unknown; `why` is the clause of the sentence that
    gives the reason."""

    needs: Needs
    outcome: Choice
    key: str | None
    sentence: str
    why: str
    judgements: tuple[Judgement, ...]
    slos: tuple[SloResult, ...]
    bills: tuple[Bill | None, ...]
    sensitivity: tuple[Change, ...]
    missing: tuple[Missing, ...]
    sources: tuple[Source, ...]
    passed_over: tuple[PassedOver, ...]
    """runs of these endpoints that are newer, or of the same plan, but not used as evidence"""
    assumptions: tuple[str, ...]
    fair: bool


def decide(needs: Needs, findings: Findings, prices: Prices) -> Decision:
    """Answer `needs` from `findings`. Raises UnknownCriterionError."""
    evidence = Evidence(findings, prices)
    found = answer(evidence, needs)
    open_questions = tuple(missing(evidence, needs, found))
    bills = (evidence.bill(needs, position) for position in findings.positions)
    return Decision(
        needs,
        found.outcome,
        found.key,
        said.sentence(findings, needs, found, open_questions),
        said.why(findings, found),
        found.judgements,
        found.slos,
        tuple(bill if isinstance(bill, Bill) else None for bill in bills),
        tuple(sensitivity(evidence, needs)),
        open_questions,
        tuple(_sources(findings)),
        findings.passed_over,
        tuple(said.assumptions(evidence, needs)),
        not findings.mismatches and bool(findings.runs),
    )


def _sources(findings: Findings) -> Iterator[Source]:
    for summary in findings.runs:
        run = summary.run
        if isinstance(summary, ColdSummary):
            said_conditions = summary.conditions
            samples = ", ".join(f"{len(side.probes)} probes of {side.name}" for side in summary.endpoints)
        else:
            said_conditions = conditions(run, summary.plan)
            samples = ", ".join(f"{one.n} answers of {one.name}" for one in summary.endpoints)
        sentence = summary.verdict.sentence if summary.verdict else ""
        yield Source(run.id, run.kind, run.started_at_utc, samples, sentence, said_conditions)
