"""`make bench-engine`: the accuracy and strength of the measurement engine, as ratios from one run.

- Accuracy: p50 of the engine's client against a server of a fixed delay, beside a raw socket's and wrk's.
- Strength: requests per second that the engine sustains in an open loop before it calls itself limited, beside what
  raw asyncio streams reach, client and server on one core, where the system can hold them to one.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter_ns

import uvloop

from benchmark.endpoints.bodies import Bodies
from benchmark.endpoints.catalog import Served
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import utc_now
from benchmark.engine.client import Client, Instances
from benchmark.engine.execute import execute, make_manifest
from benchmark.record.plan import OpenLoopPlan, to_document
from benchmark.record.recording import load_samples
from benchmark.record.run import Run, RunState, new_run_id
from benchmark.record.samples import ROW
from benchmark.record.store import Store
from tools.processes import Program, bare_environ, free_ports, serving

ROOT = Path(__file__).resolve().parents[1]
ACCURACY_LIMIT = 1.15
STRENGTH_LIMIT = 0.35
BODY = b'{"features": [5.1, 3.5, 1.4, 0.2]}'
CONNECTIONS = 32
_SERVICE = (ROW.names or ()).index("service_ms")


@contextmanager
def delayed_server(delay_ms: float) -> Iterator[int]:
    """A server that answers everything after `delay_ms`; gives its port."""
    command = [sys.executable, "-m", "tools.baselines.delayed", str(delay_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:  # noqa: S603  our own
        assert process.stdout  # it was asked for  # noqa: S101
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def bare_server() -> Iterator[int]:
    """uvicorn with an application that does nothing, which is faster than anything worth measuring; gives its port."""
    (port,) = free_ports(1)  # not handed over by --fd, with which uvicorn leaves Nagle's algorithm on
    options = ("--port", str(port), "--log-level", "warning", "--no-access-log", "--lifespan", "off")
    command = (sys.executable, "-m", "uvicorn", "tools.baselines.bare_asgi:app", *options)
    program = Program("bare-asgi", command, ROOT, bare_environ(), port)
    with TemporaryDirectory() as scratch, serving(program, Path(scratch, program.log_name)):
        yield port


@contextmanager
def one_core() -> Iterator[None]:
    """Pin this process and what it starts to one core, where the system supports it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def raw_socket_ms(port: int, requests: int) -> list[float]:
    """Durations of requests over one plain socket: the least that a client of this machine can take."""
    request = _raw_request(port)
    durations = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(requests):
            started_ns = perf_counter_ns()
            connection.sendall(request)
            received = b""
            while not received.endswith(b"}"):
                received += connection.recv(65536)
            durations.append((perf_counter_ns() - started_ns) / 1e6)
    return durations


def engine_ms(port: int, requests: int) -> list[float]:
    """Durations of the same as the engine measures them."""

    async def measure() -> list[float]:
        rows = []
        async with Client(Endpoint("null", "null", f"http://127.0.0.1:{port}"), 0, None, Instances()) as client:
            for number in range(requests):
                rows.append(await client.send(BODY, number, began_ns=0, warmup=False))
        return [float(row[_SERVICE]) for row in rows]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure())


