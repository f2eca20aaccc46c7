"""What goes wrong around an endpoint, done to the real programs: each scenario gives one result with its figure."""

import http.client
import json
import os
import pickle
import selectors
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import psutil

from tests.hostile.case import LISTED, NAMED, request
from tests.hostile.client import parse_answers
from tests.hostile.endpoints import prepare, serving, start
from tests.inference.damage import change_card, copy_of, write
from tools.processes import NotServing, Server, is_healthy
from tools.run import ROOT

TITLES = ("API", "Function")
IN_FLIGHT = 40
CONNECTIONS = 1000
STOP_LIMIT_S = 10.0
SOAK_S = 60.0
GROWTH_LIMIT_PERCENT = 10.0
BAD_BODIES = (b"{", b'{"features":[1,2,3]}', b" " * 65537, b"[" * 5000, NAMED.replace(b"1.4", b"1e400"))
_REFUSED_START_S = 60.0
_SCRATCH = "/dev/shm"  # noqa: S108  a place that every Linux has; what is mounted there is private
_SECRETS = ("Qsecret", "Tsecret", "Asecret", "Bsecret", "Csecret", "Ksecret")


@dataclass(frozen=True, slots=True)
class Result:
    """How a scenario ended for one endpoint."""

    passed: bool
    figure: str


@dataclass(slots=True)
class Load:
    """Requests as fast as they are answered, each client on its own connection; stopped by leaving `running`."""

    port: int
    clients: int
    bodies: tuple[bytes, ...] = (NAMED,)
    answered: int = 0
    lost: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self) -> Iterator["Load"]:
        with ThreadPoolExecutor(self.clients) as pool:
            for _ in range(self.clients):
                pool.submit(self._client)
            try:
                yield self
            finally:
                self._over.set()

    def _client(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        number = 0
        while not self._over.is_set():
            body = self.bodies[number % len(self.bodies)]
            number += 1
            try:
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                reply = connection.getresponse()
                reply.read()
                served = reply.status < 500 and (reply.status == 200 or len(self.bodies) > 1)
            except (OSError, http.client.HTTPException):
                connection.close()
                served = False
            with self._lock:
                self.answered += served
                self.lost += not served
            if not served:
                self._over.wait(0.02)
        connection.close()


def kill_under_load(title: str, directory: Path) -> Result:
    """Kill one endpoint with all its processes while both are under load: the other must not notice."""
    (other,) = (name for name in TITLES if name != title)
    with serving(directory) as endpoints:
        loads = {name: Load(endpoints[name].port, 3) for name in TITLES}
        with loads[title].running(), loads[other].running():
            time.sleep(1)
            os.killpg(endpoints[title].process.pid, signal.SIGKILL)
            killed_at = loads[other].answered
            time.sleep(1.5)
        survived = loads[other].answered - killed_at
    figure = (
        f"{other} answered {loads[other].answered}, {survived} of them after the kill, and lost {loads[other].lost}"
    )
    return Result(loads[other].lost == 0 < survived and loads[title].lost > 0, figure)


def sigterm_in_flight(title: str, directory: Path) -> Result:
    """SIGTERM while requests arrive: they are answered and logged, nobody new is left hanging, and the program ends."""
    good = request(body=NAMED)
    with _one(title, directory) as running, ExitStack() as stack:
        connections = []
        for _ in range(IN_FLIGHT):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=10))
            connection.sendall(good[:-20])
            connections.append(connection)
        assert is_healthy(running.port)  # the connections before it have been accepted
        time.sleep(0.3)
        sent_s = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        outcomes = []
        for _ in range(20):
            time.sleep(0.05)
            outcomes.append(_new_client(running.port))
        for connection in connections:
            with suppress(OSError):
                connection.sendall(good[-20:])
        dropped = sum(_read_status(connection) != 200 for connection in connections)
        try:
            running.process.wait(STOP_LIMIT_S * 2)
        except subprocess.TimeoutExpired:
            return Result(False, f"still there after {STOP_LIMIT_S * 2:.0f} s")
        took_s = time.monotonic() - sent_s
    unlogged = IN_FLIGHT - running.output().count('"message":"POST /predict 200"')
    unclean = sum(outcome not in ("served", "refused") for outcome in outcomes)
    refused = outcomes.count("refused")
    figure = (
        f"in flight {IN_FLIGHT}, dropped {dropped}, not logged {unlogged}; "
        f"new connections refused {refused}, unclean {unclean}; "
        f"exit status {running.process.returncode} after {took_s:.1f} s"
    )
    clean = dropped == unclean == unlogged == 0 < refused and outcomes[-1] == "refused"
    return Result(clean and took_s < STOP_LIMIT_S and running.process.returncode in (0, -signal.SIGTERM), figure)


