"""What the Agree page says about a check: pure functions from its result to sentences and Markdown tables."""

from collections.abc import Sequence
from urllib.parse import urlencode

from benchmark.agreement.audit import Audit
from benchmark.agreement.judge import Agreement, InvalidResult
from benchmark.agreement.trials import Values
from benchmark.agreement.words import headline
from dashboard.inputs import slider
from dashboard.words import Verdict, count, markdown_table, plain
from inference.card import ModelCard

SOURCES = {
    "rows": "Training rows",
    "grid": "Grid over the feature space",
    "limits": "Limits of each feature",
    "boundary": "Decision boundary",
}


def verdict(audit: Audit) -> Verdict:
    """The result in a word and a sentence; which model is served comes first."""
    agreement = audit.agreement
    sentence = headline(agreement)
    if audit.identity:
        return Verdict("disagree", "Different models", f"{' '.join(audit.identity)} {sentence}")
    if not agreement.compared:
        return Verdict("unknown", "Nothing compared", sentence)
    if agreement.differences:
        return Verdict("disagree", "They disagree", sentence)
    if agreement.not_compared:
        return Verdict("unknown", "Not all compared", f"{sentence} {_not_compared(agreement)}")
    if not all(one.same or not one.compared for one in audit.invalid):
        return Verdict(
            "disagree", "Not all refused alike", f"{sentence} Some invalid inputs are not refused alike by both."
        )
    if lost := sum(not one.compared for one in audit.invalid):
        return Verdict("unknown", "Not all compared", f"{sentence} {lost} invalid inputs got no answer from one.")
    return Verdict("agree", "They agree", sentence)


def _not_compared(agreement: Agreement) -> str:
    return f"{agreement.not_compared} inputs got no answer from one of them."


def failures(audit: Audit) -> list[str]:
    """Who gave no prediction, how often, and why: a sentence each."""
    return [
        f"{name}: {count(failed)} of {count(len(audit.trials))} inputs {reason}."
        for name, key in zip(audit.names, audit.keys, strict=True)
        for reason, failed in audit.failures[key].items()
    ]


def percent(share: float) -> str:
    """A share in percent with three digits."""
    return f"{share * 100:.3g}"


def gap(value: float) -> str:
    """A difference: `0`, or two digits."""
    return f"{value:.2g}"


def sources_table(audit: Audit) -> str:
    """How many inputs of each kind were asked, and compared, and on how many they disagree."""
    rows = [
        [SOURCES[source], *map(count, counts)]
        for source, counts in sorted(audit.by_source.items(), key=lambda item: list(SOURCES).index(item[0]))
    ]
    return markdown_table(["Inputs", "Asked", "Compared", "Disagree"], rows, numbers=3)


def kinds_table(agreement: Agreement) -> str:
    """How many inputs show each kind of difference."""
    rows = [[kind.capitalize(), count(inputs)] for kind, inputs in agreement.by_kind.items()]
    return markdown_table(["Kind of difference", "Inputs"], rows, numbers=1)


def worst_table(audit: Audit, most: int, slider_keys: Sequence[str]) -> str:
    """The worst differences, each with a link that loads the sliders of the Predict page."""
    rows = []
    for one in audit.agreement.worst(most):
        trial = audit.trials[one.index]
        query, exact = slider_query(audit.card, trial.values, slider_keys)
        source = f"{SOURCES[trial.source]}, line {trial.line}" if trial.line else SOURCES[trial.source]
        link = f"[{'Load' if exact else 'Load the nearest'}](./?{query})"
        values = [plain(f"{value:.6g}") for value in trial.values]
        rows.append([link, plain(", ".join(one.kinds)), plain(one.detail), *values, plain(source)])
    titles = [plain(feature.title) for feature in audit.card.features]
    return markdown_table(["Sliders", "Kind", "Difference", *titles, "From"], rows)


def invalid_table(results: Sequence[InvalidResult], names: tuple[str, str]) -> str:
    """What both made of each invalid input; those that they treat differently first."""
    rows = [
        [
            plain(one.invalid.name),
            *(plain(refusal.describe()) for refusal in one.refusals),
            ("yes" if one.same else "**no**") if one.compared else "not compared",
        ]
        for one in sorted(results, key=lambda one: one.same)
    ]
    return markdown_table(["Invalid input", *map(plain, names), "Alike"], rows)


def slider_query(card: ModelCard, values: Values, keys: Sequence[str]) -> tuple[str, bool]:
    """The query by which the Predict page opens with `values`, and whether its sliders can stand exactly there."""
    query: dict[str, str] = {}
    exact = True
    for index, (feature, value, key) in enumerate(zip(card.features, values, keys, strict=True)):
        bounds = slider(feature, card, index)
        steps = round((value - bounds.minimum) / bounds.step)
        nearest = round(min(max(bounds.minimum + steps * bounds.step, bounds.minimum), bounds.maximum), 10)
        exact = exact and abs(nearest - value) <= 1e-9 * max(1.0, abs(value))
        query[key] = f"{nearest:g}"
    return urlencode(query), exact
