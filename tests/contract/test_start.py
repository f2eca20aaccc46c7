"""How the two programs start and stop: configured by their environment, or refused in one line."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.contract.cases import FLOWERS, SETOSA, named
from tests.contract.conftest import asked_over_http
from tests.contract.targets import Target, predict
from tests.inference.damage import DAMAGES, copy_of
from tests.servers import api_program, function_program, refuse, serve
from tools.processes import HOST, Program

PROGRAMS = ("api", "function")


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest, staged_dir: Path, iris_dir: Path) -> Program:
    """Both programs, not started, over the classifier's artifact."""
    if request.param == "api":
        return api_program(MODEL_DIR=str(iris_dir))
    return function_program(staged_dir, MODEL_DIR=str(iris_dir))


# Each kind of damage is refused in one process in tests/inference/test_start.py; here it is seen from outside.
@pytest.mark.parametrize(
    "damage",
    [damage for damage in DAMAGES if damage.name in ("model.json-missing", "model.onnx-flipped")],
    ids=lambda damage: damage.name,
)
def test_a_damaged_artifact_is_refused_in_one_line_before_the_port_is_open(
    damage: Callable[[Path], str], program: Program, iris_dir: Path, tmp_path: Path
) -> None:
    artifact = copy_of(iris_dir, tmp_path / "artifact")
    file = damage(artifact)
    refusal = refuse(program.with_environ(MODEL_DIR=str(artifact)))
    assert refusal.status not in (0, None)
    assert not refusal.port_was_open
    assert refusal.stdout == ""
    (line,) = refusal.stderr.splitlines()
    assert re.fullmatch(rf"refusing to start: artifact {re.escape(file)}: \S.*", line)


@pytest.mark.parametrize(
    ("name", "value"), [("MODEL_RUNTIME", "tensorflow"), ("LOG_LEVEL", "LOUD"), ("MODEL_DIR", "/nowhere/at/all")]
)
def test_a_variable_without_meaning_is_refused_in_one_line(name: str, value: str, program: Program) -> None:
    refusal = refuse(program.with_environ(**{name: value}))
    assert refusal.status not in (0, None)
    assert not refusal.port_was_open
    (line,) = refusal.stderr.splitlines()
    assert line.startswith("refusing to start: " + ("artifact model.json: " if name == "MODEL_DIR" else f"{name} must"))


def test_a_port_that_is_no_number_is_refused(program: Program) -> None:
    refusal = refuse(program.with_environ(PORT="http"))
    assert refusal.status not in (0, None)
    assert "port" in refusal.stderr.lower()
    assert "Traceback" not in refusal.stderr


