"""Servers on this machine: started on free ports, awaited, and stopped with everything that they started.

A server leads its own process group: a Ctrl+C in the terminal does not reach it, and nothing that it starts outlives
it.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

HOST = "127.0.0.1"
START_S = 60.0
"""Until a server is healthy. In a new environment, Python compiles every module first."""
STOP_S = 15.0
"""From SIGTERM to SIGKILL."""
_ORPHANS_S = 2.0
"""How much longer than the server itself its workers may take to end."""
_POLL_S = 0.02
_LOG_TAIL_LINES = 15


class NotServing(Exception):
    """A server has ended, is not healthy in time, or did not stop; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Program:
    """A server program; it answers 200 at `health_path` when it is ready."""

    title: str
    """Its name in messages; in lower case, the name of its log."""
    command: tuple[str, ...]
    cwd: Path
    environ: Mapping[str, str]
    """The whole environment. HOST and PORT are added where they are missing."""
    port: int = 0
    """0 for any free port."""
    port_variable: str = ""
    """The variable that sets the port, for the message about a busy one."""
    health_path: str = "/health"

    @property
    def log_name(self) -> str:
        return f"{self.title.lower()}.log"

    @property
    def host(self) -> str:
        return self.environ.get("HOST", HOST)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def with_environ(self, **variables: str) -> "Program":
        """The same program with more variables."""
        return replace(self, environ={**self.environ, **variables})


def free_ports(count: int) -> list[int]:
    """Different ports that nothing listens on."""
    listeners = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def bare_environ(python: Path = Path(sys.executable)) -> dict[str, str]:
    """The environment of a new shell with `python` on its PATH: no PYTHONPATH and none of this project's variables."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    return {**kept, "PATH": os.pathsep.join((str(python.parent), os.environ.get("PATH", os.defpath)))}


def is_healthy(port: int, path: str = "/health", host: str = HOST) -> bool:
    """Whether a server answers 200 at `path`."""
    with closing(http.client.HTTPConnection(host, port, timeout=2)) as connection:  # http.client ignores proxies
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


class Server:
    """A program as a process; it can be started again on the same port, and keeps its log."""

    process: subprocess.Popen[bytes]

    def __init__(self, program: Program, log: Path) -> None:
        """`log` gets the output and is emptied now. Raises OSError."""
        self.program = replace(program, port=program.port or free_ports(1)[0])
        self.log = log
        self._gone = True
        log.write_bytes(b"")

    @property
    def name(self) -> str:
        return self.program.title

    @property
    def port(self) -> int:
        return self.program.port

    @property
    def address(self) -> str:
        return self.program.address

    @property
    def url(self) -> str:
        return self.program.url

    def start(self) -> None:
        """Start the program. Raises OSError."""
        # "ab": a log that is emptied in the meantime gets no hole.
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603  this project's own commands
                self.program.command,
                cwd=self.program.cwd,
                env={"HOST": HOST, "PORT": str(self.port), **self.program.environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._gone = False

    def wait_until_healthy(self, within_s: float = START_S) -> None:
        """Return when the server answers its health check. Raises NotServing."""
        deadline = time.monotonic() + within_s
        while not is_healthy(self.port, self.program.health_path, self.program.host):
            if self.has_ended():
                raise NotServing(f"{self.name} ended at its start ({self.status()}). {self.log_tail()}")
            if time.monotonic() > deadline:
                raise NotServing(f"{self.name} is not healthy after {within_s:g} s. {self.log_tail()}")
            time.sleep(_POLL_S)

    def has_ended(self) -> bool:
        """Whether the program itself has ended, or was not started; its workers may still run."""
        return self._gone or self.process.poll() is not None

    def is_gone(self) -> bool:
        """Whether the program and everything in its group has ended, or nothing was started."""
        if not self._gone and self.has_ended():
            self._gone = not self._group_runs()
        return self._gone

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, unless it is gone: its number may be another group's by now."""
        if not self._gone:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End the program and its workers at once."""
        if not self._gone:
            self.send(signal.SIGKILL)
            self.process.wait(STOP_S)

    def stop(self, within_s: float = STOP_S) -> bool:
        """Send SIGTERM to the program alone, as a platform does, then kill what is left; whether nothing was left."""
        if self._gone:
            return True
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(within_s)
        deadline = time.monotonic() + _ORPHANS_S
        while self.has_ended() and not self.is_gone() and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        stopped = self.is_gone()
        self.kill()
        return stopped

    def processes(self) -> list[psutil.Process]:
        """The program and its workers that are alive."""
        try:
            leader = psutil.Process(self.process.pid)
            return [leader, *leader.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_s(self) -> float:
        """CPU time, user and system, that the program, its workers and their exited children have used so far."""
        total = 0.0
        for member in self.processes():
            with suppress(psutil.NoSuchProcess):  # it has just exited, so its parent's children_* hold it
                times = member.cpu_times()
                own = times.user + times.system
                if sys.platform == "linux":
                    # The same in ns instead of clock ticks of 10 ms: the id that clock_getcpuclockid(3) would give.
                    with suppress(OSError):
                        own = time.clock_gettime(~member.pid << 3 | 2)
                total += own + getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        return total

    def memory_mib(self) -> float:
        """PSS of the program and its workers: what several of them share counts once. RSS where there is no PSS."""
        total = 0
        for member in self.processes():
            with suppress(psutil.NoSuchProcess):
                info = member.memory_full_info()
                total += getattr(info, "pss", info.rss)
        return total / 2**20

    def status(self) -> str:
        """How the program ended."""
        code = self.process.returncode
        if code is None or code >= 0:
            return f"exit status {code}"
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"

    def output(self) -> str:
        """Everything in the log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_tail(self) -> str:
        """The log's last lines, indented, under its name."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 16_384))
                lines = file.read().decode(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        except OSError:
            lines = []
        where = f"{shown(self.log)}:" if lines else f"{shown(self.log)} is empty."
        return "\n".join([where, *(f"  {line}" for line in lines)])

    def _group_runs(self) -> bool:
        group = self.process.pid
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):  # macOS: EPERM where only zombies are left
            return False
        # Zombies stay in the group forever where process 1 reaps none, as in many containers.
        for process in psutil.process_iter(["status"]):
            with suppress(ProcessLookupError):
                if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                    return True
        self.send(signal.SIGKILL)  # for one that was forked while the list was read
        return False


@contextmanager
def all_serving(programs: Iterable[Program], logs: Path, within_s: float = START_S) -> Iterator[list[Server]]:
    """The programs, started together and all healthy, with a log each in `logs`; stopped at the end.

    Raises NotServing where one does not become healthy.
    """
    with ExitStack() as running:
        servers = [Server(program, logs / program.log_name) for program in programs]
        for server in servers:
            running.callback(server.stop)
            server.start()
        for server in servers:
            server.wait_until_healthy(within_s)
        yield servers


@contextmanager
def serving(program: Program, log: Path) -> Iterator[Server]:
    """The program, healthy; stopped at the end.

    Raises NotServing where it does not become healthy, or where it or a worker does not end by SIGTERM.
    """
    server = Server(program, log)
    server.start()
    try:
        server.wait_until_healthy()
        yield server
    except BaseException:
        server.kill()
        raise
    if not server.stop():
        raise NotServing(f"{server.name} was not stopped by SIGTERM. {server.log_tail()}")


def shown(path: Path) -> str:
    """The path as one would type it here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
