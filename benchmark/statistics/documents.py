"""Estimates and verdicts as JSON, shared by all kinds of runs."""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

from benchmark.statistics.estimates import Estimate
from benchmark.statistics.verdict import Verdict


def estimate_document(estimate: Estimate) -> dict[str, Any]:
    """A figure with its n and its bounds, null if unknown."""
    return {"value": finite(estimate.value), "low": estimate.low, "high": estimate.high, "n": estimate.n}


def estimates_document(names: Iterable[str], estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Estimates by name."""
    return {name: estimate_document(estimate) for name, estimate in zip(names, estimates, strict=True)}


def verdict_document(verdict: Verdict, keys: Sequence[str]) -> dict[str, Any]:
    """The verdict on the endpoints of these `keys`; `order` has groups of keys, fastest first."""
    return {
        "outcome": verdict.outcome.value,
        "winner": None if verdict.winner_position is None else keys[verdict.winner_position],
        "sentence": verdict.sentence,
        "reason": verdict.reason,
        "rule": verdict.rule,
        "margin_ms": verdict.margin_ms,
        "state": verdict.state.value,
        "order": [[keys[position] for position in group] for group in verdict.order],
    }


def pairs_document(verdict: Verdict, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Every pair of the endpoints of these `keys`: the difference, first minus second, and its outcome.

    The interval's `confidence` keeps the chance of any false claim among all pairs at 5% (Holm).
    """
    return [
        {
            "first": keys[pair.first],
            "second": keys[pair.second],
            "value_ms": finite(pair.effect.value),
            "low_ms": pair.effect.low,
            "high_ms": pair.effect.high,
            "n": pair.effect.n,
            "confidence": pair.confidence,
            "outcome": pair.outcome.value,
            "winner": None if pair.winner is None else keys[pair.winner],
        }
        for pair in verdict.pairs
    ]


def finite(value: float) -> float | None:
    """NaN and infinity as None, because JSON has neither."""
    return value if isfinite(value) else None
