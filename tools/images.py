"""`python -m tools.images`: build the images, run each as the platform does, and report its size and contents.

Uses the first working Docker or Podman on the PATH. Each image runs with a read-only root, must become healthy and do
its job, and is stopped by SIGTERM.
"""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tools.processes import free_ports

ROOT = Path(__file__).resolve().parents[1]
BASE = "python:3.11-slim"
START_S = 60.0
STOP_S = 10.0
"""What Cloud Run leaves between SIGTERM and SIGKILL."""

# Runs inside the image: the ten largest things in it that are not the base image's, in bytes.
_CONTENTS = """
import json, os, sys
def size(path):
    if os.path.islink(path) or not os.path.isdir(path):
        return os.lstat(path).st_size
    return sum(size(entry.path) for entry in os.scandir(path))
site = "/opt/venv/lib/python3.11/site-packages"
found = {name: size(f"{site}/{name}") for name in os.listdir(site)}
for place in sys.argv[1:]:
    found[place] = size(place)
print(json.dumps(dict(sorted(found.items(), key=lambda item: -item[1])[:10])))
"""


# Streamlit answers with the same page whatever the script does: run the script, and import what it imports later.
_TRIAL = """
import importlib, sys
import benchmark.__main__, benchmark.endpoints.identity, dashboard.views.predict.charts
import google.oauth2.id_token, plotly.io, scipy.special
from dashboard.pages import PAGES
for page in PAGES:
    importlib.import_module(page.module)
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("dashboard/app.py", default_timeout=60).run()
sys.exit(str([error.value for error in app.exception]) if app.exception or not app.slider else 0)
"""


class ImageError(Exception):
    """An image cannot be built or fails a check; the message says which."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image: how it is built, what it must do, and how large it may be."""

    name: str
    dockerfile: str
    health_path: str
    program: str
    """The folder of the project's own files in it."""
    limit_mb: int | None = None
    predicts: bool = True
    trial: str | None = None
    """Python that runs inside the image, for what no request shows; it ends with status 0."""

    @property
    def tag(self) -> str:
        return f"faceoff-{self.name}"


IMAGES: Mapping[str, Image] = {
    image.name: image
    for image in (
        Image("api", "Dockerfile.api", "/health", "/app", limit_mb=60),
        Image("dashboard", "Dockerfile.dashboard", "/_stcore/health", "/app", 650, predicts=False, trial=_TRIAL),
        Image("function", "cloud_function/Dockerfile", "/health", "/workspace"),
    )
}
DEFAULT_NAMES = ("api", "dashboard")
"""The function's image is only for compose.yaml and is never deployed."""


class Container(Protocol):
    """A running image."""

    def stop(self) -> tuple[float, int]:
        """Send SIGTERM and wait; returns the seconds that it took, and the exit status."""

    def log(self) -> str:
        """Its last lines of output."""

    def kill(self) -> None:
        """Kill it if it still runs."""


class Engine(Protocol):
    """Something that builds and runs images."""

    def build(self, image: Image) -> None: ...

    def size_mb(self, reference: str) -> float: ...

    def user(self, image: Image) -> str: ...

    def start(self, image: Image, port: int) -> Container: ...

    def output(self, image: Image, command: Sequence[str]) -> str: ...


class Docker:
    """Docker or Podman, whose command lines are the same here."""

    def __init__(self, program: str) -> None:
        self.program = program

    def build(self, image: Image) -> None:
        _checked([self.program, "build", "--quiet", "--file", image.dockerfile, "--tag", image.tag, "."])

    def size_mb(self, reference: str) -> float:
        if reference == BASE:  # newer builders keep base images to themselves
            _checked([self.program, "pull", "--quiet", reference])
        return int(_checked([self.program, "image", "inspect", "--format", "{{.Size}}", reference])) / 1e6

    def user(self, image: Image) -> str:
        return _checked([self.program, "image", "inspect", "--format", "{{.Config.User}}", image.tag]).strip()

    def start(self, image: Image, port: int) -> Container:
        run = [self.program, "run", "--detach", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]  # noqa: S108  its own
        options = ["--env", f"PORT={port}", "--publish", f"127.0.0.1:{port}:{port}"]
        return _DockerContainer(self.program, _checked([*run, *options, image.tag]).strip())

    def output(self, image: Image, command: Sequence[str]) -> str:
        run = [self.program, "run", "--rm", "--read-only", "--tmpfs", "/tmp"]  # noqa: S108  its own
        return _checked([*run, "--entrypoint", command[0], image.tag, *command[1:]])


