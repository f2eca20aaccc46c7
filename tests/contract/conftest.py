"""The ways of serving, each started once per session: whatever a test asks of `target` is asked of all of them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from deploy.stage_function import stage
from inference.model import load_model
from inference.settings import ServingSettings
from tests.conftest import make_service
from tests.contract.targets import CoreTarget, HttpTarget, Target
from tests.servers import PYTHON, ROOT, api_program, function_program, serve
from tools.processes import Program

LIVE = (
    "api",
    "function",
    # the same programs from environments that hold their own requirements alone, whose installation takes a minute
    pytest.param("api-alone", marks=pytest.mark.slow),
    pytest.param("staged-function", marks=pytest.mark.slow),
)


@contextmanager
def asked_over_http(program: Program, log_directory: Path) -> Iterator[HttpTarget]:
    """The program's server, up, behind a client."""
    with serve(program, log_directory) as server, httpx.Client(trust_env=False, timeout=30) as client:
        yield HttpTarget(program.title, server.url, client)


def environment_of(requirements: Path, directory: Path) -> Path:
    """The Python of a new virtual environment in `directory` that has `requirements` and nothing else."""
    uv = PYTHON.parent / "uv"
    python = directory / "bin" / "python"
    # How to reach the package index is said by the environment.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    for command in (
        ("venv", "--quiet", "--python", PYTHON, directory),
        ("pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", requirements),
    ):
        done = subprocess.run(
            [uv, *command], cwd=directory.parent, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return python


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def staged_dir(iris_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A staged function, outside of the repository."""
    directory = tmp_path_factory.mktemp("staged") / "function"
    stage(directory, ServingSettings.from_env({}, default_model_dir=iris_dir))
    return directory


@pytest.fixture(scope="session")
def function_python(staged_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has what the staged function asks for, and nothing else."""
    return environment_of(staged_dir / "requirements.txt", tmp_path_factory.mktemp("function-alone") / "venv")


@pytest.fixture(scope="session")
def api_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has the requirements of the API, and nothing else."""
    return environment_of(ROOT / "requirements" / "api.txt", tmp_path_factory.mktemp("api-alone") / "venv")


@pytest.fixture(scope="session")
def api_dir(iris_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the API's image holds: its package, the core and the artifact, outside of the repository."""
    directory = tmp_path_factory.mktemp("api")
    for package in ("api", "inference"):
        shutil.copytree(ROOT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(iris_dir, directory / "artifacts" / "iris")
    return directory


@pytest.fixture(scope="session")
def core(iris_dir: Path) -> Target:
    return CoreTarget(make_service(load_model(iris_dir)))


@pytest.fixture(scope="session")
def api(iris_dir: Path, logs: Path) -> Iterator[Target]:
    with asked_over_http(api_program(MODEL_DIR=str(iris_dir)), logs) as target:
        yield target


@pytest.fixture(scope="session")
def api_alone(api_dir: Path, api_python: Path, logs: Path) -> Iterator[Target]:
    with asked_over_http(api_program(api_dir, api_python, "api-alone"), logs) as target:
        yield target


@pytest.fixture(scope="session")
def function(staged_dir: Path, logs: Path) -> Iterator[Target]:
    with asked_over_http(function_program(staged_dir), logs) as target:
        yield target


@pytest.fixture(scope="session")
def staged_function(staged_dir: Path, function_python: Path, logs: Path) -> Iterator[Target]:
    with asked_over_http(function_program(staged_dir, function_python, "staged-function"), logs) as target:
        yield target


@pytest.fixture(scope="session", params=("core", *LIVE))
def target(request: pytest.FixtureRequest) -> Target:
    """Everything that keeps the contract, one after the other."""
    found: Target = request.getfixturevalue(request.param.replace("-", "_"))
    return found


@pytest.fixture(scope="session", params=LIVE)
def endpoint(request: pytest.FixtureRequest) -> Target:
    """Every server, one after the other: for what only HTTP has."""
    found: Target = request.getfixturevalue(request.param.replace("-", "_"))
    return found
