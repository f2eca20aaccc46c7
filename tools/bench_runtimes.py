"""How long a request takes with the linear runtime, in terms of ONNX Runtime: `python -m tools.bench_runtimes`.

Both answer the same bodies in this process, in turns. What the size up to which `auto` prefers the linear runtime
(`inference.linear.MAX_WEIGHTS`) was read from.
"""

import json
import warnings
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inference.linear import load_linear
from inference.model import Model, load_onnx
from inference.service import Service
from inference.settings import ServingSettings
from tests.benchmark.cards import feature, make_card, tea_document
from training.export import linear_bytes, onnx_bytes

_SHAPES = ((4, 3), (13, 3), (30, 2), (64, 10), (100, 10), (128, 20), (256, 20))
_LIMITS = {"minimum": -99.0, "maximum": 99.0}


def services(features: int, classes: int) -> dict[str, Service]:
    """The same model behind both runtimes."""
    inputs = np.random.default_rng(0).normal(size=(max(200, 4 * classes), features))
    estimator = make_pipeline(StandardScaler(), LogisticRegression(max_iter=30))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how good the model is does not matter here
        estimator.fit(inputs, np.arange(len(inputs)) % classes)
    middle = [1.5] * features
    outputs = estimator.predict_proba(np.array([middle]))[0].tolist()
    card = make_card(
        tea_document(
            features=[feature(f"f{at}", f"F{at}", "", 1.0, 2.0, 1.5, limits=_LIMITS) for at in range(features)],
            classes=[f"c{at}" for at in range(classes)],
            presets=[],
            known_answers=[{"features": middle, "outputs": outputs}],
        )
    )
    settings = ServingSettings.from_env({}, default_model_dir=Path())
    linear = load_linear(linear_bytes(estimator) or b"", card)
    onnx = load_onnx(onnx_bytes(estimator, [None] * features, "double", "bench"), card)
    return {
        "linear": Service(Model(card, "linear", linear), settings, "linear"),
        "onnx": Service(Model(card, "onnx", onnx), settings, "onnx"),
    }


def ratio(found: dict[str, Service], features: int, rows: int, repeats: int) -> float:
    """The median duration of a request with so many rows: linear over ONNX."""
    values = np.random.default_rng(1).normal(size=(rows, features)).round(2)
    body = json.dumps({"instances": values.tolist()}).encode()
    durations: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(repeats):
        for name, service in found.items():
            started = perf_counter()
            assert service.respond("POST", "/predict", body, "application/json").status == 200  # noqa: S101
            durations[name].append(perf_counter() - started)
    return median(durations["linear"]) / median(durations["onnx"])


def main() -> None:
    """Print the table."""
    table = Table("features", "classes", "weights", "1 row", "1000 rows", title="linear / ONNX Runtime, medians")
    for features, classes in _SHAPES:
        found = services(features, classes)
        one, many = ratio(found, features, 1, 400), ratio(found, features, 1000, 10)
        table.add_row(str(features), str(classes), str(features * classes), f"{one:.2f} x", f"{many:.2f} x")
    Console().print(table)


if __name__ == "__main__":
    main()
