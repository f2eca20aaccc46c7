"""`make run`'s loop: programs started together, watched until they are healthy, and stopped together.

Signals are noted when they arrive and acted upon between two steps of the loop: none is lost, and none interrupts the
start of a program half-way.
"""

import errno
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tools.processes import HOST, Program, Server, is_healthy, shown

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class StartError(Exception):
    """Nothing can be started; the message says why and what to do, in lines for the terminal."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the supervisor waits, in seconds."""

    healthy_s: float = 60.0
    """Until all programs are healthy."""
    stop_s: float = 10.0
    """From SIGTERM to SIGKILL, for all programs together."""
    tick_s: float = 1.0
    """Between two looks at what sends no signal, such as make."""


def busy_ports(wanted: Sequence[Program]) -> list[str]:
    """One line for each program whose port is not available."""
    lines = []
    for program in wanted:
        if error := why_not_available(program.port):
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            lines.append(
                f"{program.port_variable}: port {program.port} {reason}. Stop what uses it, or choose another: "
                f"make run {program.port_variable}={program.port + 1 if program.port < 65535 else 8000}"
            )
    return lines


def why_not_available(port: int) -> OSError | None:
    """The error of a program that would listen on this port now; None where it could."""
    # Elsewhere than on Linux a port may be bound on 127.0.0.1 while another program has it on all interfaces.
    for address in (HOST,) if sys.platform == "linux" else (HOST, "0.0.0.0"):  # noqa: S104  bound to look, never listens
        with socket.socket() as candidate:
            # Servers set it too: what a closed connection has left behind (TIME_WAIT) does not make a port busy.
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind((address, port))
            except OSError as error:
                return error
    return None


