"""`mlflow_model.py MODEL.joblib DIRECTORY`: the estimator as an MLflow model of the sklearn flavour."""

import sys

import joblib
import mlflow.sklearn

if __name__ == "__main__":
    file, directory = sys.argv[1:]
    # The server runs in this environment, so no list of packages is worked out for another.
    mlflow.sklearn.save_model(
        joblib.load(file), directory, serialization_format="cloudpickle", pip_requirements=["mlflow", "scikit-learn"]
    )
