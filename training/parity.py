"""Check that both exports give the same answers, for every training row and a grid over the training range."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.card import ModelCard, Value
from inference.model import Predict

TOLERANCE = 1e-5
"""Largest accepted difference: absolute for a probability, relative for a regressor's value.

A value is held against itself or the standard deviation of the target, whichever is larger: near 0, relative to itself
alone, a value has no correct digit. This is the rule of PEP 485, with the absolute tolerance on the target's scale.
"""

_GRID_POINTS = 20_000
_MISSING_SHARE = 0.1


class ParityError(Exception):
    """The two exports of one model do not give the same answers; the message says where and by how much."""


def grid(inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points over the range of each column of `inputs` (n, features): at most 20 000, however many features there are.

    A regular grid, as fine as that allows. If two levels per feature are already too many: the lowest and the highest
    corner, and points drawn with a fixed seed, half of them corners and half anywhere in between.
    """
    low, high = inputs.min(0), inputs.max(0)
    features = inputs.shape[1]
    if 2**features <= _GRID_POINTS:
        levels = int(_GRID_POINTS ** (1 / features))
        axes = [np.linspace(*ends, levels) for ends in zip(low, high, strict=True)]
        return np.array(list(itertools.product(*axes)))
    shares = np.random.default_rng(0).random((_GRID_POINTS, features))
    shares[: _GRID_POINTS // 2] = shares[: _GRID_POINTS // 2].round()
    shares[0], shares[1] = 0, 1
    # Once each: with few more features than a full grid can take, corners repeat. Exact at both ends.
    return np.unique(low * (1 - shares) + high * shares, axis=0)


def mixed_grid(columns: Sequence[NDArray[Any]], accepts_unknown: Sequence[bool]) -> list[tuple[Value, ...]]:
    """At most 20 000 points over `columns` (each (n,): numbers with NaN, or categories with None), as requests.

    Numbers are those of `grid`. Each category is drawn with a fixed seed from its values and, where it is accepted, one
    that is unknown. A column that has missing values misses one in ten.
    """
    drawn = np.random.default_rng(0)
    numbers = [column for column in columns if column.dtype != object]
    if numbers:
        ends = np.array([[np.nanmin(column), np.nanmax(column)] for column in numbers]).T
        points = grid(ends)
        count = len(points)
        by_column = iter(points.T)
    else:
        count = _GRID_POINTS
    found: list[list[Value]] = []
    for column, is_open in zip(columns, accepts_unknown, strict=True):
        if column.dtype == object:
            known = sorted({value for value in column.tolist() if value is not None})
            values = drawn.choice(np.array([*known, *(["?"] if is_open else [])], object), count)
            has_missing = any(value is None for value in column.tolist())
        else:
            values = next(by_column).astype(object)
            has_missing = bool(np.isnan(column).any())
        if has_missing:
            values[drawn.random(count) < _MISSING_SHARE] = None
        found.append(values.tolist())
    return list(zip(*found, strict=True))


def check_parity(
    card: ModelCard,
    inputs: NDArray[np.float64] | Sequence[Sequence[Value]],
    reference: Predict,
    candidate: Predict,
) -> float:
    """Compare two predict functions over `inputs` (n, features); return the largest difference.

    Raises ParityError if a label differs or a difference exceeds TOLERANCE.
    """
    rows: Any = inputs.tolist() if isinstance(inputs, np.ndarray) else inputs
    expected, actual = np.array(reference(rows)), np.array(candidate(rows))
    if expected.shape != actual.shape:
        raise ParityError(f"the outputs have the shapes {expected.shape} and {actual.shape}")
    difference = np.abs(actual - expected)
    if card.is_classifier:
        differing = int(np.sum(actual.argmax(1) != expected.argmax(1)))
        if differing:
            raise ParityError(f"{differing} of {len(rows)} labels differ")
    else:
        difference = difference / np.maximum(np.abs(expected), card.target_spread or np.finfo(float).tiny)
    largest = float(difference.max())
    if not largest <= TOLERANCE:  # NaN fails too
        raise ParityError(f"the largest difference over {len(rows)} rows is {largest:.2e}, above {TOLERANCE:.0e}")
    return largest
