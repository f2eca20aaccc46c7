"""The sentences of a verdict, on a pair of endpoints and on all. `contrasts.py` makes the claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from math import isfinite, sqrt

from benchmark.statistics.contrasts import Contrast, Doubt, Order, Outcome, corrected
from benchmark.statistics.estimates import CONFIDENCE, Estimate, min_samples, wilson
from benchmark.statistics.text import alike, count, listed, ms, percent, span


class State(StrEnum):
    """The state of the instances that answered. Warm and cold are never mixed in one verdict; unknown is neither."""

    WARM = "warm"
    COLD = "cold"
    UNKNOWN = "unknown"

    @property
    def text(self) -> str:
        """The text among other conditions."""
        return "instance state unknown" if self is State.UNKNOWN else self.value


@dataclass(frozen=True, slots=True)
class Attempts:
    """The number of requests to an endpoint, the number of failures, and how strongly failures are clustered."""

    n: int
    failed: int
    design_effect: float = 1.0


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms for the sentences of one comparison."""

    names: Sequence[str]
    metric: str
    unit: str
    """the unit of n: pairs, blocks, requests to each"""
    state: State
    fair: bool
    """whether all conditions of the endpoints are equal"""
    limited: tuple[str, ...] = ()
    resolution_ms: float | None = None

    @property
    def basis(self) -> str:
        return f"{self.unit}, {self.state.text}"


def of_pair(found: Contrast, terms: Terms) -> str:
    """The verdict on one pair, with its figures."""
    if found.doubt is Doubt.CLIENT:
        return _client_was_the_limit(terms)
    effect, first, second = found.effect, terms.names[found.first], terms.names[found.second]
    if found.winner is not None:
        winner = terms.names[found.winner]
        lead = f"{winner} answers faster" if terms.fair else f"These two deployments differ, {winner} answers faster"
        return f"{lead}: {_less(found, terms)}."
    if effect.low is None or effect.high is None:
        return f"Inconclusive: it is unknown {_question(terms)}, because {reason(found, terms)} ({terms.state.text})."
    write = alike(effect.low, effect.high)
    figures = (
        f"{first} minus {second} is {write(effect.value)} ms in the {terms.metric} ({percent(found.confidence)} "
        f"{span(effect.low, effect.high, write)} ms, n = {effect.n} {terms.basis})"
    )
    if found.outcome is Outcome.EQUIVALENT:
        lead = f"{first} and {second} are equally fast"
        if not terms.fair:
            lead = "These two deployments differ by less than the margin"
        return f"{lead}: {figures}, within the margin of {ms(found.margin_ms)}."
    lead = "Inconclusive" if terms.fair else "Inconclusive whether these two deployments differ"
    return f"{lead}: {figures}; {reason(found, terms)}."


def of_all(found: Sequence[Contrast], order: Order, terms: Terms) -> str:
    """The verdict on all endpoints: the first group against the others, then the order of the others."""
    if len(found) == 1:
        return of_pair(found[0], terms)
    if found[0].doubt is Doubt.CLIENT:
        return _client_was_the_limit(terms)
    if len(order) > 1:
        is_certain = _all_equal(_within(found, order[0]))
        lead = ("" if is_certain else "Inconclusive: ") if terms.fair else "These deployments differ: "
    elif _all_equal(found):
        lead = "" if terms.fair else "These deployments differ by less than the margin: "
    else:
        lead = "Inconclusive: " if terms.fair else "Inconclusive whether these deployments differ: "
    return f"{lead}{_first_group(found, order, terms)}{_others(found, order[1:], terms)}."


def reason(found: Contrast, terms: Terms) -> str:
    """Why a pair has no claim; empty if it has one."""
    match found.doubt:
        case None:
            return ""
        case Doubt.CLIENT:
            return f"the client was the limit ({'; '.join(terms.limited)})"
        case Doubt.TOO_FEW:
            needed = min_samples(0.5, found.confidence)
            return f"{found.effect.n} {terms.unit} with an answer from both are too few, at least {needed} are needed"
        case Doubt.NO_INTERVAL:
            return "its interval is not estimable"
        case Doubt.TIMEOUTS:
            return "the true duration of the timeouts is unknown"
        case Doubt.RESOLUTION:
            return _resolved(terms)
        case Doubt.MARGIN_BELOW_RESOLUTION:
            return f"{_resolved(terms)}, and the margin is {ms(found.margin_ms)}"
        case Doubt.MORE_SAMPLES:
            return f"about {count(found.more or 0)} more {terms.unit} would settle it"
        case Doubt.SPREAD:
            return "the workers see different differences, so more workers would settle it rather than more requests"
        case Doubt.HARDLY:
            return "more samples would hardly settle it"


