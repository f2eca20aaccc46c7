"""Training that fails, at whatever step, leaves the artifact that was there as it was."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from inference.card import ModelCard
from inference.model import ArtifactError, Predict, load_onnx
from tests.inference.damage import copy_of
from training import __main__ as command
from training import selection
from training.datasets import iris
from training.parity import ParityError


@pytest.fixture(autouse=True)
def _short_cross_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "REPEATS", 1)
    monkeypatch.setattr(selection, "SPLITS", 2)


@pytest.fixture
def artifact(iris_dir: Path, tmp_path: Path) -> Path:
    """An artifact that is there already."""
    return copy_of(iris_dir, tmp_path / "artifacts" / "iris")


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def _disturbed_onnx(data: bytes, card: ModelCard) -> Predict:
    predict = load_onnx(data, card)

    def disturbed(rows: Sequence[Sequence[float]]) -> list[list[float]]:
        outputs = predict(rows)
        outputs[0][0] += 2e-5
        return outputs

    return disturbed


def _refused(*_: Any) -> None:
    raise ArtifactError("model.onnx", "runtime onnx cannot use it")


def _no_space(*_: Any) -> bytes:
    raise OSError(28, "No space left on device", "a file of the moment")


@pytest.mark.parametrize(
    ("step", "failing", "error", "words"),
    [
        ("load_onnx", _disturbed_onnx, ParityError, "largest difference"),
        ("load_model", _refused, ArtifactError, "cannot use it"),
        ("joblib_bytes", _no_space, OSError, "No space left"),
    ],
)
def test_a_failure_at_any_step_leaves_the_previous_artifact(
    step: str,
    failing: Callable[..., Any],
    error: type[Exception],
    words: str,
    artifact: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = content(artifact)
    monkeypatch.setattr(command, step, failing)
    assert command.main(["--output", str(artifact)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"not trained, {artifact} is unchanged: ")
    assert words in line
    assert "of the moment" not in line
    assert content(artifact) == before
    assert list(artifact.parent.iterdir()) == [artifact]
    with pytest.raises(error):
        command.train(iris(), artifact.parent / "new")
    assert not (artifact.parent / "new").exists()


def test_the_same_training_undisturbed_replaces_the_artifact(artifact: Path) -> None:
    before = content(artifact)
    assert command.main(["--output", str(artifact)]) == 0
    assert content(artifact).keys() == before.keys() - {"model.linear.json"}  # with fewer folds it is a forest
    assert content(artifact)["model.json"] != before["model.json"]  # its scores are those of fewer folds
