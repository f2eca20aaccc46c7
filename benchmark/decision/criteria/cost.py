"""Cost: which endpoint costs less a month after the free tier, within the known bounds of cold starts."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.cost.text import usd
from benchmark.decision import measurement
from benchmark.decision.criterion import Criterion, Judgement, PairResult
from benchmark.decision.evidence import Bill, Evidence, NoBill
from benchmark.decision.measurement import Missing
from benchmark.decision.needs import Needs
from benchmark.record.plan import MARGIN_PCT
from benchmark.statistics.text import listed
from benchmark.statistics.verdict import Outcome

_SAME_USD = 0.005


@dataclass(frozen=True, slots=True)
class Unknown:
    """The bill of the endpoint at `position` is unknown."""

    position: int


Bills = tuple[Bill, Bill]


def _compare(evidence: Evidence, needs: Needs, first: int, second: int) -> PairResult:
    one, other = (evidence.bill(needs, position) for position in (first, second))
    if isinstance(one, NoBill):
        return PairResult(first, second, Outcome.INCONCLUSIVE, detail=Unknown(first))
    if isinstance(other, NoBill):
        return PairResult(first, second, Outcome.INCONCLUSIVE, detail=Unknown(second))
    bills = one, other
    if _is_same(one.low.net_usd, other.high.net_usd) and _is_same(one.high.net_usd, other.low.net_usd):
        return PairResult(first, second, Outcome.EQUIVALENT, detail=bills)
    for winner, mine, theirs in ((first, one, other), (second, other, one)):
        most, least = mine.high.net_usd, theirs.low.net_usd
        if most < least and not _is_same(most, least):
            return PairResult(first, second, Outcome.WINNER, winner, least - most, bills)
    return PairResult(first, second, Outcome.INCONCLUSIVE, detail=bills)


def _is_same(one_usd: float, other_usd: float) -> bool:
    return abs(one_usd - other_usd) < max(_SAME_USD, MARGIN_PCT / 100 * min(one_usd, other_usd))


def _reason(judgement: Judgement, names: Sequence[str]) -> str:
    named = len(names) > 2
    if judgement.preferred is not None:
        texts = {one.loser: _text(one, one.loser) for one in judgement.wins}
        mine = _text(judgement.wins[0], judgement.preferred)
        if not named:
            (theirs,) = texts.values()
            return f"it costs less (USD {mine} against {theirs} a month, net)"
        others = [f"{text} for {names[position]}" for position, text in texts.items()]
        return f"it costs least (USD {mine} a month net, against {listed(others)})"
    if judgement.is_tie:
        texts = {position: _text(one, position) for one in judgement.ties for position in (one.first, one.second)}
        said = listed(dict.fromkeys(texts.values()))
        who = f"the bills of {listed(names[one] for one in judgement.leaders)}" if named else "their bills"
        return f"{who} are the same or within {MARGIN_PCT:g} % (USD {said} a month)"
    unsettled = judgement.open[0]
    if isinstance(unsettled.detail, Unknown):
        return f"the bill of {names[unsettled.detail.position]} is not known"
    which = f"whether {names[unsettled.first]} or {names[unsettled.second]}" if named else "which one"
    first, second = _text(unsettled, unsettled.first), _text(unsettled, unsettled.second)
    said = f"USD {first} against {second} a month, depending on cold starts"
    return f"{which} costs less is not settled ({said})"


def _text(comparison: PairResult, position: int) -> str:
    bill: Bill = comparison.detail[position != comparison.first]
    return usd(bill.low.net_usd, bill.high.net_usd)


def _missing(evidence: Evidence, needs: Needs) -> Missing:
    findings = evidence.findings
    if any(isinstance(evidence.bill(needs, position), NoBill) for position in findings.positions):
        return measurement.comparison(findings.sides, "The bills are unknown because no service times were measured.")
    what = "The share of requests with a cold start, which adds to the bills, is not known precisely."
    return measurement.idle_sweep(evidence, what)


CRITERION = Criterion("cost", "cost", 20, _compare, _reason, _missing)
