"""The parity check: it passes equal answers and nothing else."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from inference.card import ModelCard
from inference.model import Predict, load_model
from training.parity import TOLERANCE, ParityError, check_parity, grid

ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [5.9, 3.0, 4.2, 1.5], [6.3, 2.5, 5.0, 1.9]])
ANSWERS = [[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.0, 0.49999, 0.50001]]


def giving(outputs: Sequence[Sequence[float]]) -> Predict:
    """A predict function with fixed answers."""

    def predict(rows: Sequence[Sequence[float]]) -> list[list[float]]:
        return [list(output) for output in outputs]

    return predict


def disturbed(row: int, column: int, value: float) -> Predict:
    """The answers, one number of them changed by `value`."""
    outputs = [list(output) for output in ANSWERS]
    outputs[row][column] += value
    return giving(outputs)


def test_equal_answers_pass_with_their_largest_difference(iris_card: ModelCard) -> None:
    assert check_parity(iris_card, ROWS, giving(ANSWERS), giving(ANSWERS)) == 0
    assert check_parity(iris_card, ROWS, giving(ANSWERS), disturbed(1, 0, 5e-6)) == pytest.approx(5e-6)


@pytest.mark.parametrize("value", [TOLERANCE * 1.1, -TOLERANCE * 1.1, 0.1])
@pytest.mark.parametrize(("row", "column"), [(0, 1), (1, 2)])
def test_a_probability_off_by_more_than_the_tolerance_fails(
    row: int, column: int, value: float, iris_card: ModelCard
) -> None:
    with pytest.raises(ParityError, match="largest difference"):
        check_parity(iris_card, ROWS, giving(ANSWERS), disturbed(row, column, value))


def test_another_label_fails_however_small_the_difference(iris_card: ModelCard) -> None:
    near = [[0.5, 0.5 - 1e-7, 0.0]] * 3
    other = [[0.5 - 1e-7, 0.5, 0.0]] * 3
    with pytest.raises(ParityError, match="3 of 3 labels differ"):
        check_parity(iris_card, ROWS, giving(near), giving(other))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_answer_that_is_no_number_fails(value: float, iris_card: ModelCard) -> None:
    with pytest.raises(ParityError):
        check_parity(iris_card, ROWS, giving(ANSWERS), disturbed(0, 0, value))


@pytest.mark.parametrize("outputs", [ANSWERS[:2], [row[:2] for row in ANSWERS]], ids=["rows", "classes"])
def test_another_shape_fails(outputs: Sequence[Sequence[float]], iris_card: ModelCard) -> None:
    with pytest.raises(ParityError, match="shapes"):
        check_parity(iris_card, ROWS, giving(ANSWERS), giving(outputs))


def test_a_regressors_difference_is_relative_to_the_value_or_the_spread_of_the_target(diabetes_card: ModelCard) -> None:
    assert diabetes_card.target_spread == pytest.approx(77.09, abs=0.01)
    reference = giving([[1e6], [-200.0], [1e-3]])
    near = giving([[1e6 + 9], [-200.0018], [1e-3 + 9e-6 * 77.09]])
    assert check_parity(diabetes_card, ROWS, reference, near) == pytest.approx(9e-6, rel=0.01)
    for far in ([[1e6 + 11], [-200.0], [1e-3]], [[1e6], [-200.003], [1e-3]], [[1e6], [-200.0], [1e-3 + 1.1e-5 * 77.1]]):
        with pytest.raises(ParityError, match="largest difference"):
            check_parity(diabetes_card, ROWS, reference, giving(far))


def test_without_a_spread_in_the_card_a_difference_is_relative_to_the_value_alone(mileage: ModelCard) -> None:
    assert mileage.target_spread == 0
    reference = giving([[1e6], [-200.0], [1e-3]])
    assert check_parity(mileage, ROWS, reference, reference) == 0
    with pytest.raises(ParityError, match="largest difference"):
        check_parity(mileage, ROWS, reference, giving([[1e6], [-200.0], [1e-3 + 2e-8]]))


def test_one_disturbed_answer_among_all_of_a_real_model_is_found(iris_dir: Path) -> None:
    onnx, sklearn = load_model(iris_dir, "onnx"), load_model(iris_dir, "sklearn")
    rows = grid(ROWS)

    def almost(inputs: Sequence[Sequence[float]]) -> list[list[float]]:
        outputs = onnx.predict(inputs)
        outputs[len(outputs) // 3][0] += 2e-5
        return outputs

    assert check_parity(onnx.card, rows, sklearn.predict, onnx.predict) <= TOLERANCE
    with pytest.raises(ParityError):
        check_parity(onnx.card, rows, sklearn.predict, almost)


@pytest.mark.parametrize("features", [1, 2, 4, 10, 14, 15, 30, 256])
def test_the_grid_spans_the_range_of_each_column(features: int) -> None:
    inputs = np.random.default_rng(0).normal(size=(50, features))
    points = grid(inputs)
    assert points.shape[1] == features
    assert 1000 <= len(points) <= 20_000
    assert len(np.unique(points, axis=0)) == len(points)
    assert points.min(0) == pytest.approx(inputs.min(0))
    assert points.max(0) == pytest.approx(inputs.max(0))


def test_the_grid_of_wide_data_has_corners_and_points_between_them_and_is_always_the_same() -> None:
    inputs = np.random.default_rng(0).normal(size=(50, 30))
    points = grid(inputs)
    at_an_end = (points == inputs.min(0)) | (points == inputs.max(0))
    corners, between = np.count_nonzero(at_an_end.all(1)), np.count_nonzero(~at_an_end.any(1))
    assert between == 10_000
    assert corners == len(points) - between >= 9_900  # some are drawn twice
    assert np.array_equal(points, grid(inputs))
