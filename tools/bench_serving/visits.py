"""One visit of a server: its start, its answers under load, and its memory."""

import asyncio
import http.client
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import uvloop

from tools.bench_serving import BenchError
from tools.bench_serving.candidates import BASELINES, ROOT, Candidate
from tools.bench_serving.limits import PARTS, Visit
from tools.bench_serving.load import BODY, Load
from tools.processes import HOST, Program, Server, bare_environ, free_ports

START_LIMIT_S = 60.0
STOP_LIMIT_S = 5.0
POLL_INTERVAL_S = 0.002


@contextmanager
def running(
    candidate: Candidate,
    python: Path,
    port: int,
    variables: Mapping[str, str] | None = None,
    under: Sequence[str] = (),
) -> Iterator[Server]:
    """The candidate's process, started by `under` where there is one, and stopped with all its children at the end."""
    own = {"UVICORN_PORT": str(port), **dict(candidate.variables), **(variables or {})}
    environ = {**bare_environ(python), **own}
    command = (*under, str(python.parent / candidate.command[0]), *candidate.command[1:])
    with tempfile.NamedTemporaryFile() as log:
        server = Server(Program(candidate.name, command, candidate.directory, environ, port), Path(log.name))
        server.start()
        try:
            yield server
        except BenchError as error:
            raise BenchError(f"{candidate.name}: {error}. {server.log_tail()}") from None
        finally:
            server.stop(STOP_LIMIT_S)


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


def await_first_answer(server: Server, port: int, within_s: float = START_LIMIT_S, body: bytes = BODY) -> None:
    """Ask again and again until a prediction is answered with a 200."""
    deadline = time.perf_counter() + within_s
    status = None
    while status != 200:
        if server.has_ended():
            raise BenchError(f"ended before its first answer ({server.status()})")
        if time.perf_counter() > deadline:
            raise BenchError(f"no 200 within {within_s:.0f} s; the last status was {status}")
        connection = http.client.HTTPConnection(HOST, port, timeout=within_s)
        try:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException):
            time.sleep(POLL_INTERVAL_S)
        finally:
            connection.close()


async def measure_load(server: Server, port: int, requests: int, body: bytes) -> tuple[int, int, float]:
    """(answered, lost, CPU µs per request) of a warm server: first a third as many are asked and not counted."""
    load = Load(port, body)
    try:
        await load.run(requests // 3)
        before_s = server.cpu_s()
        answered = await load.run(requests)
        return answered, load.lost, (server.cpu_s() - before_s) * 1e6 / answered
    except TimeoutError:
        raise BenchError("stopped answering under load") from None
    except OSError as error:
        raise BenchError(f"takes no connection ({error})") from None
    finally:
        load.close()


async def measure_parts(server: Server, port: int, requests: int, cycle_count: int, seed: int) -> list[list[float]]:
    """CPU us a request with the first 0, 1, 2, ... PARTS off, in many short cycles over one warm process."""
    draw = random.Random(seed)  # noqa: S311  an order, not a secret
    load = Load(port)
    cycles = []
    try:
        await load.run(requests)
        for _ in range(cycle_count):
            cycle = [0.0] * (len(PARTS) + 1)
            for off in draw.sample(range(len(cycle)), len(cycle)):
                _switch_off(port, off)
                before_s = server.cpu_s()
                answered = await load.run(requests // 6)
                cycle[off] = (server.cpu_s() - before_s) * 1e6 / answered
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


def visit_parts(python: Path, requests: int, cycle_count: int, seed: int) -> list[list[float]]:
    """Start the API that can be switched, and measure what its parts cost."""
    switched = Candidate("switched-api", ("python", str(BASELINES / "switched_api.py")), (), ROOT)
    (port,) = free_ports(1)
    with running(switched, python, port, {"PYTHONPATH": str(ROOT)}) as server:
        await_first_answer(server, port)
        with _a_core_each(server), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(measure_parts(server, port, requests, cycle_count, seed))


def visit(candidate: Candidate, python: Path, requests: int) -> Visit:
    """Start the candidate, ask it, weigh it, stop it. With no `requests` it is only started."""
    (port,) = free_ports(1)
    spawned_s = time.perf_counter()
    with running(candidate, python, port) as server:
        await_first_answer(server, port, body=candidate.body)
        cold_wall_ms = (time.perf_counter() - spawned_s) * 1e3
        cold_cpu_ms = server.cpu_s() * 1e3
        answered, lost, request_cpu_us = 0, 0, 0.0
        if requests:
            with _a_core_each(server), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                answered, lost, request_cpu_us = runner.run(measure_load(server, port, requests, candidate.body))
        return Visit(cold_cpu_ms, cold_wall_ms, answered, lost, request_cpu_us, server.memory_mib())
