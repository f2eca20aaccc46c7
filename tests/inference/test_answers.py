"""The bodies of answers: what the contract says, byte for byte, whatever the classes are called."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from inference.answers import Answers
from inference.card import ModelCard
from inference.contract import Rows, answer, encode

THREE = [[0.1, 0.45, 0.45], [1.0, 0.0, 5e-324], [1e-05, 0.99998, 1e-05]]
VALUES = [[151.5], [-0.0], [1e22]]


@pytest.mark.parametrize("names", [("setosa", "versicolor", "virginica"), ('"', "100 %s", "na\u00efve\n")])
@pytest.mark.parametrize("is_batch", [False, True])
def test_a_classifiers_answer_is_the_contracts(names: tuple[str, ...], is_batch: bool, iris_card: ModelCard) -> None:
    check(replace(iris_card, classes=names), THREE if is_batch else THREE[:1], is_batch)


@pytest.mark.parametrize("is_batch", [False, True])
def test_a_regressors_answer_is_the_contracts(is_batch: bool, diabetes_card: ModelCard) -> None:
    check(diabetes_card, VALUES if is_batch else VALUES[:1], is_batch)


def check(card: ModelCard, outputs: Sequence[Sequence[float]], is_batch: bool) -> None:
    answers = [answer(card, output) for output in outputs]
    expected = {"predictions": answers, "model_version": card.version} if is_batch else answers[0]
    assert Answers(card).body(Rows([[]] * len(outputs), is_batch), outputs) == encode(expected).encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_answer_that_is_no_number_is_never_written(
    value: float, diabetes_card: ModelCard, iris_card: ModelCard
) -> None:
    with pytest.raises(ValueError, match="cannot express"):
        Answers(diabetes_card).body(Rows(([1.0],)), [[value]])
    with pytest.raises(ValueError, match="cannot express"):
        Answers(iris_card).body(Rows(([1.0],)), [[0.1, value, 0.2]])
