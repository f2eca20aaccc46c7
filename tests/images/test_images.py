"""What the images are made of, read from their Dockerfiles, and the tool that builds and runs them.

Building takes minutes and root or an engine, so CI does it by `make images`; here are the rules that need neither.
"""

import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy.variables import DEFAULTS, read
from tools import images
from tools.images import IMAGES, Container, Image, ImageError

ROOT = Path(__file__).resolve().parents[2]
GROUPS = {"api": "api", "dashboard": "dashboard", "function": "function"}
FOLDERS = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "tools"}


def instructions(image: Image) -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, continued lines joined and comments dropped."""
    lines = [line for line in (ROOT / image.dockerfile).read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


def stages(image: Image) -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for instruction, argument in instructions(image):
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, argument))
    return found


@pytest.fixture(params=IMAGES)
def image(request: pytest.FixtureRequest) -> Image:
    name: str = request.param
    return IMAGES[name]


def test_every_stage_starts_from_the_same_base_or_from_another_stage(image: Image) -> None:
    froms = [argument.split(" AS ") for instruction, argument in instructions(image) if instruction == "FROM"]
    assert len(froms) > 1
    names = {parts[1] for parts in froms if len(parts) > 1}
    assert {parts[0] for parts in froms} - names == {"python:3.11-slim"}
    assert froms[-1] == ["python:3.11-slim"]


def test_nothing_is_fetched_but_hashed_pins_of_one_group(image: Image) -> None:
    runs = [argument for instruction, argument in instructions(image) if instruction == "RUN"]
    words = [word for run in runs for word in re.findall(r"[\w./-]+", run)]
    assert not {"apt-get", "apt", "curl", "wget", "git", "uv", "ADD"} & set(words)
    assert "pip" not in words
    group = GROUPS[image.name]
    assert re.findall(r"/image.sh packages (\S+)", " ".join(runs)) == [group]
    copied = [argument for instruction, argument in instructions(image) if instruction == "COPY"]
    assert any(one.startswith(f"requirements/{group}.txt ") and one.endswith(" /requirements/") for one in copied)
    assert not [instruction for instruction, _ in instructions(image) if instruction == "ADD"]


def test_the_shared_steps_fetch_hashed_pins_alone() -> None:
    lines = [line for line in (ROOT / "deploy" / "image.sh").read_text().splitlines() if not line.startswith("#")]
    script = "\n".join(lines).replace("\\\n", " ")
    assert not {"apt-get", "apt", "curl", "wget", "git", "uv"} & set(re.findall(r"[\w./-]+", script))
    (install,) = re.findall(r"pip .* install .*", script)
    assert {"--require-hashes", "--only-binary=:all:"} <= set(install.split())


def test_only_what_it_is_made_of_makes_the_model_anew(image: Image) -> None:
    source, model, *others = stages(image)
    assert source[2:] == [("COPY", ". ."), ("RUN", "mkdir -p artifacts")]
    assert ("COPY", ". .") not in [instruction for stage in (model, *others) for instruction in stage]
    steps = [
        argument.removeprefix("--from=source /src/").split()[0] if instruction == "COPY" else instruction
        for instruction, argument in model
        if instruction in ("COPY", "RUN")
    ]
    # the packages, which take longest, depend on their pins and on whether there is an artifact
    assert steps == ["deploy/image.sh", "requirements/training.txt", "artifacts", "RUN", "inference", "training", "RUN"]
    runs = [argument for instruction, argument in model if instruction == "RUN"]
    assert runs[0] == 'deploy/image.sh training "$DATASET"'
    assert runs[1].startswith('deploy/image.sh model "$DATASET"')


def test_the_last_stage_only_copies(image: Image) -> None:
    last = stages(image)[-1]
    assert not [argument for instruction, argument in last if instruction in ("RUN", "SHELL", "ENTRYPOINT")]
    assert all(argument.startswith("--from=") for instruction, argument in last if instruction == "COPY")


def test_the_program_is_not_root_and_gets_the_signals_itself(image: Image) -> None:
    last = dict(stages(image)[-1])
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last["USER"])
    assert last["CMD"].startswith('["')
    assert '"sh"' not in last["CMD"]
    assert "PORT=8080" in last["ENV"]


def test_health_is_asked_with_what_is_in_the_image(image: Image) -> None:
    health = dict(stages(image)[-1])["HEALTHCHECK"]
    assert 'CMD ["python", "-I", "-c"' in health
    assert f"'{image.health_path}'" in health


def test_no_dockerfile_has_a_heredoc(image: Image) -> None:
    assert "<<" not in (ROOT / image.dockerfile).read_text()


def test_the_context_is_a_list_of_what_is_used() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "/*"
    named = {line.removeprefix("!/") for line in lines if line.startswith("!")}
    assert named >= FOLDERS
    assert {"artifacts", "requirements", "Dockerfile.api", "Dockerfile.dashboard"} <= named
    assert {"**/__pycache__", "**/*.pyc"} <= set(lines)


def test_the_limits_of_compose_are_the_variables() -> None:
    said = read(DEFAULTS)
    used = re.findall(r"\$\{(\w+):-([^}]*)\}", (ROOT / "compose.yaml").read_text())
    assert len(used) >= 12
    assert {name: said[name] for name, _ in used} == dict(used)


def test_compose_builds_what_the_tool_builds() -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert set(re.findall(r"dockerfile: (\S+)", text)) == {image.dockerfile for image in IMAGES.values()}
    assert set(re.findall(r"image: (\S+)", text)) == {image.tag for image in IMAGES.values()}
    shared, services = text.split("\nservices:\n")
    assert "x-hardened: &hardened\n  read_only: true\n" in shared
    assert services.count("\n    <<: *hardened\n") == services.count("\n    image: ") == len(IMAGES)
    assert "read_only" not in services
    assert not re.findall(r'ports: \["(?!127\.0\.0\.1:)', text)


def test_hadolint_has_nothing_to_say(image: Image) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, ROOT / image.dockerfile], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


# --- The tool


class Program(BaseHTTPRequestHandler):
    """What a container answers, in this process."""

    def do_GET(self) -> None:
        card = '{"card": {"features": [{"name": "length", "default": 1.5}]}}'
        self._answer({"/model-info": card, "/": "<html>"}.get(self.path, "{}"))

    def do_POST(self) -> None:
        self._answer('{"prediction": 2}')

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


class FakeContainer:
    def __init__(self, port: int, stop: tuple[float, int]) -> None:
        self._server = HTTPServer(("127.0.0.1", port), Program)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self._stop = stop

    def stop(self) -> tuple[float, int]:
        return self._stop

    def log(self) -> str:
        return "last words"

    def kill(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class FakeEngine:
    def __init__(
        self,
        size_mb: float = 50,
        user: str = "10001:10001",
        stop: tuple[float, int] = (0.2, 143),
        script_fails: bool = False,
    ) -> None:
        self._size_mb, self._user, self._stop, self._script_fails = size_mb, user, stop, script_fails

    def build(self, image: Image) -> None:
        pass

    def size_mb(self, reference: str) -> float:
        return 100 if reference == images.BASE else 100 + self._size_mb

    def user(self, image: Image) -> str:
        return self._user

    def start(self, image: Image, port: int) -> Container:
        return FakeContainer(port, self._stop)

    def output(self, image: Image, command: Sequence[str]) -> str:
        if self._script_fails and command[-1] == image.trial:
            raise ImageError("its script fails")
        return '{"numpy": 12500000, "/app": 250000}'


def test_an_image_that_does_what_it_must_is_reported() -> None:
    report = images.check(FakeEngine(), IMAGES["api"])
    assert "50 MB above python:3.11-slim (limit 60)" in report
    assert "predicts 2" in report
    assert "numpy 12.5, /app 0.2" in report
    assert "the page is there" in images.check(FakeEngine(), IMAGES["dashboard"])


def test_a_page_whose_script_fails_is_an_error_although_the_page_is_there() -> None:
    with pytest.raises(ImageError, match="its script fails"):
        images.check(FakeEngine(script_fails=True), IMAGES["dashboard"])


def test_the_script_of_the_page_passes_its_trial_here(iris_dir: Path, tmp_path: Path) -> None:
    trial = IMAGES["dashboard"].trial
    assert trial
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "MODEL_DIR": str(iris_dir), "RESULTS_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", trial], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        (FakeEngine(size_mb=201), "201 MB above"),
        (FakeEngine(user=""), "user"),
        (FakeEngine(user="root"), "user"),
        (FakeEngine(user="0:0"), "user"),
        (FakeEngine(stop=(10.1, 137)), "took 10.1 s"),
        (FakeEngine(stop=(0.1, 137)), "status 137"),
    ],
)
def test_an_image_that_does_not_is_an_error(engine: FakeEngine, words: str) -> None:
    with pytest.raises(ImageError, match=re.escape(words)):
        images.check(engine, IMAGES["api"])


def client(folder: Path, script: str, name: str = "docker") -> Path:
    """A stand-in for an engine's command line, alone in `folder`."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def path(*folders: Path) -> dict[str, str]:
    return {"PATH": os.pathsep.join(map(str, folders))}


