"""The servers that are compared, and the environment that each of them has."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.bench_serving import BenchError, progress
from tools.bench_serving.load import BODY, NAMED_BODY

ROOT = Path(__file__).resolve().parents[2]
BASELINES = ROOT / "tools" / "baselines"
REQUIREMENTS = ROOT / "requirements"
ONNX = (("MODEL_RUNTIME", "onnx"),)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A server to measure: `command` in an environment that has `packages` (arguments of `uv pip install`) alone."""

    name: str
    command: tuple[str, ...]
    packages: tuple[str, ...]
    directory: Path
    """Where it is started."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables of its own."""
    body: bytes = BODY


def servers(scratch: Path) -> tuple[Candidate, ...]:
    """Ours first, then the references. `scratch` holds the staged function and the common designs' model."""

    def uvicorn(module: str) -> tuple[str, ...]:
        # No access log, which would cost the fixed answers a quarter of their speed. Ours write a line a request.
        return ("uvicorn", "--no-access-log", "--app-dir", str(BASELINES), f"{module}:app")

    def framework(module: str) -> tuple[str, ...]:
        return ("functions-framework", "--target", "predict", "--source", str(BASELINES / f"{module}.py"))

    def unpinned(*names: str) -> tuple[str, ...]:
        return ("--constraint", str(REQUIREMENTS / "all.txt"), *names)

    api = ("--require-hashes", "--requirement", str(REQUIREMENTS / "api.txt"))
    function = ("--require-hashes", "--requirement", str(REQUIREMENTS / "function.txt"))
    onnx = ("--requirement", str(REQUIREMENTS / "onnx.txt"))
    forest = ("joblib", "scikit-learn")
    return (
        Candidate("api", ("python", "-m", "api"), api, ROOT),
        Candidate("function", ("functions-framework", "--target", "predict"), function, scratch / "function"),
        Candidate("api, ONNX", ("python", "-m", "api"), (*api, *onnx), ROOT, ONNX),
        Candidate(
            "function, ONNX",
            ("functions-framework", "--target", "predict"),
            (*function, *onnx),
            scratch / "function",
            ONNX,
        ),
        Candidate("bare-asgi", uvicorn("bare_asgi"), api, scratch),
        Candidate("fixed-fastapi", uvicorn("fixed_fastapi"), api, scratch),
        Candidate("idiomatic-fastapi", ("python", "-m", "tools.idiomatic"), api, ROOT, body=NAMED_BODY),
        # As functions-framework is installed: without uvloop and httptools.
        Candidate("fixed-function", framework("fixed_function"), unpinned("functions-framework"), scratch),
        Candidate(
            "common-fastapi",
            uvicorn("common_fastapi"),
            unpinned("fastapi", "uvicorn", "uvloop", "httptools", *forest),
            scratch,
        ),
        Candidate("common-function", framework("common_function"), unpinned("functions-framework", *forest), scratch),
    )


def environment(packages: Sequence[str]) -> Path:
    """The Python of an environment with `packages` alone, byte-compiled; made once below build/bench.

    Each server has its own: what else is installed would be on its path (scikit-learn imports pandas where it
    finds it), and the framework's own dependencies are fewer than ours.
    """
    pins = [Path(item).read_bytes() for item in packages if item.endswith(".txt")]
    content = b"\n".join([sys.version.encode(), *(item.encode() for item in packages), *pins])
    directory = ROOT / "build" / "bench" / hashlib.sha256(content).hexdigest()[:12]
    python = directory / "bin" / "python"
    complete = directory / ".complete"
    if not complete.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(directory))
        _run(uv, "pip", "install", "--quiet", "--python", str(python), "--compile-bytecode", *packages)
        complete.touch()
    return python


def prepare(scratch: Path) -> dict[Candidate, Path]:
    """Every server with the Python of its environment; stages the function and trains the common designs' model."""
    pythons = {}
    for server in servers(scratch):
        progress(f"environment of {server.name}")
        pythons[server] = environment(server.packages)
    # Both in processes of their own: a library loaded here would share its memory with the servers.
    _run(sys.executable, "-m", "deploy.stage_function", "--output", str(scratch / "function"))
    (forest,) = (python for server, python in pythons.items() if server.name == "common-fastapi")
    _run(str(forest), str(BASELINES / "train_forest.py"), directory=scratch)
    return pythons


def _run(*command: str, directory: Path = ROOT) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MODEL_", "VIRTUAL_ENV"))}
    done = subprocess.run(  # noqa: S603  this project's own commands
        command, cwd=directory, env=environ, capture_output=True, text=True
    )
    if done.returncode:
        raise BenchError(f"{' '.join(command)} failed: {done.stderr.strip()}")
