"""`make bench-serving`: cold start, throughput and memory of both endpoints, as ratios against reference servers.

Absolute times say more about the machine than about the code, and the machine has other work to do. So all servers
are measured in one run, in rounds that visit each of them once in random order; cold start and throughput are CPU
time, which other work disturbs least; and only ratios of medians are judged. One visit is one process: it is
started (a cold-start sample), asked for a while (a throughput sample), weighed (a memory sample) and stopped, and no
other server runs meanwhile, because memory that two of them share would count half for each.
"""

import argparse
import asyncio
import functools
import hashlib
import http.client
import json
import os
import platform
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Literal, cast

import psutil
import uvloop

from tools.processes import HOST, Program, Server, bare_environ, free_ports

ROOT = Path(__file__).resolve().parents[1]
BASELINES = ROOT / "tools" / "baselines"
REQUIREMENTS = ROOT / "requirements"

FORMAT_VERSION = 1
BODY = b'{"features":[5.1,3.5,1.4,0.2]}'
REQUEST = b"POST /predict HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    HOST.encode(),
    len(BODY),
    BODY,
)
CONNECTIONS = 32
BLOCK_LIMIT_S = 1.0
"""A block of requests ends after so long, however few they were: the common designs are 100 times slower than ours,
and the shorter a round is, the more alike is what disturbs the servers in it."""
START_LIMIT_S = 60.0
STOP_LIMIT_S = 5.0
POLL_INTERVAL_S = 0.002
RESAMPLES = 2000

Metric = Literal["cold_cpu_ms", "throughput_rps", "memory_mib"]