def test_a_port_that_somebody_has_is_refused_in_one_line(program: Program) -> None:
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        port = holder.getsockname()[1]
        done = subprocess.run(
            program.command,
            cwd=program.cwd,
            env={**program.environ, "HOST": HOST, "PORT": str(port)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"refusing to start: cannot listen on {HOST}:{port}: Address already in use\n"


def test_empty_variables_are_as_good_as_none(program: Program, logs: Path) -> None:
    configured = program.with_environ(MODEL_RUNTIME="", LOG_LEVEL="", DEPLOY_CPU="", K_SERVICE="")
    with asked_over_http(configured, logs) as target:
        serving = target.ask("GET", "/model-info").json()["serving"]
    assert serving["runtime"] == "linear"
    assert serving["deployment"]["cpu"] is None
    assert serving["platform"]["service"] is None


def test_another_model_needs_no_other_code(program: Program, logs: Path, diabetes_dir: Path) -> None:
    configured = program.with_environ(
        MODEL_DIR=str(diabetes_dir),
        LOG_LEVEL="debug",
        DEPLOY_CPU="2",
        DEPLOY_MEMORY="512Mi",
        DEPLOY_CONCURRENCY="80",
        DEPLOY_MIN_INSTANCES="0",
        DEPLOY_REGION="europe-west1",
        K_SERVICE="faceoff",
        K_REVISION="faceoff-00001",
    )
    with asked_over_http(configured, logs) as target:
        info = target.ask("GET", "/model-info").json()
        card = info["card"]
        assert (info["input_features"], info["output_classes"], info["class_names"]) == (10, 0, [])
        assert info["feature_names"] == [feature["name"] for feature in card["features"]]
        assert info["serving"]["deployment"] == {
            "cpu": "2",
            "memory": "512Mi",
            "concurrency": "80",
            "min_instances": "0",
            "region": "europe-west1",
        }
        assert info["serving"]["platform"]["service"] == "faceoff"
        assert info["serving"]["platform"]["revision"] == "faceoff-00001"
        for known in card["known_answers"]:
            by_name = dict(zip(info["feature_names"], known["features"], strict=True))
            for document in ({"features": known["features"]}, by_name):
                answer = predict(target, document).json()
                assert set(answer) == {"prediction", "model_version"}
                assert type(answer["prediction"]) is float
                assert answer["prediction"] == pytest.approx(known["outputs"][0], rel=1e-5)
        batch = predict(target, {"instances": [known["features"] for known in card["known_answers"]]}).json()
        assert len(batch["predictions"]) == len(card["known_answers"])
        assert predict(target, named()).status == 422
        if program.title == "api":
            schema = target.ask("GET", "/openapi.json").json()["components"]["schemas"]["Prediction"]
            assert schema["properties"]["prediction"]["type"] == "number"


def test_scikit_learn_gives_the_answers_of_onnx_runtime(program: Program, logs: Path, core: Target) -> None:
    with asked_over_http(program.with_environ(MODEL_RUNTIME="sklearn"), logs) as target:
        serving = target.ask("GET", "/model-info").json()["serving"]
        assert serving["runtime"] == "sklearn"
        assert "scikit-learn" in serving["libraries"]
        assert "onnxruntime" not in serving["libraries"]
        for flower in FLOWERS:
            answer, expected = predict(target, named(flower)).json(), predict(core, named(flower)).json()
            assert answer["prediction"] == expected["prediction"]
            assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)
            assert answer["model_version"] == expected["model_version"]


def test_the_default_artifact_does_not_depend_on_where_the_program_is_started(
    api_dir: Path, staged_dir: Path, tmp_path: Path, logs: Path, iris_dir: Path
) -> None:
    version = json.loads((iris_dir / "model.json").read_text())["version"]
    function = function_program(tmp_path, FUNCTION_SOURCE=str(staged_dir / "main.py"))
    for program in (api_program(tmp_path, PYTHONPATH=str(api_dir)), function):
        with asked_over_http(program, logs) as target:
            assert target.ask("GET", "/health").json()["model_version"] == version


def test_a_relative_model_dir_is_looked_up_where_the_program_is_started(
    program: Program, logs: Path, diabetes_dir: Path
) -> None:
    configured = program.with_environ(MODEL_DIR=os.path.relpath(diabetes_dir, program.cwd))
    with asked_over_http(configured, logs) as target:
        assert target.ask("GET", "/model-info").json()["card"]["name"] == "diabetes"


def test_the_first_prediction_of_a_new_process_is_known_to_be_cold(program: Program, logs: Path) -> None:
    spawned = time.monotonic()
    with asked_over_http(program, logs) as target:
        first = predict(target, {"features": SETOSA})
        waited_ms = (time.monotonic() - spawned) * 1000
        second = predict(target, {"features": SETOSA})
    assert first.headers["x-request-count"] == "1"
    assert 0 < int(first.headers["x-instance-age-ms"]) <= waited_ms + 1  # it is rounded to a millisecond
    assert second.headers["x-request-count"] == "2"


def test_each_process_is_an_instance_of_its_own(program: Program, logs: Path) -> None:
    ids = set()
    for _ in range(2):
        with asked_over_http(program, logs) as target:
            ids.add(target.ask("GET", "/health").headers["x-instance-id"])
    assert len(ids) == 2


def test_sigterm_ends_the_server_and_its_children_with_a_connection_open(program: Program, logs: Path) -> None:
    with httpx.Client(trust_env=False) as client, serve(program, logs) as server:
        assert client.get(f"{server.url}/health").status_code == 200
    assert server.process.returncode is not None
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/health", trust_env=False)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS gives the loopback one address")
def test_it_listens_where_host_says(program: Program, logs: Path) -> None:
    with serve(program.with_environ(HOST="127.0.0.2"), logs) as server:
        assert httpx.get(f"{server.url}/health", trust_env=False).status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.url.replace("127.0.0.2", "127.0.0.1") + "/health", trust_env=False)
