"""The model card as a JSON document, computed from the data and the fitted model."""

import csv
import io
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.card import CardError, Value, content_version, parse_card
from training.datasets import CategoryInfo, Dataset, FeatureInfo, sampled
from training.selection import Selection

MAX_DATA_ROWS = 10_000
"""In `data.csv`: every start of an endpoint hashes the file."""
_HISTOGRAM_BINS = 10
_LIBRARIES = ("scikit-learn", "numpy", "joblib", "skl2onnx", "onnx")
_BORDERLINE_ROWS = 50_000
_MOST_PRESETS = 20


def describe(
    dataset: Dataset,
    selection: Selection,
    files: Mapping[str, bytes],
    without_onnx: str = "",
) -> dict[str, Any]:
    """The card of `selection` trained on `dataset` and exported as `files` (name -> content).

    `without_onnx` says why there is no ONNX model, where there is none. The card holds no date and no path, so the same
    training gives the same bytes and the same version.
    """
    presets = _presets(dataset, selection)
    document: dict[str, Any] = {
        "format_version": 1,
        "name": dataset.name,
        "title": dataset.title,
        "task": dataset.task,
        "model_type": selection.chosen.name,
        "target": {"label": dataset.target_label, "unit": dataset.target_unit},
        "features": [_feature(info, dataset.column(place)) for place, info in enumerate(dataset.features)],
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
        "known_answers": _known_answers(dataset, selection, [preset["values"] for preset in presets]),
        "files": {name: {"sha256": sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()},
        "libraries": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    }
    if dataset.is_table:
        document["libraries"]["pandas"] = version("pandas")
    if without_onnx:
        document["without_onnx"] = without_onnx
    document["version"] = content_version(document)
    try:
        parse_card(document)
    except CardError:  # something that the first version of the format does not have
        document["format_version"] = 2
        document["version"] = content_version(document)
    return document


def data_rows(dataset: Dataset) -> NDArray[np.intp]:
    """The places of the rows that the artifact keeps: all, or a seeded sample of them."""
    return sampled(len(dataset.targets), MAX_DATA_ROWS, dataset.targets if dataset.classes else None)


def data_csv(dataset: Dataset) -> bytes:
    """The kept rows: a header, the features in the card's order, and the target (class name or value)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(feature.name for feature in dataset.features), "target"])
    kept = data_rows(dataset)
    for row, target in zip(dataset.rows(kept), dataset.targets[kept].tolist(), strict=True):
        writer.writerow([*row, dataset.classes[target] if dataset.classes else target])
    return text.getvalue().encode()


def outputs_of(estimator: Any, inputs: Any) -> NDArray[np.float64]:
    """What the fitted estimator gives: (rows, classes) probabilities, or (rows, 1) values."""
    method = estimator.predict_proba if hasattr(estimator, "predict_proba") else estimator.predict
    return np.asarray(method(inputs), dtype=np.float64).reshape(len(inputs), -1)


def _feature(info: FeatureInfo | CategoryInfo, values: NDArray[Any]) -> dict[str, Any]:
    return _category(info, values) if isinstance(info, CategoryInfo) else _number(info, values)


def _category(info: CategoryInfo, values: NDArray[Any]) -> dict[str, Any]:
    counts = Counter(value for value in values.tolist() if value is not None)
    # The most frequent first; equally frequent ones by name, so that the card is always the same.
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    missing = len(values) - counts.total()
    return {
        "name": info.name,
        "label": info.label,
        "kind": "category",
        "type": info.type,
        "default": ranked[0],
        "categories": ranked,
        "accepts_missing": missing > 0,
        "accepts_unknown": info.accepts_unknown,
        "training": {"counts": [counts[name] for name in ranked], "missing": missing},
    }


def _number(info: FeatureInfo, all_values: NDArray[np.float64]) -> dict[str, Any]:
    values = all_values[~np.isnan(all_values)]
    missing = len(all_values) - len(values)
    counts, edges = np.histogram(values, bins=_HISTOGRAM_BINS)
    lower = "exclusive_minimum" if info.limits.minimum_is_exclusive else "minimum"
    return {
        "name": info.name,
        "label": info.label,
        "unit": info.unit,
        "default": _to_step(float(np.median(values)), info),
        "step": info.step,
        "limits": {lower: info.limits.minimum, "maximum": info.limits.maximum},
        **({"accepts_missing": True} if missing else {}),
        "training": {
            "minimum": float(values.min()),
            "maximum": float(values.max()),
            "mean": float(values.mean()),
            "standard_deviation": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
            "quartiles": [float(q) for q in np.quantile(values, (0.25, 0.5, 0.75))],
            "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
            **({"missing": missing} if missing else {}),
        },
    }


def _to_step(value: float, info: FeatureInfo) -> float:
    # Through text, so that 3 x 0.1 becomes 0.3 and not 0.30000000000000004.
    rounded = float(f"{round(value / info.step) * info.step:.6g}")
    return rounded if info.limits.contain(rounded) else value


def _typical(info: FeatureInfo | CategoryInfo, values: NDArray[Any]) -> Value:
    """The median, or the most frequent category; None where all are missing."""
    if isinstance(info, CategoryInfo):
        counts = Counter(value for value in values.tolist() if value is not None)
        return min(counts, key=lambda name: (-counts[name], name)) if counts else None
    present = values[~np.isnan(values)]
    return _to_step(float(np.median(present)), info) if len(present) else None


def _presets(dataset: Dataset, selection: Selection) -> list[dict[str, Any]]:
    """Example inputs: a typical one of each class, and the most ambiguous one."""
    targets = dataset.targets
    columns = [dataset.column(place) for place in range(len(dataset.features))]

    def typical_of(rows: NDArray[Any]) -> list[Value]:
        return [_typical(info, column[rows]) for info, column in zip(dataset.features, columns, strict=True)]

    if dataset.task == "classification":
        presets = [
            {"label": name if dataset.is_table else name.capitalize(), "values": typical_of(targets == index)}
            for index, name in enumerate(dataset.classes)
            if (targets == index).any()  # examples for an estimator need not have all of its classes
        ]
        some = sampled(len(targets), _BORDERLINE_ROWS)
        ranked = np.sort(outputs_of(selection.fitted, dataset.take(some)[0]), axis=1)
        hardest = some[[int(np.argmin(ranked[:, -1] - ranked[:, -2]))]]
        (values,) = dataset.rows(hardest)
        return [*presets[:_MOST_PRESETS], {"label": "Borderline", "values": list(values)}]
    low, high = np.quantile(targets, (1 / 3, 2 / 3))
    groups = {"Low": targets <= low, "Middle": (targets > low) & (targets <= high), "High": targets > high}
    return [{"label": label, "values": typical_of(rows)} for label, rows in groups.items() if rows.any()]


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


def _known_answers(dataset: Dataset, selection: Selection, inputs: Sequence[Sequence[Value]]) -> list[dict[str, Any]]:
    outputs = outputs_of(selection.fitted, dataset.as_inputs(inputs)).tolist()
    return [{"features": list(row), "outputs": output} for row, output in zip(inputs, outputs, strict=True)]
