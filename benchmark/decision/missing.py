"""Missing measurements, and the runs that would provide them."""

import math
from collections.abc import Iterator

from scipy.special import ndtri

from benchmark.coldstart.plan import gap_text
from benchmark.decision import criteria, measurement
from benchmark.decision.answer import Answer, Choice
from benchmark.decision.evidence import Evidence
from benchmark.decision.gaps import longest_gap_s
from benchmark.decision.measurement import Missing, command
from benchmark.decision.needs import Needs
from benchmark.decision.slos import Holds, SloResult
from benchmark.decision.text import slo_evidence, slo_name
from benchmark.record.plan import MAX_REQUESTS
from benchmark.statistics.estimates import min_samples, more_samples
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.text import count

_RATE = 50.0
"""Requests per second of a proposed load run."""
_SHORT_GAP_S = 60.0
"""No sweep is proposed up to this idle gap: both platforms keep an instance for minutes after a request."""


def missing(evidence: Evidence, needs: Needs, answer: Answer) -> Iterator[Missing]:
    """Runs that would settle open questions, most decisive first; each command once."""
    found: list[Missing] = []
    findings = evidence.findings
    if answer.outcome is Choice.NOT_ENOUGH and answer.judgements:
        last = answer.judgements[-1]
        if last.preferred is None and not last.is_tie:
            found.append(criteria.named(last.criterion).missing(evidence, needs))
    for one in answer.slos:
        if one.holds is Holds.UNKNOWN:
            found.extend(_for_slo(evidence, needs, one))
    if findings.measured is None:
        single = len(findings.sides) == 1
        what = "Latency has not been measured." if single else "Latency has not been compared."
        found.append(measurement.comparison(findings.sides, what))
    longest_s = longest_gap_s(needs.traffic, needs.requests_per_month)
    if findings.idle_sweep is None and not needs.min_instances and longest_s > _SHORT_GAP_S:
        gap = gap_text(longest_s)
        what = f"The share of cold starts for this traffic, with idle gaps of up to {gap}, is not measured."
        found.append(measurement.idle_sweep(evidence, what))
    for criterion in map(criteria.named, needs.criteria):
        if criterion.lacks(evidence):
            found.append(criterion.missing(evidence, needs))
    by_command: dict[str, Missing] = {}
    for open_question in found:
        by_command.setdefault(open_question.command, open_question)
    yield from by_command.values()


def _for_slo(evidence: Evidence, needs: Needs, one: SloResult) -> Iterator[Missing]:
    sides = evidence.findings.sides
    position = evidence.findings.keys.index(one.key)
    what = f"It is unknown whether {sides[position].name} keeps “{slo_name(one.slo)}”: {slo_evidence(one)}."
    shares = evidence.cold_shares(needs, position)
    is_open = shares is not None and shares[0] < shares[1]
    if one.slo.kind == "budget":
        if not sides[position].services_ms:
            yield measurement.comparison(sides, what)
        elif is_open:
            yield measurement.idle_sweep(evidence, what)
        return
    if one.slo.kind == "latency" and is_open:
        yield measurement.idle_sweep(evidence, what)
    n = _samples_needed(evidence, needs, one, position)
    if len(sides) * n > MAX_REQUESTS:
        what += f" This needs about {count(n)} requests to each endpoint, more than one run may send."
        n = MAX_REQUESTS // len(sides)
    duration_s = max(30, math.ceil(1.1 * n / _RATE))
    yield Missing(what, command("load", sides, f"--rate {_RATE:g} --duration {duration_s}"), "benchmark")


def _samples_needed(evidence: Evidence, needs: Needs, one: SloResult, position: int) -> int:
    """How many requests to an endpoint would settle a latency or availability SLO."""
    if one.slo.kind == "availability":
        share = one.slo.limit / 100
        n = availability_n(share)
        available = evidence.availability(position)
        if available.n < n:
            return n
        return available.n + (more_samples(available, abs(available.value - share)) or available.n)
    share = PERCENTILES[needs.percentile]
    latency = evidence.latency_ms(position, share)
    if latency is None or not latency.estimable:
        return 2 * min_samples(share)
    return latency.n + (more_samples(latency, abs(latency.value - one.slo.limit)) or latency.n)


def availability_n(share: float) -> int:
    """How many requests without a failure raise Wilson's lower bound to `share`: n / (n + z^2) >= share."""
    z = float(ndtri(0.975))
    return math.ceil(z * z * share / (1 - share))
