"""Whether two endpoints give the same answers: what differs, how it is called, and how sure that leaves us.

Pure: outcomes in, judgement out. A difference has a name, because each name has another cause: an endpoint that rounds,
one that mixes up its classes, one that serves another model.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from benchmark.agreement.trials import Invalid, Source, Trial
from benchmark.endpoints.answer import NotJson, decode, judge
from benchmark.endpoints.catalog import Served
from benchmark.endpoints.protocols import WrongSchema
from benchmark.endpoints.protocols.faceoff import OTHER_LABEL, PROTOCOL, read_answer
from benchmark.endpoints.readable import is_readable
from benchmark.endpoints.sample import Answer, Failure
from inference.card import ModelCard

TOLERANCE = 1e-5
"""What arithmetic in another order or precision may differ by: training proves its two exports equal within this."""
_MOST_DIGITS = 6
"""Values with no more decimals than this were rounded; a model's own have about sixteen."""
_MATCHED_CLASSES = 50
"""With more classes a mixed-up order is not looked for: every class would have to be compared with every other."""


class Kind(StrEnum):
    """What differs between two answers to one input, worst first."""

    STATUS = "status"
    SCHEMA = "schema"
    CLASS_ORDER = "class order"
    LABEL = "label"
    VALUE = "value"
    ROUNDED = "rounded"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one endpoint made of one input. Without a `status` no HTTP answer came, and `failure` says why.

    `fields` are the names in the answer, in alphabetical order.
    """

    status: int | None = None
    failure: Failure | None = None
    detail: str | None = None
    answer: Answer | None = None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One input, by its place among the trials, to which the answers differ, and how.

    `gap` is the largest difference of two probabilities, or of two predicted values relative to the larger; None
    where there are no two numbers to compare.
    """

    index: int
    kinds: tuple[Kind, ...]
    gap: float | None
    detail: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """What comparing two endpoints' outcomes gave.

    `compared` inputs got an HTTP answer from both, of which at least one was a prediction. `findings` are what is true
    of an endpoint as a whole, in sentences. `largest_gap` is over all that was compared, also where they agree.
    """

    compared: int
    not_compared: int
    differences: tuple[Difference, ...]
    largest_gap: float
    findings: tuple[str, ...] = ()

    @property
    def by_kind(self) -> dict[Kind, int]:
        """How many inputs show each kind of difference; one input may show several."""
        counts = Counter(kind for difference in self.differences for kind in difference.kinds)
        return {kind: counts[kind] for kind in Kind if counts[kind]}

    def worst(self, count: int) -> tuple[Difference, ...]:
        """The `count` worst differences: by kind, then by size."""
        order = list(Kind)
        return tuple(sorted(self.differences, key=lambda one: (order.index(one.kinds[0]), -(one.gap or 0)))[:count])


@dataclass(frozen=True, slots=True)
class Tally:
    """How many different inputs were asked, how many of them compared, and on how many the two disagree.

    An input that is asked again is no other question: a model answers it as before.
    """

    asked: int
    compared: int
    disagreements: int

    @property
    def not_compared(self) -> int:
        return self.asked - self.compared

    @property
    def upper_bound(self) -> float:
        """The 95% upper bound of the share of disagreements, where the inputs are a random sample.

        See `statistics.estimates.upper_bound`.
        """
        # Imported here: scipy takes longer to import than a page may take to open.
        from benchmark.statistics.estimates import upper_bound

        return upper_bound(self.disagreements, self.compared)


@dataclass(frozen=True, slots=True)
class _Scale:
    """How one endpoint writes one field: in `rounded` of `n` answers with at most `digits` decimals."""

    digits: int
    rounded: int
    n: int

    @property
    def rounds(self) -> bool:
        # A saturated model answers 1 and 0 now and then, which are round without being rounded.
        return self.rounded > 0 and (self.digits > 0 or self.rounded == self.n)

    @property
    def half_unit(self) -> float:
        """The most that its rounding can move a value."""
        return 0.5 * 10.0**-self.digits if self.rounds else 0.0


_Scales = Mapping[str, tuple[_Scale, _Scale]]


def read_outcome(status: int, body: bytes, card: ModelCard) -> Outcome:
    """The outcome of a request with one row."""
    judged = judge(status, body, card, PROTOCOL)
    if judged.answer is None:
        return Outcome(status, judged.failure, judged.detail)
    return Outcome(status, answer=judged.answer, fields=tuple(sorted(decode(body))))


