"""A criterion that is not the product's: the endpoint with the shorter name is better."""

from collections.abc import Sequence

from benchmark.decision.criterion import Criterion, Judgement, PairResult
from benchmark.decision.evidence import Evidence
from benchmark.decision.measurement import Missing
from benchmark.decision.needs import Needs
from benchmark.statistics.verdict import Outcome


def _compare(evidence: Evidence, _: Needs, first: int, second: int) -> PairResult:
    lengths = [len(evidence.findings.names[position]) for position in (first, second)]
    if lengths[0] == lengths[1]:
        return PairResult(first, second, Outcome.EQUIVALENT)
    winner = first if lengths[0] < lengths[1] else second
    return PairResult(first, second, Outcome.WINNER, winner, abs(lengths[0] - lengths[1]))


def _reason(judgement: Judgement, names: Sequence[str]) -> str:
    return "their names are equally long" if judgement.is_tie else "its name is shorter"


CRITERION = Criterion(
    "brevity", "short names", 99, _compare, _reason, lambda *_: Missing("A name is missing.", "true", "benchmark")
)
