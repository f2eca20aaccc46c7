"""The fitted estimator as bytes: the pickle that joblib loads, and the ONNX graph compiled from it."""

import io
from typing import Any, Literal

import joblib
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType


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