def test_without_an_engine_one_line_says_what_was_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert images.main(["api", "dashboard"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("images: not built: api, dashboard (")


def test_an_unknown_image_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert images.main(["web"]) == 2
    assert "web" in capsys.readouterr().err


NO_DAEMON = "echo 'Cannot connect to the Docker daemon' >&2; exit 1"


def test_a_client_without_its_engine_is_passed_over_for_the_next_on_the_path(tmp_path: Path) -> None:
    idle = client(tmp_path / "first", NO_DAEMON).parent
    assert images.find_engine(path(idle)) is None
    program = client(tmp_path / "last", "exit 0")
    engine = images.find_engine(path(idle, tmp_path / "nowhere", program.parent))
    assert engine and engine.program == str(program)


def test_the_first_engine_of_the_path_is_used_whatever_it_is_called(tmp_path: Path) -> None:
    podman = client(tmp_path / "first", "exit 0", "podman")
    docker = client(tmp_path / "last", "exit 0")
    for folders, first in (((podman.parent, docker.parent), podman), ((docker.parent, podman.parent), docker)):
        engine = images.find_engine(path(*folders))
        assert engine and engine.program == str(first)


def test_docker_runs_an_image_as_the_platform_does(tmp_path: Path) -> None:
    record = tmp_path / "calls"
    script = f'echo "$@" >>{shlex.quote(str(record))}\ncase $1 in wait) echo 143 ;; *) echo 42 ;; esac'
    engine = images.Docker(str(client(tmp_path, script)))
    engine.build(IMAGES["api"])
    container = engine.start(IMAGES["api"], 8080)
    assert container.stop()[1] == 143
    container.kill()
    build, run, kill, wait, remove = record.read_text().splitlines()
    assert build == "build --quiet --file Dockerfile.api --tag faceoff-api ."
    assert "--read-only" in run and "--cap-drop ALL" in run and run.endswith("127.0.0.1:8080:8080 faceoff-api")
    assert (kill, wait, remove) == ("kill --signal TERM 42", "wait 42", "rm --force 42")
