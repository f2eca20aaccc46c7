"""The samples of a run as columns: compact to keep, fast to summarise, appended while the run goes on.

One row is one request. Times are in ms; what is not known is NaN, and never 0.
"""

import math
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.endpoints.sample import Failure, Temperature

Floats = NDArray[np.float64]
Samples = NDArray[Any]
"""A structured array of `ROW`."""

ROW = np.dtype(
    [
        ("endpoint", "u1"),  # its position in the plan
        ("warmup", "?"),  # counted and kept, but in no statistic of the warm state
        ("temperature", "u1"),  # position in TEMPERATURES
        ("failure", "u1"),  # 0: none, else 1 + position in FAILURES
        ("status", "<u2"),  # 0: no answer
        ("instance", "<u2"),  # 0: unknown, else 1 + position in the run's list of instances
        ("group", "<u4"),  # number of the pair, or of the arrival
        ("scheduled_ms", "<f8"),  # when it was due, since the run began; in a closed loop when it was sent
        ("sent_ms", "<f8"),  # when it was sent, since the run began
        ("service_ms", "<f4"),  # from the send to the last byte, or to the failure
        ("server_ms", "<f4"),  # the server's own duration, from Server-Timing
        ("dns_ms", "<f4"),
        ("connect_ms", "<f4"),  # NaN on a reused connection, as are DNS and TLS
        ("tls_ms", "<f4"),
        ("wait_ms", "<f4"),  # from the request's last byte to the answer's first
        ("receive_ms", "<f4"),
        ("prediction", "<f4"),  # class index or value, NaN where there is no usable answer
    ]
)
Row = tuple[Any, ...]
"""One request, in the order of the fields of `ROW`."""
FAILURES = tuple(Failure)
TEMPERATURES = tuple(Temperature)
TIMEOUT = 1 + FAILURES.index(Failure.TIMEOUT)
COLD = TEMPERATURES.index(Temperature.COLD)
_CODES = {"warmup": 2, "temperature": len(TEMPERATURES), "failure": 1 + len(FAILURES)}
"""How many values each of these fields has."""
_UNKNOWN = {name: math.nan if ROW[name].kind == "f" else 0 for name in ROW.names or ()}
PHASES = ("dns_ms", "connect_ms", "tls_ms", "wait_ms", "receive_ms")


def make_row(**fields: float) -> Row:
    """One row by the names of its fields; those that are not given are NaN, or 0 where there is no NaN.

    Raises TypeError for a name that is no field.
    """
    if unknown := fields.keys() - _UNKNOWN.keys():
        raise TypeError(f"no field of a row: {', '.join(sorted(unknown))}")
    return tuple((_UNKNOWN | fields).values())


def from_rows(rows: Sequence[tuple[Any, ...]]) -> Samples:
    """Rows in the order of `ROW`'s fields."""
    return np.array(rows, dtype=ROW)


def empty() -> Samples:
    return np.empty(0, dtype=ROW)


def response_ms(samples: Samples) -> Floats:
    """From the scheduled send to the last byte: what a stall of the client or a queue cannot hide."""
    response: Floats = samples["sent_ms"] - samples["scheduled_ms"] + samples["service_ms"]
    return response


def pack(samples: Samples) -> bytes:
    """One chunk of the record: column after column, compressed. The format is part of the store's schema version."""
    columns = (np.ascontiguousarray(samples[name]).tobytes() for name in ROW.names or ())
    return zlib.compress(b"".join(columns), 1)


def unpack(chunk: bytes, most: int = 0) -> Samples:
    """The inverse of `pack`. Raises ValueError for anything else.

    With `most`, also for more rows than that, before there is memory taken for them: a small chunk may hold very many.
    """
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(chunk, most and most * ROW.itemsize + 1)
    except zlib.error as error:
        raise ValueError("damaged samples") from error
    count, rest = divmod(len(data), ROW.itemsize)
    # zlib itself says nothing of a stream that was cut off, nor of what comes after it.
    if rest or not stream.eof or stream.unused_data:
        raise ValueError("damaged samples")
    samples = np.empty(count, dtype=ROW)
    start = 0
    for name in ROW.names or ():
        column = ROW[name]
        end = start + count * column.itemsize
        if name in _CODES and np.any(np.frombuffer(data[start:end], np.uint8) >= _CODES[name]):
            raise ValueError("damaged samples")
        samples[name] = np.frombuffer(data[start:end], dtype=column)
        start = end
    return samples


def join(chunks: Iterable[Samples]) -> Samples:
    parts = list(chunks)
    return np.concatenate(parts) if parts else empty()


def measured(samples: Samples, position: int) -> Samples:
    """One endpoint's requests in the warm state, failures too: without the warm-up and without cold starts."""
    mine: Samples = samples[(samples["endpoint"] == position) & ~samples["warmup"] & (samples["temperature"] != COLD)]
    return mine


def warm(samples: Samples, position: int) -> Samples:
    """One endpoint's answers in the warm state: what every warm latency is of."""
    mine = measured(samples, position)
    answered: Samples = mine[mine["failure"] == 0]
    return answered


def latency_ms(samples: Samples, open_loop: bool) -> Floats:
    """Response times of an open loop; else service times, as a closed loop has no others."""
    if open_loop:
        return response_ms(samples)
    service: Floats = samples["service_ms"]
    return service


def censored_latency_ms(samples: Samples, open_loop: bool) -> Floats:
    """Latencies, infinite for a timeout, which is longer than every answer, and NaN for another failure."""
    values: Floats = latency_ms(samples, open_loop).astype(np.float64)
    values[samples["failure"] != 0] = np.nan
    values[samples["failure"] == TIMEOUT] = np.inf
    return values
