"""Staging: one directory that holds exactly what the platform gets, and nothing of anybody else's is lost."""

import ast
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.stage_function import main, stage
from inference.model import ArtifactError, load_model
from inference.settings import ServingSettings
from tests.inference.damage import copy_of
from tests.servers import PYTHON, ROOT, run

# version and marker -> hashes, by package
Pins = dict[str, dict[str, frozenset[str]]]


def settings(model_dir: Path, runtime: str = "onnx") -> ServingSettings:
    return ServingSettings.from_env({"MODEL_RUNTIME": runtime}, default_model_dir=model_dir)


def files(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir()}


def pins(requirements: Path) -> Pins:
    """A requirements file, read as pip does: a pin and its hashes are one line, continued."""
    found: Pins = {}
    for line in requirements.read_text().replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            pin, *hashes = line.split("--hash=")
            name, version = pin.strip().split("==", 1)
            assert version not in found.get(name, {}), f"{pin.strip()} is there twice"
            found.setdefault(name, {})[version] = frozenset(value.strip() for value in hashes)
    return found


def test_a_staged_function_holds_exactly_what_is_deployed(iris_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "build" / "function"
    stage(target, settings(iris_dir))
    core = {f"inference/{path.name}" for path in (ROOT / "inference").glob("*.py")}
    artifact = {f"artifact/{path.name}" for path in iris_dir.iterdir()}
    assert "artifact/model.linear.json" in artifact
    assert files(target) == {"main.py", "requirements.txt", ".gcloudignore", *core, *artifact}
    assert not [path for path in target.rglob("*") if path.is_symlink()]
    assert (target / "main.py").read_bytes() == (ROOT / "cloud_function" / "main.py").read_bytes()
    for name in core:
        assert (target / name).read_bytes() == (ROOT / name).read_bytes()


def test_the_staged_artifact_is_whole(iris_dir: Path, tmp_path: Path) -> None:
    stage(tmp_path / "function", settings(iris_dir))
    version = load_model(iris_dir, "onnx").card.version
    for runtime in ("onnx", "sklearn"):
        assert load_model(tmp_path / "function" / "artifact", runtime).card.version == version


def test_what_is_staged_imports_nothing_that_is_not_staged_or_installed(iris_dir: Path, tmp_path: Path) -> None:
    stage(tmp_path / "function", settings(iris_dir))
    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"inference"}
    assert {"api", "training", "dashboard"} <= ours
    for source in (tmp_path / "function").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert not node.level
                names = [node.module or ""]
            assert not ours & {name.partition(".")[0] for name in names}, source


def test_the_requirements_are_the_functions_pins_each_with_its_hashes(iris_dir: Path, tmp_path: Path) -> None:
    stage(tmp_path / "function", settings(iris_dir, "auto"))
    staged = pins(tmp_path / "function" / "requirements.txt")
    assert staged == pins(ROOT / "requirements" / "function.txt")
    assert all(hashes for versions in staged.values() for hashes in versions.values())
    assert {"functions-framework", "uvloop", "httptools"} <= set(staged)
    assert not {"numpy", "onnxruntime", "scikit-learn", "joblib", "pandas", "fastapi", "pydantic"} & set(staged)


@pytest.mark.parametrize(("runtime", "needed"), [("onnx", "onnxruntime"), ("sklearn", "scikit-learn")])
def test_the_requirements_of_a_runtime_are_both_groups_pins_each_once(
    runtime: str, needed: str, iris_dir: Path, tmp_path: Path
) -> None:
    stage(tmp_path / "function", settings(iris_dir, runtime))
    function, added = (pins(ROOT / "requirements" / f"{group}.txt") for group in ("function", runtime))
    staged = pins(tmp_path / "function" / "requirements.txt")
    assert staged == function | added
    assert {"functions-framework", needed} <= set(staged)


@pytest.mark.parametrize("runtime", ["onnx", "sklearn"])
@pytest.mark.parametrize("python", [(3, 11), (3, 12), (3, 13)])
def test_every_python_gets_one_version_of_numpy(
    python: tuple[int, int], runtime: str, iris_dir: Path, tmp_path: Path
) -> None:
    stage(tmp_path / "function", settings(iris_dir, runtime))
    applying = []
    for version in pins(tmp_path / "function" / "requirements.txt")["numpy"]:
        number, _, marker = version.partition(" ; ")
        bound = re.fullmatch(r"python_full_version (<|>=) '(\d+)\.(\d+)'", marker)
        assert bound or not marker, f"a marker that this test does not read: {marker}"
        if not bound or (python < (int(bound[2]), int(bound[3]))) == (bound[1] == "<"):
            applying.append(number)
    assert len(applying) == 1


