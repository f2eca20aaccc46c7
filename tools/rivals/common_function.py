"""The common design of a function: functions-framework's Flask style and a joblib random forest.

functions-framework --target predict --source common_function.py, beside the forest.joblib of train_forest.py
"""

import flask
import functions_framework
import joblib

CLASSES = ["setosa", "versicolor", "virginica"]

model = joblib.load("forest.joblib")


@functions_framework.http
def predict(request: flask.Request) -> flask.typing.ResponseReturnValue:
    features = request.get_json()["features"]
    prediction = int(model.predict([features])[0])
    probabilities = model.predict_proba([features])[0].tolist()
    return {
        "prediction": prediction,
        "prediction_label": CLASSES[prediction],
        "confidence": max(probabilities),
        "probabilities": dict(zip(CLASSES, probabilities, strict=True)),
        "model_version": "1",
    }
