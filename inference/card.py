"""The model card: everything about a model that the rest of the system needs to know.

The card makes the rest generic: the endpoints validate requests against it, the dashboard draws its inputs from it,
and nothing outside `training/` knows the data set.

Version 1 of the format has numbers only. Version 2 adds categories, missing values, names as a CSV file has them, and
artifacts without an ONNX model; a card that needs none of these is still written as version 1.
"""

import hashlib
import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, cast, get_args

FORMAT_VERSIONS = (1, 2)
CARD_FILE = "model.json"
JOBLIB_FILE = "model.joblib"
ONNX_FILE = "model.onnx"
LINEAR_FILE = "model.linear.json"
"""Only linear models have one."""
DATA_FILE = "data.csv"
ARTIFACT_FILES = frozenset({CARD_FILE, JOBLIB_FILE, ONNX_FILE, LINEAR_FILE, DATA_FILE})
"""All that an artifact may hold."""

Task = Literal["classification", "regression"]

Value = Any
"""One value of an input: a number, a category as text, or None where it is missing.

Not `float | str | None`: most code computes with the numbers of one feature, and its `Feature` says which these are.
"""

CategoryType = Literal["text", "boolean", "integer"]
"""What a category is in the training table. In the card and in an answer it is always text: `true`, `3`."""

MAX_CATEGORIES = 256
"""Of one feature."""
RESERVED_NAMES = frozenset({"features", "instances"})
"""A request uses these for itself."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FEATURE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_COLUMN_NAME = re.compile(r"\w([\w .,/()%+-]{0,62}[\w.()%+-])?")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,15}")
_NAMED_CATEGORIES = 10
_MAX_TEXT = 200
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
class NumberFeature:
    """A number. `step` is the resolution at which it was measured; `missing` counts training rows without it."""

    name: str
    label: str
    unit: str
    default: float
    step: float
    limits: Limits
    training: TrainingSummary
    accepts_missing: bool = False
    missing: int = 0

    @property
    def title(self) -> str:
        """Label with unit, as axes and sliders show it: `Petal length (cm)`."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def bin_counts(self) -> tuple[int, ...]:
        """The training rows as `/metrics` counts requests: by histogram bin, then the missing ones if accepted."""
        return (
            (*self.training.histogram_counts, self.missing) if self.accepts_missing else self.training.histogram_counts
        )

    def problem(self, value: object) -> str | None:
        """What is wrong with a decoded JSON value, if anything. Booleans and numeric strings are not numbers."""
        if type(value) is float or type(value) is int:
            # An integer too long for a float is outside any limits, as NaN is; comparing it needs no conversion.
            if self.limits.contain(value):
                return None
            is_finite = type(value) is int or math.isfinite(value)
            return f"must be {self.limits.describe()}" if is_finite else "must be a finite number"
        if value is None and self.accepts_missing:
            return None
        return "must be a number or null" if self.accepts_missing else "must be a number"