def test_a_function_is_staged_anew_without_what_running_it_left_behind(iris_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "function"
    stage(target, settings(iris_dir))
    fresh = files(target)
    (target / "__pycache__").mkdir()
    (target / "__pycache__" / "main.cpython-311.pyc").touch()
    (target / "inference" / "removed.py").touch()
    (target / "artifact" / "notes.txt").touch()
    stage(target, settings(iris_dir))
    assert files(target) == fresh


def test_another_model_takes_the_place_of_the_first(iris_dir: Path, diabetes_dir: Path, tmp_path: Path) -> None:
    stage(tmp_path / "function", settings(iris_dir))
    stage(tmp_path / "function", settings(diabetes_dir))
    assert load_model(tmp_path / "function" / "artifact", "onnx").card.name == "diabetes"


def test_an_empty_directory_is_filled(iris_dir: Path, tmp_path: Path) -> None:
    stage(tmp_path, settings(iris_dir))
    assert (tmp_path / "main.py").is_file()


@pytest.mark.parametrize("runtime", ["onnx", "sklearn"])
@pytest.mark.parametrize("name", ["model.onnx", "model.joblib", "data.csv", "model.json"])
def test_a_damaged_artifact_is_not_staged_and_the_previous_staging_stays(
    name: str, runtime: str, iris_dir: Path, tmp_path: Path
) -> None:
    stage(tmp_path / "function", settings(iris_dir))
    before = {file: (tmp_path / "function" / file).read_bytes() for file in files(tmp_path / "function")}
    damaged = copy_of(iris_dir, tmp_path / "damaged")
    (damaged / name).write_bytes((damaged / name).read_bytes()[:-3])
    with pytest.raises(ArtifactError, match=re.escape(name)):
        stage(tmp_path / "function", settings(damaged, runtime))
    assert {file: (tmp_path / "function" / file).read_bytes() for file in files(tmp_path / "function")} == before


def _somebodys_files(directory: Path) -> None:
    (directory / "thesis.txt").write_text("years of work")


def _somebodys_program(directory: Path) -> None:
    (directory / "main.py").write_text("print('years of work')")
    (directory / "data").mkdir()
    (directory / "data" / "thesis.txt").write_text("years of work")


def _the_functions_source(directory: Path) -> None:
    shutil.copytree(ROOT / "cloud_function", directory, dirs_exist_ok=True)


@pytest.mark.parametrize("fill", [_somebodys_files, _somebodys_program, _the_functions_source])
def test_a_directory_that_is_no_staged_function_is_left_alone(
    fill: Callable[[Path], None], iris_dir: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    fill(target)
    before = files(target)
    with pytest.raises(FileExistsError, match="is not a staged function"):
        stage(target, settings(iris_dir))
    assert files(target) == before


def test_the_artifact_of_a_staged_function_can_be_staged_into_it_again(iris_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "function"
    stage(target, settings(iris_dir))
    before = files(target)
    stage(target, settings(target / "artifact"))
    assert files(target) == before


def test_the_command_stages_what_the_variables_of_the_deployment_say(
    iris_dir: Path, diabetes_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.variables.ARTIFACTS", diabetes_dir.parent)
    # What the shell says is for a program that is started here; the API's image would not know of it.
    monkeypatch.setenv("MODEL_DIR", str(iris_dir))
    monkeypatch.setenv("MODEL_RUNTIME", "onnx")
    wanted = ["--set", "DATASET=diabetes", "--set", "MODEL_RUNTIME=sklearn"]
    assert main([*wanted, "--output", str(tmp_path / "function")]) == 0
    assert load_model(tmp_path / "function" / "artifact", "onnx").card.name == "diabetes"
    assert "scikit-learn" in pins(tmp_path / "function" / "requirements.txt")


def test_the_command_stages_another_directorys_artifact_when_told(diabetes_dir: Path, tmp_path: Path) -> None:
    assert main(["--artifact", str(diabetes_dir), "--output", str(tmp_path / "function")]) == 0
    assert load_model(tmp_path / "function" / "artifact", "onnx").card.name == "diabetes"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--artifact=/nowhere/at/all", "artifact model.json: not found"),
        ("--set=DATASET=penguins", "artifact model.json: not found"),
        ("--set=MODEL_RUNTIME=tensorflow", "MODEL_RUNTIME must be"),
        ("--set=COLOUR=red", "COLOUR is not a variable"),
        ("--with=/nowhere.env", "[Errno 2]"),
    ],
)
def test_the_command_fails_with_one_line_and_status_1(option: str, words: str, tmp_path: Path) -> None:
    done = run([PYTHON, "-m", "deploy.stage_function", "--output", tmp_path / "function", option])
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"not staged: {words}")
    assert not (tmp_path / "function").exists()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_cannot_be_written_is_an_error_of_one_line(iris_dir: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    done = run([PYTHON, "-m", "deploy.stage_function", "--output", tmp_path / "function", "--artifact", iris_dir])
    tmp_path.chmod(0o755)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_file_in_the_place_of_the_directory_is_left_alone(iris_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "function").write_text("a file")
    assert main(["--artifact", str(iris_dir), "--output", str(tmp_path / "function")]) == 1
    assert (tmp_path / "function").read_text() == "a file"
