"""The text of the Agreement page: pure functions from the result of a check to sentences and Markdown tables."""

from collections.abc import Sequence

from benchmark.agreement.audit import Audit
from benchmark.agreement.compare import Agreement, PairAgreement, Tally, count_kinds
from benchmark.agreement.inputs import Source
from benchmark.agreement.outcomes import InvalidResult
from benchmark.agreement.text import (
    between,
    bound_percent,
    bounds,
    detail,
    everyone,
    headline,
    model_difference,
    refusal,
)
from benchmark.endpoints.values import shown
from dashboard.components.inputs import input_query
from dashboard.components.markup import NOTHING, Statement, count, counted, markdown_table, plain

SOURCES: dict[Source, str] = {
    "uniform": "Random, uniform",
    "noise": "Random, near rows",
    "rows": "Training rows",
    "grid": "Grid",
    "limits": "Limits",
    "boundary": "Decision boundary",
    "known": "Known answers",
}


def introduction(endpoints: int) -> str:
    """What a check sends and expects."""
    if endpoints == 1:
        return (
            "Checks that the endpoint gives the known answers in its model card and refuses invalid inputs. Configure "
            "a second endpoint to compare the two on random inputs, training data and a grid."
        )
    endpoints_text = "both endpoints" if endpoints == 2 else f"{everyone(endpoints)} endpoints"
    return (
        f"Sends the same inputs to {endpoints_text} and compares the answers: random inputs, the training data, a grid "
        "over the feature space, its limits, points near the decision boundary, and invalid inputs."
    )


def sources_note(audit: Audit) -> str:
    """Where the inputs come from and what their counts mean."""
    if len(audit.endpoints) == 1:
        return "These inputs, and the answers that the model gave in training, are in the model card."
    mixed = "" if audit.card.is_numeric else " Categories are equally likely, and missing values one in ten."
    return (
        f"Random inputs (seed {audit.seed}) are drawn from the training range and a quarter beyond it, within the "
        'limits, and from the training rows with noise of a tenth of a standard deviation. "At most" is the share of '
        "all such inputs that can disagree (exact one-sided bound, Clopper and Pearson; about 3/n for none of n). The "
        f"other inputs are chosen, not drawn, so they have counts and no bound.{mixed}"
    )


def invalid_note(audit: Audit) -> str:
    """What the invalid inputs are, and the expected replies."""
    endpoints = len(audit.endpoints)
    if not all(one.by_contract for one in audit.invalid):
        who = "The endpoint" if endpoints == 1 else everyone(endpoints).capitalize()
        return (
            "A separate test, not counted above: broken JSON and text for numbers, which no protocol allows. "
            f"{who} must refuse each of them with a 4xx status."
        )
    expected = (
        "The endpoint must refuse each of them with a 4xx status."
        if endpoints == 1
        else f"{everyone(endpoints).capitalize()} must refuse each of them with the same status and error code."
    )
    return (
        "A separate test, not counted above: broken JSON, text for numbers, missing and unknown fields, values beyond "
        f"the limits, bodies that are too large. {expected}"
    )


def verdict(audit: Audit) -> Statement:
    """The result as a headline and a sentence. Different models come first."""
    agreement, total = audit.agreement, audit.total
    is_alone = len(audit.endpoints) == 1
    sentence = f"{headline(audit.names, agreement, total)} {bounds(audit.sampled, audit.seed)}".rstrip()
    if is_alone:
        sentence += " Only one endpoint is configured, so there is nothing to compare it with."
    if audit.model_differences:
        models = " ".join(model_difference(one, audit.endpoint_names) for one in audit.model_differences)
        return Statement("disagree", "Different models", f"{models} {sentence}")
    if not agreement.compared:
        return Statement("unknown", "Nothing compared", sentence)
    if agreement.differing:
        return Statement("disagree", "Wrong answers" if is_alone else "They disagree", sentence)
    if agreement.not_compared:
        return Statement("unknown", "Not all compared", f"{sentence} {_lost(total.not_compared, 'input', is_alone)}")
    if not all(one.same or not one.compared for one in audit.invalid):
        how = "refused" if is_alone else "refused alike"
        who = "" if is_alone else f" by {everyone(len(audit.endpoints))}"
        return Statement("disagree", f"Not all {how}", f"{sentence} Some invalid inputs were not {how}{who}.")
    if unanswered := sum(not one.compared for one in audit.invalid):
        return Statement("unknown", "Not all compared", f"{sentence} {_lost(unanswered, 'invalid input', is_alone)}")
    return Statement("agree", "Known answers right" if is_alone else "They agree", sentence)


