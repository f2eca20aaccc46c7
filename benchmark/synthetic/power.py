"""How often a plan would find what on endpoints whose truth is known: the errors and the power of the verdict."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from benchmark.record.plan import Plan
from benchmark.statistics.documents import estimate_document
from benchmark.statistics.estimates import Estimate, wilson
from benchmark.statistics.verdict import Outcome, Verdict
from benchmark.summary.summarise import summarise
from benchmark.synthetic.demo import simulate_run
from benchmark.synthetic.simulate import Truth

FOUND = ("first", "second", "equivalent", "inconclusive")


@dataclass(frozen=True, slots=True)
class Power:
    """How many of `runs` found what, each of `FOUND`: by the verdict's rule, and by one that is stricter."""

    runs: int
    verdict: dict[str, int]
    strict: dict[str, int]
    """a winner only where the whole interval lies beyond the margin: a test against the margin itself"""


def count_verdicts(truth: Truth, plan: Plan, runs: int) -> Power:
    """Simulate so many runs of `plan`, each with a seed of its own. Raises PlanError."""
    found = [(_found(verdict), _strictly(verdict)) for verdict in _verdicts(truth, plan, runs)]
    verdict, strict = (Counter(one[rule] for one in found) for rule in (0, 1))
    return Power(runs, *({name: counts[name] for name in FOUND} for counts in (verdict, strict)))


def share(count: int, runs: int) -> Estimate:
    """Of runs that found something, with its interval: runs are independent."""
    return wilson(count, runs)


def to_document(power: Power) -> dict[str, Any]:
    """The counts as JSON holds them, and each as a share with its interval."""
    return {"runs": power.runs} | {
        rule: {name: {"count": count} | estimate_document(share(count, power.runs)) for name, count in counts.items()}
        for rule, counts in (("verdict", power.verdict), ("against_margin", power.strict))
    }


def _verdicts(truth: Truth, plan: Plan, runs: int) -> Iterator[Verdict]:
    for seed in range(plan.seed, plan.seed + runs):
        verdict = summarise(*simulate_run(truth, replace(plan, seed=seed))).verdict
        if verdict:
            yield verdict


def _found(verdict: Verdict) -> str:
    if verdict.winner_position is not None:
        return FOUND[verdict.winner_position]
    return "equivalent" if verdict.outcome is Outcome.EQUIVALENT else "inconclusive"


def _strictly(verdict: Verdict) -> str:
    low, high = verdict.effect.low, verdict.effect.high
    if high is not None and high < -verdict.margin_ms:
        return "first"
    if low is not None and low > verdict.margin_ms:
        return "second"
    return "equivalent" if verdict.outcome is Outcome.EQUIVALENT else "inconclusive"
