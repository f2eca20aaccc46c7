"""Client overhead: what the same client measures against a server that does nothing, in the same run."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import perf_counter_ns

from benchmark.endpoints.endpoint import Endpoint
from benchmark.engine.client import Client, Instances
from benchmark.record.plan import Connection
from benchmark.record.samples import from_rows

_ROOT = Path(__file__).resolve().parents[2]
_WARMUP = 20


class NullServerError(Exception):
    """The server that does nothing could not be started."""


@contextmanager
def null_server() -> Iterator[str]:
    """Run a server that does nothing in a separate process; returns its address. Raises NullServerError."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmark.engine.null_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=_ROOT,
        start_new_session=True,  # Ctrl+C must not reach the server, which the run still needs
    ) as process:
        assert process.stdout and process.stdin  # both are pipes  # noqa: S101
        try:
            try:
                port = int(process.stdout.readline())
            except ValueError as error:
                raise NullServerError("the null server did not start") from error
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


async def measure_overhead(url: str, body: bytes, connection: Connection, requests: int = 100) -> list[float]:
    """Service times in ms of `requests` requests, one in flight, after a warm-up."""
    rows = []
    async with Client(Endpoint("null", "null", url), 0, None, Instances(), connection=connection) as client:
        began_ns = perf_counter_ns()
        for number in range(_WARMUP + requests):
            rows.append(await client.send(body, number, began_ns=began_ns, warmup=number < _WARMUP))
    samples = from_rows(rows)
    measured = samples[~samples["warmup"] & (samples["failure"] == 0)]
    return [float(value) for value in measured["service_ms"]]


@contextmanager
def null_server_if_any() -> Iterator[str | None]:
    """The URL of a null server, or None if none can be started."""
    with ExitStack() as stack:
        url = None
        with suppress(NullServerError):
            url = stack.enter_context(null_server())
        yield url