def damaged_artifacts(title: str, directory: Path) -> Result:
    """Artifacts that somebody has made hostile: none may be served, and no pickle may run."""
    ran = directory / "ran"
    prepare(directory)  # stages the function once, for all
    with ThreadPoolExecutor(3) as pool:
        outcomes = dict(
            zip(DAMAGES, pool.map(lambda name: _start_damaged(title, directory, name, ran), DAMAGES), strict=True)
        )
    served = [name for name, outcome in outcomes.items() if outcome == "served"]
    unclear = [name for name, outcome in outcomes.items() if outcome == "unclear"]
    figure = f"{len(DAMAGES)} damaged, served {len(served)}, refused without one clear line {len(unclear)}, "
    figure += f"pickles run {int(ran.exists())}"
    return Result(
        not served and not unclear and not ran.exists(), figure + "".join(f"; {name}" for name in served + unclear)
    )


def port_in_use(title: str, directory: Path) -> Result:
    """A port that somebody has already: a clear line and a failed start, not a half-started service."""
    program = prepare(directory)[title]
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", program.port))
        holder.listen()
        running = start(program, directory / "port.log")
        try:
            status = running.process.wait(_REFUSED_START_S)
        except subprocess.TimeoutExpired:
            return Result(False, "goes on without a port")
        finally:
            running.stop()
    output = running.output().lower()
    lines = [line for line in output.splitlines() if "in use" in line]
    figure = f"exit status {status}, {len(output.splitlines())} lines, {len(lines)} of them naming the reason"
    return Result(status == 1 and len(lines) == 1 == len(output.splitlines()), figure)


def read_only_file_system(title: str, directory: Path) -> Result:
    """Nothing can be written but the temporary directory."""
    mounts = f"{_READ_ONLY} && mount -t tmpfs tmpfs {_SCRATCH}"
    return _served_with_mounts(title, directory, mounts, {"TMPDIR": _SCRATCH})


def no_writable_temp_directory(title: str, directory: Path) -> Result:
    """Nothing can be written at all, and the temporary directory is not there."""
    return _served_with_mounts(title, directory, _READ_ONLY, {"TMPDIR": "/nowhere"})


def keep_alive_connections(title: str, directory: Path) -> Result:
    """Many connections at once, each used twice."""
    with _one(title, directory) as running, ExitStack() as stack:
        good = request(body=LISTED)
        selector = stack.enter_context(selectors.DefaultSelector())
        connections: list[socket.socket] = []
        answers = dict.fromkeys(range(CONNECTIONS), 0)
        received = dict.fromkeys(range(CONNECTIONS), b"")
        for number in range(CONNECTIONS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=10))
            selector.register(connection, selectors.EVENT_READ, (number, connection))
            connections.append(connection)
        for connection in connections:
            connection.sendall(good)
        end_s = time.monotonic() + 20
        while selector.get_map() and time.monotonic() < end_s:
            for key, _ in selector.select(0.1):
                number, connection = key.data
                data = _receive(connection)
                found, received[number] = parse_answers(received[number] + data)
                answers[number] += sum(answer.status == 200 for answer in found)
                if not data or answers[number] == 2:
                    selector.unregister(connection)
                elif found:
                    connection.sendall(good)
    served = sum(count == 2 for count in answers.values())
    return Result(served == CONNECTIONS, f"connections {CONNECTIONS}, served twice {served}")


