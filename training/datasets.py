"""The data sets that can be trained, with what the data does not say: labels, units, resolutions and hard limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, load_iris

from inference.card import Limits, Task


@dataclass(frozen=True, slots=True)
class FeatureInfo:
    """One input for people to read. `step` is the resolution of the data, in the feature's unit."""

    name: str
    label: str
    unit: str
    step: float
    limits: Limits


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows to learn from: `inputs` is (rows, features), `targets` (rows,): class indices, or values."""

    name: str
    title: str
    task: Task
    source: str
    target_label: str
    target_unit: str
    features: tuple[FeatureInfo, ...]
    classes: tuple[str, ...]
    inputs: NDArray[np.float64]
    targets: NDArray[Any]


def _above_zero(maximum: float) -> Limits:
    return Limits(0.0, maximum, minimum_is_exclusive=True)


def iris() -> Dataset:
    """Fisher's Iris: 150 flowers of three species, four lengths in cm."""
    bunch = load_iris()
    return Dataset(
        name="iris",
        title="Iris species",
        task="classification",
        source="scikit-learn's load_iris: R. A. Fisher, The use of multiple measurements in taxonomic problems, 1936",
        target_label="Species",
        target_unit="",
        features=tuple(
            FeatureInfo(f"{part}_{side}", f"{part.capitalize()} {side}", "cm", 0.1, _above_zero(30.0))
            for part in ("sepal", "petal")
            for side in ("length", "width")
        ),
        classes=tuple(str(name) for name in bunch.target_names),
        inputs=bunch.data,
        targets=bunch.target,
    )


def diabetes() -> Dataset:
    """Diabetes progression: 442 patients, ten measurements in their own units, one value to predict."""
    bunch = load_diabetes(scaled=False)
    return Dataset(
        name="diabetes",
        title="Diabetes progression",
        task="regression",
        source="scikit-learn's load_diabetes(scaled=False): Efron et al., Least Angle Regression, 2004",
        target_label="Progression after one year",
        target_unit="",
        features=(
            FeatureInfo("age", "Age", "years", 1.0, _above_zero(130.0)),
            FeatureInfo("sex", "Sex", "as coded, 1 or 2", 1.0, Limits(1.0, 2.0)),
            FeatureInfo("bmi", "Body mass index", "kg/m²", 0.1, _above_zero(100.0)),
            FeatureInfo("bp", "Mean blood pressure", "mmHg", 1.0, _above_zero(300.0)),
            FeatureInfo("s1", "Total cholesterol", "mg/dL", 1.0, _above_zero(1000.0)),
            FeatureInfo("s2", "LDL cholesterol", "mg/dL", 1.0, _above_zero(1000.0)),
            FeatureInfo("s3", "HDL cholesterol", "mg/dL", 1.0, _above_zero(500.0)),
            FeatureInfo("s4", "Cholesterol / HDL", "ratio", 0.1, _above_zero(50.0)),
            FeatureInfo("s5", "Triglycerides", "log", 0.1, _above_zero(20.0)),
            FeatureInfo("s6", "Blood sugar", "mg/dL", 1.0, _above_zero(1000.0)),
        ),
        classes=(),
        inputs=bunch.data,
        targets=bunch.target,
    )


DATASETS: Mapping[str, Callable[[], Dataset]] = {"iris": iris, "diabetes": diabetes}
