"""What a comparison allows to be said: a winner, equivalence, or that it is not settled, in one sentence.

The rule for a winner has two parts that are about two questions: whether there is a difference is a test (the interval
excludes zero, with 5% of false claims), and whether it matters is an estimate (the point lies beyond the margin). The
interval may reach into the margin, so a winner's true difference may be somewhat smaller than the margin. Testing
against the margin itself (the whole interval beyond it) would exclude that, and miss more of the differences that do
matter: `python -m benchmark simulate --runs N` counts both rules on endpoints whose truth is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite, sqrt

from benchmark.statistics.estimates import Estimate, min_samples, more_samples, wilson

_MOST = 1_000_000  # more samples than this are no advice


class Outcome(StrEnum):
    WINNER = "winner"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"


class State(StrEnum):
    """Of the instances that answered. Warm and cold are never mixed in one verdict; unknown is called neither."""

    WARM = "warm"
    COLD = "cold"
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        """What it is called beside other conditions."""
        return "instance state unknown" if self is State.UNKNOWN else self.value


@dataclass(frozen=True, slots=True)
class Attempts:
    """How many requests were sent to an endpoint, how many of them failed, and how much failures came together."""

    n: int
    failed: int
    design_effect: float = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`effect` is first minus second in ms; `more_pairs` is about what would settle an inconclusive comparison."""

    outcome: Outcome
    winner: str | None
    winner_position: int | None
    """0 for the first endpoint, 1 for the second: two may have the same name"""
    metric: str
    effect: Estimate
    margin_ms: float
    state: State
    more_pairs: int | None
    reason: str
    """why there is no claim; empty where there is one"""
    conditions: tuple[str, ...]
    sentence: str

    @property
    def rule(self) -> str:
        """What it takes to be named, in a sentence."""
        return (
            "A winner needs a 95% interval without 0 and a point estimate beyond the margin of "
            f"{_ms(self.margin_ms)}; the interval may reach into the margin."
        )


def margin(margin_ms: float, margin_pct: float, medians_ms: tuple[float, float]) -> float:
    """The difference in ms that matters: `margin_ms`, or `margin_pct` percent of the faster median if that is more.

    Of the faster one, so that no endpoint widens the margin by being slow. An unknown median (NaN) counts for nothing.
    """
    share_ms = margin_pct / 100 * min(medians_ms)
    return max(margin_ms, share_ms) if all(map(isfinite, medians_ms)) else margin_ms


def decide(
    effect: Estimate,
    names: tuple[str, str],
    medians_ms: tuple[float, float],
    *,
    margin_ms: float,
    margin_pct: float,
    metric: str = "paired median",
    unit: str = "pairs",
    state: State = State.WARM,
    attempts: tuple[Attempts, Attempts] | None = None,
    resolution_ms: float | None = None,
    fair: bool = True,
    conditions: tuple[str, ...] = (),
    limited: Sequence[str] = (),
) -> Verdict:
    """The verdict on `effect`, the difference of `metric` between the endpoints called `names`.

    A winner needs an interval without zero and an effect beyond the margin; equivalence an interval within the margin.
    Where timeouts leave one end of the interval open, the other is enough for a winner, and the size is "at least".
    Both claims are refused below `resolution_ms`, by which runs of one server against itself differ on the measuring
    machine. Nothing is claimed where `limited` says why the client was the limit.
    `conditions` are kept beside the verdict. `fair` changes the sentence and nothing else.
    """
    limit_ms = margin(margin_ms, margin_pct, medians_ms)
    outcome, winner_position, more = Outcome.INCONCLUSIVE, None, None
    reason = ""
    size_ms = abs(effect.value)
    if limited:
        reason = f"the client was the limit ({'; '.join(limited)})"
    elif effect.low is None and effect.high is None:
        needed = min_samples(0.5)
        more = needed - effect.n if effect.n < needed else None
        reason = (
            f"{effect.n} {unit} with an answer from both are too few, at least {needed} are needed"
            if more
            else "its interval is not estimable"
        )
    elif effect.excludes_zero and size_ms > limit_ms:
        if resolution_ms is not None and size_ms < resolution_ms:
            reason = _resolved(resolution_ms)
        else:
            outcome, winner_position = Outcome.WINNER, 0 if effect.value < 0 else 1
    elif effect.low is None or effect.high is None:
        reason = "how long the timeouts would have taken is not known"
    elif -limit_ms < effect.low and effect.high < limit_ms:
        if resolution_ms is not None and limit_ms < resolution_ms:
            reason = f"{_resolved(resolution_ms)}, and the margin is {_ms(limit_ms)}"
        else:
            outcome = Outcome.EQUIVALENT
    else:
        more = more_samples(effect, size_ms if size_ms > limit_ms else limit_ms - size_ms)
        if more is None or more > _MOST:
            more = None
            reason = "more of the same would hardly settle it"
        else:
            reason = f"about {more:,} more {unit} would settle it".replace(",", " ")
    said = (
        f"Inconclusive: {reason}, so this run does not say {_question(fair)} ({state.words})."
        if limited
        else _say(outcome, winner_position, effect, names, limit_ms, metric, f"{unit}, {state.words}", reason, fair)
    )
    return Verdict(
        outcome,
        None if winner_position is None else names[winner_position],
        winner_position,
        metric,
        effect,
        limit_ms,
        state,
        more,
        reason,
        conditions,
        _failures(attempts, names) + said,
    )


