"""Detect an endpoint with swapped classes: one permutation that explains all of its answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.agreement.rounding import Scales
from benchmark.endpoints.sample import Answer
from inference.card import ModelCard

_MATCHED_CLASSES = 50
"""No permutation is searched for above this number, because every class is compared with every other."""


@dataclass(frozen=True, slots=True)
class ClassesExchanged:
    """The endpoint at `first` swaps classes with the one at `second`; `moved` has pairs of class names."""

    first: int
    second: int
    exchanged: tuple[tuple[str, str], ...]


def class_order(
    answers: Sequence[tuple[Answer, Answer]], card: ModelCard, scales: Scales, tolerance: float
) -> tuple[int, ...] | None:
    """The second endpoint's class for each class of the first, if one permutation explains all answers.

    None if the classes are in the same order, or if no permutation explains the answers.
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


def exchange(order: Sequence[int], card: ModelCard, positions: tuple[int, int]) -> ClassesExchanged:
    """The finding that `order` makes about two endpoints."""
    moved = ((card.classes[index], card.classes[other]) for index, other in enumerate(order) if index != other)
    return ClassesExchanged(*positions, tuple(moved))


def _label_order(answers: Sequence[tuple[Answer, Answer]], classes: int) -> tuple[int, ...] | None:
    """The same from labels alone, for endpoints without probabilities: needs two moved classes and no exception."""
    seen = {(int(one.prediction), int(other.prediction)) for one, other in answers}
    forward, backward = dict(seen), {other: one for one, other in seen}
    moved = sum(one != other for one, other in seen)
    if moved < 2 or len(forward) != len(seen) or len(backward) != len(seen):
        return None
    left = iter(sorted(set(range(classes)) - set(backward)))
    return tuple(forward[index] if index in forward else next(left) for index in range(classes))
