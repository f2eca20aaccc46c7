"""The two programs as they are deployed, each on a free port of the loopback, and stopped with all their children."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[1]
PYTHON = Path(sys.executable)
HOST = "127.0.0.1"

_START_SECONDS = 60  # generous: in a new environment every module is byte-compiled first
_STOP_SECONDS = 15
_POLL_SECONDS = 0.02
_LOG_CHARACTERS = 8000

running: list["Server"] = []
"""Every server that is up now, for whoever reports a failed test."""


@dataclass(frozen=True, slots=True)
class Program:
    """A server program: `command` run in `directory`, with nothing of this process's own configuration."""

    name: str
    command: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]

    def with_environment(self, **variables: str) -> "Program":
        """The same program, configured further."""
        return Program(self.name, self.command, self.directory, {**self.environment, **variables})


@dataclass(frozen=True, slots=True)
class Server:
    """A running program that answers at `url`."""

    program: Program
    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def log_tail(self) -> str:
        """The end of what it wrote to stdout and stderr."""
        return self.log.read_text(errors="replace")[-_LOG_CHARACTERS:]


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a program ended that was to end by itself."""

    status: int
    stdout: str
    stderr: str
    port_was_open: bool


def free_port() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def bare_environment(python: Path = PYTHON) -> dict[str, str]:
    """What a fresh shell in the environment of `python` would have: no PYTHONPATH and no setting of ours."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    return {**kept, "PATH": os.pathsep.join((str(python.parent), os.environ.get("PATH", os.defpath)))}


def api_program(directory: Path = ROOT, python: Path = PYTHON, name: str = "api", **variables: str) -> Program:
    """`python -m api` in `directory`, as its image starts it."""
    return Program(name, (str(python), "-m", "api"), directory, {**bare_environment(python), **variables})


def function_program(directory: Path, python: Path = PYTHON, name: str = "function", **variables: str) -> Program:
    """`functions-framework --target predict` in the staged `directory`, as the platform starts it."""
    command = (str(python.parent / "functions-framework"), "--target", "predict")
    return Program(name, command, directory, {**bare_environment(python), **variables})


@contextmanager
def serve(program: Program, log_directory: Path, host: str = HOST) -> Iterator[Server]:
    """The program, healthy; stopped at the end. Its log is in the error where it does not start or does not stop."""
    port = free_port()
    log = log_directory / f"{program.name}-{port}.log"
    with log.open("wb") as output:
        process = _start(program, port, output.fileno(), output.fileno())
    server = Server(program, f"http://{host}:{port}", process, log)
    try:
        _wait_until_healthy(server)
        running.append(server)
        yield server
    finally:
        if server in running:
            running.remove(server)
        _stop(server)


def refuse(program: Program, port: int | None = None) -> Refusal:
    """Run a program that ends by itself; its port is tried all the while."""
    port = port or free_port()
    process = _start(program, port, subprocess.PIPE, subprocess.PIPE)
    port_was_open = False
    deadline = time.monotonic() + _START_SECONDS
    try:
        while process.poll() is None:
            port_was_open = port_was_open or _is_open(port)
            if port_was_open or time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)
    finally:
        _end_group(process)
    stdout, stderr = process.communicate()
    return Refusal(process.returncode, stdout.decode(), stderr.decode(), port_was_open)


def run(command: Sequence[str | Path], **variables: str) -> subprocess.CompletedProcess[str]:
    """A command of ours to its end, from the repository's directory; `variables` come on top of a bare environment."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**bare_environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def _start(program: Program, port: int, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        program.command,
        cwd=program.directory,
        env={"HOST": HOST, "PORT": str(port), **program.environment},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,  # its process group is its own: whatever it leaves behind can be found and ended
    )


def _wait_until_healthy(server: Server) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with httpx.Client(trust_env=False, timeout=5) as client:
        while True:
            if server.process.poll() is not None:
                raise AssertionError(f"{server.program.name} ended at its start:\n{server.log_tail()}")
            try:
                if client.get(f"{server.url}/health").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"{server.program.name} did not become healthy:\n{server.log_tail()}")
            time.sleep(_POLL_SECONDS)


def _stop(server: Server) -> None:
    """SIGTERM to the process alone, as a platform does; children that outlive it are a defect."""
    process = server.process
    children = _children(process.pid)
    try:
        process.terminate()
        process.wait(_STOP_SECONDS)
        _, left = psutil.wait_procs(children, timeout=2)
    except subprocess.TimeoutExpired:
        left = [psutil.Process(process.pid)]
    finally:
        _end_group(process)
        process.wait()
    if left:
        raise AssertionError(f"{server.program.name} was not stopped by SIGTERM: {left}\n{server.log_tail()}")


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _end_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # nobody is left; macOS says it with the second
        return


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) == 0