def wrk_ms(port: int) -> float | None:
    """p50 as wrk sees it over one connection; None where wrk is not installed."""
    if not shutil.which("wrk"):
        return None
    with TemporaryDirectory() as directory:
        script = Path(directory, "post.lua")
        script.write_text(
            f"wrk.method='POST'; wrk.body='{BODY.decode()}'; wrk.headers['Content-Type']='application/json'\n"
            "done = function(summary, latency) print('p50_us ' .. latency:percentile(50)) end\n"
        )
        done = subprocess.run(  # noqa: S603  our own arguments
            ["wrk", "-t1", "-c1", "-d2s", "-s", str(script), f"http://127.0.0.1:{port}/predict"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout.rpartition("p50_us ")[2].split()[0]) / 1000


def raw_rate(port: int, requests: int) -> float:
    """Requests/s that raw asyncio streams reach over 32 connections, reading whole answers and nothing more."""
    request = _raw_request(port)

    async def measure() -> float:
        async def one(count: int) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(count):
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                json.loads(await reader.readexactly(length))
            writer.close()
            await writer.wait_closed()

        started_ns = perf_counter_ns()
        await asyncio.gather(*(one(requests // CONNECTIONS) for _ in range(CONNECTIONS)))
        return requests / ((perf_counter_ns() - started_ns) / 1e9)

    return asyncio.run(measure())


def sustains(port: int, rate: float, seconds: float) -> bool:
    """Whether the whole engine sustains an open loop at this rate without a limit of its own or a failure."""
    endpoints = [Endpoint("null", "null", f"http://127.0.0.1:{port}")]
    plan = OpenLoopPlan(rate=rate, duration_s=seconds, arrivals="constant", warmup=0)
    bodies = Bodies("bench", (BODY,))
    with TemporaryDirectory() as directory:
        manifest = make_manifest(endpoints, [Served(problem="is no model")], to_document(plan), bodies, None)
        run = Run(new_run_id(), plan.kind, "", RunState.RUNNING, utc_now(), manifest)
        store = Store(Path(directory))
        ended = execute(run, endpoints, bodies, None, store)
        samples, _ = load_samples(store, run.id)
    return not ended.outcome["generator"]["limited"] and not samples["failure"].any()


def strength(port: int, requests: int, seconds: float) -> tuple[float, float]:
    """The highest sustained rate in requests/s, and as a share of what raw streams reach in the same moment.

    From high to low, and each rate gets three tries: other work on this machine is not a limit of the engine.
    """
    for percent in range(60, 0, -5):
        for _ in range(3):
            raw = (raw_rate(port, requests) + raw_rate(port, requests)) / 2
            rate = raw * percent / 100
            if sustains(port, rate, seconds):
                return rate, percent / 100
    return 0.0, 0.0


def _raw_request(port: int) -> bytes:
    head = f"POST /predict HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(BODY)}\r\n\r\n".encode() + BODY


def accuracy(delay_ms: float, rounds: int, requests: int) -> tuple[float, float, float | None]:
    """p50 of the engine and of a raw socket, in ms, in turns against one server; and wrk's."""
    engine, raw = [], []
    with delayed_server(delay_ms) as port:
        for _ in range(rounds):
            raw += raw_socket_ms(port, requests)
            engine += engine_ms(port, requests)
        return median(engine), median(raw), wrk_ms(port)


def main() -> int:
    """Print the figures; returns 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay-ms", type=float, default=5.0, help="delay of the measured server (default 5)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, engine and raw socket in turn (default 5)")
    parser.add_argument("--requests", type=int, default=200, help="requests per round (default 200)")
    parser.add_argument("--seconds", type=float, default=2.0, help="duration of each tried rate (default 2)")
    arguments = parser.parse_args()
    started = time.monotonic()
    engine, raw, wrk = accuracy(arguments.delay_ms, arguments.rounds, arguments.requests)
    beside = "wrk is not installed" if wrk is None else f"wrk {wrk:.3f} ms"
    accurate = engine / raw <= ACCURACY_LIMIT
    n = arguments.rounds * arguments.requests
    print(
        f"accuracy: p50 {engine:.3f} ms, raw socket {raw:.3f} ms (n = {n} each), {beside}: "
        f"{engine / raw:.3f} x the raw socket (limit {ACCURACY_LIMIT}) {'ok' if accurate else 'MISSED'}"
    )
    with one_core(), bare_server() as port:
        sustained, share = strength(port, 6400, arguments.seconds)
    strong = share >= STRENGTH_LIMIT
    print(
        f"strength: {sustained:.0f} requests/s sustained, {share:.2f} x raw asyncio streams "
        f"(limit {STRENGTH_LIMIT}) {'ok' if strong else 'MISSED'}"
    )
    print(f"{time.monotonic() - started:.0f} s")
    return 0 if accurate and strong else 1


if __name__ == "__main__":
    sys.exit(main())
