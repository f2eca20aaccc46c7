"""What is written is JSON, and says nothing that is not known."""

import json
from math import inf, nan

import pytest

from benchmark.statistics.documents import estimate_document, estimates_document, verdict_document
from benchmark.statistics.estimates import Estimate
from benchmark.statistics.verdict import decide


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_what_is_no_number_is_null(value: float) -> None:
    document = json.loads(json.dumps(estimate_document(Estimate(value, None, None, 7)), allow_nan=False))
    assert document == {"value": None, "low": None, "high": None, "n": 7}


def test_estimates_are_under_their_names() -> None:
    estimates = Estimate(2.0, 1.0, 3.0, 9), Estimate(5.0, None, None, 9)
    assert estimates_document(("p50", "p95"), estimates) == {
        "p50": {"value": 2.0, "low": 1.0, "high": 3.0, "n": 9},
        "p95": {"value": 5.0, "low": None, "high": None, "n": 9},
    }
    with pytest.raises(ValueError, match="shorter"):
        estimates_document(("p50", "p95"), estimates[:1])


@pytest.mark.parametrize(("low_ms", "winner"), [(-2.0, "api"), (1.0, "function"), (-0.5, None)])
def test_a_winner_is_named_by_its_key(low_ms: float, winner: str | None) -> None:
    effect = Estimate(low_ms + 0.5, low_ms, low_ms + 1, 100)
    verdict = decide(lambda *_: effect, ("Service", "Service"), (10.0, 12.0), margin_ms=0.5, margin_pct=0.0)
    document = json.loads(json.dumps(verdict_document(verdict, ("api", "function"))))
    assert document == {
        "outcome": verdict.outcome,
        "winner": winner,
        "sentence": verdict.sentence,
        "reason": verdict.reason,
        "rule": verdict.rule,
        "margin_ms": 0.5,
        "state": "warm",
        "order": [["api"], ["function"]]
        if winner == "api"
        else [["function"], ["api"]]
        if winner
        else [["api", "function"]],
    }
