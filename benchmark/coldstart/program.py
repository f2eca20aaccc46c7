"""One server program on this machine: started on a free port, waited for, and stopped with all that it started."""

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
"""How often the port is tried: the resolution of the moment at which it opens."""
_STOP_S = 10.0
"""From SIGTERM to SIGKILL, as Cloud Run gives it."""

# What a shell or `make` may have set, and no platform does: with it a server would be another one than is deployed.
_DROPPED = (
    *("DEBUG", "FUNCTION_SIGNATURE_TYPE", "FUNCTION_SOURCE", "FUNCTION_TARGET", "FUNCTION_USE_ASGI"),
    *("PYTHONPATH", "PORT", "HOST"),
)


def local_facts(min_instances: int = 1) -> dict[str, str]:
    """How a program of this machine is deployed: it shares all of it, is one process, and serves whoever comes."""
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
    """It may have opened its port later than it was waited for."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is run where. The program has to listen on the port in its environment's PORT."""

    argv: tuple[str, ...]
    directory: Path


class LocalProgram:
    """A program that runs now. Its process group is its own, so that nothing it started can outlive `stop`."""

    def __init__(self, command: Command, environ: Mapping[str, str] = os.environ) -> None:
        """Start it. Raises ProgramError."""
        self.port = _free_port()
        self.url = f"http://{HOST}:{self.port}"
        facts = {name: environ.get(name) or fact for name, fact in local_facts(min_instances=0).items()}
        kept = {name: value for name, value in environ.items() if name not in _DROPPED} | facts
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
        """Wait until the port takes connections; gives that moment in ns of `perf_counter_ns`.

        Raises ProgramError: ProgramTimeout where it still runs after `timeout_s`.
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
        """SIGTERM to the program alone, as a platform does, and SIGKILL for whatever is left; waits for its end.

        Two threads may do so at once: both return when it has ended.
        """
        try:
            if not self.has_ended:
                self._process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(_STOP_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it and all that it started at once; may be called again."""
        with self._killing:
            if self._gone:
                return  # the number of its group may be somebody else's by now
            with suppress(ProcessLookupError, PermissionError):  # macOS says with the second: only zombies are left
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._log.close()
            self._gone = True

    def _takes_connections(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex((HOST, self.port)) == 0

    def _said(self) -> str:
        """The last line that it wrote, for whoever has to find out why."""
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
