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
    probabilities = dict(zip(CLASSES, model.predict_proba([features])[0].tolist(), strict=True))
    label = {"prediction": prediction, "prediction_label": CLASSES[prediction]}
    return {**label, "confidence": max(probabilities.values()), "probabilities": probabilities, "model_version": "1"}
