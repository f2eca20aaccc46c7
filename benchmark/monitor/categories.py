"""The values that endpoints counted for one feature, by category, and those that were missing or unknown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.endpoints.values import MISSING, distinct
from inference.card import CategoryFeature, Feature, ModelCard

UNKNOWN = "unknown"
OTHERS = "others"


@dataclass(frozen=True, slots=True)
class OddValues:
    """The values of one feature that were missing, or in no category of the training data, of `count`."""

    feature: str
    missing: int
    unknown: int
    count: int
    missing_in_training: float
    """the share of the training rows"""


def odd_values(card: ModelCard, binned: Mapping[str, Sequence[int]]) -> list[OddValues]:
    """Each feature that may be missing or unknown and was counted; `binned` is as `drift` takes it."""
    found = []
    for feature in card.features:
        counts = binned.get(feature.name, ())
        if not (feature.accepts_missing or _accepts_unknown(feature)) or len(counts) != len(feature.bin_counts):
            continue
        unknown = counts[-1] if _accepts_unknown(feature) else 0
        # The bins of a feature end with those of missing and of unknown values.
        missing = counts[-1 - _accepts_unknown(feature)] if feature.accepts_missing else 0
        share = feature.missing / max(1, sum(feature.bin_counts))
        found.append(OddValues(feature.name, missing, unknown, sum(counts), share))
    return found


def by_category(feature: CategoryFeature, counts: Sequence[int], most: int) -> dict[str, int]:
    """`counts` of the bins of a feature by what they count, in the order of the card; empty if they do not fit.

    Of more than `most` categories, the least frequent in training are counted together.
    """
    if len(counts) != len(feature.bin_counts):
        return {}
    size = len(feature.categories)
    kept = size if size <= most else most - 1
    found = dict(zip(feature.categories[:kept], counts, strict=False))
    if kept < size:
        found[distinct(OTHERS, feature)] = sum(counts[kept:size])
    rest = list(counts[size:])
    if feature.accepts_missing:
        found[distinct(MISSING, feature)] = rest.pop(0)
    if feature.accepts_unknown:
        found[distinct(UNKNOWN, feature)] = rest.pop(0)
    return found


def _accepts_unknown(feature: Feature) -> bool:
    return isinstance(feature, CategoryFeature) and feature.accepts_unknown
