"""Latency: which endpoint answers faster, by the comparisons, or else by the runs at a rate."""

from benchmark.coldstart.summary import ColdSummary
from benchmark.decision import measurement, verdict_criterion
from benchmark.decision.criterion import Criterion, PairResult
from benchmark.decision.evidence import Evidence
from benchmark.decision.findings import Repeated
from benchmark.decision.measurement import Missing
from benchmark.decision.needs import Needs
from benchmark.summary.summarise import Summary

_PHRASES = verdict_criterion.Phrases(
    "answers faster", "both are equally fast", "are equally fast", "no comparison has been measured"
)


def _runs(evidence: Evidence) -> Repeated[Summary] | Repeated[ColdSummary] | None:
    return evidence.findings.comparison or evidence.findings.load


def _compare(evidence: Evidence, _: Needs, first: int, second: int) -> PairResult:
    return verdict_criterion.compare(_runs(evidence), first, second)


def _missing(evidence: Evidence, _: Needs) -> Missing:
    sides, runs = evidence.findings.sides, _runs(evidence)
    if runs is None or runs.verdict is None:
        return measurement.comparison(sides, "Latency has not been compared.")
    # If more samples would hardly settle it, propose at least a longer comparison.
    pairs = max(one.effect.n + one.more if one.more else max(500, 2 * one.effect.n) for one in runs.verdict.pairs)
    return measurement.comparison(sides, "The comparison does not settle which endpoint is faster.", f"--pairs {pairs}")


CRITERION = Criterion(
    "latency",
    "latency",
    10,
    _compare,
    lambda judgement, names: verdict_criterion.reason(judgement, names, _PHRASES),
    _missing,
    lambda evidence: _runs(evidence) is None,
)
