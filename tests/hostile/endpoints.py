"""The two real endpoints on free ports: `python -m api`, and functions-framework over a fresh staging."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil

from tools.run import RunSettings, programs, stage_function
from tools.supervisor import Program

START_S = 60.0
STOP_S = 15.0
_INHERITED = ("HOME", "LANG", "PATH", "TMPDIR")
"""Nothing else of the environment may decide how the endpoints behave; above all no PYTHONPATH."""


class NotServing(Exception):
    """The program has ended, or is not healthy in time."""


@dataclass(frozen=True, slots=True)
class Running:
    """A started endpoint."""

    title: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def processes(self) -> list[psutil.Process]:
        """The program and its workers, as far as they live."""
        try:
            leader = psutil.Process(self.process.pid)
            return [leader, *leader.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_healthy(self) -> None:
        """Return when the program answers its health check. Raises NotServing."""
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s and self.process.poll() is None:
            if is_healthy(self.port):
                return
            time.sleep(0.05)
        raise NotServing(f"{self.title}: exit status {self.process.poll()}\n{self.output()[-2000:]}")


def is_healthy(port: int, path: str = "/health") -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for bound in sockets:
            bound.bind(("127.0.0.1", 0))
        return [int(bound.getsockname()[1]) for bound in sockets]


def prepare(directory: Path, variables: Mapping[str, str] | None = None) -> dict[str, Program]:
    """The two programs as deployed, by title, with `variables` added; the function is staged into `directory`."""
    api_port, function_port = free_ports(2)
    settings = RunSettings(api_port, function_port, 1, None, build_dir=directory)
    environ = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    if not (directory / "function").exists():
        stage_function(settings, environ)
    # The order of programs() is the order of a page; here they are asked for by name.
    found = {program.title: program for program in programs(settings, environ)}
    return {
        title: replace(found[title], environ={**found[title].environ, **(variables or {})})
        for title in ("API", "Function")
    }


def start(program: Program, log: Path) -> Running:
    """Start `program` in a session of its own; its output goes to `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            program.command,
            cwd=program.cwd,
            env=dict(program.environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Running(program.title, program.port, process, log)


def stop(running: Running) -> None:
    """End the program and whatever it has started."""
    running.process.terminate()
    with suppress(subprocess.TimeoutExpired):
        running.process.wait(STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait()


@contextmanager
def serving(directory: Path, variables: Mapping[str, str] | None = None) -> Iterator[dict[str, Running]]:
    """Both endpoints, healthy, by title; stopped at the end."""
    with ExitStack() as stack:
        found = {}
        for title, program in prepare(directory, variables).items():
            found[title] = start(program, directory / f"{title.lower()}.log")
            stack.callback(stop, found[title])
        for running in found.values():
            running.wait_healthy()
        yield found