@dataclass(frozen=True, slots=True)
class CategoryFeature:
    """One of a list of texts; `counts` has the training rows of each, and `missing` those without one."""

    name: str
    label: str
    default: str
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    type: CategoryType = "text"
    accepts_missing: bool = False
    missing: int = 0
    accepts_unknown: bool = False
    """Whether other texts are valid too: the model ignores them."""
    index_of: Mapping[str, int] = field(init=False, repr=False, compare=False)
    """Each category's place in `categories`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "index_of", {category: index for index, category in enumerate(self.categories)})

    @property
    def title(self) -> str:
        """The label, as axes and inputs show it."""
        return self.label

    @property
    def bin_counts(self) -> tuple[int, ...]:
        """The training rows as `/metrics` counts requests: by category, then missing and unknown ones if accepted."""
        return (
            *self.counts,
            *((self.missing,) if self.accepts_missing else ()),
            *((0,) if self.accepts_unknown else ()),
        )

    def read(self, value: object) -> Value:
        """The category that a decoded JSON value means: `true` and 3 are written as JSON may write them."""
        if self.type == "boolean" and type(value) is bool:
            return "true" if value else "false"
        if self.type == "integer" and type(value) in (int, float):
            number = cast(float, value)  # 3.0 is the JSON number 3
            return str(int(number)) if abs(number) < 2**53 and number == int(number) else None
        return cast(Value, value)

    def problem(self, value: object) -> str | None:
        """What is wrong with a decoded JSON value, if anything."""
        if value is None and self.accepts_missing:
            return None
        found = self.read(value)
        if type(found) is str:
            if found in self.index_of:
                return None
            # An empty text is how a table says missing.
            if self.accepts_unknown and found and len(found) <= _MAX_TEXT and not _UNREADABLE.search(found):
                return None
        return f"must be {self.describe()}"

    def describe(self) -> str:
        """The accepted values as text, for error messages and documentation; it names a few categories at most."""
        named = ", ".join(self.categories[:_NAMED_CATEGORIES])
        more = len(self.categories) - _NAMED_CATEGORIES
        known = f"{named} and {more} more" if more > 0 else named
        null = ", or null" if self.accepts_missing else ""
        return f"a text, such as {known}{null}" if self.accepts_unknown else f"one of {known}{null}"


Feature = NumberFeature | CategoryFeature
"""One model input."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A named example input; `values` are in the card's feature order."""

    label: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """The expected output for `features`: class probabilities, or one value for a regressor."""

    features: tuple[Value, ...]
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
    without_onnx: str = ""
    """Why the artifact has no ONNX model, as a sentence; empty where it has one."""
    target_spread: float = 0.0
    """The standard deviation of a regressor's target in the training data; 0 where the card does not say."""
    is_numeric: bool = field(init=False)
    """True where every input is a number that has to be there."""
    categories: tuple[tuple[int, CategoryFeature], ...] = field(init=False)
    """The features that are categories, each with its place among the features."""

    def __post_init__(self) -> None:
        # Computed once: every request asks.
        numbers = [one for one in self.features if isinstance(one, NumberFeature) and not one.accepts_missing]
        categories = [(place, one) for place, one in enumerate(self.features) if isinstance(one, CategoryFeature)]
        object.__setattr__(self, "is_numeric", len(numbers) == len(self.features))
        object.__setattr__(self, "categories", tuple(categories))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names in the order in which the model takes them."""
        return tuple(feature.name for feature in self.features)

    @property
    def defaults(self) -> tuple[Value, ...]:
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
    version = card.get("format_version")
    if type(version) is not int or version not in FORMAT_VERSIONS:
        raise CardError(f"format_version is not {' or '.join(map(str, FORMAT_VERSIONS))}")
    task = card.text("task")
    if task not in ("classification", "regression"):
        raise CardError("task is neither classification nor regression")
    features = tuple(_feature(item, version) for item in card.items("features", 1, _MAX_FEATURES))
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
            _known_answer(item, features, len(classes) or 1) for item in card.items("known_answers", 1, 100)
        ),
        sha256={_file_name(name): _sha256(entry) for name, entry in files.document.items()},
        document=card.document,
        without_onnx=_text(card.document.get("without_onnx", ""), "without_onnx", may_be_empty=True),
        target_spread=_target_spread(card.document),
    )
    for name in (JOBLIB_FILE, ONNX_FILE, DATA_FILE):
        if name not in result.sha256 and (name != ONNX_FILE or version == 1):
            raise CardError(f"files does not name {name}")
    try:
        content = content_version(card.document)
    except (ValueError, RecursionError) as error:
        raise CardError("holds what JSON cannot express") from error
    if result.version != content:
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

    def flag(self, key: str) -> bool:
        """A member that may be left out for false."""
        value = self.document.get(key, False)
        if type(value) is not bool:
            raise CardError(f"{key} is neither true nor false")
        return value

    def count(self, key: str) -> int:
        """A member that may be left out for 0."""
        return _count(self.document.get(key, 0), key)

    def values(self, key: str, features: tuple[Feature, ...]) -> tuple[Value, ...]:
        """One value for each of the `features`; no range is checked."""
        items = self.items(key, len(features), len(features))
        return tuple(_value(item, feature, key) for item, feature in zip(items, features, strict=True))

    def numbers(self, key: str, length: int) -> tuple[float, ...]:
        return tuple(_number(item, key) for item in self.items(key, length, length))


def _text(value: object, what: str, *, may_be_empty: bool = False) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not (value or may_be_empty):
        raise CardError(f"{what} is not a text of at most {_MAX_TEXT} characters")
    if _UNREADABLE.search(value):
        raise CardError(f"{what} holds a control character, or half of a character, which cannot be shown")
    return value


def _number(value: object, what: str) -> float:
    # Written so that NaN is refused, and so that an integer too long for a float is compared and not converted.
    if type(value) not in (int, float) or not abs(cast(float, value)) <= sys.float_info.max:
        raise CardError(f"{what} is not a finite number")
    return float(cast(float, value))


def _count(value: object, what: str) -> int:
    if type(value) is not int or value < 0:
        raise CardError(f"{what} is not a whole number")
    return value


def _value(value: object, feature: Feature, what: str) -> Value:
    if value is None and feature.accepts_missing:
        return None
    return _number(value, what) if isinstance(feature, NumberFeature) else _text(value, what)


def _target_spread(card: Mapping[str, Any]) -> float:
    """0 for anything else than a positive number: `training_data` is for people, and cards of others may lack it."""
    found: Any = card.get("training_data")
    for key in ("target", "standard_deviation"):
        found = found.get(key) if isinstance(found, dict) else None
    return float(found) if type(found) in (int, float) and 0 < found <= sys.float_info.max else 0.0


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


def _feature(document: object, version: int) -> Feature:
    feature = _Object(document, "a feature")
    name = feature.text("name")
    if version == 1:
        if not _FEATURE_NAME.fullmatch(name) or name in RESERVED_NAMES:
            raise CardError("a feature's name is not a plain lower-case identifier")
        return _number_feature(feature, name)
    if not is_column_name(name):
        raise CardError("a feature's name is not a plain column name")
    kind = feature.document.get("kind", "number")
    if kind not in ("number", "category"):
        raise CardError("a feature's kind is neither number nor category")
    if kind == "category":
        return _category_feature(feature, name)
    missing = _Object(feature.get("training"), "training").count("missing")
    return _number_feature(feature, name, feature.flag("accepts_missing"), missing)


def is_column_name(name: str) -> bool:
    """Whether a feature may have this name: the characters of ordinary column names, without any markup."""
    return _COLUMN_NAME.fullmatch(name) is not None and name not in RESERVED_NAMES


def _number_feature(feature: _Object, name: str, accepts_missing: bool = False, missing: int = 0) -> NumberFeature:
    result = NumberFeature(
        name=name,
        label=feature.text("label"),
        unit=feature.text("unit", may_be_empty=True),
        default=feature.number("default"),
        step=feature.number("step"),
        limits=_limits(feature.get("limits")),
        training=_training_summary(feature.get("training")),
        accepts_missing=accepts_missing,
        missing=missing,
    )
    if result.step <= 0:
        raise CardError(f"the step of {name} is not above 0")
    if not result.limits.contain(result.default):
        raise CardError(f"the default of {name} is outside its limits")
    if not (result.limits.contain(result.training.minimum) and result.limits.contain(result.training.maximum)):
        raise CardError(f"the training range of {name} is outside its limits")
    return result


def _category_feature(feature: _Object, name: str) -> CategoryFeature:
    training = _Object(feature.get("training"), "training")
    categories = tuple(_text(item, "a category") for item in feature.items("categories", 1, MAX_CATEGORIES))
    kind = feature.text("type")
    if kind not in get_args(CategoryType):
        raise CardError(f"the type of {name} is not {', '.join(get_args(CategoryType))}")
    if kind == "boolean" and not set(categories) <= {"true", "false"}:
        raise CardError(f"the categories of {name} are not true and false")
    if kind == "integer" and not all(map(_INTEGER.fullmatch, categories)):
        raise CardError(f"the categories of {name} are not whole numbers")
    if len(set(categories)) != len(categories):
        raise CardError(f"two categories of {name} are equal")
    result = CategoryFeature(
        name=name,
        label=feature.text("label"),
        default=feature.text("default"),
        categories=categories,
        counts=tuple(_count(item, "counts") for item in training.items("counts", len(categories), len(categories))),
        type=cast(CategoryType, kind),
        accepts_missing=feature.flag("accepts_missing"),
        missing=training.count("missing"),
        accepts_unknown=feature.flag("accepts_unknown"),
    )
    if result.default not in result.index_of:
        raise CardError(f"the default of {name} is not one of its categories")
    if result.type != "text" and result.accepts_unknown:
        raise CardError(f"{name} accepts unknown categories but is not text")
    return result


def _preset(document: object, features: tuple[Feature, ...]) -> Preset:
    preset = _Object(document, "a preset")
    result = Preset(label=preset.text("label"), values=preset.values("values", features))
    if any(feature.problem(value) for feature, value in zip(features, result.values, strict=True)):
        raise CardError(f"the preset {result.label} is outside the limits")
    return result


def _known_answer(document: object, features: tuple[Feature, ...], output_size: int) -> KnownAnswer:
    answer = _Object(document, "a known answer")
    return KnownAnswer(features=answer.values("features", features), outputs=answer.numbers("outputs", output_size))
