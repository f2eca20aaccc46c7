"""Programs run together: started, watched until they are healthy, and stopped with everything that they started.

Each program leads a process group of its own, so that a terminal's Ctrl+C reaches the supervisor alone and nothing
that a program starts can outlive it. Signals are only noted when they arrive and are acted upon between two steps of
one loop: none can fall into a gap, and none can interrupt the start of a program half-way.
"""

import errno
import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

HOST = "127.0.0.1"
LOG_TAIL_LINES = 15
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class LaunchError(Exception):
    """Nothing can be started; the message says why and what to do, in lines for the terminal."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program to start: a server that answers 200 at `health_path` of `port` when it is ready."""

    title: str
    """what the terminal calls it; in small letters, the name of its log"""
    command: tuple[str, ...]
    cwd: Path
    environ: Mapping[str, str]
    port: int
    port_variable: str
    health_path: str = "/health"

    @property
    def log_name(self) -> str:
        return f"{self.title.lower()}.log"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the launcher waits, in seconds."""

    healthy_s: float = 60.0
    """until all programs are healthy"""
    stop_s: float = 10.0
    """from SIGTERM to SIGKILL, for all programs together"""
    tick_s: float = 1.0
    """between two looks at what sends no signal, such as make"""


def busy_ports(wanted: Sequence[Program]) -> list[str]:
    """One line for each program whose port cannot be had."""
    lines = []
    # Elsewhere than on Linux a port may be bound on 127.0.0.1 while another program has it on all interfaces.
    addresses = (HOST,) if sys.platform == "linux" else (HOST, "0.0.0.0")  # noqa: S104  bound to look, never listens
    for program in wanted:
        for address in addresses:
            with socket.socket() as candidate:
                # Servers set it too: what a closed connection has left behind (TIME_WAIT) does not make a port busy.
                candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    candidate.bind((address, program.port))
                except OSError as error:
                    reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
                    lines.append(
                        f"{program.port_variable}: port {program.port} {reason}. Stop what uses it, or choose another: "
                        f"make run {program.port_variable}={program.port + 1 if program.port < 65535 else 8000}"
                    )
                    break
    return lines


class Inbox:
    """The signals that arrived, in order, to be read when there is time for them.

    The interpreter writes a signal's number into a socket at the moment of its arrival, so one that comes between two
    statements is found by the next `wait` and none is lost. Handlers are set even where a signal was inherited as
    ignored, as a shell does with SIGINT for a background job; the programs then start with the default again. Only
    an ignored SIGHUP stays ignored: that is how nohup asks to survive the terminal.
    """

    def __enter__(self) -> "Inbox":
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*STOP_SIGNALS, signal.SIGCHLD))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Nothing runs any more: a repeated signal, such as make's beside the terminal's, must not spoil the status.
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        self._receiver.close()
        self._sender.close()

    def wait(self, timeout_s: float) -> list[int]:
        """What arrived within `timeout_s` seconds; returns as soon as anything did, even a mere `wake`."""
        select.select([self._receiver], [], [], max(0.0, timeout_s))
        try:
            return list(self._receiver.recv(4096))
        except BlockingIOError:
            return []

    def wake(self) -> None:
        """End a `wait`; may be called by any thread, also after the inbox was closed."""
        with suppress(OSError):
            self._sender.send(b"\0")


class Make:
    """The make whose recipe this process is, asked whether it still wants it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def left(self) -> str | None:
        """Why this process is no longer wanted; None while it is."""
        if os.getppid() != self._pid:
            return "make is gone"
        # Make passes SIGTERM on. At another signal it takes its handler away and waits for its child, which it thinks
        # has got it from the terminal too. Linux shows what it neither handles nor ignores.
        if self._left_to_default() & sum(1 << (number - 1) for number in STOP_SIGNALS):
            return "make was told to stop"
        return None

    def _left_to_default(self) -> int:
        """The bit mask of the signals that would end make; 0 where it cannot be seen."""
        try:
            lines = Path("/proc", str(self._pid), "status").read_text().splitlines()
        except OSError:
            return 0
        status = dict(line.split(":\t", 1) for line in lines)
        return ~(int(status["SigCgt"], 16) | int(status["SigIgn"], 16))


