"""LitServe on HOST and PORT, with MODEL_DIR: the features by name in, `{"prediction": ...}` out."""

import json
import os
from pathlib import Path
from typing import Any

import joblib
import litserve

DIRECTORY = Path(os.environ["MODEL_DIR"])


class Model(litserve.LitAPI):  # type: ignore[misc]  # typed only in its own environment
    def setup(self, device: str) -> None:
        self.estimator = joblib.load(DIRECTORY / "model.joblib")
        card = json.loads((DIRECTORY / "model.json").read_text())
        self.names = [feature["name"] for feature in card["features"]]

    def decode_request(self, request: dict[str, float]) -> list[float]:
        return [request[name] for name in self.names]

    def predict(self, row: list[float]) -> Any:
        return self.estimator.predict([row]).tolist()[0]

    def encode_response(self, output: Any) -> dict[str, Any]:
        return {"prediction": output}


if __name__ == "__main__":
    server = litserve.LitServer(Model(), accelerator="cpu")
    server.run(host=os.environ["HOST"], port=int(os.environ["PORT"]), generate_client_file=False)
