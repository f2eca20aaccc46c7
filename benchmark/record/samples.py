"""The samples of a run as columns: compact to store, fast to summarise, and appended during the run.

One row is one request. Times are in ms; unknown values are NaN, never 0.
"""

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.endpoints.sample import Failure, Temperature

Floats = NDArray[np.float64]
Samples = NDArray[Any]
"""A structured array of `ROW`."""

_PHASES = (  # phases of the service time: name, and the version that added it
    ("dns_ms", 1),
    ("connect_ms", 1),  # NaN on a reused connection, as are DNS and TLS
    ("tls_ms", 1),
    ("wait_ms", 1),  # from the request's last byte to the answer's first
    ("receive_ms", 1),
)
_COLUMNS = (  # name, type, and the version that added it
    ("endpoint", "u1", 1),  # its position in the plan
    ("warmup", "?", 1),  # counted and kept, but excluded from statistics of the warm state
    ("temperature", "u1", 1),  # position in TEMPERATURES, by this answer's own evidence alone
    ("failure", "u1", 1),  # 0: none, else 1 + position in FAILURES
    ("status", "<u2", 1),  # 0: no answer
    ("instance", "<u2", 1),  # 0: unknown, else 1 + position in the run's list of instances
    ("group", "<u4", 1),  # number of the pair, or of the arrival
    ("scheduled_ms", "<f8", 1),  # when it was due, since the run began; in a closed loop when it was sent
    ("sent_ms", "<f8", 1),  # when it was sent, since the run began
    ("service_ms", "<f4", 1),  # from the send to the last byte, or to the failure
    ("server_ms", "<f4", 1),  # the server's own duration, from Server-Timing
    *((name, "<f4", since) for name, since in _PHASES),
    ("prediction", "<f4", 1),  # class index or value, NaN without a usable answer
    ("request_count", "<f4", 2),  # how many predictions the instance had made, including this one
    ("instance_age_ms", "<f4", 2),  # how old the instance was when it answered
    ("worker", "<u2", 3),  # 0: sent by the run's own process, else 1 + position in the run's list of workers
)
VERSION = max(since for _, _, since in _COLUMNS)
"""Version of packed samples. History: 1 the first, without a version marker; 2 has the marker, the instance's report
and a code for requests that queued for a start; 3 has the worker that sent a request. Any change of packing or codes
needs a new version."""
ROW = np.dtype([(name, kind) for name, kind, _ in _COLUMNS])
_PACKED = {version: tuple(name for name, _, since in _COLUMNS if since <= version) for version in range(1, VERSION + 1)}
"""The columns of a chunk by its version, in their order."""
_SAME_MOMENT_MS = 10.0
"""Simultaneous answers are read in any order: an instance's first answer may be read this much later."""
_MAGIC = b"rows"
"""The marker of chunks with a version. Chunks of the first version begin with an x, from zlib."""
Row = tuple[Any, ...]
"""One request, in the order of the fields of `ROW`."""
FAILURES = tuple(Failure)
TEMPERATURES = tuple(Temperature)
TIMEOUT = 1 + FAILURES.index(Failure.TIMEOUT)
COLD = TEMPERATURES.index(Temperature.COLD)
QUEUED = TEMPERATURES.index(Temperature.QUEUED)
UNKNOWN = TEMPERATURES.index(Temperature.UNKNOWN)
_CODES = {"warmup": 2, "temperature": len(TEMPERATURES), "failure": 1 + len(FAILURES)}
"""The number of values in each of these fields."""
_NOT_KNOWN = {name: math.nan if ROW[name].kind == "f" else 0 for name in ROW.names or ()}
PHASES = tuple(name for name, _ in _PHASES)


class LaterVersion(ValueError):
    """A later version of this program wrote it, and this one cannot read it."""


def make_row(**fields: float) -> Row:
    """One row by field name; missing fields are NaN, or 0 for integer types.

    Raises TypeError for an unknown field.
    """
    if unknown := fields.keys() - _NOT_KNOWN.keys():
        raise TypeError(f"unknown fields: {', '.join(sorted(unknown))}")
    return tuple((_NOT_KNOWN | fields).values())


def phase_values(spans_ms: Mapping[str, float]) -> tuple[float, ...]:
    """The timed phases in the order of a row; NaN for the others."""
    return tuple([spans_ms.get(name, math.nan) for name in PHASES])


def from_rows(rows: Sequence[tuple[Any, ...]]) -> Samples:
    """Rows in the order of `ROW`'s fields."""
    return np.array(rows, dtype=ROW)


def empty() -> Samples:
    return np.empty(0, dtype=ROW)


def response_ms(samples: Samples) -> Floats:
    """From the scheduled send to the last byte, so that stalls of the client and queues are visible."""
    response: Floats = samples["sent_ms"] - samples["scheduled_ms"] + samples["service_ms"]
    return response