class BenchError(Exception):
    """A server cannot be measured; the message says which one and why."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command-line options."""

    starts: int
    requests: int
    seed: int
    json: Path

    @property
    def part_starts(self) -> int:
        """Processes in which the parts of a request are measured."""
        return max(1, self.starts // 7)

    @property
    def cycles(self) -> int:
        """How often each part is switched off and on in one process."""
        return 10 * min(4, self.starts)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A server to measure: `command` in an environment that has `packages` (arguments of `uv pip install`) alone."""

    name: str
    command: tuple[str, ...]
    packages: tuple[str, ...]
    directory: Path
    """Where it is started."""


@dataclass(frozen=True, slots=True)
class Visit:
    """The measurements of one process of a server."""

    cold_cpu_ms: float
    """CPU time of all its processes, user and system, from their spawn to the first 200."""
    cold_wall_ms: float
    requests: int
    lost: int
    """Requests whose connection the server closed instead of answering; they were asked again."""
    request_cpu_us: float
    """CPU time of all its processes per request under load."""
    memory_mib: float
    """PSS of all its processes after the load (RSS where the system tells no PSS)."""

    @property
    def throughput_rps(self) -> float:
        """Requests per second of one core's CPU time."""
        return 1e6 / self.request_cpu_us


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio to keep: `subject` over `reference`, at most `limit` (at least, for throughput); `aim` is beyond it."""

    metric: Metric
    subject: str
    reference: str
    limit: float
    aim: float | None = None

    @property
    def more_is_better(self) -> bool:
        return self.metric == "throughput_rps"

    def is_met_by(self, ratio: float, bound: float) -> bool:
        return ratio >= bound if self.more_is_better else ratio <= bound


@dataclass(frozen=True, slots=True)
class TargetResult:
    """A target against what was measured; `interval` is the ratio's 95% bootstrap interval over rounds."""

    target: Target
    ratio: float
    interval: tuple[float, float]

    @property
    def is_met(self) -> bool:
        return self.target.is_met_by(self.ratio, self.target.limit)


@dataclass(frozen=True, slots=True)
class Part:
    """Work of the API for each request that tools/baselines/switched_api.py can switch off."""

    name: str
    limit: float | None
    """The share of a request's other CPU time that it may cost."""


PARTS = (Part("the log line", None), Part("counting for /metrics", 0.05))
"""In the order in which they are switched off, one more each time."""


@dataclass(frozen=True, slots=True)
class PartCost:
    """What a part costs: CPU us a request, and its share of what is left without it, with a 95% interval."""

    part: Part
    cpu_us: float
    share: float
    interval: tuple[float, float]

    @property
    def is_met(self) -> bool:
        return self.part.limit is None or self.share <= self.part.limit


TARGETS = (
    Target("cold_cpu_ms", "api", "fixed-fastapi", limit=1.4, aim=1.2),
    Target("cold_cpu_ms", "api", "common-fastapi", limit=0.4),
    Target("cold_cpu_ms", "function", "fixed-function", limit=1.5, aim=1.25),
    Target("cold_cpu_ms", "function", "common-function", limit=0.3),
    Target("throughput_rps", "api", "fixed-fastapi", limit=1.1),
    Target("throughput_rps", "api", "common-fastapi", limit=30.0),
    Target("throughput_rps", "function", "fixed-function", limit=1.2),
    Target("memory_mib", "api", "common-fastapi", limit=0.65),
)


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
    forest = ("joblib", "scikit-learn")
    return (
        Candidate("api", ("python", "-m", "api"), api, ROOT),
        Candidate("function", ("functions-framework", "--target", "predict"), function, scratch / "function"),
        Candidate("bare-asgi", uvicorn("bare_asgi"), api, scratch),
        Candidate("fixed-fastapi", uvicorn("fixed_fastapi"), api, scratch),
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


# What the numbers say: no input or output from here to the next heading.

Rounds = Sequence[Mapping[str, Visit]]


def values(rounds: Rounds, server: str, metric: str) -> list[float]:
    """One number a round."""
    return [getattr(visits[server], metric) for visits in rounds]


def ratio(rounds: Rounds, target: Target) -> float:
    """The subject's median over the reference's."""
    subject, reference = (median(values(rounds, name, target.metric)) for name in (target.subject, target.reference))
    return subject / reference


def judge(rounds: Rounds, target: Target, seed: int) -> TargetResult:
    """The ratio, and how far it would move had other rounds been drawn: rounds are resampled whole, as they were."""
    draw = random.Random(seed)  # noqa: S311  statistics, not secrets
    resampled = sorted(ratio(draw.choices(rounds, k=len(rounds)), target) for _ in range(RESAMPLES))
    interval = (resampled[round(0.025 * RESAMPLES)], resampled[round(0.975 * RESAMPLES) - 1])
    return TargetResult(target, ratio(rounds, target), interval)


def server_table(rounds: Rounds, names: Sequence[str]) -> list[tuple[str, ...]]:
    """The medians, a row a server; `of bare` is the throughput over that of the bare ASGI application."""
    rows: list[tuple[str, ...]] = [
        ("server", "n", "cold CPU ms", "cold wall ms", "CPU us/request", "throughput", "of bare", "memory MiB")
    ]
    bare = median(values(rounds, "bare-asgi", "throughput_rps"))
    for name in names:
        middle = functools.partial(_median, rounds, name)
        throughput = middle("throughput_rps")
        rows.append(
            (
                name,
                str(len(rounds)),
                f"{middle('cold_cpu_ms'):.0f}",
                f"{middle('cold_wall_ms'):.0f}",
                f"{middle('request_cpu_us'):.1f}",
                f"{throughput:.0f}",
                f"{throughput / bare:.2f}",
                f"{middle('memory_mib'):.1f}",
            )
        )
    return rows


def target_table(results: Sequence[TargetResult]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("target", "ratio", "95% interval", "limit", "aim", "")]
    names = {"cold_cpu_ms": "cold start", "throughput_rps": "throughput", "memory_mib": "memory"}
    for result in results:
        target = result.target
        sign = ">=" if target.more_is_better else "<="
        low, high = result.interval
        aim = "-"
        if target.aim is not None:
            aim = f"{target.aim:g}" + (" reached" if target.is_met_by(result.ratio, target.aim) else "")
        rows.append(
            (
                f"{names[target.metric]}, {target.subject} / {target.reference}",
                f"{result.ratio:.3g}",
                f"{low:.3g} to {high:.3g}",
                f"{sign} {target.limit:g}",
                aim,
                "ok" if result.is_met else "MISSED",
            )
        )
    return rows


def part_costs(cycles: Sequence[Sequence[float]], seed: int) -> list[PartCost]:
    """What each of PARTS costs a request. A cycle has the CPU us a request with the first 0, 1, 2, ... parts off."""
    draw = random.Random(seed)  # noqa: S311  statistics, not secrets
    found = []
    for number, part in enumerate(PARTS):
        pairs = [(cycle[number], cycle[number + 1]) for cycle in cycles]
        shares = [whole / rest - 1 for whole, rest in pairs]
        resampled = sorted(median(draw.choices(shares, k=len(shares))) for _ in range(RESAMPLES))
        interval = (resampled[round(0.025 * RESAMPLES)], resampled[round(0.975 * RESAMPLES) - 1])
        found.append(PartCost(part, median(whole - rest for whole, rest in pairs), median(shares), interval))
    return found


def part_table(costs: Sequence[PartCost]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("part of a request", "CPU us", "on top of the rest", "95% interval", "limit", "")]
    for cost in costs:
        low, high = cost.interval
        limit, result = "-", ""
        if cost.part.limit is not None:
            limit, result = f"<= {cost.part.limit:.0%}", "ok" if cost.is_met else "MISSED"
        row = (cost.part.name, f"{cost.cpu_us:.1f}", f"{cost.share:+.1%}", f"{low:+.1%} to {high:+.1%}", limit, result)
        rows.append(row)
    return rows


def align(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _median(rounds: Rounds, server: str, metric: str) -> float:
    return median(values(rounds, server, metric))


# Processes.


@contextmanager
def running(
    candidate: Candidate, python: Path, port: int, variables: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """The candidate's process, which is stopped with all its children at the end."""
    environ = {**bare_environ(python), "UVICORN_PORT": str(port), **(variables or {})}
    command = (str(python.parent / candidate.command[0]), *candidate.command[1:])
    with tempfile.NamedTemporaryFile() as log:
        server = Server(Program(candidate.name, command, candidate.directory, environ, port), Path(log.name))
        server.start()
        try:
            yield server
        except BenchError as error:
            raise BenchError(f"{candidate.name}: {error}. {server.log_tail()}") from None
        finally:
            server.stop(STOP_LIMIT_S)


def cpu_s(server: Server) -> float:
    """CPU time, user and system, that the server, its descendants and their exited children have used so far."""
    total = 0.0
    for member in server.processes():
        with suppress(psutil.NoSuchProcess):  # it has just exited, so its parent's children_* hold it
            times = member.cpu_times()
            own = times.user + times.system
            if sys.platform == "linux":
                # The same in ns instead of clock ticks of 10 ms: the id that clock_getcpuclockid(3) would give.
                with suppress(OSError):
                    own = time.clock_gettime(~member.pid << 3 | 2)
            total += own + getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def memory_mib(server: Server) -> float:
    """PSS of the server and its descendants: what several of them share counts once. RSS where there is no PSS."""
    total = 0
    for member in server.processes():
        info = member.memory_full_info()
        total += getattr(info, "pss", info.rss)
    return total / 2**20


def two_cores() -> tuple[int, int] | None:
    """One core for the load, another for the server; None where the system does not let us choose, or has one."""
    if sys.platform != "linux":
        return None
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[-1]) if len(cores) > 1 else None


@contextmanager
def _a_core_each(server: Server) -> Iterator[None]:
    """The server's threads on one core and this process on another, which is undone for the next server's sake."""
    cores = two_cores()
    if cores is None or sys.platform != "linux":
        yield
        return
    load_core, server_core = cores
    for member in server.processes():
        for thread in member.threads():  # later ones inherit it
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread.id, {server_core})
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {load_core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def await_first_answer(server: Server, port: int) -> None:
    """Ask again and again until a prediction is answered with a 200."""
    deadline = time.perf_counter() + START_LIMIT_S
    status = None
    while status != 200:
        if server.has_ended():
            raise BenchError(f"ended before its first answer ({server.status()})")
        if time.perf_counter() > deadline:
            raise BenchError(f"no 200 within {START_LIMIT_S:.0f} s; the last status was {status}")
        connection = http.client.HTTPConnection(HOST, port, timeout=START_LIMIT_S)
        try:
            connection.request("POST", "/predict", BODY, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException):
            time.sleep(POLL_INTERVAL_S)
        finally:
            connection.close()


# Load.


class Load:
    """A closed loop: each connection asks again as soon as its answer is complete, until enough were asked."""

    def __init__(self, port: int) -> None:
        self.lost = 0
        self._port = port
        self._answered = 0
        self._unasked = 0
        self._waiting = 0
        self._deadline_s = 0.0
        self._done: asyncio.Future[None] | None = None
        self._connections: set[Connection] = set()
        self._replacements: set[asyncio.Task[None]] = set()

    async def run(self, requests: int) -> int:
        """How many of `requests` were answered, all that were sent: fewer where BLOCK_LIMIT_S was over."""
        while len(self._connections) < CONNECTIONS:
            await self._open()
        self._answered = 0
        self._unasked = requests
        self._deadline_s = time.perf_counter() + BLOCK_LIMIT_S
        self._done = asyncio.get_running_loop().create_future()
        for connection in list(self._connections):
            self._ask(connection)
        async with asyncio.timeout(BLOCK_LIMIT_S + START_LIMIT_S):
            await self._done
        return self._answered

    def answer(self, connection: "Connection") -> None:
        """The connection's answer is complete."""
        self._waiting -= 1
        self._answered += 1
        self._ask(connection)

    def lose(self, connection: "Connection", *, unanswered: bool) -> None:
        """The server has closed the connection. What it has not answered is asked again, on another one.

        gunicorn's threaded worker, which runs Flask functions, does so about once in ten thousand requests.
        """
        self._connections.discard(connection)
        if not unanswered or self._done is None or self._done.done():
            return
        self.lost += 1
        self._waiting -= 1
        self._unasked += 1
        if self.lost > CONNECTIONS:
            self.fail("closes its connections instead of answering")
        else:
            replacement = asyncio.get_running_loop().create_task(self._replace())
            self._replacements.add(replacement)
            replacement.add_done_callback(self._replacements.discard)

    def fail(self, reason: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(BenchError(reason))

    def close(self) -> None:
        self._done = None
        for connection in self._connections:
            connection.abort()

    def _ask(self, connection: "Connection") -> None:
        """Send the connection's next request, if there is one."""
        if self._unasked and time.perf_counter() < self._deadline_s:
            self._unasked -= 1
            self._waiting += 1
            connection.ask()
        elif not self._waiting and self._done is not None and not self._done.done():
            self._done.set_result(None)

    async def _open(self) -> "Connection":
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self), HOST, self._port)
        self._connections.add(connection)
        return connection

    async def _replace(self) -> None:
        try:
            self._ask(await self._open())
        except OSError as error:
            self.fail(f"takes no connection under load ({error})")


class Connection(asyncio.Protocol):
    """One keep-alive connection, on a raw socket so that the load costs less than what it measures."""

    _LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)

    def __init__(self, load: Load) -> None:
        self._load = load
        self._is_waiting = False
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one, without deriving from it

    def ask(self) -> None:
        self._is_waiting = True
        if self._transport is not None:
            self._transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        length = self._LENGTH.search(self._received, 0, head_end + 2)
        if not self._received.startswith(b"HTTP/1.1 200 ") or length is None:
            self._load.fail(f"an answer under load was not a 200 of known length: {self._received[:100]!r}")
            return
        missing = head_end + 4 + int(length[1]) - len(self._received)
        if missing < 0:
            self._load.fail("an answer under load was longer than it said")
        elif missing == 0:
            self._received = b""
            self._is_waiting = False
            self._load.answer(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lose(self, unanswered=self._is_waiting)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def measure_load(server: Server, port: int, requests: int) -> tuple[int, int, float]:
    """(answered, lost, CPU µs per request) of a warm server: first a third as many are asked and not counted."""
    load = Load(port)
    try:
        await load.run(requests // 3)
        before_s = cpu_s(server)
        answered = await load.run(requests)
        return answered, load.lost, (cpu_s(server) - before_s) * 1e6 / answered
    except TimeoutError:
        raise BenchError("stopped answering under load") from None
    except OSError as error:
        raise BenchError(f"takes no connection ({error})") from None
    finally:
        load.close()


async def measure_parts(server: Server, port: int, options: Options) -> list[list[float]]:
    """CPU us a request with the first 0, 1, 2, ... PARTS off, in many short cycles over one warm process."""
    draw = random.Random(options.seed)  # noqa: S311  an order, not a secret
    load = Load(port)
    cycles = []
    try:
        await load.run(options.requests)
        for _ in range(options.cycles):
            cycle = [0.0] * (len(PARTS) + 1)
            for off in draw.sample(range(len(cycle)), len(cycle)):
                _switch_off(port, off)
                before_s = cpu_s(server)
                answered = await load.run(options.requests // 6)
                cycle[off] = (cpu_s(server) - before_s) * 1e6 / answered
            cycles.append(cycle)
        return cycles
    finally:
        load.close()


def _switch_off(port: int, count: int) -> None:
    connection = http.client.HTTPConnection(HOST, port, timeout=START_LIMIT_S)
    connection.request("GET", f"/switch/{count}")
    if connection.getresponse().status != 200:
        raise BenchError("cannot be switched")
    connection.close()


def visit_parts(python: Path, options: Options) -> list[list[float]]:
    """Start the API that can be switched, and measure what its parts cost."""
    switched = Candidate("switched-api", ("python", str(BASELINES / "switched_api.py")), (), ROOT)
    (port,) = free_ports(1)
    with running(switched, python, port, {"PYTHONPATH": str(ROOT)}) as server:
        await_first_answer(server, port)
        with _a_core_each(server), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(measure_parts(server, port, options))


def visit(candidate: Candidate, python: Path, requests: int) -> Visit:
    """Start the candidate, ask it, weigh it, stop it. With no `requests` it is only started."""
    (port,) = free_ports(1)
    spawned_s = time.perf_counter()
    with running(candidate, python, port) as server:
        await_first_answer(server, port)
        cold_wall_ms = (time.perf_counter() - spawned_s) * 1e3
        cold_cpu_ms = cpu_s(server) * 1e3
        answered, lost, request_cpu_us = 0, 0, 0.0
        if requests:
            with _a_core_each(server), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                answered, lost, request_cpu_us = runner.run(measure_load(server, port, requests))
        return Visit(cold_cpu_ms, cold_wall_ms, answered, lost, request_cpu_us, memory_mib(server))


# Preparation.


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


# The run.


def conditions(options: Options) -> dict[str, object]:
    """The conditions of the measurement."""
    cores = two_cores()
    distributions = ("fastapi", "functions-framework", "gunicorn", "httptools", "joblib", "numpy", "onnxruntime")
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load_average": list(os.getloadavg()),
        "pinning": "load and server on a core each" if cores else "none",
        "memory": "PSS" if sys.platform == "linux" else "RSS",
        "environments": "each server has a separate environment with the packages that it needs, byte-compiled",
        "versions": {
            name: version(name) for name in (*distributions, "scikit-learn", "starlette", "uvicorn", "uvloop")
        },
        "connections": CONNECTIONS,
        "n": options.starts,
        "requests": options.requests,
        "seed": options.seed,
    }


def measure(pythons: Mapping[Candidate, Path], options: Options) -> list[dict[str, Visit]]:
    """All rounds. Each visits every server once in a new random order, after one uncounted start of each."""
    draw = random.Random(options.seed)  # noqa: S311  an order, not a secret
    for server, python in pythons.items():
        progress(f"warm start of {server.name}")
        visit(server, python, 0)
    rounds = []
    for number in range(1, options.starts + 1):
        progress(f"round {number} of {options.starts}")
        order = draw.sample(list(pythons), len(pythons))
        rounds.append({server.name: visit(server, pythons[server], options.requests) for server in order})
    return rounds


def report(
    rounds: Rounds,
    results: Sequence[TargetResult],
    names: Sequence[str],
    costs: Sequence[PartCost],
    facts: dict[str, object],
) -> str:
    """Everything measured and judged, as JSON."""
    document = {
        "format_version": FORMAT_VERSION,
        "conditions": facts,
        "servers": {
            name: {field: values(rounds, name, field) for field in Visit.__dataclass_fields__} for name in names
        },
        "targets": [
            {**asdict(item.target), "ratio": item.ratio, "interval_95": item.interval, "met": item.is_met}
            for item in results
        ],
        "parts": [{**asdict(cost), "met": cost.is_met} for cost in costs],
    }
    return json.dumps(document, indent=2) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns 1 if a limit is missed, 2 if nothing could be measured."""
    options = _options(arguments)
    # A terminated run must also come to the `finally` that stops its servers.
    signal.signal(signal.SIGTERM, end_with_status_143)
    facts = conditions(options)
    with tempfile.TemporaryDirectory(prefix="faceoff-bench-") as scratch:
        try:
            pythons = prepare(Path(scratch))
            rounds = measure(pythons, options)
            (api,) = (python for server, python in pythons.items() if server.name == "api")
            cycles = [cycle for _ in range(options.part_starts) for cycle in visit_parts(api, options)]
        except BenchError as error:
            print(f"not measured: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
        finally:
            for child in psutil.Process().children(recursive=True):  # interrupted before it was in anybody's care
                with suppress(psutil.NoSuchProcess):
                    child.kill()
    names = [server.name for server in pythons]
    results = [judge(rounds, target, options.seed) for target in TARGETS]
    costs = part_costs(cycles, options.seed)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(report(rounds, results, names, costs, facts))
    print(align(server_table(rounds, names)))
    print()
    print(align(target_table(results)))
    print()
    print(align(part_table(costs)))
    print()
    print(f"Medians of {options.starts} processes each; memory is {facts['memory']}; pinning: {facts['pinning']};")
    print(f"{facts['environments']}. Raw numbers: {options.json}")
    return 0 if all(result.is_met for result in results) and all(cost.is_met for cost in costs) else 1


def _options(arguments: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tools.bench_serving", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--starts", type=int, help="processes to measure of each server (default 21; quick: 4)")
    parser.add_argument("--requests", type=int, help="requests per process (default 3000; quick: 1000)")
    parser.add_argument("--quick", action="store_true", help="a rough answer in about a minute")
    parser.add_argument("--seed", type=int, default=0, help="seed of the order of the servers (default 0)")
    parser.add_argument("--json", type=Path, default=ROOT / "results" / "bench-serving.json", help="file to write")
    given = parser.parse_args(arguments)
    starts = (4 if given.quick else 21) if given.starts is None else given.starts
    requests = (1000 if given.quick else 3000) if given.requests is None else given.requests
    if starts < 1 or requests < CONNECTIONS:
        parser.error(f"--starts must be at least 1 and --requests at least {CONNECTIONS}")
    return Options(starts, requests, given.seed, given.json)


def end_with_status_143(_: int, __: FrameType | None) -> None:
    """A handler of SIGTERM: the program ends through its `finally` clauses."""
    sys.exit(143)


def progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
