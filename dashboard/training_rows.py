"""The training rows, where the local artifact has exactly those that the card names."""

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from inference.card import DATA_FILE, ModelCard


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Inputs in the card's feature order; targets are class indices, or values."""

    inputs: tuple[tuple[float, ...], ...]
    targets: tuple[float, ...]


def load(model_dir: Path, card: ModelCard) -> TrainingRows | None:
    """Read `data.csv`, or None where it is not there or not the file that the card was trained on."""
    try:
        data = (model_dir / DATA_FILE).read_bytes()
    except OSError:
        return None
    if hashlib.sha256(data).hexdigest() != card.sha256[DATA_FILE]:
        return None
    inputs, targets = [], []
    for row in csv.DictReader(io.StringIO(data.decode())):
        inputs.append(tuple(float(row[name]) for name in card.feature_names))
        target = row["target"]
        targets.append(float(card.classes.index(target)) if card.is_classifier else float(target))
    return TrainingRows(tuple(inputs), tuple(targets))
