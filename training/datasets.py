"""What is trained on: rows with what the data does not say, such as labels, units, resolutions and hard limits.

The data sets that come with scikit-learn are arrays; a table from a file (`training/table.py`) is a DataFrame.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

from inference.card import CategoryType, Limits, Task, Value
from inference.model import data_frame


@dataclass(frozen=True, slots=True)
class FeatureInfo:
    """One number for people to read. `step` is the resolution of the data, in the feature's unit."""

    name: str
    label: str
    unit: str
    step: float
    limits: Limits


@dataclass(frozen=True, slots=True)
class CategoryInfo:
    """One category for people to read. `type` is what the column's values are in the table."""

    name: str
    label: str
    type: CategoryType
    accepts_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows to learn from: `inputs` is (rows, features), an array or a DataFrame, and `targets` is (rows,): class
    indices, or values. `notes` says what reading the rows has changed."""

    name: str
    title: str
    task: Task
    source: str
    target_label: str
    target_unit: str
    features: tuple[FeatureInfo | CategoryInfo, ...]
    classes: tuple[str, ...]
    inputs: Any
    targets: NDArray[Any]
    notes: tuple[str, ...] = ()

    @property
    def is_table(self) -> bool:
        """Whether the rows are a DataFrame, which the estimator then gets too."""
        return not isinstance(self.inputs, np.ndarray)

    def column(self, place: int, rows: NDArray[np.intp] | slice = slice(None)) -> NDArray[Any]:
        """One feature: float64, NaN where it is missing; or objects, the categories as the card has them, or None."""
        if not self.is_table:
            return np.asarray(self.inputs[rows, place], np.float64)
        values = self.inputs.iloc[rows, place]
        feature = self.features[place]
        if isinstance(feature, FeatureInfo):
            return np.asarray(values, np.float64)
        written: dict[CategoryType, Callable[[Any], str]] = {
            "text": str,
            "boolean": lambda value: "true" if value else "false",
            "integer": lambda value: str(int(value)),
        }
        as_text = written[feature.type]
        return np.array([None if gone else as_text(v) for v, gone in zip(values, values.isna(), strict=True)], object)

    def rows(self, rows: NDArray[np.intp] | slice = slice(None)) -> list[tuple[Value, ...]]:
        """These rows as a request has them: numbers, categories, and None for what is missing."""
        columns = (self.column(place, rows).tolist() for place in range(len(self.features)))
        whole = zip(*([None if value != value else value for value in column] for column in columns), strict=True)
        return list(whole)

    def as_inputs(self, rows: Sequence[Sequence[Value]]) -> Any:
        """Rows as `rows` gives them, as an estimator takes them."""
        if not self.is_table:
            return np.array(rows, np.float64)
        types = [one.type if isinstance(one, CategoryInfo) else None for one in self.features]
        return data_frame(rows, types, list(self.inputs.columns))

    def take(self, rows: NDArray[np.intp]) -> tuple[Any, NDArray[Any]]:
        """The inputs and targets of these rows, as an estimator takes them."""
        return (self.inputs.iloc[rows] if self.is_table else self.inputs[rows]), self.targets[rows]


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


def wine() -> Dataset:
    """Wine cultivars: 178 wines of three growers, thirteen measurements."""
    return _bundled(
        load_wine(),
        name="wine",
        title="Wine cultivars",
        source="scikit-learn's load_wine: Forina et al., PARVUS, 1988; UCI ML Repository",
        target_label="Cultivar",
        units={"alcohol": "% vol"},
    )


def breast_cancer() -> Dataset:
    """Breast cancer Wisconsin: 569 tumours, malignant or benign, thirty measurements of cell nuclei."""
    return _bundled(
        load_breast_cancer(),
        name="breast_cancer",
        title="Breast tumours",
        source="scikit-learn's load_breast_cancer: Street, Wolberg and Mangasarian, 1993; UCI ML Repository",
        target_label="Diagnosis",
    )


def digits() -> Dataset:
    """Handwritten digits: 1797 images of 8 x 8 pixels, in 16 shades of grey."""
    bunch = load_digits()
    names = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    return Dataset(
        name="digits",
        title="Handwritten digits",
        task="classification",
        source="scikit-learn's load_digits: Alpaydin and Kaynak, 1998; UCI Machine Learning Repository",
        target_label="Digit",
        target_unit="",
        features=tuple(
            FeatureInfo(name, name.replace("_", " ").capitalize(), "", 1.0, Limits(0.0, 16.0)) for name in names
        ),
        classes=tuple(str(name) for name in bunch.target_names),
        inputs=bunch.data,
        targets=bunch.target,
    )


def _bundled(
    bunch: Any, name: str, title: str, source: str, target_label: str, units: Mapping[str, str] | None = None
) -> Dataset:
    """A classification of measurements that are never negative, and at most ten times what the data has."""
    names = [_plain(str(column)) for column in bunch.feature_names]
    return Dataset(
        name=name,
        title=title,
        task="classification",
        source=source,
        target_label=target_label,
        target_unit="",
        features=tuple(
            FeatureInfo(
                column,
                column.replace("_", " ").capitalize(),
                (units or {}).get(column, ""),
                resolution(values),
                Limits(0.0, rounded_up(10 * float(values.max()))),
            )
            for column, values in zip(names, bunch.data.T, strict=True)
        ),
        classes=tuple(str(one) for one in bunch.target_names),
        inputs=bunch.data,
        targets=bunch.target,
    )


def _plain(name: str) -> str:
    return "_".join("".join(letter if letter.isalnum() else " " for letter in name.lower()).split())


def resolution(values: NDArray[np.float64]) -> float:
    """The power of ten in which these numbers (NaN aside) seem to be measured: a tenth to a thousandth of their range.

    At least 1 for whole numbers. Looks at 10 000 of them at most.
    """
    some = values[np.isfinite(values)][:10_000]
    span = float(some.max() - some.min()) or abs(float(some[0])) or 1.0
    magnitude = int(np.floor(np.log10(span)))
    coarsest, finest = magnitude - 1, magnitude - 3
    if np.array_equal(some, np.round(some)):
        coarsest, finest = max(coarsest, 0), max(finest, 0)
    for exponent in range(coarsest, finest, -1):
        steps = some / 10.0**exponent
        if np.allclose(steps, np.round(steps), rtol=1e-9, atol=1e-6):
            return float(f"1e{exponent}")
    return float(f"1e{finest}")


def rounded_up(value: float) -> float:
    """The next of 1, 2 or 5 times a power of ten that is at least `value`, which is above 0."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(f"{next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value * (1 - 1e-12)):.6g}")


def sampled(count: int, at_most: int, classes: NDArray[Any] | None = None) -> NDArray[np.intp]:
    """At most about `at_most` of `count` places, in order, drawn with a fixed seed; all of them if that is enough.

    With `classes` (count,), each class has its share, and ten rows if it has so many.
    """
    drawn = np.random.default_rng(0)
    if count <= at_most:
        return np.arange(count)
    if classes is None:
        return np.sort(drawn.choice(count, at_most, replace=False))
    places = []
    for one in np.unique(classes):
        rows = np.flatnonzero(classes == one)
        size = min(len(rows), max(10, round(len(rows) * at_most / count)))
        places.append(drawn.choice(rows, size, replace=False))
    return np.sort(np.concatenate(places))


DATASETS: Mapping[str, Callable[[], Dataset]] = {
    "iris": iris,
    "wine": wine,
    "breast_cancer": breast_cancer,
    "digits": digits,
    "diabetes": diabetes,
}