class _DockerContainer:
    def __init__(self, program: str, identifier: str) -> None:
        self._program = program
        self._id = identifier

    def stop(self) -> tuple[float, int]:
        started = time.monotonic()
        _checked([self._program, "kill", "--signal", "TERM", self._id])
        status = int(_checked([self._program, "wait", self._id], timeout_s=STOP_S * 3))
        return time.monotonic() - started, status

    def log(self) -> str:
        done = subprocess.run(  # noqa: S603  our own arguments
            [self._program, "logs", "--tail", "15", self._id], capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def kill(self) -> None:
        subprocess.run([self._program, "rm", "--force", self._id], capture_output=True, check=False)  # noqa: S603


def find_engine(environ: Mapping[str, str] = os.environ) -> Docker | None:
    """The first working engine on the PATH, or None. A client may be installed without its engine."""
    for folder in os.get_exec_path(environ):
        for name in ("docker", "podman"):
            program = shutil.which(name, path=folder)
            if program and _succeeds([program, "info"]):
                return Docker(program)
    return None


def check(engine: Engine, image: Image) -> str:
    """Build `image`, run it and stop it; returns a report. Raises ImageError if a check fails."""
    engine.build(image)
    if not re.fullmatch(r"[1-9][0-9]*(:[1-9][0-9]*)?", user := engine.user(image)):
        raise ImageError(f"its user must be a number above 0, not {user!r}")
    size_mb = engine.size_mb(image.tag) - engine.size_mb(BASE)
    if image.limit_mb is not None and size_mb > image.limit_mb:
        raise ImageError(f"it is {size_mb:.0f} MB above {BASE}; {image.limit_mb} are allowed")
    contents = json.loads(engine.output(image, ["python", "-c", _CONTENTS, image.program]).splitlines()[-1])
    largest = ", ".join(f"{name} {size / 1e6:.1f}" for name, size in contents.items())
    if image.trial is not None:
        engine.output(image, ["python", "-c", image.trial])

    (port,) = free_ports(1)
    started = time.monotonic()
    container = engine.start(image, port)
    try:
        _await_health(image, port)
        start_s = time.monotonic() - started
        seen = _use(image, port)
        stop_s, status = container.stop()
    except (ImageError, OSError, http.client.HTTPException) as error:
        raise ImageError(f"{error}\n{container.log()}") from error
    finally:
        container.kill()
    # 143: it ended by the signal, after it had finished its work; 137 would be a kill.
    if stop_s >= STOP_S or status not in (0, 128 + signal.SIGTERM):
        raise ImageError(f"SIGTERM: it took {stop_s:.1f} s and ended with status {status}")
    limit = f" (limit {image.limit_mb})" if image.limit_mb is not None else ""
    return (
        f"{image.tag}: {size_mb:.0f} MB above {BASE}{limit}; user {user}, root read-only; healthy after "
        f"{start_s:.1f} s, {seen}, stopped by SIGTERM in {stop_s:.1f} s\n  largest, in MB: {largest}"
    )


def _await_health(image: Image, port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if _ask(port, "GET", image.health_path)[0] == http.HTTPStatus.OK:
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.1)
    raise ImageError(f"not healthy after {START_S:g} s")


def _use(image: Image, port: int) -> str:
    """Use the image for its purpose; returns what it did."""
    if not image.predicts:
        status, body = _ask(port, "GET", "/")
        if status != http.HTTPStatus.OK or b"<html" not in body:
            raise ImageError(f"its page answered {status}")
        return "the page is there and its script runs"
    card = json.loads(_ask(port, "GET", "/model-info")[1])["card"]
    inputs = {feature["name"]: feature["default"] for feature in card["features"]}
    status, body = _ask(port, "POST", "/predict", json.dumps(inputs).encode())
    if status != http.HTTPStatus.OK:
        raise ImageError(f"a prediction answered {status}: {body[:200]!r}")
    return f"predicts {json.loads(body)['prediction']}"


def _ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False


def _checked(command: Sequence[str], timeout_s: float = 1800) -> str:
    """What `command` prints; raises ImageError with its last lines if it fails."""
    try:
        done = subprocess.run(  # noqa: S603  our own arguments
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout_s
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageError(f"{command[0]}: {error}") from error
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ImageError(f"{' '.join(command[:3])} ... ended with status {done.returncode}\n{tail}")
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: names of images (default: those that are deployed). Returns the exit status."""
    names = list(sys.argv[1:] if arguments is None else arguments) or list(DEFAULT_NAMES)
    if unknown := [name for name in names if name not in IMAGES]:
        print(f"unknown image {unknown[0]}; the images are {', '.join(IMAGES)}", file=sys.stderr)
        return 2
    engine = find_engine()
    if engine is None:
        # No failure of the images, but it is said.
        print(f"images: not built: {', '.join(names)} (no Docker and no Podman works here)")
        return 0
    failed = False
    for name in names:
        try:
            print(check(engine, IMAGES[name]), flush=True)
        except ImageError as error:
            print(f"{IMAGES[name].tag}: {error}", file=sys.stderr, flush=True)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
