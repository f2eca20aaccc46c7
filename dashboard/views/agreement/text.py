"""What the Agreement page says about a check: pure functions from its result to sentences and Markdown tables."""

from collections.abc import Sequence
from urllib.parse import urlencode

from benchmark.agreement.audit import Audit
from benchmark.agreement.judge import Agreement, InvalidResult, Tally
from benchmark.agreement.trials import Source, Values
from benchmark.agreement.words import bound_percent, bounds, headline
from dashboard.components.inputs import slider
from dashboard.components.markup import NOTHING, Verdict, count, counted, markdown_table, plain
from inference.card import ModelCard

SOURCES: dict[Source, str] = {
    "uniform": "Random, uniform",
    "noise": "Random, near rows",
    "rows": "Training rows",
    "grid": "Grid",
    "limits": "Limits",
    "boundary": "Decision boundary",
}


def verdict(audit: Audit) -> Verdict:
    """The result in a word and a sentence; which model is served comes first."""
    agreement, total = audit.agreement, audit.total
    sentence = f"{headline(total)} {bounds(audit.sampled, audit.seed)}".rstrip()
    if audit.identity:
        return Verdict("disagree", "Different models", f"{' '.join(audit.identity)} {sentence}")
    if not agreement.compared:
        return Verdict("unknown", "Nothing compared", sentence)
    if agreement.differences:
        return Verdict("disagree", "They disagree", sentence)
    if agreement.not_compared:
        lost = f"{counted(total.not_compared, 'input')} got no answer from at least one of them."
        return Verdict("unknown", "Not all compared", f"{sentence} {lost}")
    if not all(one.same or not one.compared for one in audit.invalid):
        return Verdict(
            "disagree", "Not all refused alike", f"{sentence} Some invalid inputs are not refused alike by both."
        )
    if unanswered := sum(not one.compared for one in audit.invalid):
        lost = f"{counted(unanswered, 'invalid input')} got no answer from at least one of them."
        return Verdict("unknown", "Not all compared", f"{sentence} {lost}")
    return Verdict("agree", "They agree", sentence)


def batch_verdict(agreement: Agreement, found: Tally, not_sent: int) -> Verdict:
    """The result of somebody's own rows, of which `found` counts the different ones; `not_sent` could not be used."""
    rows = agreement.compared + agreement.not_compared
    repeats = rows - found.asked
    sentence = headline(found)
    if found.compared and repeats:
        verb = "repeats another and is not counted" if repeats == 1 else "repeat others and are not counted"
        sentence += f" {counted(repeats, 'row')} {verb}."
    if agreement.differences:
        return Verdict("disagree", "They disagree", sentence)
    if not agreement.compared:
        return Verdict("unknown", "Nothing compared", sentence)
    if agreement.not_compared or not_sent:
        all_rows = count(rows + not_sent)
        return Verdict("unknown", f"{count(agreement.compared)} of {all_rows} rows compared", sentence)
    return Verdict("agree", "They agree", sentence)


def failures(audit: Audit) -> list[str]:
    """Who gave no prediction, how often, and why: a sentence each."""
    return [
        f"{name}: {count(failed)} of {count(len(audit.trials))} inputs {reason}."
        for name, key in zip(audit.names, audit.keys, strict=True)
        for reason, failed in audit.failures[key].items()
    ]


def gap(value: float) -> str:
    """A difference: `0`, or two digits."""
    return f"{value:.2g}"


def sources_table(audit: Audit) -> str:
    """How many inputs of each kind were compared, and disagreed on; and for random ones what that bounds."""
    found, sampled = audit.by_source, audit.sampled
    rows = [
        [
            title,
            count(one.compared) + (f" of {count(one.asked)}" if one.not_compared else ""),
            count(one.disagreements),
            f"{bound_percent(one)}%" if source in sampled else NOTHING,
        ]
        for source, title in SOURCES.items()
        if (one := found.get(source))
    ]
    return markdown_table(["Inputs", "Compared", "Disagree", "At most (95%)"], rows, numbers=3)


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
