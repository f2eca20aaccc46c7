"""An answer in one sentence, the clause that gives its reason, and its assumptions."""

from collections.abc import Iterator, Sequence

from benchmark.decision import criteria
from benchmark.decision.answer import Answer, Choice
from benchmark.decision.criterion import Judgement
from benchmark.decision.evidence import Evidence
from benchmark.decision.findings import Findings
from benchmark.decision.measurement import Missing
from benchmark.decision.needs import Needs
from benchmark.decision.slos import Holds, Slo, SloResult
from benchmark.decision.text import slo_evidence, slo_name
from benchmark.statistics.text import count, listed


def sentence(findings: Findings, needs: Needs, found: Answer, open_questions: Sequence[Missing]) -> str:
    """The answer with its reason."""
    because = why(findings, found)
    these = {1: "This deployment", 2: "These two deployments"}.get(len(findings.sides), "These deployments")
    unfair = bool(findings.mismatches)
    if found.outcome is Choice.NOT_ENOUGH:
        run = f" Run this: {open_questions[0].command}" if open_questions else ""
        return f"Not enough evidence: {because}.{run}"
    if found.outcome is Choice.NONE:
        return f"{_none_keeps(findings)} your SLOs: {because}."
    at = f"at {count(needs.requests_per_month)} requests a month"
    if found.outcome is Choice.SINGLE:
        name = findings.names[0]
        if not found.slos:
            return f"{name} is the only endpoint, so there is nothing to compare {at}."
        return f"{name} keeps your SLOs {at}: {_results(found.slos)}. {because[0].upper()}{because[1:]}."
    if found.key is None:
        tied = f"{these} are a tie" if unfair else "It is a tie"
        if len(findings.sides) > 2:
            tied = f"It is a tie between {listed(findings.names[one] for one in found.judgements[-1].leaders)}"
        return f"{tied} {at}: {because}."
    faults = _faults(findings, found)
    lead = f"Of {these[0].lower()}{these[1:]} choose" if unfair else "Choose"
    name = findings.names[findings.keys.index(found.key)]
    kept = sum(one.key == found.key for one in found.slos)
    also = ""
    if kept and not found.by_elimination:  # the reason already says this
        also = f", and it keeps {'the objective' if kept == 1 else f'all {kept} objectives'}"
    clauses = [because] if found.by_elimination else [f"{_reasons(findings, found)}{also}", *faults]
    return f"{lead} {name} {at}: {_clauses(clauses)}."


def _none_keeps(findings: Findings) -> str:
    unfair = bool(findings.mismatches)
    if len(findings.sides) == 1:
        return f"{findings.names[0]} does not keep"
    if len(findings.sides) == 2:
        return "Neither of these two deployments keeps" if unfair else "Neither keeps"
    return f"None of these {len(findings.sides)} {'deployments' if unfair else 'endpoints'} keeps"


def why(findings: Findings, found: Answer) -> str:
    """The clause of the sentence that gives the reason."""
    names = dict(zip(findings.keys, findings.names, strict=True))
    faults = _faults(findings, found)
    if found.outcome is Choice.NONE:
        return "; ".join(faults)
    if found.outcome is Choice.SINGLE:
        return "it is the only endpoint"
    doubt = ""
    if found.doubted:
        asked = _results(found.of(found.doubted, Holds.UNKNOWN))
        doubt = f"it is unknown whether {names[found.doubted]} keeps {asked}"
    if len(found.left) == 1:
        return _clauses([*faults, doubt] if doubt else ["it keeps every objective", *faults])
    if doubt:
        return doubt
    if found.outcome is Choice.NOT_ENOUGH:
        return reason(found.judgements[-1], findings.names)
    return _clauses([_reasons(findings, found), *faults])


def _reasons(findings: Findings, found: Answer) -> str:
    """The results of the criteria; for a choice, the deciding criterion comes first."""
    reasons = [reason(one, findings.names) for one in found.judgements]
    return _clauses(reasons if found.outcome is Choice.TIE else reasons[::-1])