def read_outcomes(status: int, body: bytes, card: ModelCard, count: int) -> list[Outcome] | None:
    """The outcomes of a request with `count` rows as `instances`; None where the reply is no answer to so many rows."""
    if status != 200:
        return None
    try:
        document = decode(body)
    except NotJson:
        return None
    answers = document.get("predictions") if isinstance(document, dict) else None
    if not isinstance(answers, list) or len(answers) != count:
        return None
    return [_one_of_many(status, answer, document.get("model_version"), card) for answer in answers]


def _one_of_many(status: int, document: Any, version: Any, card: ModelCard) -> Outcome:
    if isinstance(document, dict) and version is not None:
        document = {"model_version": version, **document}
    try:
        return Outcome(status, answer=read_answer(document, card), fields=tuple(sorted(document)))
    except WrongSchema as error:
        return Outcome(status, Failure.WRONG_SCHEMA, str(error))


def compare(
    first: Sequence[Outcome],
    second: Sequence[Outcome],
    card: ModelCard,
    names: tuple[str, str] = ("the first", "the second"),
    tolerance: float = TOLERANCE,
) -> Agreement:
    """Compare the outcomes of the same inputs at two endpoints called `names`.

    Two numbers agree within `tolerance`: probabilities and confidence absolutely, a regressor's predictions relative to
    the larger. Statuses, names of fields and labels have to be equal. An input that one endpoint gave no HTTP answer
    to, or that both refused alike, is not compared. Raises ValueError where the lengths differ.
    """
    pairs = list(zip(first, second, strict=True))
    answers = [(one.answer, other.answer) for one, other in pairs if one.answer and other.answer]
    scales = _scales(answers, card)
    order = _class_order(answers, card, scales, tolerance) if card.is_classifier else None
    differences = []
    compared, largest = 0, 0.0
    for index, (one, other) in enumerate(pairs):
        if not comparable(one, other):
            continue
        compared += 1
        if one.answer is None or other.answer is None:
            differences.append(_unanswered(index, one, other))
            continue
        kinds, gap, details = _differ(one, other, card, scales, order, tolerance)
        largest = max(largest, gap or 0.0)
        if kinds:
            differences.append(
                Difference(index, tuple(kind for kind in Kind if kind in kinds), gap, "; ".join(details))
            )
    used = {kind for difference in differences for kind in difference.kinds}
    findings = [
        *(_order_finding(order, card, names) if order else ()),
        *(_rounding_findings(scales, names) if Kind.ROUNDED in used else ()),
        *(_missing_findings(pairs, names) if Kind.SCHEMA in used else ()),
    ]
    return Agreement(compared, len(pairs) - compared, tuple(differences), largest, tuple(findings))


def comparable(one: Outcome, other: Outcome) -> bool:
    """Whether both gave an HTTP answer, and at least one of them a prediction."""
    return one.status is not None and other.status is not None and bool(one.answer or other.answer)


def tally(
    trials: Sequence[Trial],
    outcomes: Sequence[Sequence[Outcome]],
    agreement: Agreement,
    source: Source | None = None,
) -> Tally:
    """Count the different inputs of `source`, or of all; `outcomes` has a list an endpoint, in the trials' order."""
    chosen = [index for index, trial in enumerate(trials) if source in (None, trial.source)]
    differing = {one.index for one in agreement.differences}
    one, other = outcomes
    return Tally(
        len({trials[index].values for index in chosen}),
        len({trials[index].values for index in chosen if comparable(one[index], other[index])}),
        len({trials[index].values for index in chosen if index in differing}),
    )


def _unanswered(index: int, one: Outcome, other: Outcome) -> Difference:
    if one.status != other.status:
        return Difference(index, (Kind.STATUS,), None, f"HTTP {one.status} and HTTP {other.status}")
    failed = one if one.answer is None else other
    kind = Kind.CLASS_ORDER if failed.detail == OTHER_LABEL else Kind.SCHEMA
    return Difference(index, (kind,), None, failed.detail or "the answer is not JSON")


