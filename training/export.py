"""The fitted estimator as bytes: the pickle that joblib loads, the ONNX graph, and a linear model's coefficients."""

import copy
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import joblib
import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx, update_registered_converter
from skl2onnx.common import tree_ensemble
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from inference.card import CategoryType

_REGRESSORS = (LinearRegression, Ridge, Lasso, ElasticNet)


def joblib_bytes(estimator: Any) -> bytes:
    """What `joblib.load` turns back into the fitted estimator."""
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    return buffer.getvalue()


def onnx_bytes(
    estimator: Any, types: Sequence[CategoryType | None], precision: Literal["float", "double"], name: str
) -> bytes:
    """The estimator as an ONNX model; `types` has None for each feature that is a number.

    Where all are, it has one input `features` (n, features), NaN where one is missing. With categories it has one input
    (n, 1) for each feature; the categories are texts, and a missing one is the empty text. Its last output holds class
    probabilities (n, classes) or values (n, 1).

    Raises whatever skl2onnx raises for an estimator that it cannot convert.
    """
    number = DoubleTensorType if precision == "double" else FloatTensorType
    if any(types):
        names = [f"feature_{place}" for place in range(len(types))]
        inputs = [
            (one, (number if kind is None else StringTensorType)([None, 1]))
            for one, kind in zip(names, types, strict=True)
        ]
        estimator = _with_text_categories(estimator, names)
    else:
        inputs = [("features", number([None, len(types)]))]
    options = {"zipmap": False} if hasattr(estimator, "predict_proba") else None
    with _recorded_trees() as trees:
        model = to_onnx(estimator, initial_types=inputs, options=options, name=name)
    if precision == "double" and trees.thresholds:
        _in_double_precision(model, trees)
    return bytes(model.SerializeToString(deterministic=True))


def _with_text_categories(estimator: Any, names: Sequence[str]) -> Any:
    """A copy whose columns have these `names`, and whose encoders know every category as the card has it.

    ONNX has no column that is partly text and partly missing, and its names have no blanks.
    """
    estimator = copy.deepcopy(estimator)
    transformers = [step for _, step in getattr(estimator, "steps", ()) if isinstance(step, ColumnTransformer)]
    if len(transformers) != 1:
        raise ValueError("its categories are not encoded by one ColumnTransformer")
    (transformer,) = transformers
    renamed = dict(zip(transformer.feature_names_in_, names, strict=True))
    transformer.transformers_ = [
        (title, step, [renamed[column] for column in columns]) for title, step, columns in transformer.transformers_
    ]
    transformer.feature_names_in_ = np.array(names, object)
    for _, step, _ in transformer.transformers_:
        if isinstance(step, OneHotEncoder):
            step.categories_ = [np.array(list(map(category_text, known)), object) for known in step.categories_]
    return estimator


def category_text(value: Any) -> str:
    """A category of an encoder as the card has it; empty for a missing one."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return str(value)


def _imputer_shape(operator: Any) -> None:
    (first, *_) = operator.inputs
    operator.outputs[0].type = type(first.type)([None, len(operator.raw_operator.statistics_)])


def _imputer(scope: Any, operator: Any, container: Any) -> None:
    """`Where(IsNaN(x), statistics, x)`: ONNX Runtime has the node of skl2onnx's own converter for floats alone."""
    joined, is_missing, fill = (scope.get_unique_variable_name(name) for name in ("joined", "is_missing", "fill"))
    is_double = isinstance(operator.inputs[0].type, DoubleTensorType)
    statistics = operator.raw_operator.statistics_
    container.add_initializer(
        fill, TensorProto.DOUBLE if is_double else TensorProto.FLOAT, [1, len(statistics)], statistics.tolist()
    )
    nodes = (
        ("Concat", [one.full_name for one in operator.inputs], joined, {"axis": 1, "op_version": 13}),
        ("IsNaN", [joined], is_missing, {"op_version": 13}),
        ("Where", [is_missing, fill, joined], operator.outputs[0].full_name, {"op_version": 9}),
    )
    for kind, inputs, output, attributes in nodes:
        container.add_node(kind, inputs, [output], name=scope.get_unique_operator_name(kind), **attributes)


update_registered_converter(SimpleImputer, "FaceoffImputer", _imputer_shape, _imputer, overwrite=True)


@dataclass(frozen=True, slots=True)
class _Trees:
    """The thresholds of all nodes of boosted trees, and the values of all leaves, in the order of the converter."""

    thresholds: list[float] = field(default_factory=list)
    leaves: list[float] = field(default_factory=list)


@contextmanager
def _recorded_trees() -> Iterator[_Trees]:
    """Let skl2onnx write the nodes of trees, and keep their numbers as they are.

    It passes numpy's integers, and booleans, of boosted trees to onnx, which refuses them.
    """
    add_node = tree_ensemble.add_node
    trees = _Trees()

    def add(*arguments: Any, nodes_missing_value_tracks_true: Any = 0, **named: Any) -> None:
        attributes, is_classifier, tree, weight, node, feature, mode, value, left, right, leaf, *others = arguments
        trees.thresholds.append(float(value))
        if mode == "LEAF":
            trees.leaves.extend(np.ravel(leaf).astype(float).tolist())
        add_node(
            *(attributes, is_classifier, tree, weight, node, int(feature), mode, value, int(left), int(right), leaf),
            *others,
            nodes_missing_value_tracks_true=int(nodes_missing_value_tracks_true),
            **named,
        )

    tree_ensemble.add_node = add
    try:
        yield trees
    finally:
        tree_ensemble.add_node = add_node


