"""Answers are believed only where they fit the model; nothing that an endpoint sends can raise anything else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.endpoints.answer import NotJson, decode
from benchmark.endpoints.protocols import WrongSchema
from benchmark.endpoints.protocols.faceoff import read_answer
from benchmark.endpoints.sample import Answer
from inference.card import ModelCard
from tests.benchmark.cards import make_card, mileage_document, tea_document

TEA = make_card(tea_document())
MILEAGE = make_card(mileage_document())

COMPLETE = {
    "prediction": 1,
    "prediction_label": "oolong",
    "confidence": 0.7,
    "probabilities": {"green": 0.2, "oolong": 0.7, "black": 0.1},
    "model_version": "abc",
}

numbers = st.one_of(st.integers(), st.floats(), st.integers(10**300, 10**400), st.sampled_from([-(10**400), 10**309]))
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(), st.sampled_from(TEA.classes))
documents = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)), max_leaves=20
)
fields = {
    "prediction": st.one_of(st.integers(-1, 3), numbers, documents),
    "prediction_label": documents,
    "confidence": st.one_of(numbers, documents),
    "probabilities": st.one_of(
        documents, st.fixed_dictionaries({name: st.one_of(st.floats(0, 1), numbers) for name in TEA.classes})
    ),
    "model_version": documents,
}
nearly_answers = st.fixed_dictionaries({}, optional=fields)


@given(st.one_of(documents, nearly_answers))
@pytest.mark.parametrize("card", [TEA, MILEAGE], ids=["classifier", "regressor"])
def test_whatever_an_endpoint_says_is_an_answer_or_a_wrong_schema(card: ModelCard, document: Any) -> None:
    try:
        answer = read_answer(document, card)
    except WrongSchema as error:
        assert str(error)
        return
    assert isinstance(answer, Answer)
    json.dumps([answer.prediction, answer.label, answer.confidence, answer.probabilities], allow_nan=False)
    if card.is_classifier:
        assert answer.label == card.classes[int(answer.prediction)]
        assert answer.confidence is None or 0 <= answer.confidence <= 1.000001
        assert answer.probabilities is None or len(answer.probabilities) == len(card.classes)


@given(st.binary())
def test_any_bytes_are_json_or_are_not(data: bytes) -> None:
    try:
        decode(data)
    except NotJson:
        with pytest.raises(ValueError):  # Python's parser takes NaN and Infinity, nothing else that is refused here
            json.loads(data.decode("utf-8"), parse_constant=int)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"<html></html>",
        b'{"prediction": NaN}',
        b'{"prediction": Infinity}',
        b'{"prediction": -Infinity}',
        b"\xff{}",
        b"\xef\xbb\xbf{}",
        b"\x1f\x8b\x08",
        b"[" * 100_000,
        b"1" * 5000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_not_json_is_refused_as_such(body: bytes) -> None:
    with pytest.raises(NotJson):
        decode(body)


def test_json_is_read_as_it_is() -> None:
    assert decode('{"prediction": 1, "prediction_label": "späte Ernte"}'.encode()) == {
        "prediction": 1,
        "prediction_label": "späte Ernte",
    }


def test_a_complete_answer_is_read_in_the_cards_order() -> None:
    reordered = {**COMPLETE, "probabilities": {"black": 0.1, "oolong": 0.7, "green": 0.2}}
    assert read_answer(reordered, TEA) == Answer(1, "oolong", 0.7, (0.2, 0.7, 0.1), "abc")


def test_a_prediction_alone_is_enough_and_gets_its_label_from_the_card() -> None:
    assert read_answer({"prediction": 2}, TEA) == Answer(2, "black")


def test_a_class_number_may_be_written_with_a_fraction_of_zero() -> None:
    assert read_answer({"prediction": 2.0}, TEA) == Answer(2, "black")


def test_what_else_an_endpoint_says_does_no_harm() -> None:
    assert read_answer({**COMPLETE, "latency": "12 ms", "extra": [None]}, TEA).label == "oolong"


def test_a_regressors_answer_is_one_number() -> None:
    assert read_answer({"prediction": 7, "model_version": "abc"}, MILEAGE) == Answer(7.0, model_version="abc")


def test_a_regressor_may_answer_any_finite_number() -> None:
    assert read_answer({"prediction": -1.5e30}, MILEAGE).prediction == -1.5e30


@pytest.mark.parametrize("document", [None, [], "text", 1, True, [COMPLETE]])
def test_an_answer_is_an_object(document: Any) -> None:
    with pytest.raises(WrongSchema, match="not an object"):
        read_answer(document, TEA)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prediction", None),
        ("prediction", "1"),
        ("prediction", "oolong"),
        ("prediction", True),
        ("prediction", [1]),
        ("prediction", -1),
        ("prediction", 3),
        ("prediction", 0.5),
        ("prediction", float("nan")),
        ("prediction", float("inf")),
        ("prediction", 10**400),
        ("prediction_label", "green"),
        ("prediction_label", "Oolong"),
        ("prediction_label", None),
        ("prediction_label", 1),
        ("prediction_label", ["oolong"]),
        ("confidence", -0.1),
        ("confidence", 1.1),
        ("confidence", "0.7"),
        ("confidence", True),
        ("confidence", float("nan")),
        ("confidence", 10**400),
        ("probabilities", []),
        ("probabilities", [0.2, 0.7, 0.1]),
        ("probabilities", {}),
        ("probabilities", {"green": 0.3, "oolong": 0.7}),
        ("probabilities", {"green": 0.2, "oolong": 0.7, "black": 0.1, "white": 0.0}),
        ("probabilities", {"green": 0.2, "oolong": 0.7, "white": 0.1}),
        ("probabilities", {"green": 0.2, "oolong": 0.7, "black": "0.1"}),
        ("probabilities", {"green": 0.2, "oolong": 0.7, "black": None}),
        ("probabilities", {"green": 0.2, "oolong": 0.7, "black": float("nan")}),
        ("probabilities", {"green": 0.2, "oolong": 0.7, "black": 10**400}),
        ("probabilities", {"green": -0.2, "oolong": 1.1, "black": 0.1}),
        ("probabilities", {"green": 0.2, "oolong": 0.2, "black": 0.2}),
        ("model_version", 1),
        ("model_version", ["abc"]),
        ("model_version", "a" * 201),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_field_that_is_wrong_makes_the_whole_answer_wrong_and_is_named(field: str, value: Any) -> None:
    with pytest.raises(WrongSchema, match=f"^{field} "):
        read_answer({**COMPLETE, field: value}, TEA)


@pytest.mark.parametrize(
    "value",
    [None, "7", True, [7], {"value": 7}, float("nan"), float("-inf"), 10**400],
    ids=lambda value: repr(value)[:40],
)
def test_a_regressors_prediction_is_a_finite_number(value: Any) -> None:
    with pytest.raises(WrongSchema, match="prediction is not a number"):
        read_answer({"prediction": value}, MILEAGE)


def test_a_missing_prediction_is_no_answer() -> None:
    with pytest.raises(WrongSchema, match="prediction"):
        read_answer({"prediction_label": "oolong"}, TEA)


@pytest.mark.parametrize("field", ["confidence", "probabilities", "model_version"])
def test_what_may_be_missing_may_be_null(field: str) -> None:
    assert getattr(read_answer({**COMPLETE, field: None}, TEA), field) is None


def test_probabilities_may_be_rounded() -> None:
    rounded = {"green": 0.33, "oolong": 0.34, "black": 0.32}
    assert read_answer({**COMPLETE, "probabilities": rounded}, TEA).probabilities == (0.33, 0.34, 0.32)