def _differ(
    one: Outcome,
    other: Outcome,
    card: ModelCard,
    scales: _Scales,
    order: Sequence[int] | None,
    tolerance: float,
) -> tuple[set[Kind], float | None, list[str]]:
    kinds: set[Kind] = set()
    details: list[str] = []
    assert one.answer and other.answer  # the caller has looked  # noqa: S101
    if one.fields != other.fields:
        kinds.add(Kind.SCHEMA)
        details.append(f"only one has {', '.join(sorted({*one.fields} ^ {*other.fields}))}")
    if card.is_classifier and one.answer.prediction != other.answer.prediction:
        kinds.add(Kind.CLASS_ORDER if order else Kind.LABEL)
        details.append(f"{one.answer.label} and {other.answer.label}")
    largest: float | None = None
    for field, (values, others) in _numbers(one.answer, other.answer, card).items():
        gaps = [abs(a - b) for a, b in zip(values, others, strict=True)]
        scale = 1.0 if card.is_classifier else max(map(abs, (*values, *others))) or 1.0
        gap = max(gaps) / scale
        largest = gap if largest is None else max(largest, gap)
        if gap <= tolerance:
            continue
        at = gaps.index(max(gaps))
        details.append(f"{field} {values[at]:.6g} and {others[at]:.6g}")
        if order and field == "probabilities":
            kinds.add(Kind.CLASS_ORDER)
        elif _is_rounding(max(gaps), (values, others), scales[field], tolerance * scale):
            kinds.add(Kind.ROUNDED)
        else:
            kinds.add(Kind.VALUE)
    if Kind.LABEL in kinds and (lead := _lead(one.answer, other.answer)) is not None and lead <= 2 * (largest or 0):
        details.append(f"a near tie: the two classes are {lead:.1g} apart")
    return kinds, largest, details


def _lead(one: Answer, other: Answer) -> float | None:
    """How far the first endpoint has the two predicted classes apart."""
    shares = one.probabilities
    return None if shares is None else abs(shares[int(one.prediction)] - shares[int(other.prediction)])


def _numbers(one: Answer, other: Answer, card: ModelCard) -> dict[str, tuple[tuple[float, ...], tuple[float, ...]]]:
    """What both answers state in numbers, by field."""
    if not card.is_classifier:
        return {"prediction": ((one.prediction,), (other.prediction,))}
    found: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {}
    if one.probabilities is not None and other.probabilities is not None:
        found["probabilities"] = (one.probabilities, other.probabilities)
    if one.confidence is not None and other.confidence is not None:
        found["confidence"] = ((one.confidence,), (other.confidence,))
    return found


# --- Rounding: a fact of an endpoint, seen in all that it answers


def _scales(answers: Iterable[tuple[Answer, Answer]], card: ModelCard) -> dict[str, tuple[_Scale, _Scale]]:
    """How both endpoints write each field that both have."""
    needed: dict[str, tuple[list[int | None], list[int | None]]] = {}
    for one, other in answers:
        for field, sides in _numbers(one, other, card).items():
            lists = needed.setdefault(field, ([], []))
            for found, values in zip(lists, sides, strict=True):
                found.append(_most_decimals(values))
    return {field: (_scale(first), _scale(second)) for field, (first, second) in needed.items()}


def _scale(digits: Sequence[int | None]) -> _Scale:
    few = [one for one in digits if one is not None]
    return _Scale(max(few, default=0), len(few), len(digits))


def _most_decimals(values: Sequence[float]) -> int | None:
    most = 0
    for value in values:
        found = decimals(value)
        if found is None:
            return None
        most = max(most, found)
    return most


def decimals(value: float) -> int | None:
    """How many decimals `value` has: 0.98 has 2. None for more than six, which no rounding leaves."""
    return next(
        (digits for digits in range(_MOST_DIGITS + 1) if abs(round(value, digits) - value) <= 1e-12 * abs(value)), None
    )


def _is_rounding(
    gap: float, sides: tuple[Sequence[float], Sequence[float]], scales: tuple[_Scale, _Scale], allowed: float
) -> bool:
    """Whether `gap` is no more than the rounding of those sides whose values are rounded here, and `allowed`."""
    moved = [
        scale.half_unit
        for values, scale in zip(sides, scales, strict=True)
        if scale.rounds and _most_decimals(values) is not None
    ]
    return bool(moved) and gap <= sum(moved) + allowed


def _rounding_findings(scales: _Scales, names: tuple[str, str]) -> list[str]:
    return [
        f"{name}: {field} rounded to {scale.digits} digit{'' if scale.digits == 1 else 's'}"
        + (f" in {scale.rounded} of {scale.n} answers." if scale.rounded < scale.n else ".")
        for side, name in enumerate(names)
        for field, both in scales.items()
        if (scale := both[side]).rounds and scale.half_unit
    ]


# --- Class order: another fact of an endpoint


def _class_order(
    answers: Sequence[tuple[Answer, Answer]],
    card: ModelCard,
    scales: _Scales,
    tolerance: float,
) -> tuple[int, ...] | None:
    """Which class of the second endpoint is each class of the first, where one exchange explains all answers.

    None where nothing is exchanged, or where no exchange explains them.
    """
    if len(card.classes) > _MATCHED_CLASSES:
        return None
    vectors = [
        (one.probabilities, other.probabilities)
        for one, other in answers
        if one.probabilities is not None and other.probabilities is not None
    ]
    if not vectors:
        return _label_order(answers, len(card.classes))
    allowed = tolerance + sum(scale.half_unit for scale in scales["probabilities"])
    order: list[int] = []
    for index in range(len(card.classes)):
        candidates = [index, *(other for other in range(len(card.classes)) if other != index)]
        match = next(
            (
                candidate
                for candidate in candidates
                if candidate not in order
                and all(abs(one[index] - other[candidate]) <= allowed for one, other in vectors)
            ),
            None,
        )
        if match is None:
            return None
        order.append(match)
    return tuple(order) if order != sorted(order) else None


