"""Trained artifacts, once per session, and the logs of the servers beside a failed test."""

import fcntl
import os
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from inference.asgi import ServiceApp
from inference.card import ModelCard
from inference.cors import Cors
from inference.model import Model, load_model
from inference.request_log import RequestLog
from inference.service import Service
from inference.settings import ServingSettings
from tests import servers
from tests.benchmark.cards import make_card, mileage_document, tea_document
from tests.benchmark.little_server import closed_port
from tests.postgres import Postgres, serving_postgres
from tools.processes import bare_environ

# The same examples in every run, and no deadline for each: a busy machine is no defect.
settings.register_profile("faceoff", derandomize=True, deadline=None)
settings.load_profile("faceoff")

DATASETS = ("iris", "diabetes")


def train(root: Path, hash_seed: int) -> Path:
    """`python -m training` for every data set, side by side.

    The artifacts are in folders of `root` by name, and what was printed is in files beside them.
    """
    root.mkdir(exist_ok=True)
    commands = {
        name: (str(servers.PYTHON), "-m", "training", "--dataset", name, "--output", str(root / name))
        for name in DATASETS
    }
    environment = bare_environ() | {"PYTHONHASHSEED": str(hash_seed)}
    processes = {
        name: subprocess.Popen(
            command, cwd=servers.ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for name, command in commands.items()
    }
    for name, process in processes.items():
        output, _ = process.communicate(timeout=100)
        assert process.returncode == 0, f"training on {name} failed:\n{output}"
        (root / f"{name}.log").write_text(output)
    return root


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the freshly trained artifacts `iris` and `diabetes`. Read only: copy what is to be changed."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return train(tmp_path_factory.mktemp("artifacts"), hash_seed=1)
    # The workers of one run share a folder: the first one trains, the others wait for it.
    root = tmp_path_factory.getbasetemp().parent / "artifacts"
    with (root.parent / "artifacts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return root if (root / "diabetes.log").exists() else train(root, hash_seed=1)


@pytest.fixture(scope="session")
def iris_dir(artifacts: Path) -> Path:
    """A classifier's artifact. Read only."""
    return artifacts / "iris"


@pytest.fixture(scope="session")
def diabetes_dir(artifacts: Path) -> Path:
    """A regressor's artifact. Read only."""
    return artifacts / "diabetes"


@pytest.fixture(scope="session")
def iris_model(iris_dir: Path) -> Model:
    return load_model(iris_dir, "onnx")


@pytest.fixture(scope="session")
def diabetes_model(diabetes_dir: Path) -> Model:
    return load_model(diabetes_dir, "onnx")


@pytest.fixture(scope="session")
def iris_card(iris_model: Model) -> ModelCard:
    return iris_model.card


@pytest.fixture(scope="session")
def diabetes_card(diabetes_model: Model) -> ModelCard:
    return diabetes_model.card


@pytest.fixture(scope="session")
def tea() -> ModelCard:
    """A classifier's card, of no trained model."""
    return make_card(tea_document())


@pytest.fixture(scope="session")
def mileage() -> ModelCard:
    """A regressor's card, of no trained model."""
    return make_card(mileage_document())


@pytest.fixture
def nobody() -> Iterator[str]:
    """The URL of a port on which nothing listens."""
    with closed_port() as url:
        yield url


def make_service(model: Model, **variables: str) -> Service:
    """A service of its own over `model`, configured by `variables` alone."""
    return Service(model, ServingSettings.from_env(variables, default_model_dir=Path(os.devnull)), "faceoff-test")


@pytest.fixture
def service(iris_model: Model) -> Service:
    """A fresh service over the classifier: no request counted yet."""
    return make_service(iris_model)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections += [
            (f"log of {server.name}", tail) for server in servers.running if (tail := server.log_tail())
        ]
    return report


def make_app(service: Service) -> ServiceApp:
    """The endpoint over `service`, without CORS and with a log that says nothing."""
    return ServiceApp(service, RequestLog("CRITICAL", {}), Cors(frozenset()))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, which starts with the first test that needs it; one for each worker."""
    with serving_postgres() as server:
        yield server
