"""The text of the Predict page: whether the endpoints agree, and which one answered faster."""

from collections.abc import Sequence
from itertools import combinations, pairwise

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Answer, Sample, Temperature
from benchmark.record.plan import MARGIN_PCT, default_margin_ms
from benchmark.statistics.text import in_words, listed
from dashboard.components import markup
from dashboard.components.markup import Statement
from inference.card import ModelCard

# Smaller differences come from rounding and count as agreement.
SAME_PROBABILITY = 1e-5

OWN = "own"
WHOSE = {OWN: "Yours", "everyone": "Everyone's"}
"""Whose comparisons the history shows, and how the page and its address say so."""


def title(card: ModelCard, endpoints: int) -> str:
    """The title of the page as Markdown: the model, and in how many ways it is served."""
    ways = f", {in_words(endpoints)} ways" if endpoints > 1 else ""
    return f"{markup.plain(card.title)}{ways}"


def introduction(endpoints: int) -> str:
    """One sentence on what the page does."""
    if endpoints == 1:
        return "Send an input to the endpoint and see its answer, confidence and latency."
    return (
        f"Send the same input to {markup.endpoints(endpoints)} at the same time and compare their answers, confidence "
        "and latency."
    )


def invitation(endpoints: int) -> str:
    """What to do first, as Markdown."""
    if endpoints == 1:
        return "Press **Compare** or Ctrl+Enter to send the input to the endpoint."
    return f"Press **Compare** or Ctrl+Enter to send the same input to {markup.endpoints(endpoints)} at the same time."


def deletion(own: int, unowned: int) -> str:
    """What is deleted with the history, and what is not: `own` comparisons of this browser, `unowned` of nobody."""
    parts = [f"your {markup.counted(own, 'comparison')}"] if own else []
    parts += [f"{markup.counted(unowned, 'comparison')} of an earlier version"] if unowned else []
    return f"Delete {listed(parts)}? Comparisons of other browsers stay."


def verdict(endpoints: Sequence[Endpoint], samples: Sequence[Sample], card: ModelCard) -> Statement:
    """Compare one sample of each endpoint, as a single observation."""
    names = {endpoint.key: endpoint.name for endpoint in endpoints}
    answered = {sample: sample.answer for sample in samples if sample.answer and not sample.failure}
    silent = [names[sample.endpoint] for sample in samples if sample not in answered]
    if not answered:
        if len(samples) == 1:
            return Statement("unknown", "No answer", "The endpoint did not answer: see its card.")
        who = "Neither endpoint" if len(samples) == 2 else "None of the endpoints"
        return Statement("unknown", "No answer", f"{who} answered, so there is nothing to compare.")
    see = f"{listed(silent)}: see {'its card' if len(silent) == 1 else 'their cards'}."
    if len(answered) == 1:
        (only,) = answered
        took = f"{markup.duration(only.latency_ms)} ms"
        if not silent:
            return Statement("unknown", "One endpoint", f"{names[only.endpoint]} answered in {took}.")
        return Statement("unknown", "One answer", f"Only {names[only.endpoint]} answered, in {took}. {see}")
    agree, difference = _agreement(list(answered.values()), card)
    said = [difference, _speed(names, list(answered), default_margin_ms(endpoints))]
    if not agree and len(answered) > 2:
        said.insert(0, _dissent([names[sample.endpoint] for sample in answered], list(answered.values()), card))
    if silent:
        said.insert(-1, see)
        headline = f"{len(answered)} of {len(samples)} answered"
        return Statement("unknown", headline, " ".join(said)) if agree else _disagreement(said)
    if not agree:
        return _disagreement(said)
    every = "Both" if len(samples) == 2 else f"All {in_words(len(samples))}"
    return Statement("agree", f"{every} agree", " ".join(said))


def _disagreement(said: Sequence[str]) -> Statement:
    return Statement("disagree", "They disagree", " ".join(part for part in said if part))