def _faults(findings: Findings, found: Answer) -> list[str]:
    """The broken SLOs: a clause with figures for each excluded endpoint.

    With more than two endpoints, those that break the same SLOs share one clause; `slos` has the figures.
    """
    out = [side for position, side in enumerate(findings.sides) if position not in found.left]
    if len(findings.sides) <= 2:
        return [f"{side.name} breaks {_results(found.of(side.key, Holds.BROKEN))}" for side in out]
    alike: dict[tuple[Slo, ...], list[str]] = {}
    for side in out:
        alike.setdefault(tuple(one.slo for one in found.of(side.key, Holds.BROKEN)), []).append(side.name)
    clauses = []
    for asked, names in alike.items():
        verb = "breaks" if len(names) == 1 else "break"
        clauses.append(f"{listed(names)} {verb} {listed(f'“{slo_name(one)}”' for one in asked)}")
    return clauses


def reason(judgement: Judgement, names: Sequence[str]) -> str:
    """The result of one criterion as a clause."""
    if judgement.is_circle:
        leaders = listed(names[one] for one in judgement.leaders)
        return f"by {criteria.named(judgement.criterion).title} each of {leaders} is better than one of the others"
    return criteria.named(judgement.criterion).reason(judgement, names)


def _clauses(clauses: Sequence[str]) -> str:
    """`a`, `a, and b`, or `a, and b, and c`."""
    return ", and ".join(clauses)


def _results(asked: Sequence[SloResult]) -> str:
    return " and ".join(f"“{slo_name(one.slo)}”: {slo_evidence(one)}" for one in asked)


def described(needs: Needs) -> tuple[str, str]:
    """The needs besides SLOs, and the defaults that are assumed for the others; may be empty."""
    usual = Needs()
    parts = {
        f"{count(needs.requests_per_month)} requests a month": needs.requests_per_month == usual.requests_per_month,
        f"{needs.traffic.name} traffic": needs.traffic == usual.traffic,
        " before ".join(criteria.named(name).title for name in needs.criteria): needs.criteria == usual.criteria,
        f"{needs.min_instances} minimum instances": needs.min_instances == usual.min_instances,
        f"{needs.billing}-based billing": needs.billing == usual.billing,
    }
    asked, assumed = ([part for part, is_usual in parts.items() if is_usual is kind] for kind in (False, True))
    return ", ".join(asked), ", ".join(assumed)


def assumptions(evidence: Evidence, needs: Needs) -> Iterator[str]:
    """The assumptions of the answer."""
    findings = evidence.findings
    measured = findings.measured
    for summary in findings.runs:
        if summary.run.manifest.is_simulated:
            yield f"Run {summary.run.id} is simulated: it says nothing about any platform."
        if summary.run.is_imported:
            yield summary.run.imported_text
        if summary.run.outcome.generator.get("limited"):
            yield f"Run {summary.run.id} is generator-limited: its latencies include the client's own delays."
    if measured and not measured.newest.is_open_loop:
        yield (
            "SLOs are checked against a closed loop, which hides how requests slow each other down. A load run at a "
            "rate shows that."
        )
    for repeated in findings.repeated:
        if len(repeated.runs) > 1:
            yield (
                f"The {len(repeated.runs)} {repeated.newest.run.kind} runs of the same plan, addresses, model and "
                "revision are combined; differences between them widen the intervals."
            )
    for side in findings.sides:
        size = side.configuration
        unsaid = [name for name in side.assumed if name != "region"]
        if unsaid and side.services_ms:
            yield (
                f"{side.name} does not report its {listed(unsaid)}, or reports a size that is not offered: billed as "
                f"{size.vcpu:g} vCPU, {size.memory_gib:g} GiB and concurrency {size.concurrency}."
            )
        if size.region is None and side.services_ms:
            yield f"{side.name} does not report a region of the platform: billed at tier 1 prices."
    if any(side.services_ms for side in findings.sides):
        yield (
            "Bills use service times measured at the client, including network, and count all of it as processor time. "
            "They are upper estimates."
        )
    unknown = findings.runs and not needs.min_instances
    if unknown and any(evidence.cold_shares(needs, position) is None for position in findings.positions):
        yield "The share of cold starts is not measured. Latency SLOs and bills include no cold starts."
    if findings.mismatches:
        yield "Conditions that differ or are unknown: " + "; ".join(one.describe() for one in findings.mismatches) + "."
