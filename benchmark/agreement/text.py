"""The sentences and table rows of a check of agreement, for the terminal, JSON, CSV and the page."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, assert_never

from benchmark.agreement.class_order import ClassesExchanged
from benchmark.agreement.compare import (
    Agreement,
    Difference,
    Fact,
    FieldsMissing,
    Finding,
    NearTie,
    OtherFields,
    OtherLabel,
    OtherNumber,
    OtherStatus,
    Tally,
    Unusable,
    comparable,
)
from benchmark.agreement.inputs import Input, Source
from benchmark.agreement.models import ModelDifference, OtherCards, OtherClassOrder, OtherFiles, OtherVersions
from benchmark.agreement.outcomes import InputOutcome, Refusal
from benchmark.agreement.rounding import Rounding
from benchmark.endpoints.sample import Failure
from benchmark.statistics.text import in_words, listed
from inference.card import ModelCard

KNOWN_ANSWERS = "the known answers of the model card"
"""The name of the reference that a single endpoint is compared with."""
_POPULATIONS: Mapping[Source, str] = {
    "uniform": "inputs drawn uniformly over the ranges",
    "noise": "rows drawn at random with noise",
}


def headline(names: Sequence[str], agreement: Agreement, found: Tally) -> str:
    """The result in a sentence: how many inputs the endpoints called `names` agree on, or which endpoint differs."""
    if KNOWN_ANSWERS in names:
        return _known_headline(names[-1], found)
    if len(names) == 1:
        return f"{names[0]} is the only endpoint, so its answers were not compared."
    if not found.compared:
        return f"Nothing was compared: no input got an answer from {everyone(len(names))}."
    if len(names) == 2:
        return f"{counted(found.disagreements, 'disagreement')} in {counted(found.compared, 'input')}."
    if not found.disagreements:
        return f"{everyone(len(names)).capitalize()} give the same answers on {counted(found.compared, 'input')}."
    share = f"on {found.disagreements} of {counted(found.compared, 'input')}"
    ones, others = _two_groups(len(names), {(pair.first, pair.second) for pair in agreement.pairs if pair.differences})
    if ones:
        verb = "differs" if len(ones) == 1 else "differ"
        return f"{listed(names[at] for at in ones)} {verb} from {listed(names[at] for at in others)} {share}."
    differing = sum(bool(pair.differences) for pair in agreement.pairs)
    return f"The {in_words(len(names))} endpoints disagree {share}; {differing} of {len(agreement.pairs)} pairs differ."


def _known_headline(name: str, found: Tally) -> str:
    if not found.compared:
        return f"Nothing was compared: {name} answered none of the known inputs of the model card."
    if not found.disagreements:
        return f"{name} gives {KNOWN_ANSWERS} on {_of_all(found.compared)}."
    return f"{name} differs from {KNOWN_ANSWERS} on {found.disagreements} of {counted(found.compared, 'input')}."


def _of_all(count: int) -> str:
    return "its one input" if count == 1 else f"all {count} inputs"


def _two_groups(count: int, differing: set[tuple[int, int]]) -> tuple[Sequence[int], Sequence[int]]:
    """Which group differs from which, if one endpoint, or one group against all others, explains every differing pair.

    Empty if no such split exists. If two differ only from each other, the later one counts as different.
    """
    pairs = list(combinations(range(count), 2))
    for size in range(1, count // 2 + 1):
        for group in reversed(list(combinations(range(count), size))):
            across = {pair for pair in pairs if (pair[0] in group) != (pair[1] in group)}
            if differing == across or (size == 1 and differing <= across):
                return group, sorted({at for pair in differing for at in pair} - {*group})
    return (), ()


def everyone(count: int) -> str:
    """All of so many endpoints: `both`, `all three`."""
    return "it" if count == 1 else "both" if count == 2 else f"all {in_words(count)}"


def bounds(sampled: Mapping[Source, Tally], seed: int) -> str:
    """The upper bounds from the random samples in a sentence; empty if there are none."""
    said = [
        f"at most {bound_percent(found)}% of {_POPULATIONS[source]} disagree ({found.disagreements} of "
        f"{found.compared} do)"
        for source, found in sampled.items()
        if bound_percent(found) != "100"
    ]
    return f"With 95% confidence {' and '.join(said)}; seed {seed}." if said else ""


def bound_percent(found: Tally) -> str:
    """The upper bound of a random sample in percent, rounded up to two digits."""
    percent = found.upper_bound * 100
    digits = 1 - math.floor(math.log10(percent))
    return f"{math.ceil(percent * 10**digits - 1e-9) / 10**digits:g}"


def counted(number: int, noun: str) -> str:
    """`1 input`, `2 inputs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


# --- Findings


def finding(found: Finding, names: Sequence[str]) -> str:
    """A finding about an endpoint as a whole, in a sentence."""
    match found:
        case ClassesExchanged(first, second, exchanged):
            moved = ", ".join(f"{one} as {other}" for one, other in exchanged)
            return f"The classes are in another order: what {names[first]} gives for {names[second]} is {moved}."
        case Rounding(position, field, scale):
            some = f" in {scale.rounded} of {scale.answers} answers" if scale.rounded < scale.answers else ""
            return f"{names[position]}: {field} rounded to {counted(scale.digits, 'digit')}{some}."
        case FieldsMissing(position, missing):
            return f"{names[position]} never gives {', '.join(missing)}."
        case _:
            assert_never(found)


def findings(agreement: Agreement, names: Sequence[str]) -> list[str]:
    """All findings, a sentence each."""
    return [finding(one, names) for one in agreement.findings]


def model_difference(found: ModelDifference, names: Sequence[str]) -> str:
    """A difference in what the endpoints say about their models, in a sentence."""
    match found:
        case OtherCards(positions, models):
            (first, title, version), *rest = [(names[at], *model) for at, model in zip(positions, models, strict=True)]
            others = "".join(f", {name} {other} {number}" for name, other, number in rest)
            return f"{first} serves {title} {version}{others}."
        case OtherFiles(files):
            return f"Files with different sha256: {', '.join(files)}."
        case OtherClassOrder(orders):
            return f"The model cards list the classes in different orders: {'; '.join(map(', '.join, orders))}."
        case OtherVersions(positions, versions):
            said = (
                f"{names[at]} {' and '.join(version or 'none' for version in several)}"
                for at, several in zip(positions, versions, strict=True)
            )
            return f"The answers name different model versions: {', '.join(said)}."
        case _:
            assert_never(found)


def detail(difference: Difference) -> str:
    """How two answers to one input differ, as text."""
    return "; ".join(map(_fact, difference.facts))


def _fact(fact: Fact) -> str:
    match fact:
        case OtherStatus((one, other)):
            return f"HTTP {one} and HTTP {other}"
        case Unusable(problem):
            return problem or "the answer is not JSON"
        case OtherFields(names):
            return f"only one has {', '.join(names)}"
        case OtherLabel((label, other_label)):
            return f"{label} and {other_label}"
        case OtherNumber(field, (value, other_value)):
            return f"{field} {value:.6g} and {other_value:.6g}"
        case NearTie(lead):
            return f"a near tie: the two classes are {lead:.1g} apart"
        case _:
            assert_never(fact)


def between(difference: Difference, names: Sequence[str]) -> str:
    """The prefix that names the two endpoints of a difference if there are more than two endpoints."""
    return "" if len(names) <= 2 else f"{names[difference.first]} and {names[difference.second]}: "


def describe(outcome: InputOutcome) -> str | float:
    """An outcome as short text: the label, the value, or why there is none."""
    if outcome.answer:
        return outcome.answer.prediction if outcome.answer.label is None else outcome.answer.label
    if outcome.failure is Failure.WRONG_SCHEMA:
        return "wrong schema"
    return f"HTTP {outcome.status}" if outcome.status else f"no answer ({outcome.failure})"


def refusal(found: Refusal) -> str:
    """A reply to an invalid input: its status and code, and its meaning if it is not a refusal."""
    if found.status is None:
        return "no answer"
    said = f"{found.status} {found.code}" if found.code else str(found.status)
    return said if found.refused else f"{said} ({'accepted' if found.status < 400 else 'crashed'})"


# --- Tables


def results_table(
    inputs: Sequence[Input],
    outcomes: Sequence[Sequence[InputOutcome]],
    agreement: Agreement,
    card: ModelCard,
    keys: Sequence[str],
) -> list[dict[str, Any]]:
    """A row for each input: its line in the file, its values, every answer, and what differs."""
    differences: dict[int, list[Difference]] = {}
    for each in agreement.differences:
        differences.setdefault(each.index, []).append(each)
    rows = []
    for index, (one, *sides) in enumerate(zip(inputs, *outcomes, strict=True)):
        row: dict[str, Any] = {} if one.line is None else {"line": one.line}
        row |= dict(zip(card.feature_names, one.values, strict=True))
        found = differences.get(index, [])
        row["agree"] = "no" if found else "yes" if comparable(*sides) else "not compared"
        for key, outcome in zip(keys, sides, strict=True):
            answer = outcome.answer
            row[f"{key} prediction"] = describe(outcome)
            if card.is_classifier:
                row[f"{key} confidence"] = answer.confidence if answer else None
        row["difference"] = "; ".join(f"{between(each, keys)}{', '.join(each.kinds)}: {detail(each)}" for each in found)
        rows.append(row)
    return rows
