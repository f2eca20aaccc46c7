"""What a check of agreement says: a sentence, a line for each input, a word for each answer."""

from collections.abc import Sequence
from typing import Any

from benchmark.agreement.judge import Agreement, Outcome, comparable
from benchmark.agreement.trials import Trial
from benchmark.endpoints.sample import Failure
from inference.card import ModelCard


def headline(agreement: Agreement) -> str:
    """The result in a sentence."""
    if not agreement.compared:
        return "Nothing was compared: no input got an answer from both."
    bound = f"{agreement.upper_bound * 100:.3g}%"
    inputs = f"{agreement.compared} input{'' if agreement.compared == 1 else 's'}"
    if not agreement.differences:
        return f"0 disagreements in {inputs}: at most {bound} of such inputs disagree (95%)."
    count = len(agreement.differences)
    return (
        f"{count} disagreement{'' if count == 1 else 's'} in {inputs} ({agreement.share * 100:.3g}%): "
        f"at most {bound} of such inputs disagree (95%)."
    )


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
