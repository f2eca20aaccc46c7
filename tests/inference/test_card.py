"""The model card: what is accepted as one, and what is refused with which words."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.card import CardError, Limits, ModelCard, content_version, parse_card
from tests.benchmark.cards import numbers

Document = dict[str, Any]


@pytest.fixture
def document(iris_dir: Path) -> Document:
    """The classifier's card, to be changed."""
    loaded: Document = json.loads((iris_dir / "model.json").read_text())
    return loaded


@pytest.fixture
def regressor(diabetes_dir: Path) -> Document:
    """The regressor's card, to be changed."""
    loaded: Document = json.loads((diabetes_dir / "model.json").read_text())
    return loaded


def with_its_version(document: Document) -> Document:
    return {**document, "version": content_version(document)}


def test_a_classifiers_card_is_read_whole(document: Document) -> None:
    card = parse_card(document)
    assert card.is_classifier
    assert card.output_size == len(card.classes) == 3
    assert card.feature_names == ("sepal_length", "sepal_width", "petal_length", "petal_width")
    assert numbers(card)[0].title == "Sepal length (cm)"
    assert numbers(card)[0].limits == Limits(0.0, 30.0, minimum_is_exclusive=True)
    assert card.defaults == tuple(feature["default"] for feature in document["features"])
    assert [preset.label for preset in card.presets] == [preset["label"] for preset in document["presets"]]
    assert dict(card.sha256) == {name: entry["sha256"] for name, entry in document["files"].items()}
    assert card.document == document


def test_a_regressors_card_is_read_whole(regressor: Document) -> None:
    card = parse_card(regressor)
    assert not card.is_classifier
    assert card.output_size == 1
    assert card.classes == ()
    assert len(numbers(card)) == 10
    assert not numbers(card)[1].limits.minimum_is_exclusive


def test_a_title_without_a_unit_has_no_brackets(regressor: Document) -> None:
    regressor["features"][0]["unit"] = ""
    assert parse_card(with_its_version(regressor)).features[0].title == "Age"


def test_the_version_depends_on_the_content_and_on_nothing_else(document: Document) -> None:
    shuffled = dict(reversed(list(document.items())))
    assert content_version(shuffled) == document["version"]
    assert content_version({**document, "version": "another"}) == document["version"]
    assert content_version({**document, "title": "Another"}) != document["version"]


TOP_LEVEL = (
    *("format_version", "name", "title", "task", "model_type", "target"),
    *("features", "classes", "presets", "known_answers", "files", "version"),
)


@pytest.mark.parametrize("key", TOP_LEVEL)
def test_a_card_without_a_part_is_refused_by_its_name(key: str, document: Document) -> None:
    del document[key]
    with pytest.raises(CardError, match=key):
        parse_card(with_its_version(document) if key != "version" else document)


@pytest.mark.parametrize("key", ["name", "label", "unit", "default", "step", "limits", "training"])
def test_a_feature_without_a_part_is_refused_by_its_name(key: str, document: Document) -> None:
    del document["features"][1][key]
    with pytest.raises(CardError, match=key):
        parse_card(with_its_version(document))


@pytest.mark.parametrize("key", ["minimum", "maximum", "mean", "standard_deviation", "quartiles", "histogram"])
def test_a_training_summary_without_a_part_is_refused_by_its_name(key: str, document: Document) -> None:
    del document["features"][1]["training"][key]
    with pytest.raises(CardError, match=key):
        parse_card(with_its_version(document))


@pytest.mark.parametrize("not_a_card", [None, [], "card", 1, True])
def test_what_is_no_object_is_no_card(not_a_card: object) -> None:
    with pytest.raises(CardError, match="not a JSON object"):
        parse_card(not_a_card)


