"""What the environment may say to both serving targets."""

import subprocess
from pathlib import Path

import pytest

from inference.settings import LOG_LEVELS, ServingSettings, SettingsError
from tests.servers import PYTHON, ROOT

DEFAULT = Path("default")


def settings(**variables: str) -> ServingSettings:
    return ServingSettings.from_env(variables, default_model_dir=DEFAULT)


@pytest.mark.parametrize("variables", [{}, {"MODEL_DIR": "", "MODEL_RUNTIME": "", "LOG_LEVEL": "", "K_SERVICE": ""}])
def test_an_unset_or_empty_variable_is_its_default(variables: dict[str, str]) -> None:
    found = settings(**variables)
    assert (found.model_dir, found.runtime, found.log_level) == (DEFAULT, "auto", "INFO")
    assert set(found.platform.values()) == set(found.deployment.values()) == {None}


def test_variables_are_read() -> None:
    found = settings(
        MODEL_DIR="/models/iris", MODEL_RUNTIME="sklearn", LOG_LEVEL="debug", K_REVISION="r1", DEPLOY_CONCURRENCY="80"
    )
    assert (found.model_dir, found.runtime, found.log_level) == (Path("/models/iris"), "sklearn", "DEBUG")
    assert found.platform["revision"] == "r1"
    assert found.deployment["concurrency"] == "80"


@pytest.mark.parametrize("value", ["tensorflow", "onnxruntime", "joblib", " ", "onnx,sklearn"])
def test_an_unknown_runtime_is_refused_by_the_name_of_the_variable(value: str) -> None:
    with pytest.raises(SettingsError, match="MODEL_RUNTIME must be one of auto, linear, onnx, sklearn"):
        settings(MODEL_RUNTIME=value)


def test_origins_are_separated_by_commas_or_blanks() -> None:
    assert settings().cors_origins == frozenset()
    found = settings(CORS_ORIGINS="https://a.example, http://localhost:3000 https://b.example").cors_origins
    assert found == {"https://a.example", "http://localhost:3000", "https://b.example"}


@pytest.mark.parametrize("value", ["*", "null", "a.example", "https://a.example/", "https://*.example", "ftp://a"])
def test_what_is_no_exact_origin_is_refused_by_the_name_of_the_variable(value: str) -> None:
    with pytest.raises(SettingsError, match="CORS_ORIGINS must name exact origins"):
        settings(CORS_ORIGINS=value)


@pytest.mark.parametrize("value", ["LOUD", "10", "WARN ", "NOTSET"])
def test_an_unknown_log_level_is_refused_by_the_name_of_the_variable(value: str) -> None:
    with pytest.raises(SettingsError, match=f"LOG_LEVEL must be one of {LOG_LEVELS[0]}"):
        settings(LOG_LEVEL=value)


@pytest.mark.parametrize("runtime", ["onnx", "sklearn"])
def test_loading_a_model_limits_native_threads_and_leaves_the_operators_choice(runtime: str, iris_dir: Path) -> None:
    code = (
        "import os; from pathlib import Path; from inference.model import load_model\n"
        f"load_model(Path({str(iris_dir)!r}), {runtime!r})\n"
        "print(os.environ['OPENBLAS_NUM_THREADS'], os.environ['OMP_NUM_THREADS'])"
    )
    done = subprocess.run(
        [PYTHON, "-c", code], cwd=ROOT, env={"OMP_NUM_THREADS": "2"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "2"]