def _agreement(answers: Sequence[Answer], card: ModelCard) -> tuple[bool, str]:
    """Whether all agree, and the largest difference between two answers."""
    agree = all(_same(*pair, card) for pair in combinations(answers, 2))
    if not card.is_classifier:
        values = [answer.prediction for answer in answers]
        gap = max(values) - min(values)
        return agree, f"The predictions differ by {gap:.3g}." if gap else "The predictions are identical."
    if any(answer.probabilities is None for answer in answers):
        return agree, "At least one answer has no probabilities to compare."
    largest = max(_apart(*pair) for pair in combinations(answers, 2))
    if largest > SAME_PROBABILITY:
        return agree, f"Largest probability difference {largest:.2g}."
    return agree, f"Largest probability difference {largest:.1g}." if largest else "Largest probability difference 0."


def _same(one: Answer, other: Answer, card: ModelCard) -> bool:
    if not card.is_classifier:
        gap = abs(one.prediction - other.prediction)
        return gap <= SAME_PROBABILITY * max(abs(one.prediction), abs(other.prediction))
    return one.prediction == other.prediction and _apart(one, other) <= SAME_PROBABILITY


def _apart(one: Answer, other: Answer) -> float:
    """The largest difference of a probability; 0 if an answer has none."""
    if one.probabilities is None or other.probabilities is None:
        return 0.0
    return max(abs(a - b) for a, b in zip(one.probabilities, other.probabilities, strict=True))


def _dissent(names: Sequence[str], answers: Sequence[Answer], card: ModelCard) -> str:
    """Which endpoints differ from the majority or, without a majority, what each endpoint answered."""
    groups: list[list[int]] = []
    for index, answer in enumerate(answers):
        fitting = (group for group in groups if all(_same(answers[member], answer, card) for member in group))
        if (group := next(fitting, None)) is None:
            groups.append([index])
        else:
            group.append(index)
    groups.sort(key=len, reverse=True)
    majority, *others = groups
    if len(majority) > len(others[0]):
        usual = answers[majority[0]]
        return " ".join(_differs(names[index], answers[index], usual, card) for group in others for index in group)
    if all(_shown(one, card) == _shown(other, card) for one, other in pairwise(answers)):
        return "Their probabilities differ."
    parts = (f"{listed([names[index] for index in group])}: {_shown(answers[group[0]], card)}" for group in groups)
    return f"{'; '.join(parts)}."


def _differs(name: str, answer: Answer, usual: Answer, card: ModelCard) -> str:
    if _shown(answer, card) != _shown(usual, card):
        return f"{name} differs: {_shown(answer, card)} instead of {_shown(usual, card)}."
    return f"{name} differs: its probabilities differ by up to {_apart(answer, usual):.2g}."


def _shown(answer: Answer, card: ModelCard) -> str:
    return answer.label or f"class {answer.prediction}" if card.is_classifier else f"{answer.prediction:.7g}"


def _speed(names: dict[str, str], samples: Sequence[Sample], margin_ms: float) -> str:
    fastest, second, *_ = ranked = sorted(samples, key=lambda sample: sample.latency_ms)
    gap = markup.duration(second.latency_ms - fastest.latency_ms)
    # The margin of a run's verdict: a smaller difference is not relevant there, and means less in a single observation.
    margin_ms = max(margin_ms, MARGIN_PCT / 100 * fastest.latency_ms)
    if second.latency_ms - fastest.latency_ms < margin_ms:
        who = "Neither" if len(ranked) == 2 else "None"
        sentence = f"{who} was faster by {markup.duration(margin_ms)} ms or more in this single observation"
    elif len(ranked) == 2:
        sentence = f"{names[fastest.endpoint]} was faster by {gap} ms in this single observation"
    else:
        sentence = (
            f"{names[fastest.endpoint]} was fastest, {gap} ms ahead of {names[second.endpoint]}, "
            "in this single observation"
        )
    if {sample.temperature for sample in ranked} & {Temperature.COLD, Temperature.QUEUED}:
        return sentence + ", a cold start included."
    if len({sample.connection_reused for sample in ranked}) > 1:
        opened = sum(not sample.connection_reused for sample in ranked)
        return sentence + f", in which only {in_words(opened)} had to open a connection."
    return sentence + "."
