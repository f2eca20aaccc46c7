"""The other servers: how each is given the model, started with its own defaults, and asked."""

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from inference.card import JOBLIB_FILE, ModelCard
from tools.processes import HOST, NotServing, Program, bare_environ, free_ports

ROOT = Path(__file__).resolve().parents[2]
SERVICES = Path(__file__).with_name("services")
_SAVE_S = 120.0


@dataclass(frozen=True, slots=True)
class Place:
    """What a server serves, with which environment, and where it may write."""

    model_dir: Path
    card: ModelCard
    python: Path
    directory: Path

    @property
    def environ(self) -> dict[str, str]:
        """A bare environment, in which nothing is written into the home directory or reported to anybody."""
        return {
            **bare_environ(self.python),
            "HOME": str(self.directory),
            "MODEL_DIR": str(self.model_dir),
            "PYTHONUNBUFFERED": "1",
            "DO_NOT_TRACK": "1",
            "BENTOML_DO_NOT_TRACK": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def program(self, title: str, *command: str, health_path: str, port: int, **variables: str) -> Program:
        """A server whose command is a program of the environment."""
        script, *arguments = command
        return Program(
            title,
            (str(self.python.with_name(script)), *arguments),
            self.directory,
            {**self.environ, **variables},
            port,
            health_path=health_path,
        )


@dataclass(frozen=True, slots=True)
class Peer:
    """A server and how it is asked: the address follows the program, and may have another port."""

    title: str
    environment: str
    """the name of its pins in requirements/peers/"""
    protocol: str
    start: Callable[[Place], tuple[Program, str]]
    """its program and the address of the model. Raises NotServing, OSError"""


def _mlserver(place: Place) -> tuple[Program, str]:
    program, _ = _mlserver_and_grpc_port(place)
    return program, f"{program.url}/v2/models/{place.card.name}"


def _mlserver_grpc(place: Place) -> tuple[Program, str]:
    program, port = _mlserver_and_grpc_port(place)
    return program, f"{HOST}:{port}/{place.card.name}"


def _mlserver_and_grpc_port(place: Place) -> tuple[Program, int]:
    http_port, grpc_port, metrics_port = free_ports(3)
    settings = {
        "name": place.card.name,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(place.model_dir / JOBLIB_FILE)},
        "inputs": [{"name": "features", "datatype": "FP64", "shape": [-1, len(place.card.features)]}],
    }
    (place.directory / "model-settings.json").write_text(json.dumps(settings))
    program = place.program(
        "MLServer",
        *("mlserver", "start", str(place.directory)),
        health_path=f"/v2/models/{place.card.name}/ready",
        port=http_port,
        MLSERVER_HOST=HOST,
        MLSERVER_HTTP_PORT=str(http_port),
        MLSERVER_GRPC_PORT=str(grpc_port),
        MLSERVER_METRICS_PORT=str(metrics_port),
    )
    return program, grpc_port


def _mlflow(place: Place) -> tuple[Program, str]:
    model = place.directory / "model"
    done = subprocess.run(  # noqa: S603  this project's own command
        (place.python, SERVICES / "mlflow_model.py", place.model_dir / JOBLIB_FILE, model),
        cwd=place.directory,
        env=place.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SAVE_S,
    )
    if done.returncode:
        raise NotServing(f"MLflow cannot save the model.\n{done.stderr.strip()}")
    (port,) = free_ports(1)
    program = place.program(
        "MLflow",
        *("mlflow", "models", "serve", "--model-uri", str(model), "--env-manager", "local"),
        *("--host", HOST, "--port", str(port)),
        health_path="/health",
        port=port,
    )
    return program, f"{program.url}/invocations"


def _bentoml(place: Place) -> tuple[Program, str]:
    (port,) = free_ports(1)
    program = place.program(
        "BentoML",
        *("bentoml", "serve", "bentoml_service:Model", "--working-dir", str(SERVICES)),
        *("--host", HOST, "--port", str(port)),
        health_path="/readyz",
        port=port,
        BENTOML_HOME=str(place.directory / "bentoml"),
    )
    return program, f"{program.url}/predict"


def _litserve(place: Place) -> tuple[Program, str]:
    (port,) = free_ports(1)
    service = str(SERVICES / "litserve_service.py")
    program = place.program("LitServe", "python", service, health_path="/health", port=port)
    return program, f"{program.url}/predict"


def _kserve(place: Place) -> tuple[Program, str]:
    (port,) = free_ports(1)
    model = f"/v1/models/{place.card.name}"
    service = str(SERVICES / "kserve_service.py")
    program = place.program("KServe", "python", service, health_path=model, port=port)
    return program, f"{program.url}{model}"


PEERS: Mapping[str, Peer] = {
    "mlserver": Peer("MLServer", "mlserver", "oip", _mlserver),
    "mlserver-grpc": Peer("MLServer gRPC", "mlserver", "oip-grpc", _mlserver_grpc),
    "kserve": Peer("KServe", "kserve", "kserve-v1", _kserve),
    "mlflow": Peer("MLflow", "mlflow", "mlflow", _mlflow),
    "bentoml": Peer("BentoML", "bentoml", "bare", _bentoml),
    "litserve": Peer("LitServe", "litserve", "bare", _litserve),
}
"""By the name of the endpoint."""
DEFAULT = ("mlserver", "mlflow", "bentoml", "litserve")
