"""The fitted estimator as bytes: the pickle that joblib loads, the ONNX graph, and a linear model's coefficients."""

import io
import json
from typing import Any, Literal

import joblib
import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

_REGRESSORS = (LinearRegression, Ridge, Lasso, ElasticNet)


def joblib_bytes(estimator: Any) -> bytes:
    """What `joblib.load` turns back into the fitted estimator."""
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    return buffer.getvalue()


def onnx_bytes(estimator: Any, feature_count: int, precision: Literal["float", "double"], name: str) -> bytes:
    """The estimator as an ONNX model with one input `features` (n, feature_count).

    Its last output holds class probabilities (n, classes) or values (n, 1).
    """
    tensor = DoubleTensorType if precision == "double" else FloatTensorType
    options = {"zipmap": False} if hasattr(estimator, "predict_proba") else None
    model = to_onnx(estimator, initial_types=[("features", tensor([None, feature_count]))], options=options, name=name)
    return bytes(model.SerializeToString(deterministic=True))


def linear_bytes(estimator: Any) -> bytes | None:
    """The coefficients of a linear model, as `inference.linear` reads them; None for any other estimator.

    Knows logistic and linear regression, alone or behind a StandardScaler, which is folded into the coefficients:
    w (x - mean) / scale + b = (w / scale) x + (b - w mean / scale).
    """
    steps = [step for _, step in estimator.steps] if type(estimator) is Pipeline else [estimator]
    *scalers, model = [step for step in steps if step != "passthrough"]
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
    for scaler in reversed(scalers):
        if type(scaler) is not StandardScaler:
            return None
        if scaler.scale_ is not None:
            weights = weights / scaler.scale_
        if scaler.with_mean:
            intercepts = intercepts - weights @ scaler.mean_
    document = {"link": link, "weights": weights.tolist(), "intercepts": intercepts.tolist()}
    return (json.dumps(document) + "\n").encode()