def pack(samples: Samples) -> bytes:
    """Pack one chunk of the record: its version, then its columns, compressed."""
    columns = (np.ascontiguousarray(samples[name]).tobytes() for name in _PACKED[VERSION])
    return _MAGIC + bytes([VERSION]) + zlib.compress(b"".join(columns), 1)


def unpack(chunk: bytes, most: int = 0) -> Samples:
    """The inverse of `pack`, for this version and earlier ones, whose missing columns are unknown.

    Raises LaterVersion, and ValueError for other errors. With `most`, also for more rows than that, before allocating
    memory for them: a small chunk may contain very many.
    """
    version, packed = _version(chunk)
    names = _PACKED[version]
    row_bytes = sum(ROW[name].itemsize for name in names)
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(packed, most and most * row_bytes + 1)
    except zlib.error as error:
        raise ValueError("damaged samples") from error
    count, rest = divmod(len(data), row_bytes)
    # zlib does not report a truncated stream, or data after the stream.
    if rest or not stream.eof or stream.unused_data:
        raise ValueError("damaged samples")
    samples = np.empty(count, dtype=ROW)
    for name in _NOT_KNOWN.keys() - names:
        samples[name] = _NOT_KNOWN[name]
    start = 0
    for name in names:
        column = ROW[name]
        end = start + count * column.itemsize
        if name in _CODES and np.any(np.frombuffer(data[start:end], np.uint8) >= _CODES[name]):
            raise ValueError("damaged samples")
        samples[name] = np.frombuffer(data[start:end], dtype=column)
        start = end
    return samples


def _version(chunk: bytes) -> tuple[int, bytes]:
    """The version of a chunk, and its content."""
    if not chunk.startswith(_MAGIC):
        return 1, chunk
    version, packed = chunk[len(_MAGIC) : len(_MAGIC) + 1], chunk[len(_MAGIC) + 1 :]
    if not version or version[0] < 2:
        raise ValueError("damaged samples")
    if version[0] > VERSION:
        raise LaterVersion("its samples were written by a later version")
    return version[0], packed


def join(chunks: Iterable[Samples]) -> Samples:
    parts = list(chunks)
    return np.concatenate(parts) if parts else empty()


def temperatures(samples: Samples) -> NDArray[np.uint8]:
    """The instance state of each request, as positions in TEMPERATURES, by the evidence of all `samples` of a run.

    If an instance was started for its first answer, every request that was sent to it before that answer waited for the
    same start, regardless of its own answer. Only the clock of the process that sent both is used.
    """
    found: NDArray[np.uint8] = samples["temperature"].copy()
    waited = np.isin(found, (COLD, QUEUED))
    if not waited.any():
        return found
    numbers = (  # synthetic runs number each endpoint's instances from 1
        samples["worker"].astype(np.int64) << 32 | samples["endpoint"].astype(np.int64) << 16 | samples["instance"]
    )
    instances, which = np.unique(numbers, return_inverse=True)
    first_ms = np.full(len(instances), np.inf)
    came_ms = samples["sent_ms"] + samples["service_ms"]
    np.minimum.at(first_ms, which, came_ms)
    early = (samples["instance"] != 0) & (samples["sent_ms"] < first_ms[which])
    started = np.isin(which, which[early & waited & (came_ms <= first_ms[which] + _SAME_MOMENT_MS)])
    found[early & started & (found != COLD)] = QUEUED
    return found


def in_order(samples: Samples) -> Samples:
    """The requests in the order of completion, also those of several workers, whose chunks were recorded in turns.

    The times of each worker count from its own start, so that those of different workers are only about comparable.
    """
    if not samples["worker"].any():
        return samples
    ordered: Samples = samples[np.argsort(samples["sent_ms"] + samples["service_ms"], kind="stable")]
    return ordered


def measured(samples: Samples, position: int) -> Samples:
    """One endpoint's requests without a known wait for a start, including failures, without the warm-up."""
    waited = np.isin(temperatures(samples), (COLD, QUEUED))
    mine: Samples = samples[(samples["endpoint"] == position) & ~samples["warmup"] & ~waited]
    return mine


def warm(samples: Samples, position: int) -> Samples:
    """One endpoint's answers from instances in a warm or unknown state, which the latencies use."""
    mine = measured(samples, position)
    answered: Samples = mine[mine["failure"] == 0]
    return answered


def latency_ms(samples: Samples, open_loop: bool) -> Floats:
    """Response times of an open loop, or service times of a closed loop, which has no others."""
    if open_loop:
        return response_ms(samples)
    service: Floats = samples["service_ms"]
    return service


def censored_latency_ms(samples: Samples, open_loop: bool) -> Floats:
    """Latencies; infinite for a timeout, which is longer than any answer, and NaN for other failures."""
    values: Floats = latency_ms(samples, open_loop).astype(np.float64)
    values[samples["failure"] != 0] = np.nan
    values[samples["failure"] == TIMEOUT] = np.inf
    return values
