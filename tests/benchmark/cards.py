"""Small models, written down instead of trained: their cards, their artifacts on disk, and services that answer."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from inference.card import (
    CARD_FILE,
    DATA_FILE,
    JOBLIB_FILE,
    ONNX_FILE,
    ModelCard,
    NumberFeature,
    content_version,
    parse_card,
)
from inference.model import Model, Predict
from inference.service import Service
from inference.settings import ServingSettings

Outputs = Callable[[Sequence[float]], list[float]]
"""One row of features -> class probabilities, or one value."""

TEA_ROWS = b"""\
leaf_length,leaf_width,steep_time,target
3.0,1.0,2.0,green
3.5,1.2,2.5,green
5.0,2.0,3.5,oolong
5.5,2.2,4.0,oolong
7.0,3.0,5.0,black
"""
MILEAGE_ROWS = b"weight,power,target\n900.0,40.0,3.9\n1400.0,90.0,6.4\n2100.0,190.0,11.0\n"

FLAT_ROWS = """\
area,rooms,city,heating,sea_view,target
50.0,2.0,Oslo,1,false,280.0
,3.0,Bergen,2,true,340.0
80.0,3.0,,1,false,300.0
120.0,5.0,Åsgårdstrand and surroundings,3,true,520.0
""".encode()


def feature(
    name: str, label: str, unit: str, low: float, high: float, default: float, **changes: Any
) -> dict[str, Any]:
    """A feature's entry in a card: trained from `low` to `high`, allowed above 0 and up to 3000."""
    summary = {
        "minimum": low,
        "maximum": high,
        "mean": (low + high) / 2,
        "standard_deviation": (high - low) / 4,
        "quartiles": [low, (low + high) / 2, high],
        "histogram": {"edges": [low, high], "counts": [5]},
    }
    entry = {"name": name, "label": label, "unit": unit, "default": default, "step": 0.1, "training": summary}
    return {**entry, "limits": {"exclusive_minimum": 0.0, "maximum": 3000.0}, **changes}


def tea_document(**changes: Any) -> dict[str, Any]:
    """The card of a classifier with three features and three classes; `changes` replace its entries."""
    return _finished(
        {
            "format_version": 1,
            "name": "tea",
            "title": "Kinds of tea",
            "task": "classification",
            "model_type": "Softmax",
            "target": {"label": "Kind", "unit": ""},
            "features": [
                feature("leaf_length", "Leaf length", "cm", 3.0, 7.0, 5.0),
                feature("leaf_width", "Leaf width", "cm", 1.0, 3.0, 2.0),
                feature("steep_time", "Steep time", "min", 2.0, 5.0, 3.5),
            ],
            "classes": ["green", "oolong", "black"],
            "presets": [
                {"label": "Green", "values": [3.2, 1.1, 2.2]},
                {"label": "Black", "values": [6.8, 2.9, 4.9]},
            ],
            "known_answers": [{"features": [5.0, 2.0, 3.5], "outputs": tea_outputs([5.0, 2.0, 3.5])}],
            "files": files_of(TEA_ROWS),
        },
        changes,
    )


def mileage_document(**changes: Any) -> dict[str, Any]:
    """The card of a regressor with two features and no presets; `changes` replace its entries."""
    return _finished(
        {
            "format_version": 1,
            "name": "mileage",
            "title": "Fuel of cars",
            "task": "regression",
            "model_type": "Linear",
            "target": {"label": "Consumption", "unit": "l/100 km"},
            "features": [
                feature("weight", "Weight", "kg", 900.0, 2100.0, 1400.0, step=1.0),
                feature("power", "Power", "kW", 40.0, 190.0, 90.0, step=1.0),
            ],
            "classes": [],
            "presets": [],
            "known_answers": [{"features": [1400.0, 90.0], "outputs": mileage_outputs([1400.0, 90.0])}],
            "files": files_of(MILEAGE_ROWS),
        },
        changes,
    )


def category(name: str, label: str, counts: Mapping[str, int], **changes: Any) -> dict[str, Any]:
    """A category's entry in a card: `counts` by category, the first is the default."""
    return {
        "name": name,
        "label": label,
        "kind": "category",
        "type": "text",
        "default": next(iter(counts)),
        "categories": list(counts),
        "accepts_missing": False,
        "accepts_unknown": False,
        "training": {"counts": list(counts.values()), "missing": 0},
        **changes,
    }


