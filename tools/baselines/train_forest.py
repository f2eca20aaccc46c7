"""Write forest.joblib, the model of the common designs, into the working directory."""

import joblib
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

if __name__ == "__main__":
    features, classes = load_iris(return_X_y=True)
    joblib.dump(RandomForestClassifier(n_estimators=100, random_state=0).fit(features, classes), "forest.joblib")
