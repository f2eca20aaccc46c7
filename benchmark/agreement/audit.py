"""The whole check of agreement: ask both endpoints all that there is to ask, and judge what they answered."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from benchmark.agreement.judge import (
    TOLERANCE,
    Agreement,
    InvalidResult,
    Outcome,
    Tally,
    compare,
    identity_differences,
    tally,
)
from benchmark.agreement.score import Form, Scorer, probe, refuse, score
from benchmark.agreement.trials import (
    BRACKETS,
    DRAWN,
    DRAWS,
    GRID_POINTS,
    ROUNDS,
    Bracket,
    Source,
    Trial,
    boundary,
    brackets,
    different,
    grid,
    invalid_inputs,
    limits,
    noisy,
    plane,
    uniform,
)
from benchmark.agreement.words import describe, headline
from benchmark.endpoints.catalog import Served
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.rows import Row
from inference.card import ModelCard

_FINE, _COARSE = 41, 15
"""Points a side of a decision surface: 9 requests an endpoint, or 225."""

Report = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Audit:
    """All that one check asked, got and found. `outcomes` has a list an endpoint, in the order of `trials`.

    Each input is asked once, whichever kinds it belongs to. Endpoints may have the same name; their `keys` differ.
    """

    card: ModelCard
    keys: tuple[str, str]
    names: tuple[str, str]
    trials: tuple[Trial, ...]
    outcomes: tuple[Sequence[Outcome], Sequence[Outcome]]
    agreement: Agreement
    invalid: tuple[InvalidResult, ...]
    identity: tuple[str, ...]
    """in which way the endpoints say that they serve different models"""
    forms: tuple[Form, Form]
    seed: int
    """of the inputs that were drawn at random"""
    at_utc: str

    @property
    def agrees(self) -> bool:
        """Whether they say that they are the same model, and answer and refuse alike, wherever they were asked.

        What could not be compared is no agreement.
        """
        return (
            not self.identity
            and not self.agreement.differences
            and not self.agreement.not_compared
            and all(one.same for one in self.invalid)
        )

    @property
    def total(self) -> Tally:
        """Of all inputs. Most were chosen and not drawn, so that nothing follows for others."""
        return tally(self.trials, self.outcomes, self.agreement)

    @property
    def by_source(self) -> dict[Source, Tally]:
        """Of each kind of input."""
        sources = dict.fromkeys(trial.source for trial in self.trials)
        return {source: tally(self.trials, self.outcomes, self.agreement, source) for source in sources}

    @property
    def sampled(self) -> dict[Source, Tally]:
        """Of the kinds that were drawn at random and compared: those whose upper bounds mean something."""
        return {source: found for source, found in self.by_source.items() if source in DRAWN and found.compared}

    @property
    def failures(self) -> dict[str, dict[str, int]]:
        """How many inputs each endpoint, by its key, gave no prediction for, and why."""
        return {
            key: dict(Counter(str(describe(outcome)) for outcome in side if outcome.answer is None))
            for key, side in zip(self.keys, self.outcomes, strict=True)
        }


def audit(
    client: httpx.Client,
    endpoints: Sequence[Endpoint],
    served: Sequence[Served | None],
    card: ModelCard,
    rows: Sequence[Row],
    *,
    at_utc: str,
    grid_points: int = GRID_POINTS,
    draws: int = DRAWS,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    report: Report = lambda _, __, ___: None,
) -> Audit:
    """Ask both `endpoints` about `rows`, a grid, the limits, random inputs, the boundary of the first, invalid inputs.

    `draws` inputs are drawn uniformly over the ranges, and as many from `rows` with noise. The same inputs every time
    for the same `seed`; what endpoints do never raises.
    """
    names = (endpoints[0].name, endpoints[1].name)
    report("finding out how rows are taken", 0, 1)
    scorers = [probe(client, endpoint, card) for endpoint in endpoints]
    trials = different(
        [
            *(Trial("rows", row.values, row.line) for row in rows),
            *(grid(card, grid_points) if grid_points else ()),
            *limits(card),
            *uniform(card, draws, seed),
            *noisy(card, [row.values for row in rows], draws, seed),
        ]
    )
    outcomes = _score(client, scorers, card, trials, lambda done, total: report("valid inputs", done, total))
    if card.is_classifier:
        near = boundary(_narrow(client, scorers[0], card, trials, outcomes[0], report))
        near = different([*trials, *near])[len(trials) :]
        more = _score(client, scorers, card, near, lambda done, total: report("decision boundary", done, total))
        trials += near
        outcomes = [[*side, *found] for side, found in zip(outcomes, more, strict=True)]
    invalid = invalid_inputs(card)
    refusals = refuse(client, scorers, invalid, lambda done, total: report("invalid inputs", done, total))
    return Audit(
        card,
        (endpoints[0].key, endpoints[1].key),
        names,
        tuple(trials),
        (outcomes[0], outcomes[1]),
        compare(outcomes[0], outcomes[1], card, names, tolerance),
        tuple(InvalidResult(what, (one, other)) for what, one, other in zip(invalid, *refusals, strict=True)),
        identity_differences(names, served, outcomes),
        (scorers[0].form, scorers[1].form),
        seed,
        at_utc,
    )


@dataclass(frozen=True, slots=True)
class Surface:
    """What both endpoints answer over two features, the others at their defaults.

    `across` and `up` are the values of the features number `x` and `y`; `trials` and `outcomes` go row by row, from
    the lowest of `up`.
    """

    card: ModelCard
    names: tuple[str, str]
    x: int
    y: int
    across: Sequence[float]
    up: Sequence[float]
    trials: Sequence[Trial]
    outcomes: tuple[Sequence[Outcome], Sequence[Outcome]]
    agreement: Agreement


def survey(
    client: httpx.Client,
    endpoints: Sequence[Endpoint],
    card: ModelCard,
    x: int,
    y: int,
    *,
    report: Report = lambda _, __, ___: None,
) -> Surface:
    """Ask both `endpoints` about a plane of the feature space: coarsely where each point is a request of its own."""
    names = (endpoints[0].name, endpoints[1].name)
    scorers = [probe(client, endpoint, card) for endpoint in endpoints]
    at_once = all(one.form == "instances" or one.problem for one in scorers)
    across, up, trials = plane(card, x, y, _FINE if at_once else _COARSE)
    one, other = _score(client, scorers, card, trials, lambda done, total: report("decision surface", done, total))
    return Surface(card, names, x, y, across, up, trials, (one, other), compare(one, other, card, names))


def _score(
    client: httpx.Client,
    scorers: Sequence[Scorer],
    card: ModelCard,
    trials: Sequence[Trial],
    report: Callable[[int, int], None],
) -> list[list[Outcome]]:
    return score(client, scorers, card, [trial.values for trial in trials], report)


def _narrow(
    client: httpx.Client,
    scorer: Scorer,
    card: ModelCard,
    trials: Sequence[Trial],
    outcomes: Sequence[Outcome],
    report: Report,
) -> Sequence[Bracket]:
    predicted = {
        trial.values: outcome.answer.prediction
        for trial, outcome in zip(trials, outcomes, strict=True)
        if outcome.answer and trial.source in ("rows", "grid")  # the limits are far away from everything
    }
    found = brackets(predicted, BRACKETS)
    for done in range(ROUNDS if found else 0):
        report("decision boundary", done, ROUNDS)
        (answers,) = score(client, [scorer], card, [one.middle for one in found])
        found = [
            one.narrowed(outcome.answer.prediction if outcome.answer else None)
            for one, outcome in zip(found, answers, strict=True)
        ]
    return found


def to_document(audit: Audit, worst: int = 50) -> dict[str, Any]:
    """The result as JSON holds it, with the `worst` differences."""
    agreement, total = audit.agreement, audit.total
    return {
        "kind": "agree",
        "at_utc": audit.at_utc,
        "agree": audit.agrees,
        "headline": headline(total),
        "endpoints": [
            {"key": key, "name": name, "form": form}
            for key, name, form in zip(audit.keys, audit.names, audit.forms, strict=True)
        ],
        "model": {"name": audit.card.name, "version": audit.card.version},
        "identity": list(audit.identity),
        "findings": list(agreement.findings),
        "failures": audit.failures,
        "compared": total.compared,
        "not_compared": total.not_compared,
        "disagreements": total.disagreements,
        "seed": audit.seed,
        "largest_gap": agreement.largest_gap,
        "by_kind": {kind.value: count for kind, count in agreement.by_kind.items()},
        "by_source": {
            source: {
                "asked": found.asked,
                "compared": found.compared,
                "disagreements": found.disagreements,
                # Of what was chosen, not drawn, no share says anything of other inputs.
                "share_upper_95": found.upper_bound if source in audit.sampled else None,
            }
            for source, found in audit.by_source.items()
        },
        "worst": [
            {
                "source": audit.trials[one.index].source,
                "line": audit.trials[one.index].line,
                "inputs": dict(zip(audit.card.feature_names, audit.trials[one.index].values, strict=True)),
                "answers": [describe(side[one.index]) for side in audit.outcomes],
                "kinds": [kind.value for kind in one.kinds],
                "gap": one.gap,
                "detail": one.detail,
            }
            for one in agreement.worst(worst)
        ],
        "invalid": [
            {
                "name": one.invalid.name,
                "answers": [each.describe() for each in one.refusals],
                "compared": one.compared,
                "same": one.same,
            }
            for one in audit.invalid
        ],
    }
