"""Estimates and verdicts as JSON holds them, the same for every kind of run."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from benchmark.statistics.estimates import Estimate
from benchmark.statistics.verdict import Verdict


def estimate_document(estimate: Estimate) -> dict[str, Any]:
    """A figure with its bounds, null where they are not known, and its n."""
    return {"value": finite(estimate.value), "low": estimate.low, "high": estimate.high, "n": estimate.n}


def estimates_document(names: Sequence[str], estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Estimates by their names, of which there are as many."""
    return {name: estimate_document(estimate) for name, estimate in zip(names, estimates, strict=True)}


def verdict_document(verdict: Verdict, keys: Sequence[str]) -> dict[str, Any]:
    """What is claimed between the endpoints of these `keys`, in their order."""
    return {
        "outcome": verdict.outcome.value,
        "winner": None if verdict.winner_position is None else keys[verdict.winner_position],
        "sentence": verdict.sentence,
        "reason": verdict.reason,
        "rule": verdict.rule,
        "margin_ms": verdict.margin_ms,
        "state": verdict.state.value,
    }


def finite(value: float) -> float | None:
    """JSON knows neither NaN nor infinity: no value."""
    return value if isfinite(value) else None
