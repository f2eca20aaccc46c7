"""The model in memory: verified byte for byte, loaded by one of three runtimes, and tested before it may answer."""

import hashlib
import importlib
import io
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.card import (
    CARD_FILE,
    JOBLIB_FILE,
    LINEAR_FILE,
    ONNX_FILE,
    CardError,
    CategoryFeature,
    CategoryType,
    ModelCard,
    Value,
    parse_card,
)
from inference.linear import Predict as Predict
from inference.linear import is_preferred, load_linear
from inference.settings import Runtime, RuntimeChoice, quiet_native_libraries

KNOWN_ANSWER_TOLERANCE = 1e-5
"""Largest difference from a known answer: absolute for a probability, relative for a regressor's value."""

FILES: dict[Runtime, str] = {"linear": LINEAR_FILE, "onnx": ONNX_FILE, "sklearn": JOBLIB_FILE}
"""What each runtime loads."""
_MODULES: dict[Runtime, tuple[str, ...]] = {
    "linear": (),
    "onnx": ("onnxruntime",),
    "sklearn": ("joblib", "sklearn"),
}


_TYPED: dict[CategoryType, Callable[[Any], object]] = {"text": str, "boolean": "true".__eq__, "integer": int}


class ArtifactError(Exception):
    """A file of the artifact is missing, damaged or unusable, so the artifact must not be served."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"artifact {file}: {reason}")


@dataclass(frozen=True, slots=True)
class Model:
    """A verified, loaded and self-tested model."""

    card: ModelCard
    runtime: Runtime
    predict: Predict


def runtimes_of(card: ModelCard) -> tuple[Runtime, ...]:
    """Those that can serve the artifact, the one that `auto` takes first."""
    able: list[Runtime] = [runtime for runtime, file in FILES.items() if file in card.sha256]
    if "linear" in able and not is_preferred(card):
        able.append(able.pop(able.index("linear")))
    return tuple(able)


def runtime_for(directory: Path, wanted: RuntimeChoice) -> Runtime:
    """The runtime that `wanted` is for the artifact in `directory`; reads its card alone. Raises ArtifactError."""
    return runtimes_of(_read_card(directory))[0] if wanted == "auto" else wanted


def load_model(
    directory: Path, wanted: RuntimeChoice = "auto", runtime_is_ready: Callable[[], None] = lambda: None
) -> Model:
    """Load the artifact in `directory`; `runtime_is_ready` is called between importing the runtime and the rest.

    Every file that the card names is hashed, including those that this runtime does not need, before anything is
    deserialised: loading a pickle runs code. Bytes are read once, so the hashed bytes are the loaded ones. The
    hashes detect damage and mix-ups, but not an attacker who can write both the files and the card.

    Raises ArtifactError naming the file and the reason.
    """
    card = _read_card(directory)
    able = runtimes_of(card)
    runtime = able[0] if wanted == "auto" else wanted
    file = FILES[runtime]
    if runtime not in able:
        raise ArtifactError(file, f"not in the artifact, so it cannot be served with the runtime {runtime}")
    import_runtime(runtime)
    runtime_is_ready()
    wanted_bytes = b""
    for name, sha256 in card.sha256.items():
        data = _read(directory, name)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ArtifactError(name, "sha256 is not the one in the card")
        if name == file:
            wanted_bytes = data
    load = {"linear": load_linear, "onnx": load_onnx, "sklearn": load_sklearn}[runtime]
    try:
        predict = load(wanted_bytes, card)
        _check_known_answers(card, predict, file)
    except ArtifactError:
        raise
    except ImportError as error:
        raise ArtifactError(file, f"runtime {runtime} is not installed ({error.name})") from error
    except Exception as error:  # whatever the runtime raises: an artifact that it refuses is not served
        raise ArtifactError(file, f"runtime {runtime} cannot use it ({type(error).__name__})") from error
    return Model(card, runtime, predict)


def import_runtime(runtime: Runtime) -> None:
    """Import what `runtime` needs. What is missing is found, and said properly, by loading."""
    quiet_native_libraries()
    with suppress(ImportError):
        for module in _MODULES[runtime]:
            importlib.import_module(module)


def load_onnx(data: bytes, card: ModelCard) -> Predict:
    """An ONNX Runtime session over `data`, one thread, reading only the output that the card describes.

    Its input is one tensor of numbers, NaN where one is missing; with categories it has one input for each feature, in
    the card's order, in which a missing category is an empty text.
    """
    quiet_native_libraries()
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    dtypes = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(string)": np.object_}
    # A converted classifier gives labels and probabilities; the label is the position of the largest probability.
    output_names = [session.get_outputs()[-1].name]
    if card.categories:
        columns = [(one.name, dtypes[one.type], one.type == "tensor(string)") for one in session.get_inputs()]

        def predict_columns(rows: Sequence[Sequence[Value]]) -> list[list[float]]:
            inputs = {
                name: np.array([["" if is_text and value is None else value] for value in values], dtype)
                for (name, dtype, is_text), values in zip(columns, zip(*rows, strict=True), strict=True)
            }
            (outputs,) = session.run(output_names, inputs)
            return outputs.tolist()  # type: ignore[no-any-return]

        return predict_columns
    (model_input,) = session.get_inputs()
    dtype = dtypes[model_input.type]
    input_name = model_input.name

    def predict(rows: Sequence[Sequence[Value]]) -> list[list[float]]:
        (outputs,) = session.run(output_names, {input_name: np.array(rows, dtype)})
        return outputs.tolist()  # type: ignore[no-any-return]

    return predict


def load_sklearn(data: bytes, card: ModelCard) -> Predict:
    """The fitted estimator itself, unpickled by joblib. `data` must have been verified by the caller.

    One that was fitted on a DataFrame gets a DataFrame, with the names and types of its columns.
    """
    quiet_native_libraries()
    import joblib
    import numpy as np

    estimator = joblib.load(io.BytesIO(data))
    method = estimator.predict_proba if card.is_classifier else estimator.predict
    width = card.output_size
    names = getattr(estimator, "feature_names_in_", None)
    types = [feature.type if isinstance(feature, CategoryFeature) else None for feature in card.features]

    def predict(rows: Sequence[Sequence[Value]]) -> list[list[float]]:
        inputs = np.array(rows, np.float64) if names is None else data_frame(rows, types, names)
        outputs = method(inputs).reshape(len(rows), width)
        return outputs.tolist()  # type: ignore[no-any-return]

    return predict


def data_frame(rows: Sequence[Sequence[Value]], types: Sequence[CategoryType | None], names: Sequence[str]) -> Any:
    """`rows` (n, features) as a pandas DataFrame with the columns `names`; `types` is None for a number.

    Numbers are float64. Categories are objects: texts, booleans or integers as in the training table. What is missing
    is NaN.
    """
    import numpy as np
    import pandas as pd

    columns: dict[str, Any] = {}
    for name, kind, values in zip(names, types, zip(*rows, strict=True), strict=True):
        if kind is None:
            columns[str(name)] = np.array(values, np.float64)
        else:
            typed = _TYPED[kind]
            objects = [np.nan if value is None else typed(value) for value in values]
            columns[str(name)] = pd.Series(objects, dtype=object)
    return pd.DataFrame(columns)


def _read_card(directory: Path) -> ModelCard:
    try:
        return parse_card(json.loads(_read(directory, CARD_FILE)))
    except CardError as error:
        raise ArtifactError(CARD_FILE, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(CARD_FILE, "is not JSON") from error


def _read(directory: Path, name: str) -> bytes:
    try:
        return (directory / name).read_bytes()
    except FileNotFoundError:
        raise ArtifactError(name, f"not found in {directory}") from None
    except OSError as error:
        raise ArtifactError(name, error.strerror or type(error).__name__) from error


def _check_known_answers(card: ModelCard, predict: Predict, file: str) -> None:
    rows = [answer.features for answer in card.known_answers]
    floor = card.target_spread or 1.0
    outputs = predict(rows)
    if len(outputs) != len(rows):
        raise ArtifactError(file, "known-answer test failed: wrong number of answers")
    for answer, output in zip(card.known_answers, outputs, strict=True):
        if len(output) != card.output_size:
            raise ArtifactError(file, "known-answer test failed: wrong number of outputs")
        for expected, actual in zip(answer.outputs, output, strict=True):
            # Written so that NaN fails.
            if not abs(actual - expected) <= KNOWN_ANSWER_TOLERANCE * max(floor, abs(expected)):
                raise ArtifactError(file, "known-answer test failed: wrong answer")