def soak(title: str, directory: Path) -> Result:
    """Good and bad requests for a while: memory after the warm-up (a quarter of it) stays where it is."""
    with _one(title, directory) as running, Load(running.port, 2, (NAMED, LISTED, *BAD_BODIES)).running() as load:
        time.sleep(SOAK_S / 4)
        before = _memory_bytes(running)
        time.sleep(SOAK_S * 3 / 4)
        after = _memory_bytes(running)
    growth_percent = 100 * (after - before) / before
    growth = f"{after / 2**20:.0f} MB, growth {growth_percent:+.1f} %"
    figure = f"{load.answered} requests in {SOAK_S:.0f} s, lost {load.lost}, {growth}"
    return Result(growth_percent <= GROWTH_LIMIT_PERCENT and load.lost == 0, figure)


def logs_without_secrets(title: str, directory: Path) -> Result:
    """Query strings, bodies and credentials are sent everywhere a client might put them; the logs hold none."""
    query, token, authorization, body, cookie, key = _SECRETS
    headers = {
        "Authorization": f"Bearer {authorization}",
        "Cookie": f"session={cookie}",
        "X-Api-Key": key,
        "Content-Type": "application/json",
    }
    targets = (
        f"/predict?q={query}",
        f"/predict?token={token}",
        f"/nothing?token={token}",
        f"/?{query}",
        f"/robots.txt?{token}",
    )
    bodies = (NAMED, json.dumps({body: 1}).encode(), b'"' + body.encode(), b" " * 65537 + body.encode())
    with _one(title, directory, {"LOG_LEVEL": "DEBUG", "LOG_EXECUTION_ID": "true"}) as running:
        for method in ("GET", "POST", "PURGE"):
            for target in targets:
                for content in bodies:
                    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
                    connection.request(method, target, content, headers)
                    connection.getresponse().read()
                    connection.close()
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection_:
            connection_.sendall(f"GET /?token={token} HTTP/9.9\r\nAuthorization: {authorization}\r\n\r\n".encode())
            _receive(connection_)
    output = running.output()
    sent = 3 * len(targets) * len(bodies)
    logged = sum(line.startswith("{") for line in output.splitlines())
    found = [secret for secret in _SECRETS if secret in output]
    return Result(not found and logged >= sent, f"requests {sent}, lines {logged}, secrets found {len(found)}")


SCENARIOS: Mapping[str, Callable[[str, Path], Result]] = {
    "kill -9 under load": kill_under_load,
    "SIGTERM in flight": sigterm_in_flight,
    "damaged artifacts": damaged_artifacts,
    "port in use": port_in_use,
    "read-only file system": read_only_file_system,
    "no writable temp directory": no_writable_temp_directory,
    "1 000 keep-alive connections": keep_alive_connections,
    "soak": soak,
    "logs without secrets": logs_without_secrets,
}
NEED_MOUNTS = frozenset({"read-only file system", "no writable temp directory"})

# Damage.