def _lost(number: int, noun: str, is_alone: bool) -> str:
    return f"{counted(number, noun)} got no answer{'' if is_alone else ' from at least one of them'}."


def batch_verdict(names: Sequence[str], agreement: Agreement, found: Tally, not_sent: int) -> Statement:
    """The result for uploaded or pasted rows: `found` counts the different ones; `not_sent` could not be used."""
    rows = agreement.compared + agreement.not_compared
    repeats = rows - found.asked
    sentence = headline(names, agreement, found)
    if len(names) == 1:
        return Statement("unknown", f"{counted(rows, 'row')} scored", sentence)
    if found.compared and repeats:
        verb = "repeats another and is not counted" if repeats == 1 else "repeat others and are not counted"
        sentence += f" {counted(repeats, 'row')} {verb}."
    if agreement.differing:
        return Statement("disagree", "They disagree", sentence)
    if not agreement.compared:
        return Statement("unknown", "Nothing compared", sentence)
    if agreement.not_compared or not_sent:
        all_rows = count(rows + not_sent)
        return Statement("unknown", f"{count(agreement.compared)} of {all_rows} rows compared", sentence)
    return Statement("agree", "They agree", sentence)


def failures(audit: Audit) -> list[str]:
    """One sentence per endpoint and reason for missing predictions."""
    return [
        f"{side.name}: {count(failed)} of {count(len(audit.inputs))} inputs {reason}."
        for side in audit.endpoints
        for reason, failed in audit.failures[side.key].items()
    ]


def gap(value: float) -> str:
    """A difference: `0`, or two digits."""
    return f"{value:.2g}"


def sources_table(audit: Audit) -> str:
    """How many inputs of each kind were compared and disagreed on, and for random ones the upper bound."""
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


def pairs_table(audit: Audit) -> str:
    """The pairs with the reference, which is the first endpoint, and other pairs that disagree."""

    def row(pair: PairAgreement) -> list[str]:
        kinds = ", ".join(f"{kind} {count(inputs)}" for kind, inputs in count_kinds(pair.differences).items())
        return [
            plain(f"{audit.names[pair.first]} and {audit.names[pair.second]}"),
            plain(kinds) or NOTHING,
            count(pair.compared),
            count(len(pair.differences)),
            gap(pair.largest_gap) if pair.compared else NOTHING,
        ]

    rows = [row(pair) for pair in audit.agreement.pairs if pair.first == 0 or pair.differences]
    return markdown_table(["Endpoints", "Kinds", "Compared", "Disagree", "Largest difference"], rows, numbers=3)


def pairs_note(audit: Audit) -> str:
    """What the table of pairs leaves out."""
    left_out = [pair for pair in audit.agreement.pairs if pair.first and not pair.differences]
    if not left_out:
        return ""
    others = "pair" if len(left_out) == 1 else counted(len(left_out), "pair")
    return f"The other {others} agreed on every input that both answered."


def kinds_table(agreement: Agreement) -> str:
    """How many inputs show each kind of difference."""
    rows = [[kind.capitalize(), count(inputs)] for kind, inputs in agreement.by_kind.items()]
    return markdown_table(["Kind of difference", "Inputs"], rows, numbers=1)


def worst_table(audit: Audit, most: int) -> str:
    """The worst differences, each with a link that opens the Predict page with this input."""
    rows = []
    for one in audit.agreement.worst(most):
        asked = audit.inputs[one.index]
        query, exact = input_query(audit.card, asked.values)
        source = f"{SOURCES[asked.source]}, line {asked.line}" if asked.line else SOURCES[asked.source]
        link = f"[{'Load' if exact else 'Load the nearest'}](./?{query})"
        values = [plain(shown(value)) for value in asked.values]
        rows.append(
            [link, plain(", ".join(one.kinds)), plain(between(one, audit.names) + detail(one)), *values, plain(source)]
        )
    titles = [plain(feature.title) for feature in audit.card.features]
    return markdown_table(["Sliders", "Kind", "Difference", *titles, "From"], rows)


def invalid_table(results: Sequence[InvalidResult], names: Sequence[str]) -> str:
    """The reply of each endpoint to each invalid input. Different replies come first."""
    rows = [
        [
            plain(one.invalid.name),
            *(plain(refusal(found)) for found in one.refusals),
            ("yes" if one.same else "**no**") if one.compared else "not compared",
        ]
        for one in sorted(results, key=lambda one: one.same)
    ]
    return markdown_table(["Invalid input", *map(plain, names), "Same reply" if len(names) > 1 else "Refused"], rows)