class Child:
    """A started program with everything that it started in its turn."""

    def __init__(self, program: Program, log: Path) -> None:
        """Start `program` with its output in `log`, which is emptied. Raises OSError."""
        self.program = program
        self.log = log
        self.healthy = False
        self.reported = False
        self._gone = False
        # Appended to, so that a log which somebody empties meanwhile does not get a hole.
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        try:
            self.process = subprocess.Popen(  # noqa: S603  the commands are this project's own
                program.command,
                cwd=program.cwd,
                env=program.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            os.close(output)

    def has_ended(self) -> bool:
        """Whether the program itself has ended; what it started may still run."""
        return self.process.poll() is not None

    def is_gone(self) -> bool:
        """Whether the program has ended and with it everything in its group."""
        if not self._gone and self.has_ended():
            self._gone = not self._group_runs()
        return self._gone

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole group; a group that was seen gone is left alone, its number may be reused."""
        if not self._gone:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def _group_runs(self) -> bool:
        group = self.process.pid
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):  # macOS: EPERM where only zombies are left
            return False
        # Zombies count as members for ever where process 1 reaps nobody, as in many containers.
        for process in psutil.process_iter(["status"]):
            with suppress(ProcessLookupError):
                if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                    return True
        self.send(signal.SIGKILL)  # for one that was forked while the list was read
        return False

    def status(self) -> str:
        """How the program ended, in words."""
        code = self.process.returncode
        if code is None or code >= 0:
            return f"exit status {code}"
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"

    def log_tail(self) -> str:
        """The log's last lines, indented, under its name."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 16_384))
                lines = file.read().decode(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        except OSError:
            lines = []
        where = f"{shown(self.log)}:" if lines else f"{shown(self.log)} is empty."
        return "\n".join([where, *(f"  {line}" for line in lines)])


def launch(
    wanted: Sequence[Program],
    *,
    logs: Path,
    limits: Limits = Limits(),
    prepare: Callable[[], None] = lambda: None,
    make_pid: int | None = None,
) -> int:
    """Run all programs until a signal, or until they have ended; returns the exit status.

    Ports are looked at before anything else, then `prepare` is called, which may raise LaunchError. With
    `make_pid`, the make that started this process stops everything too when it is told to stop, or is gone. The
    status is 0 after a signal, 1 where something could not be started or ended by itself. Must be called from the
    main thread.
    """
    _open_standard_streams()
    with Inbox() as inbox:
        launcher = _Launcher(wanted, logs, limits, inbox, None if make_pid is None else Make(make_pid))
        if launcher.asked_to_stop(0):  # while Python started
            return 0
        try:
            if lines := busy_ports(wanted):
                raise LaunchError("\n".join(lines))
            prepare()
            logs.mkdir(parents=True, exist_ok=True)
        except (LaunchError, OSError) as error:
            say(f"Nothing was started. {error}" if isinstance(error, OSError) else str(error), error=True)
            return 1
        try:
            return launcher.run()
        finally:
            launcher.stop()


class _Launcher:
    """The loop of `launch`."""

    def __init__(self, wanted: Sequence[Program], logs: Path, limits: Limits, inbox: Inbox, make: Make | None) -> None:
        self._wanted = wanted
        self._logs = logs
        self._limits = limits
        self._inbox = inbox
        self._make = make
        self._children: list[Child] = []
        self._stopping = threading.Event()

    def run(self) -> int:
        """Start everything and stay until there is a reason to stop; returns the exit status."""
        if self.asked_to_stop(0):  # while the function was staged
            return 0
        say(f"Starting {', '.join(program.title for program in self._wanted)} ...")
        for program in self._wanted:
            try:
                self._children.append(Child(program, self._logs / program.log_name))
            except OSError as error:
                say(f"{program.title} cannot be started: {error}", error=True)
                return 1
        for child in self._children:
            threading.Thread(target=self._await_health, args=(child,), daemon=True).start()

        deadline = time.monotonic() + self._limits.healthy_s
        announced = False
        while True:
            remaining = deadline - time.monotonic()
            if self.asked_to_stop(self._limits.tick_s if announced else min(remaining, self._limits.tick_s)):
                return 1 if any(child.reported for child in self._children) else 0
            self._report_ended(others_go_on=announced)
            ended = [child for child in self._children if child.reported]
            if len(ended) == len(self._children) or (ended and not announced):
                return 1
            if announced:
                continue
            if all(child.healthy for child in self._children):
                announced = True
                self._announce()
            elif remaining <= 0:
                for child in self._children:
                    if not child.healthy:
                        say(
                            f"{child.program.title} is not healthy after {self._limits.healthy_s:g} s. "
                            f"{child.log_tail()}",
                            error=True,
                        )
                return 1

    def stop(self) -> None:
        """End every program with everything that it started: asked first, killed when the time is over."""
        self._stopping.set()
        for child in self._children:
            child.send(signal.SIGTERM)
        deadline = time.monotonic() + self._limits.stop_s
        at_once = False
        while self._left() and not at_once and time.monotonic() < deadline:
            # What a program has started sends no signal here when it ends.
            at_once = signal.SIGINT in self._inbox.wait(min(0.05, self._limits.tick_s))
        if left := self._left():
            names = ", ".join(child.program.title for child in left)
            say(
                f"Killing {names}" + ("." if at_once else f": still there after {self._limits.stop_s:g} s."), error=True
            )
            for child in left:
                child.send(signal.SIGKILL)
            deadline = time.monotonic() + 5
            while self._left() and time.monotonic() < deadline:
                self._inbox.wait(0.02)
        if left := self._left():  # in an uninterruptible system call, or not ours to kill
            say(f"Could not be killed: {', '.join(str(child.process.pid) for child in left)}", error=True)
        elif self._children:
            say("Stopped.")

    def _left(self) -> list[Child]:
        return [child for child in self._children if not child.is_gone()]

    def asked_to_stop(self, timeout_s: float) -> bool:
        """Wait for something to happen; True where it is a reason to stop, which is then said."""
        asked = [signal.Signals(number) for number in self._inbox.wait(timeout_s) if number in STOP_SIGNALS]
        if asked:
            # A terminal has just shown ^C or ^\ at the start of the line.
            at_keyboard = asked[0] in (signal.SIGINT, signal.SIGQUIT) and os.isatty(1)
            say(("\n" if at_keyboard else "") + f"Stopping ({asked[0].name}) ...")
            return True
        if self._make and (reason := self._make.left()):
            say(f"Stopping: {reason}.")
            return True
        return False

    def _report_ended(self, *, others_go_on: bool) -> None:
        for child in self._children:
            if child.reported or not child.has_ended():
                continue
            child.reported = True
            child.send(signal.SIGTERM)  # workers without their leader would hold the port and go on answering
            others = " The others go on." if others_go_on else ""
            say(
                f"{child.program.title} ended unexpectedly ({child.status()}).{others} {child.log_tail()}",
                error=True,
            )

    def _announce(self) -> None:
        width = max(len(program.title) for program in self._wanted)
        urls = [f"  {program.title:{width}}  {program.url}" for program in self._wanted]
        say("\n".join(["Running:", *urls, f"Logs are in {shown(self._logs)}. Ctrl+C stops everything."]))

    def _await_health(self, child: Child) -> None:
        """In a thread, so that a server that accepts and does not answer delays neither signals nor the others."""
        while not self._stopping.is_set():
            if _is_healthy(child.program):
                child.healthy = True
                self._inbox.wake()
                return
            self._stopping.wait(0.1)


def _is_healthy(program: Program) -> bool:
    connection = http.client.HTTPConnection(HOST, program.port, timeout=2)  # which knows no proxies
    try:
        connection.request("GET", program.health_path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _open_standard_streams() -> None:
    """Point closed standard streams nowhere: else a socket or a log would get their number, and be printed into."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one


def say(text: str, *, error: bool = False) -> None:
    """Write whole lines at once, unbuffered; a reader or terminal that is gone is no reason to stop serving."""
    with suppress(OSError):
        os.write(2 if error else 1, f"{text}\n".encode())


def shown(path: Path) -> str:
    """The path as one would type it here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