CHANGES: dict[str, tuple[Callable[[Document], object], str]] = {
    "format": (lambda card: card.update(format_version=3), "format_version"),
    "task": (lambda card: card.update(task="clustering"), "task"),
    "empty-name": (lambda card: card.update(name=""), "name"),
    "long-title": (lambda card: card.update(title="x" * 201), "title"),
    "number-as-title": (lambda card: card.update(title=1), "title"),
    "no-features": (lambda card: card.update(features=[]), "features"),
    "too-many-features": (lambda card: card.update(features=card["features"] * 65), "features"),
    "features-object": (lambda card: card.update(features={}), "features"),
    "same-feature-twice": (lambda card: card["features"][1].update(name="sepal_length"), "same name"),
    "feature-named-features": (lambda card: card["features"][0].update(name="features"), "name"),
    "feature-named-instances": (lambda card: card["features"][0].update(name="instances"), "name"),
    "upper-case-feature": (lambda card: card["features"][0].update(name="Sepal"), "name"),
    "feature-with-a-space": (lambda card: card["features"][0].update(name="sepal length"), "name"),
    "feature-with-a-line-end": (lambda card: card["features"][0].update(name="sepal\n"), "name"),
    "zero-step": (lambda card: card["features"][0].update(step=0), "step"),
    "text-step": (lambda card: card["features"][0].update(step="0.1"), "step"),
    "boolean-step": (lambda card: card["features"][0].update(step=True), "step"),
    "infinite-step": (lambda card: card["features"][0].update(step=float("inf")), "step"),
    "integer-too-long-for-a-float": (lambda card: card["features"][0].update(step=10**400), "step"),
    "default-outside": (lambda card: card["features"][0].update(default=31), "default"),
    "default-at-the-exclusive-limit": (lambda card: card["features"][0].update(default=0), "default"),
    "empty-limits": (lambda card: card["features"][0]["limits"].update(maximum=0), "limits"),
    "nan-limit": (lambda card: card["features"][0]["limits"].update(maximum=float("nan")), "maximum"),
    "no-lower-limit": (lambda card: card["features"][0].update(limits={"maximum": 30}), "minimum"),
    "training-outside": (lambda card: card["features"][0]["training"].update(maximum=31), "training range"),
    "training-reversed": (lambda card: card["features"][0]["training"].update(minimum=9, maximum=8), "training range"),
    "four-quartiles": (lambda card: card["features"][0]["training"].update(quartiles=[1, 2, 3, 4]), "quartiles"),
    "histogram-edges": (lambda card: card["features"][0]["training"]["histogram"]["edges"].pop(), "edges"),
    "histogram-edges-out-of-order": (
        lambda card: card["features"][0]["training"]["histogram"]["edges"].reverse(),
        "edges",
    ),
    "histogram-counts": (
        lambda card: card["features"][0]["training"]["histogram"]["counts"].__setitem__(0, 1.5),
        "counts",
    ),
    "negative-count": (
        lambda card: card["features"][0]["training"]["histogram"]["counts"].__setitem__(0, -1),
        "counts",
    ),
    "one-class": (lambda card: card.update(classes=["only"]), "classes"),
    "no-class": (lambda card: card.update(classes=[]), "classes"),
    "same-class-twice": (lambda card: card.update(classes=["a", "b", "a"]), "classes"),
    "number-as-class": (lambda card: card.update(classes=["a", "b", 3]), "class"),
    "regression-with-classes": (lambda card: card.update(task="regression"), "classes"),
    "preset-outside": (lambda card: card["presets"][0]["values"].__setitem__(0, 31), "preset"),
    "preset-too-short": (lambda card: card["presets"][0]["values"].pop(), "values"),
    "no-known-answer": (lambda card: card.update(known_answers=[]), "known_answers"),
    "known-answer-inputs": (lambda card: card["known_answers"][0]["features"].pop(), "features"),
    "known-answer-outputs": (lambda card: card["known_answers"][0]["outputs"].pop(), "outputs"),
    "known-answer-nan": (lambda card: card["known_answers"][0]["outputs"].__setitem__(0, float("nan")), "outputs"),
    "nan-where-only-people-read": (lambda card: card["metrics"].update(loss=float("nan")), "number|JSON|version"),
    "no-joblib": (lambda card: card["files"].pop("model.joblib"), "model.joblib"),
    "no-onnx": (lambda card: card["files"].pop("model.onnx"), "model.onnx"),
    "no-data": (lambda card: card["files"].pop("data.csv"), "data.csv"),
    "short-sha256": (lambda card: card["files"]["data.csv"].update(sha256="00"), "sha256"),
    "upper-case-sha256": (lambda card: card["files"]["data.csv"].update(sha256="A" * 64), "sha256"),
    "number-as-sha256": (lambda card: card["files"]["data.csv"].update(sha256=0), "sha256"),
    "file-outside": (lambda card: card["files"].update({"../x": card["files"]["data.csv"]}), "file name"),
    "file-in-a-folder": (lambda card: card["files"].update({"a/b": card["files"]["data.csv"]}), "file name"),
    "file-absolute": (lambda card: card["files"].update({"/etc/hosts": card["files"]["data.csv"]}), "file name"),
    "file-parent": (lambda card: card["files"].update({"..": card["files"]["data.csv"]}), "file name"),
    "target-text": (lambda card: card.update(target="species"), "target"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_card_that_contradicts_itself_is_refused_with_the_reason(change: str, document: Document) -> None:
    edit, reason = CHANGES[change]
    edit(document)
    with suppress(ValueError):  # NaN and Infinity have no version
        document = with_its_version(document)
    with pytest.raises(CardError, match=reason):
        parse_card(document)


def test_a_change_without_a_new_version_is_refused(document: Document) -> None:
    document["evaluation"]["method"] = "guessing"
    with pytest.raises(CardError, match="version"):
        parse_card(document)


def test_what_only_people_read_may_be_anything(document: Document) -> None:
    document["notes"] = ["free", {"text": None}]
    assert parse_card(with_its_version(document)).document["notes"] == ["free", {"text": None}]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(10**400),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=8,
)


@given(data=st.data(), value=JSON_VALUES)
def test_any_value_in_any_place_gives_a_card_or_a_card_error(
    data: st.DataObject, value: object, iris_card: ModelCard
) -> None:
    document: Document = json.loads(json.dumps(iris_card.document))
    place, key = data.draw(st.sampled_from(places(document)))
    place[key] = value
    with suppress(ValueError):  # NaN and Infinity have no version
        document = with_its_version(document)
    try:
        assert isinstance(parse_card(document), ModelCard)
    except CardError as error:
        assert str(error)


def places(document: Any) -> list[tuple[Any, Any]]:
    """Everything in the document: what holds it, and the key or the index there."""
    keys = list(document) if isinstance(document, dict) else range(len(document))
    nested = [key for key in keys if isinstance(document[key], (dict, list))]
    return [(document, key) for key in keys] + [found for key in nested for found in places(document[key])]


@pytest.mark.parametrize(
    ("limits", "inside", "outside", "words"),
    [
        (Limits(0.0, 30.0, minimum_is_exclusive=True), (5e-324, 30), (0, -0.0, 30.000001), "above 0 and at most 30"),
        (Limits(1.0, 2.0), (1, 1.5, 2), (0.999999, 2.000001, 10**400, -(10**400)), "at least 1 and at most 2"),
    ],
)
def test_limits_say_what_they_contain(
    limits: Limits, inside: tuple[float, ...], outside: tuple[float, ...], words: str
) -> None:
    assert all(limits.contain(value) for value in inside)
    assert not any(limits.contain(value) for value in outside)
    assert limits.describe() == words


def test_the_spread_of_a_regressors_target_is_read_from_its_training_data(
    document: Document, regressor: Document
) -> None:
    assert parse_card(regressor).target_spread == regressor["training_data"]["target"]["standard_deviation"]
    assert parse_card(document).target_spread == 0


@pytest.mark.parametrize(
    "training_data",
    [
        None,
        "rows",
        [],
        {"target": 3},
        *({"target": {"standard_deviation": bad}} for bad in ("1", True, -1, 0, 10**400)),
    ],
    ids=repr,
)
def test_a_card_without_a_usable_spread_has_none(training_data: Any, regressor: Document) -> None:
    changed = with_its_version({**regressor, "training_data": training_data})
    assert parse_card(changed).target_spread == 0
