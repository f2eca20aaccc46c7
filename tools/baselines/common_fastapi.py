"""The common design of a container: FastAPI, a joblib random forest, a plain handler.

uvicorn common_fastapi:app, beside the forest.joblib of train_forest.py
"""

from typing import Any

import joblib
from fastapi import FastAPI
from pydantic import BaseModel

CLASSES = ["setosa", "versicolor", "virginica"]


class Measurement(BaseModel):
    features: list[float]


app = FastAPI()
model = joblib.load("forest.joblib")


@app.post("/predict")
def predict(measurement: Measurement) -> dict[str, Any]:
    prediction = int(model.predict([measurement.features])[0])
    probabilities = model.predict_proba([measurement.features])[0].tolist()
    return {
        "prediction": prediction,
        "prediction_label": CLASSES[prediction],
        "confidence": max(probabilities),
        "probabilities": dict(zip(CLASSES, probabilities, strict=True)),
        "model_version": "1",
    }
