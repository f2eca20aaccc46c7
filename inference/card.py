"""The model card: everything about a model that the rest of the system needs to know.

The card makes the rest generic: the endpoints validate requests against it, the dashboard draws its sliders from it,
and nothing outside `training/` knows the data set.
"""

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, cast

FORMAT_VERSION = 1
CARD_FILE = "model.json"
JOBLIB_FILE = "model.joblib"
ONNX_FILE = "model.onnx"
LINEAR_FILE = "model.linear.json"
"""Only linear models have one."""
DATA_FILE = "data.csv"
ARTIFACT_FILES = frozenset({CARD_FILE, JOBLIB_FILE, ONNX_FILE, LINEAR_FILE, DATA_FILE})
"""All that an artifact may hold."""

Task = Literal["classification", "regression"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FEATURE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_MAX_FEATURES = 256
_MAX_CLASSES = 1000


class CardError(ValueError):
    """The document is not a model card that this version can read; the message says why in one clause."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The values that a request may contain, in the feature's unit; the lower bound may be exclusive."""

    minimum: float
    maximum: float
    minimum_is_exclusive: bool = False

    def contain(self, value: float) -> bool:
        """True where `value` (finite) is allowed."""
        above = value > self.minimum if self.minimum_is_exclusive else value >= self.minimum
        return above and value <= self.maximum

    def describe(self) -> str:
        """The limits as text, for error messages and documentation."""
        lower = "above" if self.minimum_is_exclusive else "at least"
        return f"{lower} {self.minimum:g} and at most {self.maximum:g}"


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """One feature in the training data, in the feature's unit; the histogram has one edge more than counts."""

    minimum: float
    maximum: float
    mean: float
    standard_deviation: float
    quartiles: tuple[float, float, float]
    histogram_edges: tuple[float, ...]
    histogram_counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Feature:
    """One model input. `step` is the resolution at which the feature was measured."""

    name: str
    label: str
    unit: str
    default: float
    step: float
    limits: Limits
    training: TrainingSummary

    @property
    def title(self) -> str:
        """Label with unit, as axes and sliders show it: `Petal length (cm)`."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, slots=True)
class Preset:
    """A named example input; `values` are in the card's feature order."""

    label: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """The expected output for `features`: class probabilities, or one value for a regressor."""

    features: tuple[float, ...]
    outputs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A trained model, described. Build it with `parse_card`, which checks everything these types promise."""

    name: str
    title: str
    task: Task
    version: str
    model_type: str
    target_label: str
    target_unit: str
    features: tuple[Feature, ...]
    classes: tuple[str, ...]
    presets: tuple[Preset, ...]
    known_answers: tuple[KnownAnswer, ...]
    sha256: Mapping[str, str]
    document: Mapping[str, Any]
    """The card as JSON gives it, with what only people read: evaluation, training data, library versions."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names in the order in which the model takes them."""
        return tuple(feature.name for feature in self.features)

    @property
    def defaults(self) -> tuple[float, ...]:
        """The default input, in the card's order."""
        return tuple(feature.default for feature in self.features)

    @property
    def target_title(self) -> str:
        """The predicted quantity with its unit, as axes and answers show it: `Consumption (l/100 km)`."""
        return f"{self.target_label} ({self.target_unit})" if self.target_unit else self.target_label

    @property
    def is_classifier(self) -> bool:
        return self.task == "classification"

    @property
    def output_size(self) -> int:
        """How many numbers the model gives per row: one a class, or one value for a regressor."""
        return len(self.classes) if self.is_classifier else 1


def content_version(document: Mapping[str, Any]) -> str:
    """The version of a card: the first 12 hex digits of the sha256 of its content without the version."""
    content = {key: value for key, value in document.items() if key != "version"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def parse_card(document: object) -> ModelCard:
    """Check a decoded `model.json` (or the card that `/model-info` gave) and return it typed.

    Raises CardError if anything that the endpoints or the dashboard rely on is missing, of the wrong type or
    contradictory, or if the version does not match the content.
    """
    card = _Object(document, "the card")
    if card.get("format_version") != FORMAT_VERSION:
        raise CardError(f"format_version is not {FORMAT_VERSION}")
    task = card.text("task")
    if task not in ("classification", "regression"):
        raise CardError("task is neither classification nor regression")
    features = tuple(_feature(item) for item in card.items("features", 1, _MAX_FEATURES))
    if len({feature.name for feature in features}) != len(features):
        raise CardError("two features have the same name")
    classes = tuple(_text(item, "a class") for item in card.items("classes", 0, _MAX_CLASSES))
    if len(set(classes)) != len(classes):
        raise CardError("two classes have the same name")
    if (task == "classification") != (len(classes) >= 2):
        raise CardError("the classes do not fit the task")
    target = _Object(card.get("target"), "target")
    files = _Object(card.get("files"), "files")
    result = ModelCard(
        name=card.text("name"),
        title=card.text("title"),
        task=cast(Task, task),
        version=card.text("version"),
        model_type=card.text("model_type"),
        target_label=target.text("label"),
        target_unit=target.text("unit", may_be_empty=True),
        features=features,
        classes=classes,
        presets=tuple(_preset(item, features) for item in card.items("presets", 0, 100)),
        known_answers=tuple(
            _known_answer(item, len(features), len(classes) or 1) for item in card.items("known_answers", 1, 100)
        ),
        sha256={_file_name(name): _sha256(entry) for name, entry in files.document.items()},
        document=card.document,
    )
    for name in (JOBLIB_FILE, ONNX_FILE, DATA_FILE):
        if name not in result.sha256:
            raise CardError(f"files does not name {name}")
    try:
        version = content_version(card.document)
    except (ValueError, RecursionError) as error:
        raise CardError("holds what JSON cannot express") from error
    if result.version != version:
        raise CardError("version is not the one that the content has")
    return result


class _Object:
    """A JSON object that is read key by key; an error names the key."""

    def __init__(self, document: object, what: str) -> None:
        if not isinstance(document, dict):
            raise CardError(f"{what} is not a JSON object")
        self.document: dict[str, Any] = document
        self._what = what

    def get(self, key: str) -> object:
        if key not in self.document:
            raise CardError(f"{self._what} has no {key}")
        return self.document[key]

    def text(self, key: str, *, may_be_empty: bool = False) -> str:
        return _text(self.get(key), key, may_be_empty=may_be_empty)

    def number(self, key: str) -> float:
        return _number(self.get(key), key)

    def items(self, key: str, at_least: int, at_most: int) -> list[Any]:
        value = self.get(key)
        if not isinstance(value, list) or not at_least <= len(value) <= at_most:
            raise CardError(f"{key} is not a list of {at_least} to {at_most} entries")
        return value

    def numbers(self, key: str, length: int) -> tuple[float, ...]:
        return tuple(_number(item, key) for item in self.items(key, length, length))


def _text(value: object, what: str, *, may_be_empty: bool = False) -> str:
    if not isinstance(value, str) or len(value) > 200 or not (value or may_be_empty):
        raise CardError(f"{what} is not a text of at most 200 characters")
    if _UNREADABLE.search(value):
        raise CardError(f"{what} holds a control character, or half of a character, which cannot be shown")
    return value


def _number(value: object, what: str) -> float:
    # Written so that NaN is refused, and so that an integer too long for a float is compared and not converted.
    if type(value) not in (int, float) or not abs(cast(float, value)) <= sys.float_info.max:
        raise CardError(f"{what} is not a finite number")
    return float(cast(float, value))


def _sha256(entry: object) -> str:
    value = _Object(entry, "a file's entry").get("sha256")
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise CardError("a file's sha256 is not 64 hexadecimal digits")
    return value


def _file_name(value: str) -> str:
    # A plain name: a card must not make a loader read outside the artifact's own directory.
    if not _FILE_NAME.fullmatch(value):
        raise CardError("files names something that is not a plain file name")
    return value


def _limits(document: object) -> Limits:
    limits = _Object(document, "limits")
    exclusive = "exclusive_minimum" in limits.document
    result = Limits(
        minimum=limits.number("exclusive_minimum" if exclusive else "minimum"),
        maximum=limits.number("maximum"),
        minimum_is_exclusive=exclusive,
    )
    if result.minimum >= result.maximum:
        raise CardError("a feature's limits are empty")
    return result


def _training_summary(document: object) -> TrainingSummary:
    summary = _Object(document, "training")
    histogram = _Object(summary.get("histogram"), "histogram")
    counts = histogram.items("counts", 1, 1000)
    if any(type(count) is not int or count < 0 for count in counts):
        raise CardError("a histogram's counts are not whole numbers")
    result = TrainingSummary(
        minimum=summary.number("minimum"),
        maximum=summary.number("maximum"),
        mean=summary.number("mean"),
        standard_deviation=summary.number("standard_deviation"),
        quartiles=cast(tuple[float, float, float], summary.numbers("quartiles", 3)),
        histogram_edges=histogram.numbers("edges", len(counts) + 1),
        histogram_counts=tuple(counts),
    )
    if result.minimum > result.maximum:
        raise CardError("a feature's training range is empty")
    if any(low > high for low, high in pairwise(result.histogram_edges)):
        raise CardError("a histogram's edges are out of order")
    return result


def _feature(document: object) -> Feature:
    feature = _Object(document, "a feature")
    name = feature.text("name")
    if not _FEATURE_NAME.fullmatch(name) or name in ("features", "instances"):
        raise CardError("a feature's name is not a plain lower-case identifier")
    result = Feature(
        name=name,
        label=feature.text("label"),
        unit=feature.text("unit", may_be_empty=True),
        default=feature.number("default"),
        step=feature.number("step"),
        limits=_limits(feature.get("limits")),
        training=_training_summary(feature.get("training")),
    )
    if result.step <= 0:
        raise CardError(f"the step of {name} is not above 0")
    if not result.limits.contain(result.default):
        raise CardError(f"the default of {name} is outside its limits")
    if not (result.limits.contain(result.training.minimum) and result.limits.contain(result.training.maximum)):
        raise CardError(f"the training range of {name} is outside its limits")
    return result


def _preset(document: object, features: tuple[Feature, ...]) -> Preset:
    preset = _Object(document, "a preset")
    result = Preset(label=preset.text("label"), values=preset.numbers("values", len(features)))
    if not all(feature.limits.contain(value) for feature, value in zip(features, result.values, strict=True)):
        raise CardError(f"the preset {result.label} is outside the limits")
    return result


def _known_answer(document: object, feature_count: int, output_size: int) -> KnownAnswer:
    answer = _Object(document, "a known answer")
    return KnownAnswer(
        features=answer.numbers("features", feature_count), outputs=answer.numbers("outputs", output_size)
    )
