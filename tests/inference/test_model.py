"""Loading: nothing is used that is not byte for byte what the card names, and nothing that answers wrongly."""

import hashlib
import io
import json
import math
import pickle
import random
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

import joblib
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from inference import model as models
from inference.linear import load_linear
from inference.model import ArtifactError, Model, load_model, load_onnx, load_sklearn
from inference.settings import Runtime
from tests.inference.damage import DAMAGES, FILES, MORE_DAMAGES, change_card, copy_of
from training.export import joblib_bytes, linear_bytes, onnx_bytes

RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
FILE_OF = models.FILES


@pytest.fixture
def artifact(iris_dir: Path, tmp_path: Path) -> Path:
    """A copy of the classifier's artifact, to be damaged."""
    return copy_of(iris_dir, tmp_path / "artifact")


def put(artifact: Path, name: str, data: bytes) -> None:
    """Write a file and its hash into the card: the artifact is whole, and another."""
    (artifact / name).write_bytes(data)
    change_card(artifact, lambda card: card["files"][name].update(sha256=hashlib.sha256(data).hexdigest()))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("damage", [*DAMAGES, *MORE_DAMAGES], ids=lambda damage: damage.name)
def test_a_damaged_artifact_is_refused_by_the_name_of_the_file(
    damage: Callable[[Path], str], runtime: Runtime, artifact: Path
) -> None:
    file = damage(artifact)
    with pytest.raises(ArtifactError) as refusal:
        load_model(artifact, runtime)
    assert str(refusal.value).startswith(f"artifact {file}: ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_flip_of_any_single_bit_is_noticed(runtime: Runtime, artifact: Path) -> None:
    chosen = random.Random(0)  # noqa: S311  which bits are tried is no secret
    for name in FILES:
        whole = (artifact / name).read_bytes()
        for _ in range(20):
            flipped = bytearray(whole)
            flipped[chosen.randrange(len(whole))] ^= 1 << chosen.randrange(8)
            (artifact / name).write_bytes(flipped)
            with pytest.raises(ArtifactError, match=f"artifact {name}: sha256 is not the one in the card"):
                load_model(artifact, runtime)
        (artifact / name).write_bytes(whole)
    load_model(artifact, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_another_artifacts_file_is_refused(runtime: Runtime, artifact: Path, diabetes_dir: Path) -> None:
    shutil.copy(diabetes_dir / FILE_OF[runtime], artifact)
    with pytest.raises(ArtifactError, match=f"{FILE_OF[runtime]}: sha256"):
        load_model(artifact, runtime)


class Hostile:
    """A pickle that touches a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self._marker,)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_pickle_is_not_run_before_its_hash_has_been_checked(runtime: Runtime, artifact: Path, tmp_path: Path) -> None:
    marker = tmp_path / "it-was-run"
    hostile = pickle.dumps(Hostile(marker))
    joblib.load(io.BytesIO(hostile))
    assert marker.exists()  # it does run where nothing stands before it
    marker.unlink()
    (artifact / "model.joblib").write_bytes(hostile)
    with pytest.raises(ArtifactError, match=r"model\.joblib: sha256"):
        load_model(artifact, runtime)
    assert not marker.exists()


def test_a_pickle_is_not_run_where_another_file_is_damaged(artifact: Path, tmp_path: Path) -> None:
    marker = tmp_path / "it-was-run"
    put(artifact, "model.joblib", pickle.dumps(Hostile(marker)))
    (artifact / "data.csv").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"data\.csv: sha256"):
        load_model(artifact, "sklearn")
    assert not marker.exists()


def test_the_onnx_runtime_never_loads_the_pickle(artifact: Path, tmp_path: Path) -> None:
    marker = tmp_path / "it-was-run"
    put(artifact, "model.joblib", pickle.dumps(Hostile(marker)))
    load_model(artifact, "onnx")
    assert not marker.exists()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_model_with_a_true_hash_and_wrong_answers_is_refused(runtime: Runtime, artifact: Path) -> None:
    inputs, targets = load_iris(return_X_y=True)
    another = LogisticRegression(C=0.01).fit(inputs, targets)
    put(artifact, "model.joblib", joblib_bytes(another))
    put(artifact, "model.onnx", onnx_bytes(another, [None] * 4, "double", "another"))
    put(artifact, "model.linear.json", linear_bytes(another) or b"")
    with pytest.raises(ArtifactError, match=f"{FILE_OF[runtime]}: known-answer test failed"):
        load_model(artifact, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("difference", [2e-5, -2e-5])
def test_an_answer_off_by_more_than_the_tolerance_is_refused(
    difference: float, runtime: Runtime, artifact: Path
) -> None:
    def shift(card: dict[str, Any]) -> None:
        card["known_answers"][-1]["outputs"][1] += difference

    change_card(artifact, shift)
    with pytest.raises(ArtifactError, match="known-answer test failed: wrong answer"):
        load_model(artifact, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_answer_within_the_tolerance_is_accepted(runtime: Runtime, artifact: Path) -> None:
    def shift(card: dict[str, Any]) -> None:
        card["known_answers"][-1]["outputs"][1] += 5e-6

    change_card(artifact, shift)
    load_model(artifact, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_regressors_tolerance_is_relative(runtime: Runtime, diabetes_dir: Path, tmp_path: Path) -> None:
    artifact = copy_of(diabetes_dir, tmp_path / "artifact")
    change_card(artifact, lambda card: scale_first_known_answer(card, 1 + 5e-6))
    load_model(artifact, runtime)
    change_card(artifact, lambda card: scale_first_known_answer(card, 1 + 2e-5))
    with pytest.raises(ArtifactError, match="known-answer test failed"):
        load_model(artifact, runtime)


@pytest.mark.parametrize(("spread", "is_accepted"), [(1e4, True), (1.0, False)])
def test_a_regressors_known_answers_may_be_off_on_the_scale_of_its_target(
    spread: float, is_accepted: bool, diabetes_dir: Path, tmp_path: Path
) -> None:
    artifact = copy_of(diabetes_dir, tmp_path / "artifact")

    def disturb(card: dict[str, Any]) -> None:
        card["training_data"]["target"]["standard_deviation"] = spread
        card["known_answers"][0]["outputs"][0] += 0.09

    change_card(artifact, disturb)
    with nullcontext() if is_accepted else pytest.raises(ArtifactError, match="wrong answer"):
        load_model(artifact)


def scale_first_known_answer(card: dict[str, Any], factor: float) -> None:
    card["known_answers"][0]["outputs"][0] *= factor


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("content", [b"", b"no model", b"\x80\x04."])
def test_bytes_that_are_no_model_are_refused_although_the_hash_is_true(
    content: bytes, runtime: Runtime, artifact: Path
) -> None:
    put(artifact, FILE_OF[runtime], content)
    with pytest.raises(ArtifactError, match=f"{FILE_OF[runtime]}: runtime {runtime} cannot use it"):
        load_model(artifact, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_model_of_another_shape_is_refused(runtime: Runtime, artifact: Path, diabetes_dir: Path) -> None:
    put(artifact, FILE_OF[runtime], (diabetes_dir / FILE_OF[runtime]).read_bytes())
    with pytest.raises(ArtifactError, match=f"artifact {FILE_OF[runtime]}: "):
        load_model(artifact, runtime)


class Answering:
    """An estimator that always gives the same probabilities."""

    def __init__(self, rows: list[list[float]]) -> None:
        self._rows = rows

    def predict_proba(self, inputs: Sequence[Sequence[float]]) -> Any:
        import numpy as np

        return np.array(self._rows)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_answers_that_are_no_numbers_are_refused(value: float, artifact: Path) -> None:
    buffer = io.BytesIO()
    joblib.dump(Answering([[value] * 3] * 4), buffer)
    put(artifact, "model.joblib", buffer.getvalue())
    with pytest.raises(ArtifactError, match=r"model\.joblib: known-answer test failed: wrong answer"):
        load_model(artifact, "sklearn")


def test_a_missing_directory_is_refused_by_the_name_of_the_card(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"artifact model\.json: not found in .*nowhere"):
        load_model(tmp_path / "nowhere", "onnx")


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "artifact").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"artifact model\.json: "):
        load_model(tmp_path / "artifact", "onnx")


def test_a_file_that_the_card_names_besides_is_checked_too(artifact: Path) -> None:
    data = b"notes"
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    change_card(artifact, lambda card: card["files"].update({"notes.txt": entry}))
    with pytest.raises(ArtifactError, match=r"notes\.txt: not found"):
        load_model(artifact, "onnx")
    (artifact / "notes.txt").write_bytes(data)
    load_model(artifact, "onnx")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_known_answers_are_given_back(runtime: Runtime, iris_dir: Path, diabetes_dir: Path) -> None:
    for directory in (iris_dir, diabetes_dir):
        model = load_model(directory, runtime)
        assert model.runtime == runtime
        outputs = model.predict([known.features for known in model.card.known_answers])
        for known, output in zip(model.card.known_answers, outputs, strict=True):
            assert output == pytest.approx(known.outputs, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_all_runtimes_give_the_same_answers_over_the_training_data(name: str, artifacts: Path) -> None:
    *others, sklearn = (load_model(artifacts / name, runtime) for runtime in RUNTIMES)
    lines = (artifacts / name / "data.csv").read_text().splitlines()[1:]
    rows = [[float(value) for value in line.split(",")[:-1]] for line in lines]
    absolute, relative = (1e-5, 0.0) if sklearn.card.is_classifier else (0.0, 1e-5)
    for model in others:
        for one, other in zip(model.predict(rows), sklearn.predict(rows), strict=True):
            assert one == pytest.approx(other, abs=absolute, rel=relative)
            assert one.index(max(one)) == other.index(max(other))


def test_a_batch_gives_what_single_rows_give(iris_model: Model) -> None:
    rows = [known.features for known in iris_model.card.known_answers]
    together = iris_model.predict(rows)
    for row, output in zip(rows, together, strict=True):
        assert iris_model.predict([row])[0] == pytest.approx(output, abs=1e-12)


def test_whole_numbers_are_measurements_like_others(iris_model: Model) -> None:
    assert iris_model.predict([[5, 3, 1, 1]]) == iris_model.predict([[5.0, 3.0, 1.0, 1.0]])


@pytest.mark.parametrize(("load", "runtime"), [(load_linear, "linear"), (load_onnx, "onnx"), (load_sklearn, "sklearn")])
def test_the_loaders_take_bytes_and_no_files(
    load: Callable[..., Any], runtime: Runtime, iris_dir: Path, iris_model: Model
) -> None:
    predict = load((iris_dir / FILE_OF[runtime]).read_bytes(), iris_model.card)
    row = iris_model.card.defaults
    assert predict([row])[0] == pytest.approx(iris_model.predict([row])[0], abs=1e-5)


def test_the_artifact_of_the_fixture_is_what_the_card_says(iris_dir: Path) -> None:
    card = json.loads((iris_dir / "model.json").read_text())
    for name, entry in card["files"].items():
        data = (iris_dir / name).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (entry["sha256"], entry["bytes"])
