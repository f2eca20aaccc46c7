"""Cold starts: at which endpoint requests wait less for new instances. Compares the share of cold requests times the
duration of a start or, if the share is unknown, the duration alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.decision import verdict_criterion
from benchmark.decision.criterion import Criterion, Judgement, PairResult
from benchmark.decision.evidence import Evidence
from benchmark.decision.measurement import IDLE_SWEEP, Missing, command
from benchmark.decision.needs import Needs
from benchmark.decision.text import percent
from benchmark.statistics.estimates import Estimate
from benchmark.statistics.text import listed
from benchmark.statistics.verdict import Outcome

_PHRASES = verdict_criterion.Phrases(
    "starts faster", "both start equally fast", "start equally fast", "no cold start has been measured"
)
_FIRST_REPEATS = 20


@dataclass(frozen=True, slots=True)
class Kept:
    """Minimum instances keep a first instance of both endpoints running."""


@dataclass(frozen=True, slots=True)
class NoGap:
    """The traffic has no idle gap long enough for a cold start of either endpoint."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The minimum share of requests with a cold start, of the winner and of the loser."""

    winner: float
    loser: float


def _compare(evidence: Evidence, needs: Needs, first: int, second: int) -> PairResult:
    if needs.min_instances:
        return PairResult(first, second, Outcome.EQUIVALENT, detail=Kept())
    one, other = (evidence.cold_shares(needs, position) for position in (first, second))
    if one == other == (0.0, 0.0):
        return PairResult(first, second, Outcome.EQUIVALENT, detail=NoGap())
    if one and other and one != other:
        waits = _wait_ms(one, evidence.start_ms(first)), _wait_ms(other, evidence.start_ms(second))
        for winner, mine, theirs, shares in (
            (first, *waits, Shares(one[0], other[0])),
            (second, *waits[::-1], Shares(other[0], one[0])),
        ):
            if mine and theirs and mine[1] < theirs[0]:
                return PairResult(first, second, Outcome.WINNER, winner, theirs[0] - mine[1], shares)
    return verdict_criterion.compare(evidence.findings.starts, first, second)


def _wait_ms(share: tuple[float, float], start_ms: Estimate | None) -> tuple[float, float] | None:
    """The bounds of the share of cold requests times the median start."""
    if share == (0.0, 0.0):
        return 0.0, 0.0
    if start_ms is None or start_ms.low is None or start_ms.high is None:
        return None
    return share[0] * start_ms.low, share[1] * start_ms.high


def _reason(judgement: Judgement, names: Sequence[str]) -> str:
    named = len(names) > 2
    if judgement.preferred is not None and isinstance(shares := judgement.wins[0].detail, Shares):
        cold = f"{percent(shares.winner)} cold against {percent(shares.loser)}"
        baseline = verdict_criterion.than(judgement, names).rstrip(",")
        return f"its requests wait less for an instance{baseline} ({cold}, times the median start)"
    if judgement.is_tie:
        leaders = listed(names[one] for one in judgement.leaders)
        if all(isinstance(one.detail, Kept) for one in judgement.ties):
            return f"minimum instances keep a first instance of {leaders if named else 'both'}"
        if all(isinstance(one.detail, NoGap) for one in judgement.ties):
            any_of = f"any of {leaders}" if named else "either"
            return f"at this traffic no idle gap is long enough for a cold start of {any_of}"
    return verdict_criterion.reason(judgement, names, _PHRASES)


def _missing(evidence: Evidence, _: Needs) -> Missing:
    findings = evidence.findings
    what = "Too few cold starts to tell." if findings.starts else "Cold starts have not been measured."
    if not all(side.url is None for side in findings.sides):
        return Missing(what, command("coldstart", findings.sides, IDLE_SWEEP), "coldstart")
    # Programs that a run starts itself.
    verdict = findings.starts.verdict if findings.starts else None
    more = [one.effect.n + one.more for one in verdict.pairs if one.more] if verdict else []
    return Missing(what, f"python -m benchmark coldstart --repeats {max(more, default=_FIRST_REPEATS)}", "coldstart")


CRITERION = Criterion(
    "coldstart", "cold starts", 30, _compare, _reason, _missing, lambda evidence: evidence.findings.starts is None
)