def missing(entry: dict[str, Any], rows: int) -> dict[str, Any]:
    """The feature, which so many training rows do not have."""
    return {**entry, "accepts_missing": True, "training": {**entry["training"], "missing": rows}}


def flat_document(**changes: Any) -> dict[str, Any]:
    """The card of a regressor with numbers and categories, some of which may be missing or unknown."""
    cities = {"Oslo": 2, "Bergen": 1, "Åsgårdstrand and surroundings": 1}
    return _finished(
        {
            "format_version": 2,
            "name": "flat",
            "title": "Prices of flats",
            "task": "regression",
            "model_type": "Ridge",
            "target": {"label": "Price", "unit": "kEUR"},
            "features": [
                missing(feature("area", "Area", "m²", 50.0, 120.0, 80.0, step=1.0), 1),
                feature("rooms", "Rooms", "", 2.0, 5.0, 3.0, step=1.0),
                {**missing(category("city", "City", cities), 1), "accepts_unknown": True},
                missing(category("heating", "Heating", {"2": 2, "1": 1, "3": 1}, type="integer"), 1),
                category("sea_view", "Sea view", {"false": 2, "true": 2}, type="boolean"),
            ],
            "classes": [],
            "presets": [
                {"label": "Small", "values": [50.0, 2.0, "Bergen", "1", "false"]},
                {"label": "Unknown", "values": [None, 3.0, None, None, "true"]},
            ],
            "known_answers": [{"features": [80.0, 3.0, None, "1", "false"], "outputs": [310.0]}],
            "files": files_of(FLAT_ROWS),
        },
        changes,
    )


def flat_outputs(row: Sequence[Any]) -> list[float]:
    """The price: what is missing counts as usual."""
    area, rooms, city, heating, sea_view = row
    usual = 80.0 if area is None else area
    return [3 * usual + 20 * rooms + (40 if city == "Oslo" else 0) + (heating == "1") * 10 + (sea_view == "true") * 50]


def flat_outputs_but_where_missing(row: Sequence[Any]) -> list[float]:
    """The price, another one for a flat without an area: what an imputer of other values does."""
    return [flat_outputs(row)[0] * (2 if row[0] is None else 1)]


def tea_outputs(row: Sequence[float]) -> list[float]:
    """The three probabilities: the longer the leaf, the blacker the tea."""
    scores = [math.exp(-((row[0] - center) ** 2)) for center in (3.2, 5.2, 7.0)]
    return [score / sum(scores) for score in scores]


def mileage_outputs(row: Sequence[float]) -> list[float]:
    """The one value."""
    return [0.003 * row[0] + 0.025 * row[1]]


def files_of(rows: bytes) -> dict[str, Any]:
    """A card's `files`, of which only the training rows exist."""
    contents = {JOBLIB_FILE: b"joblib", ONNX_FILE: b"onnx", DATA_FILE: rows}
    return {name: {"sha256": hashlib.sha256(content).hexdigest()} for name, content in contents.items()}


def make_card(document: Mapping[str, Any]) -> ModelCard:
    return parse_card(json.loads(json.dumps(document)))


def numbers(card: ModelCard) -> list[NumberFeature]:
    """The features of a card that has numbers only."""
    assert all(isinstance(feature, NumberFeature) for feature in card.features)
    return [feature for feature in card.features if isinstance(feature, NumberFeature)]


def write_artifact(directory: Path, document: Mapping[str, Any], rows: bytes) -> Path:
    """What the dashboard reads of an artifact: the card and the training rows."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / CARD_FILE).write_text(json.dumps(document))
    (directory / DATA_FILE).write_bytes(rows)
    return directory


def make_service(card: ModelCard, outputs: Outputs) -> Service:
    """The real service over a model that is a function: every answer is one of the contract."""

    def predict(rows: Sequence[Sequence[float]]) -> list[list[float]]:
        return [outputs(row) for row in rows]

    model_predict: Predict = predict
    settings = ServingSettings.from_env({}, default_model_dir=Path("unused"))
    return Service(Model(card, "onnx", model_predict), settings, "little-service")


def _finished(document: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    document |= changes
    return {**document, "version": content_version(document)}
