"""The model card as a JSON document, computed from the data and the fitted model."""

import csv
import io
import platform
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.card import FORMAT_VERSION, content_version
from training.datasets import Dataset, FeatureInfo
from training.selection import Selection

_HISTOGRAM_BINS = 10
_LIBRARIES = ("scikit-learn", "numpy", "joblib", "skl2onnx", "onnx")


def describe(dataset: Dataset, selection: Selection, files: Mapping[str, bytes]) -> dict[str, Any]:
    """The card of `selection` trained on `dataset` and exported as `files` (name -> content).

    It holds no date and no path, so the same training gives the same bytes and the same version.
    """
    presets = _presets(dataset, selection)
    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "name": dataset.name,
        "title": dataset.title,
        "task": dataset.task,
        "model_type": selection.chosen.name,
        "target": {"label": dataset.target_label, "unit": dataset.target_unit},
        "features": [_feature(info, dataset.inputs[:, i]) for i, info in enumerate(dataset.features)],
        "classes": list(dataset.classes),
        "presets": presets,
        "evaluation": {
            "method": selection.method,
            "chosen_by": f"lowest mean {selection.criterion}",
            "candidates": {
                name: {
                    metric: {"mean": score.mean, "standard_deviation": score.standard_deviation}
                    for metric, score in metrics.items()
                }
                for name, metrics in selection.scores.items()
            },
        },
        "metrics": {
            metric: {"mean": score.mean, "standard_deviation": score.standard_deviation}
            for metric, score in selection.scores[selection.chosen.name].items()
        },
        "training_data": _training_data(dataset),
        "known_answers": _known_answers(selection, np.array([preset["values"] for preset in presets])),
        "files": {name: {"sha256": sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()},
        "libraries": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    }
    document["version"] = content_version(document)
    return document


def data_csv(dataset: Dataset) -> bytes:
    """The training rows: a header, the features in the card's order, and the target (class name or value)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(feature.name for feature in dataset.features), "target"])
    for row, target in zip(dataset.inputs.tolist(), dataset.targets.tolist(), strict=True):
        writer.writerow([*row, dataset.classes[target] if dataset.classes else target])
    return text.getvalue().encode()


def outputs_of(estimator: Any, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the fitted estimator gives: (rows, classes) probabilities, or (rows, 1) values."""
    method = estimator.predict_proba if hasattr(estimator, "predict_proba") else estimator.predict
    return np.asarray(method(inputs), dtype=np.float64).reshape(len(inputs), -1)


def _feature(info: FeatureInfo, values: NDArray[np.float64]) -> dict[str, Any]:
    counts, edges = np.histogram(values, bins=_HISTOGRAM_BINS)
    lower = "exclusive_minimum" if info.limits.minimum_is_exclusive else "minimum"
    return {
        "name": info.name,
        "label": info.label,
        "unit": info.unit,
        "default": _to_step(float(np.median(values)), info.step),
        "step": info.step,
        "limits": {lower: info.limits.minimum, "maximum": info.limits.maximum},
        "training": {
            "minimum": float(values.min()),
            "maximum": float(values.max()),
            "mean": float(values.mean()),
            "standard_deviation": float(values.std(ddof=1)),
            "quartiles": [float(q) for q in np.quantile(values, (0.25, 0.5, 0.75))],
            "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
        },
    }


def _to_step(value: float, step: float) -> float:
    # Through text, so that 3 x 0.1 becomes 0.3 and not 0.30000000000000004.
    return float(f"{round(value / step) * step:.6g}")


def _presets(dataset: Dataset, selection: Selection) -> list[dict[str, Any]]:
    """Example inputs: a typical one of each class, and the most ambiguous one."""
    inputs, targets = dataset.inputs, dataset.targets
    steps = [feature.step for feature in dataset.features]

    def median_of(rows: NDArray[np.float64]) -> list[float]:
        return [_to_step(float(value), step) for value, step in zip(np.median(rows, axis=0), steps, strict=True)]

    if dataset.task == "classification":
        presets = [
            {"label": name.capitalize(), "values": median_of(inputs[targets == index])}
            for index, name in enumerate(dataset.classes)
        ]
        ranked = np.sort(outputs_of(selection.fitted, inputs), axis=1)
        hardest = int(np.argmin(ranked[:, -1] - ranked[:, -2]))
        return [*presets, {"label": "Borderline", "values": inputs[hardest].tolist()}]
    low, high = np.quantile(targets, (1 / 3, 2 / 3))
    groups = {"Low": targets <= low, "Middle": (targets > low) & (targets <= high), "High": targets > high}
    return [{"label": label, "values": median_of(inputs[rows])} for label, rows in groups.items()]


def _training_data(dataset: Dataset) -> dict[str, Any]:
    summary: dict[str, Any] = {"source": dataset.source, "rows": len(dataset.inputs)}
    if dataset.classes:
        counts = np.bincount(dataset.targets, minlength=len(dataset.classes))
        summary["class_counts"] = dict(zip(dataset.classes, counts.tolist(), strict=True))
    else:
        targets = dataset.targets
        summary["target"] = {
            "minimum": float(targets.min()),
            "maximum": float(targets.max()),
            "mean": float(targets.mean()),
            "standard_deviation": float(targets.std(ddof=1)),
        }
    return summary


def _known_answers(selection: Selection, inputs: NDArray[np.float64]) -> list[dict[str, Any]]:
    outputs = outputs_of(selection.fitted, inputs)
    return [{"features": row, "outputs": output} for row, output in zip(inputs.tolist(), outputs.tolist(), strict=True)]