def _in_double_precision(model: Any, trees: _Trees) -> None:
    """Let the trees of `model` compare in double precision, as boosted trees of scikit-learn do.

    skl2onnx writes single-precision thresholds, so a value beside one would take another branch. Version 3 of the
    operators has tensors for them; what the trees give is single precision all the same.
    """
    (node,) = [node for node in model.graph.node if node.op_type.startswith("TreeEnsemble")]
    numbers = {"nodes_values": trees.thresholds, "class_weights": trees.leaves, "target_weights": trees.leaves}
    for attribute in [one for one in node.attribute if one.name in (*numbers, "base_values")]:
        values = np.array(numbers.get(attribute.name, attribute.floats), np.float64)
        if not np.allclose(attribute.floats, values, rtol=1e-5):
            raise ValueError("the converter wrote other numbers than the trees have")
        node.attribute.remove(attribute)
        tensor = numpy_helper.from_array(values, f"{attribute.name}_as_tensor")
        node.attribute.append(helper.make_attribute(tensor.name, tensor))
    for output in model.graph.output:
        if output.type.tensor_type.elem_type == TensorProto.DOUBLE:
            output.type.tensor_type.elem_type = TensorProto.FLOAT
    for operators in model.opset_import:
        if operators.domain == "ai.onnx.ml":
            operators.version = 3


def linear_bytes(estimator: Any, names: Sequence[str] = (), accepts: Sequence[tuple[bool, bool]] = ()) -> bytes | None:
    """The coefficients of a linear model, as `inference.linear` reads them; None for any other estimator.

    Knows logistic and linear regression, alone or behind medians for missing values, a StandardScaler and a
    OneHotEncoder, which are folded into the coefficients:
    w (x - mean) / scale + b = (w / scale) x + (b - w mean / scale).

    `names` are the columns of the table, where it was fitted on one, and `accepts` says of each feature whether it may
    be missing and whether it may be unknown.
    """
    steps = [step for _, step in estimator.steps] if type(estimator) is Pipeline else [estimator]
    *before, model = [step for step in steps if step != "passthrough"]
    if type(model) is LogisticRegression:
        link = "sigmoid" if len(model.classes_) == 2 else "softmax"
        if link == "softmax" and model.solver == "liblinear":  # one against the rest: another link
            return None
    elif type(model) in _REGRESSORS:
        link = "identity"
    else:
        return None
    weights = np.atleast_2d(np.asarray(model.coef_, np.float64))
    intercepts = np.broadcast_to(np.asarray(model.intercept_, np.float64), len(weights))
    if before and type(before[0]) is ColumnTransformer:
        if len(before) > 1:
            return None
        parts = [(step, list(columns)) for _, step, columns in before[0].transformers_ if len(columns)]
    else:
        parts = [(Pipeline([(str(place), step) for place, step in enumerate(before)]) if before else None, list(names))]
    is_plain = type(parts[0][0]) is not OneHotEncoder and len(parts) == 1 and not any(map(any, accepts))
    terms: dict[str, dict[str, Any]] = {}
    start = 0
    for step, columns in parts:
        if type(step) is OneHotEncoder:
            width = sum(len(known) for known in step.categories_)
            terms |= _category_terms(step, columns, weights[:, start : start + width])
        else:
            width = len(columns) if columns else weights.shape[1]
            folded = _folded(step, weights[:, start : start + width])
            if folded is None:
                return None
            part, offset, fill = folded
            intercepts = intercepts + offset
            if is_plain:
                document = {"link": link, "weights": part.tolist(), "intercepts": intercepts.tolist()}
                return (json.dumps(document) + "\n").encode()
            for place, column in enumerate(columns):
                terms[column] = {"weights": part[:, place].tolist()}
                if fill is not None:
                    terms[column]["missing"] = (part[:, place] * fill[place]).tolist()
        start += width
    document = {"link": link, "intercepts": intercepts.tolist(), "terms": [terms[name] for name in names]}
    return (json.dumps(document) + "\n").encode()


def _folded(
    step: Any, weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None] | None:
    """The weights (outputs, columns) of raw numbers, what is added to each output, and what a missing one counts as."""
    steps = [one for _, one in step.steps] if type(step) is Pipeline else [step]
    steps = [one for one in steps if one is not None and one != "passthrough" and not _changes_nothing(one)]
    offset = np.zeros(len(weights))
    fill = None
    if steps and type(steps[0]) is SimpleImputer and not steps[0].add_indicator:
        fill = np.asarray(steps.pop(0).statistics_, np.float64)
        if len(fill) != weights.shape[1]:
            return None
    for scaler in reversed(steps):
        if type(scaler) is not StandardScaler:
            return None
        if scaler.scale_ is not None:
            weights = weights / scaler.scale_
        if scaler.with_mean:
            offset = offset - weights @ scaler.mean_
    return weights, offset, fill


def _changes_nothing(step: Any) -> bool:
    return type(step) is FunctionTransformer and step.func is None


def _category_terms(encoder: Any, columns: Sequence[str], weights: NDArray[np.float64]) -> dict[str, dict[str, Any]]:
    """For each column: what each category adds to each output. An unknown one is encoded as none of them."""
    terms = {}
    start = 0
    nothing = [0.0] * len(weights)
    for column, known in zip(columns, encoder.categories_, strict=True):
        added = {category_text(value): weights[:, start + place].tolist() for place, value in enumerate(known)}
        start += len(known)
        terms[column] = {"missing": added.pop("", nothing), "values": added, "unknown": nothing}
    return terms
