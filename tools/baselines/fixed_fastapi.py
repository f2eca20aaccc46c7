"""The limit of ordinary FastAPI: a pydantic body, an `async def` handler, a fixed answer.

uvicorn fixed_fastapi:app
"""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel


class Measurement(BaseModel):
    features: list[float]


app = FastAPI()


@app.post("/predict")
async def predict(measurement: Measurement) -> dict[str, Any]:
    return {
        "prediction": 0,
        "prediction_label": "setosa",
        "confidence": 0.98,
        "probabilities": {"setosa": 0.98, "versicolor": 0.01, "virginica": 0.01},
        "model_version": "1",
    }
