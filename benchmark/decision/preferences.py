"""Which of two endpoints a criterion prefers: one only where the evidence tells them apart, a tie only where it shows
that they are alike, and neither where it does not tell."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmark.coldstart.summary import ColdSummary
from benchmark.decision.evidence import Evidence
from benchmark.decision.findings import Repeated
from benchmark.decision.needs import Matter, Needs
from benchmark.decision.words import percent, sampled, span_ms, usd
from benchmark.record.plan import MARGIN_PCT
from benchmark.statistics.estimates import Estimate, min_samples
from benchmark.statistics.text import number
from benchmark.statistics.verdict import Outcome
from benchmark.summary.summarise import Summary

_SAME_USD = 0.005


@dataclass(frozen=True, slots=True)
class Preference:
    """What one criterion says: the `key` that it prefers, a tie, or neither where it is not known."""

    matter: Matter
    key: str | None
    is_tie: bool
    reason: str


def preferences(evidence: Evidence, needs: Needs) -> Iterator[Preference]:
    """Criterion by criterion in their order, up to the first that is no tie."""
    judges = {"latency": _faster, "cost": _cheaper, "coldstart": _warmer}
    for matter in needs.matters:
        found = judges[matter](evidence, needs)
        yield found
        if not found.is_tie:
            return


def _faster(evidence: Evidence, _: Needs) -> Preference:
    runs = evidence.findings.comparison or evidence.findings.load
    keys = evidence.findings.keys
    return _by_verdict("latency", keys, runs, "no comparison has been measured", "answers faster", "equally fast")


def _cheaper(evidence: Evidence, needs: Needs) -> Preference:
    first, second = (evidence.bill(needs, position) for position in (0, 1))
    if isinstance(first, str) or isinstance(second, str):
        side = evidence.findings.sides[0 if isinstance(first, str) else 1]
        return Preference("cost", None, False, f"the bill of {side.name} is not known")
    bills = [(one.low.net_usd, one.high.net_usd) for one in (first, second)]
    (low, high), (other_low, other_high) = bills
    texts = [usd(*bill) for bill in bills]
    if _is_same_usd(low, other_high) and _is_same_usd(high, other_low):
        said = " and ".join(dict.fromkeys(texts))
        return Preference(
            "cost", None, True, f"their bills are the same or within {MARGIN_PCT:g} % (USD {said} a month)"
        )
    for mine, theirs in ((0, 1), (1, 0)):
        most, least = bills[mine][1], bills[theirs][0]
        if most < least and not _is_same_usd(most, least):
            said = f"it costs less (USD {texts[mine]} against {texts[theirs]} a month, net)"
            return Preference("cost", evidence.findings.keys[mine], False, said)
    said = f"USD {texts[0]} against {texts[1]} a month, by how many requests meet a cold start"
    return Preference("cost", None, False, f"which one costs less is not settled ({said})")


def _is_same_usd(one: float, other: float) -> bool:
    return abs(one - other) < max(_SAME_USD, MARGIN_PCT / 100 * min(one, other))


def _warmer(evidence: Evidence, needs: Needs) -> Preference:
    if needs.min_instances:
        return Preference("coldstart", None, True, "minimum instances keep a first instance of both")
    keys = evidence.findings.keys
    one, other = (evidence.cold_shares(needs, position) for position in (0, 1))
    if one == other == (0.0, 0.0):
        said = "at this traffic no idle gap is long enough for a cold start of either"
        return Preference("coldstart", None, True, said)
    if one and other and one != other:
        shares = one, other
        waits = [_wait_ms(share, evidence.start_ms(position)) for position, share in enumerate(shares)]
        for position in (0, 1):
            mine, theirs = waits[position], waits[1 - position]
            if mine and theirs and mine[1] < theirs[0]:
                cold = f"{percent(shares[position][0])} cold against {percent(shares[1 - position][0])}"
                said = f"its requests wait less for an instance ({cold}, times the median start)"
                return Preference("coldstart", keys[position], False, said)
    starts = evidence.findings.starts
    return _by_verdict(
        "coldstart", keys, starts, "no cold start has been measured", "starts faster", "start equally fast"
    )


def _wait_ms(share: tuple[float, float], start_ms: Estimate | None) -> tuple[float, float] | None:
    """Between which bounds the share of cold requests times the median start lies."""
    if share == (0.0, 0.0):
        return 0.0, 0.0
    if start_ms is None or start_ms.low is None or start_ms.high is None:
        return None
    return share[0] * start_ms.low, share[1] * start_ms.high


def _by_verdict(
    matter: Matter,
    keys: tuple[str, str],
    repeated: Repeated[Summary] | Repeated[ColdSummary] | None,
    nothing: str,
    better: str,
    same: str,
) -> Preference:
    verdict = repeated.verdict if repeated else None
    if repeated is None or verdict is None:
        return Preference(matter, None, False, nothing)
    effect = verdict.pairs[0].effect
    n = sampled(effect.n, len(repeated.runs))
    if verdict.outcome is Outcome.WINNER:
        winner = verdict.winner_position or 0
        said = f"it {better} by {_size(effect, winner)} in the {verdict.metric}, {n}"
        return Preference(matter, keys[winner], False, said)
    if effect.low is None or effect.high is None:
        few = effect.n < min_samples(0.5)
        why = f"{n} is too few" if few else f"too many of {effect.n} timed out"
        return Preference(matter, None, False, f"{why} to tell who {better}")
    if verdict.outcome is Outcome.EQUIVALENT:
        who = "both" if matter == "coldstart" else "both are"
        said = f"{who} {same} (within {number(verdict.margin_ms)} ms, {n})"
        return Preference(matter, None, True, said)
    said = f"who {better} is not settled ({span_ms(effect.value, effect.low, effect.high)}, {n})"
    return Preference(matter, None, False, said)


def _size(effect: Estimate, winner: int) -> str:
    """By how much the winner is ahead; at least, where timeouts leave open by how much more."""
    low, high = (effect.low, effect.high) if winner else (effect.high, effect.low)
    if low is not None and high is not None:
        return span_ms(abs(effect.value), abs(low), abs(high))
    return "an amount that timeouts leave open" if low is None else f"at least {number(abs(low))} ms"
