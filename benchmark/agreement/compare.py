"""Whether endpoints give the same answers: where each pair differs, in what respect, and with what confidence.

Pure: outcomes in, typed findings out; `text.py` makes sentences of them. Each kind of difference has another cause: an
endpoint that rounds, one that mixes up its classes, one that serves another model.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import chain, combinations
from typing import ClassVar

from benchmark.agreement.class_order import ClassesExchanged, class_order, exchange
from benchmark.agreement.inputs import Input, Source
from benchmark.agreement.outcomes import InputOutcome
from benchmark.agreement.rounding import Rounding, Scales, is_rounding, numbers, roundings, scales
from benchmark.endpoints.protocols.faceoff import OTHER_LABEL
from benchmark.endpoints.sample import Answer
from inference.card import ModelCard

TOLERANCE = 1e-5
"""Tolerance for another order or precision of arithmetic: training proves its two exports equal within it."""
_NEAR_TIE = 0.1
"""Rounding to one digit can swap two probabilities that are at most this far apart."""


class Kind(StrEnum):
    """The kinds of differences between two answers to one input, worst first."""

    STATUS = "status"
    SCHEMA = "schema"
    CLASS_ORDER = "class order"
    LABEL = "label"
    VALUE = "value"
    ROUNDED = "rounded"


_ORDER = {kind: place for place, kind in enumerate(Kind)}

# --- One input


@dataclass(frozen=True, slots=True)
class OtherStatus:
    """The HTTP statuses of the two answers."""

    statuses: tuple[int | None, int | None]
    kind: ClassVar[Kind] = Kind.STATUS


@dataclass(frozen=True, slots=True)
class Unusable:
    """Only one of the two answers is a prediction; `problem` says in a clause what is wrong with the other."""

    problem: str | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class OtherFields:
    """Fields that only one of the two answers has."""

    names: tuple[str, ...]
    kind: ClassVar[Kind] = Kind.SCHEMA


@dataclass(frozen=True, slots=True)
class OtherLabel:
    """The two predicted classes."""

    labels: tuple[str | None, str | None]
    kind: Kind


@dataclass(frozen=True, slots=True)
class OtherNumber:
    """The two numbers of `field` that are furthest apart."""

    field: str
    values: tuple[float, float]
    kind: Kind


@dataclass(frozen=True, slots=True)
class NearTie:
    """The first endpoint gives the two predicted classes almost the same probability, `lead` apart."""

    lead: float
    kind: ClassVar[Kind] = Kind.LABEL


Fact = OtherStatus | Unusable | OtherFields | OtherLabel | OtherNumber | NearTie
"""One respect in which two answers differ."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One input, by its index, on which the endpoints at `first` and `second` differ, and in what respects.

    `gap` is the largest difference of two probabilities, or of two predicted values relative to the larger or to the
    spread of the target, whichever is larger; None where there are no two numbers to compare.
    """

    first: int
    second: int
    index: int
    facts: tuple[Fact, ...]
    gap: float | None = None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Worst first."""
        return tuple(sorted({fact.kind for fact in self.facts}, key=_ORDER.__getitem__))

    @property
    def badness(self) -> tuple[int, float]:
        """Sorts the worst first: by kind, then by size."""
        return min(_ORDER[fact.kind] for fact in self.facts), -(self.gap or 0.0)


# --- Two endpoints, and all


@dataclass(frozen=True, slots=True)
class FieldsMissing:
    """Fields that the endpoint at `position` never gives, and others do."""

    position: int
    names: tuple[str, ...]


