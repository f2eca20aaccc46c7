"""Check that both exports give the same answers, for every training row and a grid over the training range."""

import itertools

import numpy as np
from numpy.typing import NDArray

from inference.card import ModelCard
from inference.model import Predict

TOLERANCE = 1e-5
"""Largest accepted difference: absolute for a probability, relative for a regressor's value."""

_GRID_POINTS = 20_000


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


def check_parity(card: ModelCard, inputs: NDArray[np.float64], reference: Predict, candidate: Predict) -> float:
    """Compare two predict functions over `inputs` (n, features); return the largest difference.

    Raises ParityError if a label differs or a difference exceeds TOLERANCE.
    """
    rows = inputs.tolist()
    expected, actual = np.array(reference(rows)), np.array(candidate(rows))
    if expected.shape != actual.shape:
        raise ParityError(f"the outputs have the shapes {expected.shape} and {actual.shape}")
    difference = np.abs(actual - expected)
    if card.is_classifier:
        differing = int(np.sum(actual.argmax(1) != expected.argmax(1)))
        if differing:
            raise ParityError(f"{differing} of {len(rows)} labels differ")
    else:
        difference = difference / np.maximum(np.abs(expected), np.finfo(float).tiny)
    largest = float(difference.max())
    if not largest <= TOLERANCE:  # NaN fails too
        raise ParityError(f"the largest difference over {len(rows)} rows is {largest:.2e}, above {TOLERANCE:.0e}")
    return largest