class Inbox:
    """The signals that arrived, in order.

    The interpreter writes a signal's number into a socket when it arrives, so the next `wait` finds it: none is lost.
    Handlers are set even for signals that were inherited as ignored, such as SIGINT in a shell's background job; the
    programs then start with the default again. Only an ignored SIGHUP stays ignored, because that is how nohup works.
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
        """The signals that arrive within `timeout_s` seconds; returns early at a signal or a `wake`."""
        select.select([self._receiver], [], [], max(0.0, timeout_s))
        try:
            return list(self._receiver.recv(4096))
        except BlockingIOError:
            return []

    def wake(self) -> None:
        """End a `wait`; may be called by any thread, also after the inbox was closed."""
        with suppress(OSError):
            self._sender.send(b"\0")


def launch(
    wanted: Sequence[Program],
    *,
    logs: Path,
    timeouts: Timeouts = Timeouts(),
    prepare: Callable[[], None] = lambda: None,
    make_pid: int | None = None,
) -> int:
    """Run all programs until a signal, or until they have ended; returns the exit status.

    Ports are checked first, then `prepare` is called, which may raise StartError. With
    `make_pid`, the process id of the make that started this process, everything stops when that make is gone. The
    status is 0 after a signal, 1 where something could not be started or ended by itself. Must be called from the
    main thread.
    """
    _open_standard_streams()
    with Inbox() as inbox:
        launcher = _Launcher(wanted, logs, timeouts, inbox, make_pid)
        if launcher.asked_to_stop(0):  # while Python started
            return 0
        try:
            if lines := busy_ports(wanted):
                raise StartError("\n".join(lines))
            prepare()
            logs.mkdir(parents=True, exist_ok=True)
        except (StartError, OSError) as error:
            say(f"Nothing was started. {error}" if isinstance(error, OSError) else str(error), error=True)
            return 1
        try:
            return launcher.run()
        finally:
            launcher.stop()


def why_make_left(pid: int) -> str | None:
    """Why the make that started this process does not want it any more; None while it does.

    Make passes SIGTERM on. After SIGINT or SIGHUP it removes its handler and waits for its recipe, which it expects to
    have got the signal from a terminal. Linux shows that make now neither handles nor ignores these signals.
    """
    if os.getppid() != pid:
        return "make is gone"
    try:
        lines = Path("/proc", str(pid), "status").read_text().splitlines()
    except OSError:  # not Linux
        return None
    status = dict(line.split(":\t", 1) for line in lines)
    kept = int(status["SigCgt"], 16) | int(status["SigIgn"], 16)
    return "make was told to stop" if any(~kept & 1 << (number - 1) for number in STOP_SIGNALS) else None


class _Launcher:
    """The loop of `launch`."""

    def __init__(
        self, wanted: Sequence[Program], logs: Path, timeouts: Timeouts, inbox: Inbox, make_pid: int | None
    ) -> None:
        self._wanted = wanted
        self._logs = logs
        self._timeouts = timeouts
        self._inbox = inbox
        self._make_pid = make_pid
        self._servers: list[Server] = []
        self._healthy: set[Server] = set()
        self._ended: set[Server] = set()
        """Those whose end has been reported."""
        self._stopping = threading.Event()

    def run(self) -> int:
        """Start everything and stay until there is a reason to stop; returns the exit status."""
        if self.asked_to_stop(0):  # while the function was staged
            return 0
        say(f"Starting {', '.join(program.title for program in self._wanted)} ...")
        for program in self._wanted:
            try:
                server = Server(program, self._logs / program.log_name)
                server.start()
                self._servers.append(server)
            except OSError as error:
                say(f"{program.title} cannot be started: {error}", error=True)
                return 1
        for server in self._servers:
            threading.Thread(target=self._await_health, args=(server,), daemon=True).start()

        deadline = time.monotonic() + self._timeouts.healthy_s
        announced = False
        while True:
            remaining = deadline - time.monotonic()
            if self.asked_to_stop(self._timeouts.tick_s if announced else min(remaining, self._timeouts.tick_s)):
                return 1 if self._ended else 0
            self._report_ended(others_go_on=announced)
            if len(self._ended) == len(self._servers) or (self._ended and not announced):
                return 1
            if announced:
                continue
            if len(self._healthy) == len(self._servers):
                announced = True
                self._announce()
            elif remaining <= 0:
                for server in self._servers:
                    if server not in self._healthy:
                        say(
                            f"{server.name} is not healthy after {self._timeouts.healthy_s:g} s. {server.log_tail()}",
                            error=True,
                        )
                return 1

    def stop(self) -> None:
        """End every program with everything that it started: SIGTERM first, SIGKILL after the timeout."""
        self._stopping.set()
        for server in self._servers:
            server.send(signal.SIGTERM)
        deadline = time.monotonic() + self._timeouts.stop_s
        at_once = False
        while self._left() and not at_once and time.monotonic() < deadline:
            # What a program has started sends no signal here when it ends.
            at_once = signal.SIGINT in self._inbox.wait(min(0.05, self._timeouts.tick_s))
        if left := self._left():
            names = ", ".join(server.name for server in left)
            say(
                f"Killing {names}" + ("." if at_once else f": still there after {self._timeouts.stop_s:g} s."),
                error=True,
            )
            for server in left:
                server.send(signal.SIGKILL)
            deadline = time.monotonic() + 5
            while self._left() and time.monotonic() < deadline:
                self._inbox.wait(0.02)
        if left := self._left():  # in an uninterruptible system call, or not ours to kill
            say(f"Could not be killed: {', '.join(str(server.process.pid) for server in left)}", error=True)
        elif self._servers:
            say("Stopped.")

    def _left(self) -> list[Server]:
        return [server for server in self._servers if not server.is_gone()]

    def asked_to_stop(self, timeout_s: float) -> bool:
        """Wait for an event; reports it and returns True if it is a reason to stop."""
        asked = [signal.Signals(number) for number in self._inbox.wait(timeout_s) if number in STOP_SIGNALS]
        if asked:
            # A terminal has just shown ^C or ^\ at the start of the line.
            at_keyboard = asked[0] in (signal.SIGINT, signal.SIGQUIT) and os.isatty(1)
            say(("\n" if at_keyboard else "") + f"Stopping ({asked[0].name}) ...")
            return True
        if self._make_pid is not None and (why := why_make_left(self._make_pid)):
            say(f"Stopping: {why}.")
            return True
        return False

    def _report_ended(self, *, others_go_on: bool) -> None:
        for server in self._servers:
            if server in self._ended or not server.has_ended():
                continue
            self._ended.add(server)
            server.send(signal.SIGTERM)  # workers without their leader would hold the port and go on answering
            others = " The others go on." if others_go_on else ""
            say(
                f"{server.name} ended unexpectedly ({server.status()}).{others} {server.log_tail()}",
                error=True,
            )

    def _announce(self) -> None:
        width = max(len(program.title) for program in self._wanted)
        urls = [f"  {program.title:{width}}  {program.url}" for program in self._wanted]
        say("\n".join(["Running:", *urls, f"Logs are in {shown(self._logs)}. Ctrl+C stops everything."]))

    def _await_health(self, server: Server) -> None:
        """Runs in a thread, so that a server that does not answer delays neither signals nor the other servers."""
        while not self._stopping.is_set():
            if is_healthy(server.port, server.program.health_path):
                self._healthy.add(server)
                self._inbox.wake()
                return
            self._stopping.wait(0.1)


def _open_standard_streams() -> None:
    """Open closed standard streams on /dev/null: otherwise a socket or a log would get their number and our output."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one


def say(text: str, *, error: bool = False) -> None:
    """Write whole lines at once, unbuffered; serving continues if the reader or terminal is gone."""
    with suppress(OSError):
        os.write(2 if error else 1, f"{text}\n".encode())
