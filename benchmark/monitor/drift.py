"""Whether the inputs of an endpoint still look like its model's training data: the PSI of each feature.

The population stability index of B bins is sum((a - e) ln(a / e)), where e are the shares of the training rows and a
those of the values seen. It is usually read as little change below 0.1, moderate change up to 0.25 and large change
above, a rule of thumb from credit scoring that later writers trace to Lewis 1994 and Siddiqi 2006. The rule ignores the
sample size and has no error rate (Yurdakul and Naranjo, Statistical properties of the population stability index,
Journal of Risk Model Validation, 2020). Without drift, the PSI of n values against m training rows is to first order a
Pearson statistic, about (1/n + 1/m) chi-squared(B - 1). A PSI counts as drift only where it exceeds what chance gives.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from inference.card import ModelCard

ENOUGH = 100
"""The fewest values for a PSI: the smallest bin then expects five of them, as chi-squared is commonly held to need
(Cochran 1954). `chance` accounts for the noise of a PSI at every size."""
MODERATE = 0.1
LARGE = 0.25

_LEAST_SHARE = 0.05
_FALSE_ALARM = 0.05
"""The probability that at least one feature of a card is called drifted when none has."""


class DriftLevel(StrEnum):
    """How far the inputs of one feature have drifted, or why that cannot be said."""

    TOO_FEW = "too few"
    ONE_BIN = "one bin"
    UNREADABLE = "unreadable"
    CHANCE = "chance"
    SMALL = "small"
    MODERATE = "moderate"
    LARGE = "large"


@dataclass(frozen=True, slots=True)
class Drift:
    """One feature's inputs against its training values.

    `chance` is the PSI up to which chance explains it; it and `psi` are None where the level is not known.
    """

    feature: str
    count: int
    level: DriftLevel
    psi: float | None = None
    chance: float | None = None


def drift(card: ModelCard, binned: Mapping[str, Sequence[int]]) -> list[Drift]:
    """Each feature of `card`, in its order; `binned` counts values by feature and bin of the card's histogram."""
    found = []
    for feature in card.features:
        counts = binned.get(feature.name, ())
        training = feature.bin_counts
        seen = sum(counts)
        if counts and len(counts) != len(training):
            found.append(Drift(feature.name, seen, DriftLevel.UNREADABLE))
            continue
        if not counts:
            found.append(Drift(feature.name, 0, DriftLevel.UNREADABLE if binned else DriftLevel.TOO_FEW))
            continue
        groups = merged(training)
        if len(groups) < 2:
            found.append(Drift(feature.name, seen, DriftLevel.ONE_BIN))
            continue
        if seen < ENOUGH:
            found.append(Drift(feature.name, seen, DriftLevel.TOO_FEW))
            continue
        expected = [sum(training[index] for index in group) for group in groups]
        actual = [sum(counts[index] for index in group) for group in groups]
        value = psi(expected, actual)
        limit = chance(sum(expected), seen, len(groups), _FALSE_ALARM / len(card.features))
        found.append(Drift(feature.name, seen, _level(value, limit), value, limit))
    return found


def _level(value: float, limit: float) -> DriftLevel:
    if value <= limit:
        return DriftLevel.CHANCE
    return DriftLevel.LARGE if value >= LARGE else DriftLevel.MODERATE if value >= MODERATE else DriftLevel.SMALL


def merged(counts: Sequence[int]) -> list[range]:
    """Neighbouring bins joined until each group has 5 % of the training rows, so that no share is near 0."""
    least = _LEAST_SHARE * sum(counts)
    groups: list[range] = []
    start = 0
    for index in range(len(counts)):
        if sum(counts[start : index + 1]) >= max(least, 1):
            groups.append(range(start, index + 1))
            start = index + 1
    if start < len(counts) and groups:  # what is left joins the last group
        groups[-1] = range(groups[-1].start, len(counts))
    return groups


def psi(expected: Sequence[int], actual: Sequence[int]) -> float:
    """The PSI of the `actual` counts against the `expected` ones, by bin; an empty bin counts as half a value."""
    total_expected, total_actual = sum(expected), sum(actual)
    result = 0.0
    for count_expected, count_actual in zip(expected, actual, strict=True):
        e = max(count_expected, 0.5) / total_expected
        a = max(count_actual, 0.5) / total_actual
        result += (a - e) * math.log(a / e)
    return result


def chance(training_rows: int, seen: int, bins: int, level: float) -> float:
    """The PSI that all but a share `level` of samples of `seen` values stay below when there is no drift."""
    # Imported on first use: the import takes longer than a page without any drift needs.
    from scipy.special import chdtri

    return (1 / seen + 1 / training_rows) * float(chdtri(bins - 1, level))