class _Hostile:
    """Unpickled, it creates a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self._path),)


def _replace_with_its_hash(directory: Path, name: str, data: bytes) -> None:
    """What somebody can do who may write the files and the card."""
    write(directory / name, data)
    entry = {"sha256": sha256(data).hexdigest(), "bytes": len(data)}
    change_card(directory, lambda card: card["files"].update({name: entry}))


DAMAGES: Mapping[str, Callable[[Path, Path], None]] = {
    "noise with the right hash": lambda directory, _: _replace_with_its_hash(
        directory, "model.onnx", bytes(range(256)) * 4
    ),
    "a hostile pickle, for sklearn": lambda directory, ran: write(
        directory / "model.joblib", pickle.dumps(_Hostile(ran))
    ),
    "a hostile pickle as ONNX with the right hash": lambda directory, ran: _replace_with_its_hash(
        directory, "model.onnx", pickle.dumps(_Hostile(ran))
    ),
}
"""What somebody does on purpose; what can happen on the way, tests/inference and tests/contract try."""


def _start_damaged(title: str, directory: Path, name: str, ran: Path) -> str:
    """Start over a copy of the artifact with this damage: `refused`, `served`, or `unclear`."""
    place = directory / name.replace(" ", "-")
    artifact = copy_of(ROOT / "artifacts" / "iris", place / "artifact")
    DAMAGES[name](artifact, ran)
    variables = {"MODEL_DIR": str(artifact), "MODEL_RUNTIME": "sklearn" if "sklearn" in name else "onnx"}
    program = prepare(directory, variables)[title]
    running = start(program, place / "output.log")
    try:
        end_s = time.monotonic() + _REFUSED_START_S
        while running.process.poll() is None and time.monotonic() < end_s:
            if is_healthy(program.port):
                return "served"
            time.sleep(0.05)
    finally:
        running.stop()
    output = running.output()
    clear = output.count("refusing to start: artifact") == 1 and "Traceback" not in output
    return "refused" if clear and running.process.returncode > 0 else "unclear"


# Mounts.

_READ_ONLY = (
    "mount --make-rprivate / && mount -o remount,bind,ro /"
    " && mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp"
    " && mount -t tmpfs -o ro tmpfs /var/tmp"
)


def can_mount() -> bool:
    """Whether this user may change the mounts of a child process."""
    if not shutil.which("unshare"):
        return False
    command = ("unshare", "--mount", "sh", "-c", _READ_ONLY)
    return subprocess.run(command, capture_output=True).returncode == 0


def _served_with_mounts(title: str, directory: Path, mounts: str, variables: Mapping[str, str] | None = None) -> Result:
    program = prepare(directory, variables)[title]
    command = ("unshare", "--mount", "sh", "-c", f'{mounts} && ! touch "$0" 2>/dev/null && exec "$@"')
    program = replace(program, command=(*command, str(directory / "written"), *program.command))
    running = start(program, directory / "mounts.log")
    try:
        running.wait_until_healthy()
        with Load(running.port, 2).running() as load:
            time.sleep(0.5)
    except NotServing:
        lines = running.output().strip().splitlines() or [""]
        return Result(False, f"not served: {lines[-1][:120]}")
    finally:
        running.stop()
    return Result(load.lost == 0 < load.answered, f"answered {load.answered}, lost {load.lost}")


# Parts.


@contextmanager
def _one(title: str, directory: Path, variables: Mapping[str, str] | None = None) -> Iterator[Server]:
    running = start(prepare(directory, variables)[title], directory / "output.log")
    try:
        running.wait_until_healthy()
        yield running
    finally:
        running.stop()


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:
        return b""


def _read_status(connection: socket.socket) -> int:
    raw = b""
    while not (answers := parse_answers(raw)[0]):
        data = _receive(connection)
        if not data:
            return 0
        raw += data
    return answers[0].status


def _new_client(port: int) -> str:
    """How a new client fares: `served`, `refused`, or what else happens to it."""
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=2)
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        return type(error).__name__
    with connection:
        try:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        except OSError as error:
            return type(error).__name__
        return "served" if _read_status(connection) == 200 else "dropped"


def _memory_bytes(running: Server) -> int:
    """PSS of the program and its workers: what they share counts once. RSS where the system does not tell."""
    total = 0
    for process in running.processes():
        try:
            total += int(process.memory_full_info().pss)
        except (AttributeError, psutil.AccessDenied):
            total += int(process.memory_info().rss)
    return total
