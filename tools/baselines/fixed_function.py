"""The limit of an ordinary ASGI function: the body decoded, a fixed answer.

functions-framework --target predict --source fixed_function.py
"""

from typing import Any

import functions_framework.aio
from starlette.requests import Request


@functions_framework.aio.http
async def predict(request: Request) -> dict[str, Any]:
    await request.json()
    probabilities = {"setosa": 0.98, "versicolor": 0.01, "virginica": 0.01}
    label = {"prediction": 0, "prediction_label": "setosa", "confidence": 0.98}
    return {**label, "probabilities": probabilities, "model_version": "1"}
