"""KServe's model server on HOST and PORT, with MODEL_DIR: its V1 protocol, `instances` in and `predictions` out.

`ModelServer.start` listens on all addresses of the machine, so its REST server is started on a socket of our own.
"""

import json
import os
import socket
from pathlib import Path
from typing import Any

import joblib
from kserve import Model, ModelServer
from kserve.protocol.rest.server import RESTServer

DIRECTORY = Path(os.environ["MODEL_DIR"])


class Served(Model):  # type: ignore[misc]  # typed only in its own environment
    def __init__(self) -> None:
        super().__init__(json.loads((DIRECTORY / "model.json").read_text())["name"])
        self.estimator = joblib.load(DIRECTORY / "model.joblib")
        self.ready = True

    def predict(self, payload: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
        return {"predictions": self.estimator.predict(payload["instances"]).tolist()}


if __name__ == "__main__":
    server = ModelServer(enable_grpc=False)
    server.register_model(Served())
    rest = RESTServer(
        "kserve.model_server:app", server.dataplane, server.model_repository_extension, int(os.environ["PORT"])
    )
    rest.run([socket.create_server((os.environ["HOST"], int(os.environ["PORT"])))])
