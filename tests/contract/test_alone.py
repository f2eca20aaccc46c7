"""What each endpoint can do without: its own requirements are all that it has."""

import subprocess
from pathlib import Path

import pytest

from tests.servers import api_program, refuse

TRAINING = ("sklearn", "joblib", "scipy", "skl2onnx", "onnx")
NOT_NEEDED = (*TRAINING, "numpy", "onnxruntime", "pandas", "streamlit", "plotly", "httpx")


@pytest.mark.parametrize(
    ("environment", "needed", "never"),
    [
        ("api_python", {"fastapi", "uvicorn", "uvloop", "httptools"}, {"functions_framework", "flask"}),
        ("function_python", {"functions_framework", "uvloop", "httptools"}, {"fastapi", "pydantic"}),
    ],
)
def test_the_environment_has_what_it_serves_with_and_nothing_to_train_with(
    environment: str, needed: set[str], never: set[str], request: pytest.FixtureRequest
) -> None:
    python: Path = request.getfixturevalue(environment)
    assert importable(python, needed) == needed
    assert importable(python, {*NOT_NEEDED, *never}) == set()


@pytest.mark.parametrize(
    ("runtime", "file", "module"), [("sklearn", "model.joblib", "joblib"), ("onnx", "model.onnx", "numpy")]
)
def test_a_runtime_that_is_not_installed_is_refused_in_one_line(
    runtime: str, file: str, module: str, api_dir: Path, api_python: Path
) -> None:
    refusal = refuse(api_program(api_dir, api_python, MODEL_RUNTIME=runtime))
    assert refusal.status == 1
    assert not refusal.port_was_open
    assert refusal.stderr == f"refusing to start: artifact {file}: runtime {runtime} is not installed ({module})\n"


def importable(python: Path, modules: set[str]) -> set[str]:
    """Those of the modules that this Python could import."""
    code = "import importlib.util, sys; print(*(m for m in sys.argv[1:] if importlib.util.find_spec(m)))"
    done = subprocess.run([python, "-I", "-c", code, *sorted(modules)], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
