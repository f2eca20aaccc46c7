"""The whole check of agreement: send one to six endpoints all kinds of inputs, and compare their answers."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx

from benchmark.agreement import text
from benchmark.agreement.compare import TOLERANCE, Agreement, PairAgreement, Tally, compare, count_kinds, tally
from benchmark.agreement.inputs import (
    BRACKETS,
    DRAWN,
    DRAWS,
    GRID_POINTS,
    ROUNDS,
    Bracket,
    Input,
    Source,
    boundary,
    brackets,
    distinct,
    grid,
    invalid_inputs,
    limits,
    noisy,
    plane,
    uniform,
)
from benchmark.agreement.models import ModelDifference, model_differences
from benchmark.agreement.outcomes import InputOutcome, InvalidResult, known_outcome
from benchmark.agreement.score import Scorer, probe, refuse, score
from benchmark.endpoints.catalog import Served
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.protocols import DEFAULT
from benchmark.endpoints.rows import Row
from inference.card import ModelCard

_FINE, _COARSE = 41, 15
"""Points on each axis of a decision surface: 9 requests to each endpoint, or 225."""

Report = Callable[[str, int, int], None]
"""Called with the current step, the number of inputs done, and the total."""


@dataclass(frozen=True, slots=True)
class Side:
    """Whose answers are compared: an endpoint, or without a `form` the known answers of the model card.

    `form` is how the endpoint was sent rows. Endpoints may have the same `name`; their `key` differs.
    """

    key: str
    name: str
    form: str | None = None


@dataclass(frozen=True)  # without slots, for the cached properties
class Audit:
    """The inputs, outcomes and findings of one check. Each input is sent once, even if it is of several kinds.

    `outcomes` has a sequence for each of the `sides`, in the order of `inputs`. The first side is the reference: the
    first endpoint, or the known answers of the model card if there is only one endpoint.
    """

    card: ModelCard
    sides: tuple[Side, ...]
    inputs: tuple[Input, ...]
    outcomes: tuple[Sequence[InputOutcome], ...]
    agreement: Agreement
    invalid: tuple[InvalidResult, ...]
    model_differences: tuple[ModelDifference, ...]
    """differences in what the endpoints say about their models"""
    seed: int
    """seed of the random inputs"""
    at_utc: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sides."""
        return tuple(side.name for side in self.sides)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the sides."""
        return tuple(side.key for side in self.sides)

    @property
    def endpoints(self) -> tuple[Side, ...]:
        """The sides that are endpoints."""
        return tuple(side for side in self.sides if side.form)

    @property
    def endpoint_names(self) -> tuple[str, ...]:
        """The names of the sides that are endpoints."""
        return tuple(side.name for side in self.endpoints)

    @property
    def agrees(self) -> bool:
        """Whether all endpoints claim to serve the same model, and answered and refused alike wherever asked.

        An input that could not be compared is not an agreement.
        """
        return (
            not self.model_differences
            and not self.agreement.differing
            and not self.agreement.not_compared
            and all(one.same for one in self.invalid)
        )

    @cached_property
    def total(self) -> Tally:
        """Counts of all inputs. Most were chosen, not drawn, so they say nothing about other inputs."""
        return tally(self.inputs, self.outcomes, self.agreement)

    @cached_property
    def by_source(self) -> dict[Source, Tally]:
        """Counts of each kind of input."""
        sources = dict.fromkeys(one.source for one in self.inputs)
        return {source: tally(self.inputs, self.outcomes, self.agreement, source) for source in sources}

    @cached_property
    def sampled(self) -> dict[Source, Tally]:
        """Counts of the random samples that were compared: only these have an upper bound."""
        return {source: found for source, found in self.by_source.items() if source in DRAWN and found.compared}

    @cached_property
    def is_answered(self) -> bool:
        """Whether any endpoint gave an HTTP answer to any valid input."""
        asked = zip(self.sides, self.outcomes, strict=True)
        return any(one.status is not None for side, outcomes in asked if side.form for one in outcomes)

    @property
    def failures(self) -> dict[str, dict[str, int]]:
        """How many inputs got no prediction, by endpoint key and reason."""
        return {
            side.key: dict(Counter(str(text.describe(one)) for one in outcomes if one.answer is None))
            for side, outcomes in zip(self.sides, self.outcomes, strict=True)
            if side.form
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
    """Ask all `endpoints` about the same valid and invalid inputs, and compare their answers.

    Valid inputs are `rows`, a grid, the limits, `draws` inputs drawn uniformly over the ranges and as many from `rows`
    with noise, and inputs beside the decision boundary of the first endpoint. They are the same for the same `seed`. A
    single endpoint is checked against the known answers of `card` instead. Failures of endpoints never raise.
    """
    report("detecting the request format", 0, 1)
    scorers = [probe(client, endpoint, card) for endpoint in endpoints]
    sides = [
        Side(endpoint.key, endpoint.name, scorer.form) for endpoint, scorer in zip(endpoints, scorers, strict=True)
    ]
    if len(endpoints) > 1:
        inputs, outcomes = _ask_valid(client, scorers, card, rows, grid_points, draws, seed, report)
        answered = outcomes
    else:
        inputs = [Input("known", known.features) for known in card.known_answers]
        answered = _score(client, scorers, card, inputs, lambda done, total: report("known answers", done, total))
        outcomes = [[known_outcome(known, card) for known in card.known_answers], *answered]
        sides.insert(0, Side("known answers", text.KNOWN_ANSWERS))
    has_contract = [endpoint.speaks == DEFAULT for endpoint in endpoints]
    # Over gRPC, most invalid inputs cannot be written at all.
    is_http = all(endpoint.predict_url.startswith("http") for endpoint in endpoints)
    invalid = [one for one in invalid_inputs(card) if all(has_contract) or (one.everywhere and is_http)]
    refusals = refuse(client, scorers, invalid, lambda done, total: report("invalid inputs", done, total))
    return Audit(
        card,
        tuple(sides),
        tuple(inputs),
        tuple(outcomes),
        compare(outcomes, card, tolerance),
        tuple(
            InvalidResult(what, tuple(found), all(has_contract))
            for what, *found in zip(invalid, *refusals, strict=True)
        ),
        # Versions in the answers of other protocols are not those of model cards.
        model_differences(served, [side if ours else [] for side, ours in zip(answered, has_contract, strict=True)]),
        seed,
        at_utc,
    )


def _ask_valid(
    client: httpx.Client,
    scorers: Sequence[Scorer],
    card: ModelCard,
    rows: Sequence[Row],
    grid_points: int,
    draws: int,
    seed: int,
    report: Report,
) -> tuple[list[Input], list[list[InputOutcome]]]:
    inputs = distinct(
        [
            *(Input("rows", row.values, row.line) for row in rows),
            *(grid(card, grid_points) if grid_points else ()),
            *limits(card),
            *uniform(card, draws, seed),
            *noisy(card, [row.values for row in rows], draws, seed),
        ]
    )
    outcomes = _score(client, scorers, card, inputs, lambda done, total: report("valid inputs", done, total))
    if not card.is_classifier:
        return inputs, outcomes
    near = boundary(_narrow(client, scorers[0], card, inputs, outcomes[0], report))
    near = distinct([*inputs, *near])[len(inputs) :]
    more = _score(client, scorers, card, near, lambda done, total: report("decision boundary", done, total))
    return [*inputs, *near], [[*side, *found] for side, found in zip(outcomes, more, strict=True)]


@dataclass(frozen=True, slots=True)
class Surface:
    """The answers of the endpoints over two features, with the others at their defaults.

    `across` and `up` are the values of the features with the indexes `x` and `y`; `inputs` and each sequence in
    `outcomes`, which has one for each endpoint, go row by row from the lowest of `up`.
    """

    card: ModelCard
    names: tuple[str, ...]
    x: int
    y: int
    across: Sequence[float]
    up: Sequence[float]
    inputs: Sequence[Input]
    outcomes: tuple[Sequence[InputOutcome], ...]
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
    """Ask all `endpoints` about a plane of the feature space: a coarse grid if any of them takes one row at a time."""
    scorers = [probe(client, endpoint, card) for endpoint in endpoints]
    at_once = all(one.takes_many or one.problem for one in scorers)
    across, up, inputs = plane(card, x, y, _FINE if at_once else _COARSE)
    outcomes = _score(client, scorers, card, inputs, lambda done, total: report("decision surface", done, total))
    names = tuple(endpoint.name for endpoint in endpoints)
    return Surface(card, names, x, y, across, up, inputs, tuple(outcomes), compare(outcomes, card))


def _score(
    client: httpx.Client,
    scorers: Sequence[Scorer],
    card: ModelCard,
    inputs: Sequence[Input],
    report: Callable[[int, int], None],
) -> list[list[InputOutcome]]:
    return score(client, scorers, card, [one.values for one in inputs], report)


def _narrow(
    client: httpx.Client,
    scorer: Scorer,
    card: ModelCard,
    inputs: Sequence[Input],
    outcomes: Sequence[InputOutcome],
    report: Report,
) -> Sequence[Bracket]:
    predicted = {
        one.values: outcome.answer.prediction
        for one, outcome in zip(inputs, outcomes, strict=True)
        if outcome.answer and one.source in ("rows", "grid")  # the limits are far from all other values
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
        "headline": text.headline(audit.names, agreement, total),
        "endpoints": [{"key": side.key, "name": side.name, "form": side.form} for side in audit.endpoints],
        "reference": audit.sides[0].key,
        "model": {"name": audit.card.name, "version": audit.card.version},
        "identity": [text.model_difference(one, audit.endpoint_names) for one in audit.model_differences],
        "findings": text.findings(agreement, audit.names),
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
                # Chosen inputs say nothing about other inputs; only random samples do.
                "share_upper_95": found.upper_bound if source in audit.sampled else None,
            }
            for source, found in audit.by_source.items()
        },
        "pairs": [_pair_document(audit, pair) for pair in agreement.pairs],
        "worst": [
            {
                "source": audit.inputs[one.index].source,
                "line": audit.inputs[one.index].line,
                "inputs": dict(zip(audit.card.feature_names, audit.inputs[one.index].values, strict=True)),
                "first": audit.keys[one.first],
                "second": audit.keys[one.second],
                "answers": [text.describe(side[one.index]) for side in audit.outcomes],
                "kinds": [kind.value for kind in one.kinds],
                "gap": one.gap,
                "detail": text.detail(one),
            }
            for one in agreement.worst(worst)
        ],
        "invalid": [
            {
                "name": one.invalid.name,
                "answers": [text.refusal(each) for each in one.refusals],
                "compared": one.compared,
                "same": one.same,
            }
            for one in audit.invalid
        ],
    }


def _pair_document(audit: Audit, pair: PairAgreement) -> dict[str, Any]:
    return {
        "first": audit.keys[pair.first],
        "second": audit.keys[pair.second],
        "compared": pair.compared,
        "disagreements": len(pair.differences),
        "largest_gap": pair.largest_gap,
        "by_kind": {kind.value: count for kind, count in count_kinds(pair.differences).items()},
    }
