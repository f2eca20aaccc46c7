"""Whether the inputs that an endpoint gets are still those that its model was trained on: PSI of each feature.

The population stability index of B bins, from the shares e of the training rows and a of what was seen, is
sum((a - e) ln(a / e)). Its usual reading, below 0.1 little change, 0.1 to 0.25 a moderate one, above 0.25 a large one,
is a rule of thumb of credit scoring that later writers trace to Lewis 1994 and Siddiqi 2006. It knows no sample size
and no rate of error (Yurdakul and Naranjo, Statistical properties of the population stability index, Journal of Risk
Model Validation, 2020). Without any drift the PSI of n values against m training rows is to first order a Pearson
statistic, about (1/n + 1/m) chi-squared(B - 1). So one is called drift only where it is above what chance gives too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from inference.card import ModelCard

ENOUGH = 100
"""Below so many values no PSI is given: a bin with the least share expects five then, what chi-squared is commonly held
to need (Cochran 1954). That a PSI above 0.1 is often chance is no reason: `chance` sees to that at every size."""
SOME = 0.1
LARGE = 0.25

_LEAST_SHARE = 0.05
_FALSE_ALARM = 0.05
"""How likely any feature of a card is called drifted where none has, in one look."""


class Verdict(StrEnum):
    """What is said of one feature."""

    TOO_FEW = "too few to tell"
    ONE_BIN = "not estimable: its training values are nearly all alike"
    UNREADABLE = "not counted by this endpoint"
    CHANCE = "no drift seen"
    SMALL = "small drift"
    SOME = "moderate drift"
    LARGE = "large drift"


@dataclass(frozen=True, slots=True)
class Drift:
    """One feature's inputs against its training values. `psi` and `chance`, the PSI up to which chance explains it,
    are None where nothing can be said; shares are by bin, of which the first and the last are open."""

    feature: str
    count: int
    verdict: Verdict
    psi: float | None = None
    chance: float | None = None
    edges: tuple[float, ...] = ()
    training_shares: tuple[float, ...] = ()
    seen_shares: tuple[float, ...] = ()


def drift(card: ModelCard, binned: Mapping[str, Sequence[int]]) -> list[Drift]:
    """Each feature of `card`, in its order; `binned` counts values by feature and bin of the card's histogram."""
    found = []
    for feature in card.features:
        counts = binned.get(feature.name, ())
        training = feature.training
        seen = sum(counts)
        if counts and len(counts) != len(training.histogram_counts):
            found.append(Drift(feature.name, seen, Verdict.UNREADABLE))
            continue
        if not counts:
            found.append(Drift(feature.name, 0, Verdict.UNREADABLE if binned else Verdict.TOO_FEW))
            continue
        groups = merged(training.histogram_counts)
        if len(groups) < 2:
            found.append(Drift(feature.name, seen, Verdict.ONE_BIN))
            continue
        if seen < ENOUGH:
            found.append(Drift(feature.name, seen, Verdict.TOO_FEW))
            continue
        expected = [sum(training.histogram_counts[index] for index in group) for group in groups]
        actual = [sum(counts[index] for index in group) for group in groups]
        value = psi(expected, actual)
        limit = chance(sum(expected), seen, len(groups), _FALSE_ALARM / len(card.features))
        found.append(
            Drift(
                feature.name,
                seen,
                _verdict(value, limit),
                value,
                limit,
                tuple(training.histogram_edges[group.start] for group in groups[1:]),
                tuple(count / sum(expected) for count in expected),
                tuple(count / seen for count in actual),
            )
        )
    return found


def _verdict(value: float, limit: float) -> Verdict:
    if value <= limit:
        return Verdict.CHANCE
    return Verdict.LARGE if value >= LARGE else Verdict.SOME if value >= SOME else Verdict.SMALL


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
    """The index of `actual` counts against `expected` ones, bin by bin; an empty bin counts as half a value."""
    total_expected, total_actual = sum(expected), sum(actual)
    result = 0.0
    for count_expected, count_actual in zip(expected, actual, strict=True):
        e = max(count_expected, 0.5) / total_expected
        a = max(count_actual, 0.5) / total_actual
        result += (a - e) * math.log(a / e)
    return result


def chance(training_rows: int, seen: int, bins: int, level: float) -> float:
    """The PSI that `seen` values without any drift stay below, but for a share `level` of such samples."""
    # Imported by the first use: it takes longer than a page without a verdict needs.
    from scipy.special import chdtri

    return (1 / seen + 1 / training_rows) * float(chdtri(bins - 1, level))
