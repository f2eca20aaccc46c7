"""How an endpoint writes its numbers: whether it rounds them, to how many digits, and what that can explain."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from benchmark.endpoints.sample import Answer
from inference.card import ModelCard

_MOST_DIGITS = 6
"""Values with at most this many decimals count as rounded; unrounded ones have about sixteen."""

Numbers = Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]
"""The numbers that both of two answers contain, by field."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How one endpoint writes one field: `rounded` of `answers` have at most `digits` decimals."""

    digits: int
    rounded: int
    answers: int

    @property
    def rounds(self) -> bool:
        # A saturated model sometimes answers exactly 1 or 0 without rounding.
        return self.rounded > 0 and (self.digits > 0 or self.rounded == self.answers)

    @property
    def half_unit(self) -> float:
        """The largest change that its rounding can cause."""
        return 0.5 * 10.0**-self.digits if self.rounds else 0.0


Scales = Mapping[str, tuple[Scale, Scale]]
"""By field, how the first and how the second of two endpoints writes it."""


@dataclass(frozen=True, slots=True)
class Rounding:
    """The endpoint at `position` rounds `field`."""

    position: int
    field: str
    scale: Scale


def numbers(one: Answer, other: Answer, card: ModelCard) -> Numbers:
    """The numbers that both answers contain."""
    if not card.is_classifier:
        return {"prediction": ((one.prediction,), (other.prediction,))}
    found: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {}
    if one.probabilities is not None and other.probabilities is not None:
        found["probabilities"] = (one.probabilities, other.probabilities)
    if one.confidence is not None and other.confidence is not None:
        found["confidence"] = ((one.confidence,), (other.confidence,))
    return found


def scales(answers: Iterable[tuple[Answer, Answer]], card: ModelCard) -> Scales:
    """How both endpoints write each field that both return."""
    needed: dict[str, tuple[list[int | None], list[int | None]]] = {}
    for one, other in answers:
        for field, sides in numbers(one, other, card).items():
            lists = needed.setdefault(field, ([], []))
            for found, values in zip(lists, sides, strict=True):
                found.append(_most_decimals(values))
    return {field: (_scale(first), _scale(second)) for field, (first, second) in needed.items()}


def is_rounding(
    gap: float, sides: tuple[tuple[float, ...], tuple[float, ...]], field_scales: tuple[Scale, Scale], allowed: float
) -> bool:
    """Whether rounding (of the sides with rounded values here) and `allowed` explain `gap`."""
    moved = [
        scale.half_unit
        for values, scale in zip(sides, field_scales, strict=True)
        if scale.rounds and _most_decimals(values) is not None
    ]
    return bool(moved) and gap <= sum(moved) + allowed


def roundings(found: Scales, positions: tuple[int, int]) -> list[Rounding]:
    """What each of the two endpoints rounds."""
    return [
        Rounding(position, field, both[side])
        for side, position in enumerate(positions)
        for field, both in found.items()
        if both[side].rounds and both[side].half_unit
    ]


def decimals(value: float) -> int | None:
    """How many decimals `value` has: 0.98 has 2. None for more than six, which no rounding leaves."""
    return next(
        (digits for digits in range(_MOST_DIGITS + 1) if abs(round(value, digits) - value) <= 1e-12 * abs(value)), None
    )


def _scale(digits: Sequence[int | None]) -> Scale:
    few = [one for one in digits if one is not None]
    return Scale(max(few, default=0), len(few), len(digits))


@lru_cache(maxsize=2**15)  # every endpoint is in several pairs
def _most_decimals(values: tuple[float, ...]) -> int | None:
    most = 0
    for value in values:
        found = decimals(value)
        if found is None:
            return None
        most = max(most, found)
    return most
