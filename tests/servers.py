"""The two endpoints as they are deployed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tools.processes import HOST, START_S, Program, Server, bare_environ, free_ports, serving

ROOT = Path(__file__).resolve().parents[1]
PYTHON = Path(sys.executable)

running: list[Server] = []
"""Every server that is up now, for the report of a failed test."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a program that refused to start ended."""

    status: int
    stdout: str
    stderr: str
    port_was_open: bool


def api_program(directory: Path = ROOT, python: Path = PYTHON, name: str = "api", **variables: str) -> Program:
    """`python -m api` in `directory`, as its image starts it."""
    return Program(name, (str(python), "-m", "api"), directory, {**bare_environ(python), **variables})


def function_program(directory: Path, python: Path = PYTHON, name: str = "function", **variables: str) -> Program:
    """`functions-framework --target predict` in the staged `directory`, as the platform starts it."""
    command = (str(python.parent / "functions-framework"), "--target", "predict")
    return Program(name, command, directory, {**bare_environ(python), **variables})


@contextmanager
def serve(program: Program, log_directory: Path) -> Iterator[Server]:
    """The program, healthy; stopped at the end. Raises NotServing where it does not start or does not stop."""
    with serving(program, log_directory / f"{program.title}-{time.monotonic_ns()}.log") as server:
        running.append(server)
        try:
            yield server
        finally:
            running.remove(server)


def refuse(program: Program) -> Refusal:
    """Run a program that is expected to refuse to start; its port is tried until it has ended."""
    (port,) = free_ports(1)
    process = subprocess.Popen(
        program.command,
        cwd=program.cwd,
        env={"HOST": HOST, "PORT": str(port), **program.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    port_was_open = False
    deadline = time.monotonic() + START_S
    try:
        while process.poll() is None and not port_was_open and time.monotonic() < deadline:
            port_was_open = _is_open(port)
            time.sleep(0.02)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    stdout, stderr = process.communicate()
    return Refusal(process.returncode, stdout.decode(), stderr.decode(), port_was_open)


def run(command: Sequence[str | Path], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one of this project's commands to its end, in the repository; `variables` extend a bare environment."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**bare_environ(), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) == 0
