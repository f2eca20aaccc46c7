"""A server program on this machine: start it on a free port, wait for it, and stop it with its child processes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns

HOST = "127.0.0.1"
POLL_S = 0.002
"""How often the port is tried, which is the resolution of the measured start."""
_STOP_S = 10.0
"""From SIGTERM to SIGKILL, as Cloud Run gives it."""

# Variables that a shell or `make` may set but a platform does not, and that would change the server.
_DROPPED = (
    *("DEBUG", "FUNCTION_SIGNATURE_TYPE", "FUNCTION_SOURCE", "FUNCTION_TARGET", "FUNCTION_USE_ASGI"),
    *("PYTHONPATH", "PORT", "HOST"),
)


def local_facts(min_instances: int = 1) -> dict[str, str]:
    """How a local program is deployed: one process that shares the machine and is not access-controlled."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "DEPLOY_CPU": f"{os.cpu_count()} shared",
        "DEPLOY_MEMORY": f"{memory_bytes / 2**30:.0f} GiB shared",
        "DEPLOY_CONCURRENCY": "unlimited",
        "DEPLOY_MIN_INSTANCES": str(min_instances),
        "DEPLOY_REGION": "local",
    }


class ProgramError(Exception):
    """A program could not be started or never opened its port; the message says why in a clause."""


class ProgramTimeout(ProgramError):
    """The port did not open before the timeout."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command and its working directory. The program must listen on the port in the variable PORT."""

    argv: tuple[str, ...]
    directory: Path


class LocalProgram:
    """A running program, in a separate process group so that `stop` also ends its child processes."""

    def __init__(self, command: Command, environ: Mapping[str, str] = os.environ) -> None:
        """Start it. Raises ProgramError."""
        self.port = _free_port()
        self.url = f"http://{HOST}:{self.port}"
        facts = {name: environ.get(name) or fact for name, fact in local_facts(min_instances=0).items()}
        kept = {name: value for name, value in environ.items() if name not in _DROPPED} | facts
        if kept.get("MODEL_DIR"):  # from here, not from the program's directory
            kept["MODEL_DIR"] = str(Path(kept["MODEL_DIR"]).absolute())
        path = os.pathsep.join((str(Path(sys.executable).parent), environ.get("PATH") or os.defpath))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed by `stop`
        self._gone = False
        self._killing = threading.Lock()
        self.spawned_ns = perf_counter_ns()
        try:
            self._process = subprocess.Popen(  # noqa: S603  the operator's own command
                command.argv,
                cwd=command.directory,
                env={**kept, "PATH": path, "HOST": HOST, "PORT": str(self.port), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            raise ProgramError(f"{command.argv[0]} cannot be started ({error.strerror})") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    async def wait_until_open(self, timeout_s: float) -> int:
        """Wait until the port accepts connections; returns that moment in ns of `perf_counter_ns`.

        Raises ProgramError, or ProgramTimeout if it is still running after `timeout_s`.
        """
        deadline_ns = perf_counter_ns() + int(timeout_s * 1e9)
        while True:
            if self._takes_connections():
                return perf_counter_ns()
            if self.has_ended:
                raise ProgramError(
                    f"ended with status {self._process.returncode} before its port was open{self._said()}"
                )
            if perf_counter_ns() > deadline_ns:
                raise ProgramTimeout(f"had no open port after {timeout_s:g} s{self._said()}")
            await asyncio.sleep(POLL_S)

    def stop(self) -> None:
        """Send SIGTERM to the program alone, as a platform does, then SIGKILL to the remaining processes, and wait.

        Two threads may call this at once: both return when it has ended.
        """
        try:
            if not self.has_ended:
                self._process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(_STOP_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill it and its child processes at once; may be called again."""
        with self._killing:
            if self._gone:
                return  # its group number may have been reused
            with suppress(ProcessLookupError, PermissionError):  # macOS raises the second if only zombies are left
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._log.close()
            self._gone = True

    def _takes_connections(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex((HOST, self.port)) == 0

    def _said(self) -> str:
        """The last line of its output, for the error message."""
        with self._killing:
            if self._gone:  # and its log with it
                return ""
            self._log.seek(0)
            lines = self._log.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1][:300]}" if lines else ""


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])
