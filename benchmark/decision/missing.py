"""What is not known, and the run that would tell: the command line, and the page that does the same."""

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scipy.special import ndtri

from benchmark.coldstart.plan import MAX_IDLE_S, gap_text
from benchmark.decision.answer import Answer, Outcome
from benchmark.decision.evidence import Evidence
from benchmark.decision.findings import Side
from benchmark.decision.gaps import longest_gap_s
from benchmark.decision.needs import Matter, Needs
from benchmark.decision.objectives import Holds, Objective
from benchmark.decision.words import count
from benchmark.record.plan import MAX_REQUESTS
from benchmark.statistics.estimates import min_samples, more_samples
from benchmark.statistics.percentiles import PERCENTILES

LADDER = "--idle 1m,5m,15m,30m"
"""Options of a first ladder: gaps around the 15 minutes after which the platforms may end an instance."""
_PAIRS = "--pairs 500"
_RATE = 50.0
"""Requests a second of a load run that is proposed."""
_SHORT_GAP_S = 60.0
"""Up to this idle gap no ladder is asked for: both platforms keep an instance for minutes after a request."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What is not known, and the command and the page that would tell."""

    what: str
    command: str
    page: str


def missing(evidence: Evidence, needs: Needs, answer: Answer) -> Iterator[Missing]:
    """What would settle what is open, the answer's own question first; each command once."""
    found: list[Missing] = []
    findings, sides = evidence.findings, evidence.findings.sides
    if answer.outcome is Outcome.NOT_ENOUGH and answer.preferences:
        last = answer.preferences[-1]
        if last.key is None and not last.is_tie:
            found.append(_for_matter(evidence, needs, last.matter))
    for one in answer.objectives:
        if one.holds is Holds.UNKNOWN:
            found.extend(_for_objective(evidence, needs, one))
    if not (findings.comparison or findings.load):
        found.append(Missing("Latency has not been compared.", command("compare", sides, _PAIRS), "benchmark"))
    longest_s = longest_gap_s(needs.traffic, needs.requests_per_month)
    if findings.ladder is None and not needs.min_instances and longest_s > _SHORT_GAP_S:
        gap = gap_text(longest_s)
        what = f"How often this traffic, with idle gaps of up to {gap}, meets a cold start is not measured."
        found.append(_ladder(evidence, what))
    if findings.starts is None and "coldstart" in needs.matters:
        found.append(_for_matter(evidence, needs, "coldstart"))
    by_command: dict[str, Missing] = {}
    for open_question in found:
        by_command.setdefault(open_question.command, open_question)
    yield from by_command.values()


def _for_matter(evidence: Evidence, needs: Needs, matter: Matter) -> Missing:
    findings, sides = evidence.findings, evidence.findings.sides
    if matter == "coldstart":
        verdict = findings.starts.verdict if findings.starts else None
        repeats = verdict.pairs[0].effect.n + verdict.more_pairs if verdict and verdict.more_pairs else 20
        what = "Too few cold starts to tell." if findings.starts else "Cold starts have not been measured."
        if all(side.url is None for side in sides):  # programs that a run starts itself
            return Missing(what, f"python -m benchmark coldstart --repeats {repeats}", "coldstart")
        return Missing(what, command("coldstart", sides, LADDER), "coldstart")
    if matter == "cost":
        if not any(isinstance(evidence.bill(needs, position), str) for position in (0, 1)):
            return _ladder(
                evidence, "How many requests meet a cold start, and are billed for it, is not known closely."
            )
        what = "There is no service time to make a bill from."
        return Missing(what, command("compare", sides, _PAIRS), "benchmark")
    runs = findings.comparison or findings.load
    verdict = runs.verdict if runs else None
    if verdict is None:
        return Missing("Latency has not been compared.", command("compare", sides, _PAIRS), "benchmark")
    # A comparison that more of the same would hardly settle is at least worth a longer one.
    n = verdict.pairs[0].effect.n
    pairs = n + verdict.more_pairs if verdict.more_pairs else max(500, 2 * n)
    what = "The comparison does not settle who is faster."
    return Missing(what, command("compare", sides, f"--pairs {pairs}"), "benchmark")


def _for_objective(evidence: Evidence, needs: Needs, one: Objective) -> Iterator[Missing]:
    sides = evidence.findings.sides
    position = evidence.findings.keys.index(one.key)
    what = f"Whether {sides[position].name} keeps “{one.name}” is not known: {one.found}."
    shares = evidence.cold_shares(needs, position)
    is_open = shares is not None and shares[0] < shares[1]
    if one.kind == "budget":
        if not sides[position].services_ms:
            yield Missing(what, command("compare", sides, _PAIRS), "benchmark")
        elif is_open:
            yield _ladder(evidence, what)
        return
    if one.kind == "latency" and is_open:
        yield _ladder(evidence, what)
    n = _samples_needed(evidence, needs, one, position)
    if 2 * n > MAX_REQUESTS:
        what += f" It takes about {count(n)} requests to each, more than one run may send."
        n = MAX_REQUESTS // 2
    duration_s = max(30, math.ceil(1.1 * n / _RATE))
    yield Missing(what, command("load", sides, f"--rate {_RATE:g} --duration {duration_s}"), "benchmark")


def _samples_needed(evidence: Evidence, needs: Needs, one: Objective, position: int) -> int:
    """How many requests to an endpoint would tell whether it keeps a latency or an availability."""
    if one.kind == "availability":
        share = (needs.availability_pct or 0.0) / 100
        n = availability_n(share)
        available = evidence.availability(position)
        if available.n < n:
            return n
        return available.n + (more_samples(available, abs(available.value - share)) or available.n)
    share = PERCENTILES[needs.percentile]
    latency = evidence.latency_ms(position, share)
    if latency is None or not latency.estimable:
        return 2 * min_samples(share)
    return latency.n + (more_samples(latency, abs(latency.value - (needs.latency_ms or 0.0))) or latency.n)


def availability_n(share: float) -> int:
    """How many requests without a failure it takes until Wilson's lower bound is at `share`: n / (n + z^2) >= share."""
    z = float(ndtri(0.975))
    return math.ceil(z * z * share / (1 - share))


def command(kind: str, sides: Sequence[Side], options: str = "") -> str:
    """The command line of a run of these endpoints, as a shell takes it."""
    ends = ["--endpoint " + shlex.quote(f"{side.key}={side.url or 'URL'}") for side in sides]
    return " ".join(["python -m benchmark", kind, *ends, options]).strip()


def _ladder(evidence: Evidence, what: str) -> Missing:
    """Of the first gaps; where a ladder has been measured, of gaps between those that it leaves open."""
    options = LADDER
    known = [found for position in (0, 1) if (found := evidence.turns_cold_s(position))]
    if known:
        low_s, high_s = min(low for low, _ in known), max(high for _, high in known)
        if math.isinf(high_s):
            gaps_s = [min(factor * low_s, MAX_IDLE_S) for factor in (1.5, 2, 4)]
        else:
            low_s = low_s or high_s / 60
            gaps_s = [low_s * (high_s / low_s) ** (step / 4) for step in (1, 2, 3)]
        options = f"--idle {','.join(dict.fromkeys(f'{gap_s:.1f}s' for gap_s in gaps_s))}"
    return Missing(what, command("coldstart", evidence.findings.sides, options), "coldstart")
