"""What Predict says of one comparison: whether the endpoints agree, and which one answered faster."""

from collections.abc import Sequence

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Answer, Sample, Temperature
from dashboard.components import markup
from inference.card import ModelCard

# Rounding by an endpoint is not a disagreement; anything above this is shown as a difference.
SAME_PROBABILITY = 1e-5


def verdict(endpoints: Sequence[Endpoint], samples: Sequence[Sample], card: ModelCard) -> markup.Statement:
    """Compare one pair of samples, in words that a single observation deserves."""
    failed = [sample for sample in samples if sample.failure]
    if len(failed) == len(samples):
        return markup.Statement(
            "unknown", "No answer", "Neither endpoint gave an answer, so there is nothing to compare."
        )
    if failed:
        ok = next(sample for sample in samples if not sample.failure)
        names = {endpoint.key: endpoint.name for endpoint in endpoints}
        return markup.Statement(
            "unknown",
            "One answer",
            f"Only {names[ok.endpoint]} answered, in {markup.duration(ok.latency_ms)} ms. "
            f"{names[failed[0].endpoint]}: see its card.",
        )
    one, other = (sample.answer for sample in samples)
    assert one and other  # a sample without a failure has an answer  # noqa: S101
    agree, difference = _agreement(one, other, card)
    return markup.Statement(
        "agree" if agree else "disagree",
        "Both agree" if agree else "They disagree",
        f"{difference} {_speed(endpoints, samples)}",
    )


def _agreement(one: Answer, other: Answer, card: ModelCard) -> tuple[bool, str]:
    if not card.is_classifier:
        gap = abs(one.prediction - other.prediction)
        agree = gap <= SAME_PROBABILITY * max(abs(one.prediction), abs(other.prediction))
        return agree, f"The predictions differ by {gap:.3g}." if gap else "The predictions are identical."
    agree = one.prediction == other.prediction
    if one.probabilities is None or other.probabilities is None:
        return agree, "At least one of them gives no probabilities to compare."
    largest = max(abs(a - b) for a, b in zip(one.probabilities, other.probabilities, strict=True))
    if largest > SAME_PROBABILITY:
        return False, f"Largest probability difference {largest:.2g}."
    return agree, f"Largest probability difference {largest:.1g}." if largest else "Largest probability difference 0."


def _speed(endpoints: Sequence[Endpoint], samples: Sequence[Sample]) -> str:
    faster, slower = sorted(samples, key=lambda sample: sample.latency_ms)
    name = next(endpoint.name for endpoint in endpoints if endpoint.key == faster.endpoint)
    gap = markup.duration(slower.latency_ms - faster.latency_ms)
    sentence = f"{name} was faster by {gap} ms in this single observation"
    if {faster.temperature, slower.temperature} & {Temperature.COLD, Temperature.QUEUED}:
        return sentence + ", a cold start included."
    if faster.connection_reused != slower.connection_reused:
        return sentence + ", in which only one had to open a connection."
    return sentence + "."