def _say(
    outcome: Outcome,
    winner_position: int | None,
    effect: Estimate,
    names: tuple[str, str],
    margin_ms: float,
    metric: str,
    basis: str,
    reason: str,
    fair: bool,
) -> str:
    if winner_position is not None:
        winner = names[winner_position]
        lead = f"{winner} answers faster" if fair else f"These two deployments differ, {winner} answers faster"
        return f"{lead}: {_less(effect, winner_position, metric, basis)}."
    if effect.low is None or effect.high is None:
        return f"Inconclusive: {_question(fair)} cannot be said, since {reason} ({basis.split(', ')[-1]})."
    places = _places(max(abs(effect.low), abs(effect.high)))
    value = effect.value
    evidence = f"(95% {effect.low:.{places}f} to {effect.high:.{places}f} ms, n = {effect.n} {basis})"
    figures = f"{names[0]} minus {names[1]} is {value:.{places}f} ms in the {metric} {evidence}"
    if outcome is Outcome.EQUIVALENT:
        lead = (
            f"{names[0]} and {names[1]} are equally fast"
            if fair
            else "These two deployments differ by less than matters"
        )
        return f"{lead}: {figures}, within the margin of {_ms(margin_ms)}."
    lead = "Inconclusive" if fair else "Inconclusive whether these two deployments differ"
    return f"{lead}: {figures}; {reason}."


def _less(effect: Estimate, winner_position: int, metric: str, basis: str) -> str:
    """By how much the winner's latencies are less; "at least" where the other's timeouts leave it open."""
    value, low, high = effect.value, effect.low, effect.high
    if winner_position == 0:
        value, low, high = -value, None if high is None else -high, None if low is None else -low
    low = low or 0.0  # a winner's bound is known
    places = _places(high or low)
    if not isfinite(value):
        return f"at least {low:.{places}f} ms less in the {metric} (95%, n = {effect.n} {basis})"
    span = f"at least {low:.{places}f} ms" if high is None else f"{low:.{places}f} to {high:.{places}f} ms"
    return f"{value:.{places}f} ms less in the {metric} (95% {span}, n = {effect.n} {basis})"


def _question(fair: bool) -> str:
    return "who is faster" if fair else "whether these two deployments differ"


def _resolved(resolution_ms: float) -> str:
    return (
        f"this machine cannot resolve less than {_ms(resolution_ms)}, "
        "by which runs of one server against itself differ on it"
    )


def _failures(attempts: tuple[Attempts, Attempts] | None, names: tuple[str, str]) -> str:
    """What comes before any speed: how often each endpoint failed, where the shares are not the same."""
    if attempts is None:
        return ""
    # An endpoint that had no failures does not show how they would have come: the larger effect is taken for both.
    effect = max(attempt.design_effect for attempt in attempts)
    shares = [wilson(attempt.failed, attempt.n, effect) for attempt in attempts]
    if not all(attempt.n for attempt in attempts) or shares[0].value == shares[1].value:
        return ""
    counts = ", ".join(
        f"{name} failed {attempt.failed} of {attempt.n} requests ({100 * share.value:.3g}%)"
        for name, attempt, share in zip(names, attempts, shares, strict=True)
    )
    return f"{counts}{'' if _differ(*shares) else ', which may be chance'}. "


def _differ(first: Estimate, second: Estimate) -> bool:
    """Whether the interval of a difference of shares excludes zero (Newcombe 1998, method 10, without pairing)."""
    if first.value < second.value:
        first, second = second, first
    if first.low is None or second.high is None:
        return False
    return first.value - second.value > sqrt((first.value - first.low) ** 2 + (second.high - second.value) ** 2)


def _places(size_ms: float) -> int:
    """Decimals that show three digits of the larger figures."""
    return 0 if size_ms >= 100 else 1 if size_ms >= 10 else 2 if size_ms >= 0.1 else 3


def _ms(value_ms: float) -> str:
    return f"{value_ms:.3g} ms"