def _label_order(answers: Sequence[tuple[Answer, Answer]], classes: int) -> tuple[int, ...] | None:
    """The same from labels alone, for endpoints that give no probabilities: needs two classes and no exception."""
    seen = {(int(one.prediction), int(other.prediction)) for one, other in answers}
    forward, backward = dict(seen), {other: one for one, other in seen}
    moved = sum(one != other for one, other in seen)
    if moved < 2 or len(forward) != len(seen) or len(backward) != len(seen):
        return None
    left = iter(sorted(set(range(classes)) - set(backward)))
    return tuple(forward[index] if index in forward else next(left) for index in range(classes))


def _order_finding(order: Sequence[int], card: ModelCard, names: tuple[str, str]) -> list[str]:
    moved = ", ".join(
        f"{card.classes[index]} as {card.classes[other]}" for index, other in enumerate(order) if index != other
    )
    return [f"The classes are in another order: what {names[0]} gives for {names[1]} is {moved}."]


def _missing_findings(pairs: Sequence[tuple[Outcome, Outcome]], names: tuple[str, str]) -> list[str]:
    fields: list[set[str]] = [set(), set()]
    for one, other in pairs:
        if one.answer and other.answer:
            fields[0].update(one.fields)
            fields[1].update(other.fields)
    return [
        f"{name} never gives {', '.join(sorted(missing))}."
        for name, missing in zip(names, (fields[1] - fields[0], fields[0] - fields[1]), strict=True)
        if missing
    ]


# --- Which model, and what is refused


def identity_differences(
    names: tuple[str, str], served: Sequence[Served | None], outcomes: Sequence[Sequence[Outcome]]
) -> tuple[str, ...]:
    """In which way the endpoints say that they serve different models: by cards, by files, by their answers' versions.

    To be said before anything else: with different models, different answers are no defect of a platform.
    """
    found = []
    cards = [one.card if one else None for one in served]
    one, other = cards
    if one and other:
        if one.version != other.version:
            found.append(f"{names[0]} serves {one.title} {one.version}, {names[1]} {other.title} {other.version}.")
        files = sorted(name for name in {*one.sha256, *other.sha256} if one.sha256.get(name) != other.sha256.get(name))
        if files:
            found.append(f"Not the same file by its sha256: {', '.join(files)}.")
        if one.classes != other.classes and set(one.classes) == set(other.classes):
            found.append(
                f"Their cards have the classes in another order: {', '.join(one.classes)}; {', '.join(other.classes)}."
            )
    versions = [
        sorted({outcome.answer.model_version or "none" for outcome in side if outcome.answer}) for side in outcomes
    ]
    if all(versions) and versions[0] != versions[1]:
        found.append(
            "The answers name different model versions: "
            + ", ".join(f"{name} {' and '.join(seen)}" for name, seen in zip(names, versions, strict=True))
            + "."
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What one endpoint made of one invalid input, not always a refusal: its status, and its error code if any."""

    status: int | None
    code: str | None = None

    @property
    def refused(self) -> bool:
        """Whether it blames the request, as an invalid one has to be; not so where it crashed over it."""
        return self.status is not None and 400 <= self.status < 500

    def describe(self) -> str:
        if self.status is None:
            return "no answer"
        said = f"{self.status} {self.code}" if self.code else str(self.status)
        return said if self.refused else f"{said} ({'accepted' if self.status < 400 else 'crashed'})"


def read_refusal(status: int, body: bytes) -> Refusal:
    """The refusal in a reply; the code is that of `{"error": {"code": ...}}`."""
    try:
        document = decode(body)
    except NotJson:
        return Refusal(status)
    error = document.get("error") if isinstance(document, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return Refusal(status, code if isinstance(code, str) and len(code) <= 64 and is_readable(code) else None)


@dataclass(frozen=True, slots=True)
class InvalidResult:
    """One invalid input and what both endpoints made of it, in their order."""

    invalid: Invalid
    refusals: tuple[Refusal, Refusal]

    @property
    def compared(self) -> bool:
        return all(one.status is not None for one in self.refusals)

    @property
    def same(self) -> bool:
        """Whether both refused it, with the same status and code."""
        return self.refusals[0].refused and self.refusals[0] == self.refusals[1]
