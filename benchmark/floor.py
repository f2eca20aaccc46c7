"""The generator's floor: what the same client measures against a server that does nothing, in the same run."""

import sys
from asyncio import create_subprocess_exec, wait_for
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from benchmark.client import Client, Instances
from benchmark.endpoint import Endpoint
from benchmark.plan import Connection
from benchmark.samples import ROW, from_rows

_ROOT = Path(__file__).resolve().parents[1]
_START_S = 20.0
_WARMUP = 20


class FloorError(Exception):
    """The server that does nothing could not be started."""


@asynccontextmanager
async def null_server() -> AsyncIterator[str]:
    """A server that does nothing, in a process of its own; gives its address. Raises FloorError."""
    process = await create_subprocess_exec(
        sys.executable, "-m", "benchmark.null_server", stdin=PIPE, stdout=PIPE, cwd=_ROOT, start_new_session=True
    )
    try:
        assert process.stdout and process.stdin  # they were asked for  # noqa: S101
        try:
            port = int(await wait_for(process.stdout.readline(), _START_S))
        except (TimeoutError, ValueError) as error:
            raise FloorError("the null server did not start") from error
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.stdin:
            process.stdin.close()
        if process.returncode is None:
            process.kill()
        await process.wait()


async def measure_floor(url: str, body: bytes, connection: Connection, requests: int = 100) -> list[float]:
    """Service times in ms of `requests` requests, one in flight, after a warm-up."""
    rows = []
    async with Client(Endpoint("null", "null", url), 0, None, Instances(), connection=connection) as client:
        began_ns = perf_counter_ns()
        for number in range(_WARMUP + requests):
            rows.append(await client.send(body, number, began_ns=began_ns, warmup=number < _WARMUP))
    samples = from_rows(rows) if rows else np.empty(0, ROW)
    measured = samples[~samples["warmup"] & (samples["failure"] == 0)]
    return [float(value) for value in measured["service_ms"]]
