"""`bentoml serve bentoml_service:Model`, with MODEL_DIR: the features by name in, `{"prediction": ...}` out."""

import json
import os
from pathlib import Path
from typing import Any

import bentoml
import joblib

DIRECTORY = Path(os.environ["MODEL_DIR"])


@bentoml.service
class Model:
    def __init__(self) -> None:
        self.estimator = joblib.load(DIRECTORY / "model.joblib")
        card = json.loads((DIRECTORY / "model.json").read_text())
        self.names = [feature["name"] for feature in card["features"]]

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator]  # typed only in its own environment
    def predict(self, measurement: dict[str, float], /) -> dict[str, Any]:
        row = [measurement[name] for name in self.names]
        return {"prediction": self.estimator.predict([row]).tolist()[0]}