Finding = ClassesExchanged | Rounding | FieldsMissing
"""A finding about an endpoint as a whole."""


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """The comparison of the endpoints at the positions `first` and `second`.

    `compared` inputs got an HTTP answer from both, at least one of them a prediction. `largest_gap` is over all of
    them, also where the two agree.
    """

    first: int
    second: int
    compared: int
    differences: tuple[Difference, ...]
    largest_gap: float
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)  # without slots, for the cached properties
class Agreement:
    """The comparison of every pair of endpoints; `pairs` are in the order of `itertools.combinations`.

    `compared` inputs got an HTTP answer from every endpoint, at least one of them a prediction, or already differ
    between two.
    """

    compared: int
    not_compared: int
    pairs: tuple[PairAgreement, ...]

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """The differences of all pairs, in the order of the inputs."""
        return tuple(sorted(chain.from_iterable(pair.differences for pair in self.pairs), key=lambda one: one.index))

    @cached_property
    def differing(self) -> frozenset[int]:
        """The indexes of the inputs on which any two endpoints differ."""
        return frozenset(one.index for pair in self.pairs for one in pair.differences)

    @property
    def largest_gap(self) -> float:
        return max((pair.largest_gap for pair in self.pairs), default=0.0)

    @cached_property
    def by_kind(self) -> dict[Kind, int]:
        """How many inputs show each kind of difference; one input may show several."""
        return count_kinds(self.differences)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all pairs, each once.

        Swapped classes of two endpoints follow from their comparisons with the first endpoint, if those are known.
        """
        found = [finding for pair in self.pairs for finding in pair.findings]
        exchanges = [one for one in found if isinstance(one, ClassesExchanged)]
        explained = {one.second for one in exchanges if one.first == 0}
        roundings: dict[tuple[int, str], Rounding] = {}
        missing: dict[int, set[str]] = {}
        for one in found:
            if isinstance(one, Rounding):
                key = (one.position, one.field)
                roundings[key] = max(roundings.get(key, one), one, key=lambda each: each.scale.answers)
            elif isinstance(one, FieldsMissing):
                missing.setdefault(one.position, set()).update(one.names)
        return (
            *(one for one in exchanges if one.first == 0 or not explained & {one.first, one.second}),
            *sorted(roundings.values(), key=lambda one: one.position),
            *(FieldsMissing(position, tuple(sorted(names))) for position, names in sorted(missing.items())),
        )

    def worst(self, count: int) -> tuple[Difference, ...]:
        """The worst difference of each of the `count` inputs that have the worst ones."""
        by_input: dict[int, Difference] = {}
        for one in self.differences:
            by_input[one.index] = min(by_input.get(one.index, one), one, key=lambda each: each.badness)
        return tuple(sorted(by_input.values(), key=lambda one: one.badness)[:count])


@dataclass(frozen=True, slots=True)
class Tally:
    """How many different inputs were asked and compared, and on how many of them any two endpoints disagree.

    A repeated input counts once, because a model gives it the same answer again.
    """

    asked: int
    compared: int
    disagreements: int

    @property
    def not_compared(self) -> int:
        return self.asked - self.compared

    @property
    def upper_bound(self) -> float:
        """The 95% upper bound of the share of disagreements, if the inputs are a random sample.

        See `statistics.estimates.upper_bound`.
        """
        # Imported here because importing scipy would delay the opening of a page.
        from benchmark.statistics.estimates import upper_bound

        return upper_bound(self.disagreements, self.compared)


def compare(outcomes: Sequence[Sequence[InputOutcome]], card: ModelCard, tolerance: float = TOLERANCE) -> Agreement:
    """Compare the outcomes of the same inputs: one sequence for each endpoint, in the order of the inputs.

    Two numbers agree within `tolerance`: probabilities and confidence absolutely, a regressor's predictions relative to
    the larger, or to the standard deviation of the target where that is larger still (the rule of PEP 485 with its
    absolute tolerance on the target's scale, because two values near 0 share no digit). Statuses, field names and
    labels must be equal. An input that one endpoint gave no HTTP answer to, or that all refused, is not compared. With
    one endpoint there are no pairs. Raises ValueError if the lengths differ.
    """
    pairs = tuple(
        _compare_pair((first, second), list(zip(outcomes[first], outcomes[second], strict=True)), card, tolerance)
        for first, second in combinations(range(len(outcomes)), 2)
    )
    differing = {one.index for pair in pairs for one in pair.differences}
    inputs = list(zip(*outcomes, strict=True))
    compared = sum(index in differing or comparable(*one) for index, one in enumerate(inputs))
    return Agreement(compared, len(inputs) - compared, pairs)


def comparable(*outcomes: InputOutcome) -> bool:
    """Whether these outcomes of one input, of two or more endpoints, all are HTTP answers, and any is a prediction."""
    return (
        len(outcomes) > 1
        and all(one.status is not None for one in outcomes)
        and any(one.answer is not None for one in outcomes)
    )


def tally(
    inputs: Sequence[Input],
    outcomes: Sequence[Sequence[InputOutcome]],
    agreement: Agreement,
    source: Source | None = None,
) -> Tally:
    """Count the different inputs of `source`, or of all; each sequence in `outcomes` is in the order of the inputs."""
    chosen = [index for index, one in enumerate(inputs) if source in (None, one.source)]
    differing = agreement.differing
    return Tally(
        len({inputs[index].values for index in chosen}),
        len(
            {
                inputs[index].values
                for index in chosen
                if index in differing or comparable(*(side[index] for side in outcomes))
            }
        ),
        len({inputs[index].values for index in chosen if index in differing}),
    )


def count_kinds(differences: Iterable[Difference]) -> dict[Kind, int]:
    """How many inputs show each kind of difference, worst first."""
    shown = Counter(kind for kind, _ in {(fact.kind, one.index) for one in differences for fact in one.facts})
    return {kind: shown[kind] for kind in Kind if shown[kind]}


def _compare_pair(
    positions: tuple[int, int], pairs: Sequence[tuple[InputOutcome, InputOutcome]], card: ModelCard, tolerance: float
) -> PairAgreement:
    answers = [(one.answer, other.answer) for one, other in pairs if one.answer and other.answer]
    found = scales(answers, card)
    order = class_order(answers, card, found, tolerance) if card.is_classifier else None
    differences = []
    compared, largest = 0, 0.0
    for index, (one, other) in enumerate(pairs):
        if not comparable(one, other):
            continue
        compared += 1
        facts, gap = _differ(one, other, card, found, order is not None, tolerance)
        largest = max(largest, gap or 0.0)
        if facts:
            differences.append(Difference(*positions, index, tuple(facts), gap))
    used = {fact.kind for difference in differences for fact in difference.facts}
    findings = [
        *([exchange(order, card, positions)] if order else ()),
        *(roundings(found, positions) if Kind.ROUNDED in used else ()),
        *(_missing(pairs, positions) if Kind.SCHEMA in used else ()),
    ]
    return PairAgreement(*positions, compared, tuple(differences), largest, tuple(findings))


def _differ(
    one: InputOutcome, other: InputOutcome, card: ModelCard, found: Scales, is_exchanged: bool, tolerance: float
) -> tuple[list[Fact], float | None]:
    """In what respects two outcomes differ, of which at least one is a prediction, and the largest gap."""
    if one.answer is None or other.answer is None:
        if one.status != other.status:
            return [OtherStatus((one.status, other.status))], None
        problem = (one if one.answer is None else other).detail
        return [Unusable(problem, Kind.CLASS_ORDER if problem == OTHER_LABEL else Kind.SCHEMA)], None
    facts: list[Fact] = []
    if one.fields is not None and other.fields is not None and one.fields != other.fields:
        facts.append(OtherFields(tuple(sorted({*one.fields} ^ {*other.fields}))))
    is_other_label = card.is_classifier and one.answer.prediction != other.answer.prediction
    if is_other_label:
        kind = Kind.CLASS_ORDER if is_exchanged else Kind.LABEL
        facts.append(OtherLabel((one.answer.label, other.answer.label), kind))
    largest: float | None = None
    for field, sides in numbers(one.answer, other.answer, card).items():
        gaps = [abs(a - b) for a, b in zip(*sides, strict=True)]
        scale = 1.0 if card.is_classifier else max(card.target_spread, *map(abs, chain(*sides))) or 1.0
        gap = max(gaps) / scale
        largest = gap if largest is None else max(largest, gap)
        if gap <= tolerance:
            continue
        if is_exchanged and field == "probabilities":
            kind = Kind.CLASS_ORDER
        else:
            kind = Kind.ROUNDED if is_rounding(max(gaps), sides, found[field], tolerance * scale) else Kind.VALUE
        at = gaps.index(max(gaps))
        facts.append(OtherNumber(field, (sides[0][at], sides[1][at]), kind))
    if is_other_label and not is_exchanged:
        lead = _lead(one.answer, other.answer)
        if lead is not None and lead <= min(2 * (largest or 0), _NEAR_TIE):
            facts.append(NearTie(lead))
    return facts, largest


def _lead(one: Answer, other: Answer) -> float | None:
    """How far apart the first endpoint's probabilities of the two predicted classes are."""
    shares = one.probabilities
    return None if shares is None else abs(shares[int(one.prediction)] - shares[int(other.prediction)])


def _missing(pairs: Sequence[tuple[InputOutcome, InputOutcome]], positions: tuple[int, int]) -> list[FieldsMissing]:
    fields: tuple[set[str], set[str]] = (set(), set())
    for both in pairs:
        if all(one.answer and one.fields is not None for one in both):
            for names, one in zip(fields, both, strict=True):
                names.update(one.fields or ())
    return [
        FieldsMissing(position, tuple(sorted(missing)))
        for position, missing in zip(positions, (fields[1] - fields[0], fields[0] - fields[1]), strict=True)
        if missing
    ]
