"""What a check of agreement says: a sentence, a line for each input, a word for each answer."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.agreement.judge import Agreement, Outcome, Tally, comparable
from benchmark.agreement.trials import Source, Trial
from benchmark.endpoints.sample import Failure
from inference.card import ModelCard

_POPULATIONS: Mapping[Source, str] = {
    "uniform": "inputs drawn uniformly over the ranges",
    "noise": "rows drawn at random with noise",
}


def headline(found: Tally) -> str:
    """The result in a sentence: counts, of whatever inputs were chosen."""
    if not found.compared:
        return "Nothing was compared: no input got an answer from both."
    return f"{_counted(found.disagreements, 'disagreement')} in {_counted(found.compared, 'input')}."


def bounds(sampled: Mapping[Source, Tally], seed: int) -> str:
    """What the random samples say of all inputs like theirs, in a sentence; empty where they say nothing."""
    said = [
        f"at most {bound_percent(found)}% of {_POPULATIONS[source]} disagree ({found.disagreements} of "
        f"{found.compared} do)"
        for source, found in sampled.items()
        if bound_percent(found) != "100"
    ]
    return f"With 95% confidence {' and '.join(said)}; seed {seed}." if said else ""


def bound_percent(found: Tally) -> str:
    """The upper bound of a random sample in percent, rounded up to two digits: it says "at most"."""
    percent = found.upper_bound * 100
    digits = 1 - math.floor(math.log10(percent))
    return f"{math.ceil(percent * 10**digits - 1e-9) / 10**digits:g}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def results_table(
    trials: Sequence[Trial],
    outcomes: Sequence[Sequence[Outcome]],
    agreement: Agreement,
    card: ModelCard,
    keys: tuple[str, str],
) -> list[dict[str, Any]]:
    """A line an input: its line in the file, its values, both answers, and what differs."""
    differs = {one.index: one for one in agreement.differences}
    rows = []
    for index, (trial, *sides) in enumerate(zip(trials, *outcomes, strict=True)):
        row: dict[str, Any] = {} if trial.line is None else {"line": trial.line}
        row |= dict(zip(card.feature_names, trial.values, strict=True))
        found = differs.get(index)
        row["agree"] = "no" if found else "yes" if comparable(*sides) else "not compared"
        for key, outcome in zip(keys, sides, strict=True):
            answer = outcome.answer
            row[f"{key} prediction"] = describe(outcome)
            if card.is_classifier:
                row[f"{key} confidence"] = answer.confidence if answer else None
        row["difference"] = f"{', '.join(found.kinds)}: {found.detail}" if found else ""
        rows.append(row)
    return rows


def describe(outcome: Outcome) -> str | float:
    """An outcome in a word: the label or the value, or why there is none."""
    if outcome.answer:
        return outcome.answer.prediction if outcome.answer.label is None else outcome.answer.label
    if outcome.failure is Failure.WRONG_SCHEMA:
        return "wrong schema"
    return f"HTTP {outcome.status}" if outcome.status else f"no answer ({outcome.failure})"
