"""The training rows, if the local artifact has exactly those of the card."""

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from benchmark.endpoints.rows import training_text
from inference.card import ModelCard, NumberFeature, Value


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Inputs in the card's feature order, None where one is missing; targets are class indices, or values."""

    inputs: tuple[tuple[Value, ...], ...]
    targets: tuple[float, ...]

    def with_values_of(self, features: Collection[int]) -> "TrainingRows":
        """The rows in which none of these features is missing."""
        kept = [place for place, row in enumerate(self.inputs) if all(row[index] is not None for index in features)]
        if len(kept) == len(self.inputs):
            return self
        return TrainingRows(tuple(self.inputs[place] for place in kept), tuple(self.targets[place] for place in kept))


def load(model_dir: Path, card: ModelCard) -> TrainingRows | None:
    """Read `data.csv`. None if it is missing, is not the file of the card, or does not fit the card."""
    text = training_text(model_dir, card)
    if text is None:
        return None
    inputs, targets = [], []
    try:
        for row in csv.DictReader(io.StringIO(text)):
            inputs.append(
                tuple(
                    (float(cell) if isinstance(feature, NumberFeature) else cell)
                    if (cell := row[feature.name]) or not feature.accepts_missing
                    else None
                    for feature in card.features
                )
            )
            target = row["target"]
            targets.append(float(card.classes.index(target)) if card.is_classifier else float(target))
    except (ValueError, KeyError, TypeError):  # the card of an endpoint may name this file without fitting it
        return None
    return TrainingRows(tuple(inputs), tuple(targets))
