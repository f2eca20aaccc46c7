"""The errors and the power of the verdict: how often a plan finds each outcome for known endpoints."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from benchmark.record.plan import Plan
from benchmark.statistics.contrasts import Contrast
from benchmark.statistics.documents import estimate_document
from benchmark.statistics.estimates import Estimate, wilson
from benchmark.statistics.verdict import Outcome, Verdict
from benchmark.summary.summarise import summarise
from benchmark.synthetic.demo import KEYS, simulate_run
from benchmark.synthetic.simulate import Truth


@dataclass(frozen=True, slots=True)
class Power:
    """How many of `runs` found each outcome: the key of the only winner, `equivalent` or `inconclusive`."""

    runs: int
    verdict: dict[str, int]
    """by the verdict's rule"""
    strict: dict[str, int]
    """a winner only where the whole interval lies beyond the margin: a test against the margin itself"""
    any_winner: int
    """runs in which any pair has a winner: of equal endpoints, the family-wise error"""
    true_order: int
    """runs whose order is that of the true medians, with equal ones in one group"""


def found_names(endpoints: int) -> tuple[str, ...]:
    """The possible outcomes for this number of endpoints."""
    return (*KEYS[:endpoints], Outcome.EQUIVALENT.value, Outcome.INCONCLUSIVE.value)


def count_verdicts(truth: Truth, plan: Plan, runs: int) -> Power:
    """Simulate `runs` runs of `plan`, each with a different seed. Raises PlanError."""
    names, order = found_names(len(truth.endpoints)), true_order(truth)
    verdicts = list(_verdicts(truth, plan, runs))

    def counted(found: Iterable[str]) -> dict[str, int]:
        counts = Counter(found)
        return {name: counts[name] for name in names}

    return Power(
        runs,
        counted(map(_found, verdicts)),
        counted(map(_strictly, verdicts)),
        sum(any(pair.winner is not None for pair in verdict.pairs) for verdict in verdicts),
        sum(tuple(map(frozenset, verdict.order)) == order for verdict in verdicts),
    )


def true_order(truth: Truth) -> tuple[frozenset[int], ...]:
    """Groups of positions with the same true median, the fastest first."""
    medians_ms = [endpoint.quantile_ms(0.5) for endpoint in truth.endpoints]
    ranked = sorted(range(len(medians_ms)), key=medians_ms.__getitem__)
    return tuple(frozenset(group) for _, group in groupby(ranked, key=medians_ms.__getitem__))


def share(count: int, runs: int) -> Estimate:
    """The share of runs with an outcome, with its interval; runs are independent."""
    return wilson(count, runs)


def to_document(power: Power) -> dict[str, Any]:
    """The counts as JSON, each also as a share with its interval."""

    def counted(count: int) -> dict[str, Any]:
        return {"count": count} | estimate_document(share(count, power.runs))

    rules = (("verdict", power.verdict), ("against_margin", power.strict))
    return (
        {"runs": power.runs}
        | {rule: {name: counted(count) for name, count in counts.items()} for rule, counts in rules}
        | {"any_winner": counted(power.any_winner), "true_order": counted(power.true_order)}
    )


def _verdicts(truth: Truth, plan: Plan, runs: int) -> Iterator[Verdict]:
    for seed in range(plan.seed, plan.seed + runs):
        verdict = summarise(*simulate_run(truth, replace(plan, seed=seed))).verdict
        if verdict:
            yield verdict


def _found(verdict: Verdict) -> str:
    return verdict.outcome.value if verdict.winner_position is None else KEYS[verdict.winner_position]


def _strictly(verdict: Verdict) -> str:
    endpoints = sum(map(len, verdict.order))
    won = Counter(_strict_winner(pair) for pair in verdict.pairs)
    for position in range(endpoints):
        if won[position] == endpoints - 1:
            return KEYS[position]
    equivalent = verdict.outcome is Outcome.EQUIVALENT
    return Outcome.EQUIVALENT.value if equivalent else Outcome.INCONCLUSIVE.value


def _strict_winner(pair: Contrast) -> int | None:
    low, high = pair.effect.low, pair.effect.high
    if high is not None and high < -pair.margin_ms:
        return pair.first
    return pair.second if low is not None and low > pair.margin_ms else None