def reason_of_all(found: Sequence[Contrast], order: Order, terms: Terms) -> str:
    """Why there is neither a winner nor equivalence; empty otherwise."""
    first = _within(found, order[0])
    return "" if _all_equal(first) else _reasons(first, terms)


def rule(margins_ms: Sequence[float]) -> str:
    """The rule for a winner with its margin; for several pairs with the correction for their number."""
    limit, pairs = f"a point estimate beyond the margin of {_margin(margins_ms)}", len(margins_ms)
    if pairs == 1:
        return (
            f"A winner needs a {percent(CONFIDENCE)} interval without 0 and {limit}; the interval may reach into the "
            "margin."
        )
    return (
        "The winner of a pair needs an interval without 0, at a confidence that keeps the chance of any false winner "
        f"among the {pairs} pairs at 5% (Holm), and {limit}; the interval may reach into the margin. Endpoints that no "
        "winner separates are tied."
    )


def failures(attempts: Sequence[Attempts] | None, names: Sequence[str]) -> str:
    """The failures of each endpoint, if their shares differ, to mention before any speed."""
    if attempts is None:
        return ""
    # An endpoint without failures does not show clusters, so the largest effect is used for all.
    effect = max(attempt.design_effect for attempt in attempts)
    confidence = corrected(len(attempts) * (len(attempts) - 1) // 2)
    shares = [wilson(attempt.failed, attempt.n, effect, confidence=confidence) for attempt in attempts]
    if not all(attempt.n for attempt in attempts) or len({share.value for share in shares}) == 1:
        return ""
    counts = ", ".join(
        f"{name} failed {attempt.failed} of {attempt.n} requests ({percent(share.value)})"
        for name, attempt, share in zip(names, attempts, shares, strict=True)
    )
    certain = any(_differ(*pair) for pair in combinations(shares, 2))
    return f"{counts}{'' if certain else ', which may be chance'}. "


def _first_group(found: Sequence[Contrast], order: Order, terms: Terms) -> str:
    """The fastest group, and its lead over all others."""
    group, slower = order[0], [position for each in order[1:] for position in each]
    inside = _within(found, group)
    between = [one for one in found if len({one.first, one.second} & set(group)) == 1]
    names = listed(terms.names[one] for one in group)
    others = listed(terms.names[one] for one in slower) if slower else ""
    if len(group) == 1:
        least = f"at least {_least_ms(between)} ms less in the {terms.metric} ({_n(between, terms)})"
        return f"{names} answers faster than {others}: {least}"
    together = ""
    if slower:
        least = f"by at least {_least_ms(between)} ms in the {terms.metric} ({_n(between, terms)})"
        together = f", {'both' if len(group) == 2 else 'all'} faster than {others} {least}"
    if _all_equal(inside):
        return f"{names} are equally fast{together or f': {_widest(inside, terms)}'}"
    lead = _unsettled(inside, names, terms)
    return f"{lead}{together or f' ({_n(inside, terms)})'}; {_reasons(inside, terms)}"


def _others(found: Sequence[Contrast], order: Order, terms: Terms) -> str:
    """The order of the endpoints behind the first group; empty for a single one."""
    groups = []
    for group in order:
        names = listed(terms.names[one] for one in group)
        tie = "equally fast" if _all_equal(_within(found, group)) else "in no certain order"
        groups.append((names, "" if len(group) == 1 else tie))
    if len(groups) > 1:
        return "; then " + ", then ".join(f"{names} ({tie})" if tie else names for names, tie in groups)
    return "".join(f"; {names} are {tie}" for names, tie in groups if tie)


def _unsettled(inside: Sequence[Contrast], names: str, terms: Terms) -> str:
    """Tied endpoints that are not all equally fast, and what is known about them."""
    known = [
        f"{terms.names[one.winner]} answers faster than {terms.names[_loser(one)]}"
        for one in inside
        if one.winner is not None
    ]
    known += [
        f"{terms.names[one.first]} and {terms.names[one.second]} are equally fast"
        for one in inside
        if one.outcome is Outcome.EQUIVALENT
    ]
    return f"{names} cannot be put in an order" + (f", only that {listed(known)}" if known else "")


def _loser(found: Contrast) -> int:
    return found.second if found.winner == found.first else found.first


def _reasons(inside: Sequence[Contrast], terms: Terms) -> str:
    """Why pairs are open: each kind of doubt once, for the pair that needs the most samples."""
    worst = {one.doubt: one for one in sorted(inside, key=lambda one: one.more or 0) if one.doubt is not None}
    return "; ".join(reason(one, terms) for one in worst.values()) or "ties and differences overlap"


def _least_ms(between: Sequence[Contrast]) -> str:
    """The lead of all winners of these pairs: the smallest of their bounds."""
    least_ms = min(_advantage(one)[1] or 0.0 for one in between)
    return alike(least_ms)(least_ms)


def _widest(inside: Sequence[Contrast], terms: Terms) -> str:
    """The range of the differences of all these pairs, and their margin."""
    reach_ms = max(abs(edge) for one in inside for edge in (one.effect.low, one.effect.high) if edge is not None)
    return (
        f"no two differ by more than {alike(reach_ms)(reach_ms)} ms in the {terms.metric} ({_n(inside, terms)}), "
        f"within the margin of {_margin([one.margin_ms for one in inside])}"
    )


def _margin(margins_ms: Sequence[float]) -> str:
    """The margin of several pairs, or the range of their margins."""
    low, high = ms(min(margins_ms)), ms(max(margins_ms))
    return low if low == high else f"{low} to {high}, by pair"


def _n(pairs: Sequence[Contrast], terms: Terms) -> str:
    counts = sorted({one.effect.n for one in pairs})
    n = f"{counts[0]}" if len(counts) == 1 else span(counts[0], counts[-1], str)
    return f"n = {n} {terms.basis}"


def _within(found: Sequence[Contrast], group: Sequence[int]) -> list[Contrast]:
    return [one for one in found if one.first in group and one.second in group]


def _all_equal(inside: Sequence[Contrast]) -> bool:
    return all(one.outcome is Outcome.EQUIVALENT for one in inside)


def _client_was_the_limit(terms: Terms) -> str:
    return (
        f"Inconclusive: the client was the limit ({'; '.join(terms.limited)}), so this run does not show "
        f"{_question(terms)} ({terms.state.text})."
    )


def _advantage(found: Contrast) -> tuple[float, float | None, float | None]:
    """The winner's lead: the value and both bounds."""
    effect = found.effect
    if found.winner == found.second:
        return effect.value, effect.low, effect.high
    low, high = effect.low, effect.high
    return -effect.value, None if high is None else -high, None if low is None else -low


def _less(found: Contrast, terms: Terms) -> str:
    """The winner's lead as text; "at least" if the other's timeouts leave it open."""
    value, bound, high = _advantage(found)
    low = bound or 0.0  # a winner's bound is known
    write, confidence = alike(high or low), percent(found.confidence)
    basis = f"n = {found.effect.n} {terms.basis}"
    if not isfinite(value):
        return f"at least {write(low)} ms less in the {terms.metric} ({confidence}, {basis})"
    known = f"at least {write(low)}" if high is None else span(low, high, write)
    return f"{write(value)} ms less in the {terms.metric} ({confidence} {known} ms, {basis})"


def _question(terms: Terms) -> str:
    if terms.fair:
        return "which endpoint is faster"
    return f"whether these {'two ' if len(terms.names) == 2 else ''}deployments differ"


def _resolved(terms: Terms) -> str:
    return (
        f"this machine cannot resolve differences below {ms(terms.resolution_ms or 0.0)}, "
        "as runs of one server against itself show"
    )


def _differ(first: Estimate, second: Estimate) -> bool:
    """Whether the interval of a difference of shares excludes zero (Newcombe 1998, method 10, without pairing)."""
    if first.value < second.value:
        first, second = second, first
    if first.low is None or second.high is None:
        return False
    return first.value - second.value > sqrt((first.value - first.low) ** 2 + (second.high - second.value) ** 2)
