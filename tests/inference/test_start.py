"""Starting: one line and status 1 where anything is wrong, and nothing imported that the start does not need."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from inference.start import load_app
from tests.inference.damage import DAMAGES, copy_of
from tests.servers import PYTHON, ROOT


def test_a_whole_artifact_gives_a_service(iris_dir: Path) -> None:
    endpoint = load_app("faceoff-test", default_model_dir=iris_dir, environ={})
    assert endpoint.service.respond("GET", "/health").status == 200


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_a_damaged_artifact_ends_the_program_in_one_line(
    damage: Callable[[Path], str], iris_dir: Path, tmp_path: Path
) -> None:
    artifact = copy_of(iris_dir, tmp_path / "artifact")
    file = damage(artifact)
    with pytest.raises(SystemExit) as ended:
        load_app("faceoff-test", default_model_dir=iris_dir, environ={"MODEL_DIR": str(artifact)})
    assert isinstance(ended.value.code, str)  # printed to stderr, status 1
    assert ended.value.code.startswith(f"refusing to start: artifact {file}: ")
    assert "\n" not in ended.value.code


@pytest.mark.parametrize("name", ["MODEL_RUNTIME", "LOG_LEVEL"])
def test_a_variable_without_meaning_ends_the_program_in_one_line(name: str, iris_dir: Path) -> None:
    with pytest.raises(SystemExit, match=f"^refusing to start: {name} must"):
        load_app("faceoff-test", default_model_dir=iris_dir, environ={name: "?"})


@pytest.mark.parametrize(("runtime", "needed"), [("linear", set()), ("onnx", {"numpy", "onnxruntime"})])
def test_serving_imports_only_what_answers_need(runtime: str, needed: set[str], iris_dir: Path) -> None:
    environ = {"MODEL_RUNTIME": runtime}
    code = (
        "import sys; from pathlib import Path; from inference.start import load_app\n"
        f"endpoint = load_app('t', default_model_dir=Path({str(iris_dir)!r}), environ={environ})\n"
        "assert endpoint.service.respond('GET', '/health').status == 200\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert imported & {"numpy", "onnxruntime"} == needed
    assert not imported & {
        "sklearn",
        "joblib",
        "scipy",
        "pandas",
        "pydantic",
        "fastapi",
        "starlette",
        "flask",
        "prometheus_client",
    }
