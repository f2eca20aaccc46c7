"""The samples of a run as columns: compact to keep, fast to summarise, appended while the run goes on.

One row is one request. Times are in ms; what is not known is NaN, and never 0.
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

_PHASES = (  # of the service time: name, and the version since which it is packed
    ("dns_ms", 1),
    ("connect_ms", 1),  # NaN on a reused connection, as are DNS and TLS
    ("tls_ms", 1),
    ("wait_ms", 1),  # from the request's last byte to the answer's first
    ("receive_ms", 1),
)
_COLUMNS = (  # name, type, and the version since which it is packed
    ("endpoint", "u1", 1),  # its position in the plan
    ("warmup", "?", 1),  # counted and kept, but in no statistic of the warm state
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
    ("prediction", "<f4", 1),  # class index or value, NaN where there is no usable answer
    ("request_count", "<f4", 2),  # how many predictions the instance had had, with this one
    ("instance_age_ms", "<f4", 2),  # how old the instance was when it answered
)
VERSION = max(since for _, _, since in _COLUMNS)
"""Of packed samples; history: 1 the first, which names no version; 2 names it, and has what the instance said of itself
and a code for requests that queued for a start. What is packed in another way, or has another code, needs a new one."""
ROW = np.dtype([(name, kind) for name, kind, _ in _COLUMNS])
_PACKED = {version: tuple(name for name, _, since in _COLUMNS if since <= version) for version in range(1, VERSION + 1)}
"""The columns of a chunk by its version, in their order."""
_SAME_MOMENT_MS = 10.0
"""Answers that come together are read in any order: a first one is first also where it was read this much later."""
_MAGIC = b"rows"
"""What a chunk that names its version begins with; none of the first version does, as zlib begins with an x."""
Row = tuple[Any, ...]
"""One request, in the order of the fields of `ROW`."""
FAILURES = tuple(Failure)
TEMPERATURES = tuple(Temperature)
TIMEOUT = 1 + FAILURES.index(Failure.TIMEOUT)
COLD = TEMPERATURES.index(Temperature.COLD)
QUEUED = TEMPERATURES.index(Temperature.QUEUED)
UNKNOWN = TEMPERATURES.index(Temperature.UNKNOWN)
_CODES = {"warmup": 2, "temperature": len(TEMPERATURES), "failure": 1 + len(FAILURES)}
"""How many values each of these fields has."""
_NOT_KNOWN = {name: math.nan if ROW[name].kind == "f" else 0 for name in ROW.names or ()}
PHASES = tuple(name for name, _ in _PHASES)


class LaterVersion(ValueError):
    """It was written by a later version of this program, which this one cannot read."""


def make_row(**fields: float) -> Row:
    """One row by the names of its fields; those that are not given are NaN, or 0 where there is no NaN.

    Raises TypeError for a name that is no field.
    """
    if unknown := fields.keys() - _NOT_KNOWN.keys():
        raise TypeError(f"no field of a row: {', '.join(sorted(unknown))}")
    return tuple((_NOT_KNOWN | fields).values())


def phase_values(spans_ms: Mapping[str, float]) -> tuple[float, ...]:
    """What was timed of the phases, in the order in which a row has them; NaN for those that were not."""
    return tuple([spans_ms.get(name, math.nan) for name in PHASES])


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
    """One chunk of the record: its version, and column after column, compressed."""
    columns = (np.ascontiguousarray(samples[name]).tobytes() for name in _PACKED[VERSION])
    return _MAGIC + bytes([VERSION]) + zlib.compress(b"".join(columns), 1)


def unpack(chunk: bytes, most: int = 0) -> Samples:
    """The inverse of `pack`, of this version and of all before it, which lack columns: what is in those is not known.

    Raises LaterVersion, and ValueError for anything else. With `most`, also for more rows than that, before there is
    memory taken for them: a small chunk may hold very many.
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
    # zlib itself says nothing of a stream that was cut off, nor of what comes after it.
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
    """The version of a chunk, and what comes after it."""
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
    """What each request met, as positions in TEMPERATURES, by the evidence of all `samples` of a run.

    Where an instance was started for the first answer that came from it, every request that had been sent to it before
    that answer came waited for the same start, whatever its own answer says. The client's clock alone tells.
    """
    found: NDArray[np.uint8] = samples["temperature"].copy()
    waited = np.isin(found, (COLD, QUEUED))
    if not waited.any():
        return found
    numbers = samples["endpoint"].astype(np.uint32) << 16 | samples["instance"]  # synthetic runs number from 1 for each
    instances, which = np.unique(numbers, return_inverse=True)
    first_ms = np.full(len(instances), np.inf)
    came_ms = samples["sent_ms"] + samples["service_ms"]
    np.minimum.at(first_ms, which, came_ms)
    early = (samples["instance"] != 0) & (samples["sent_ms"] < first_ms[which])
    started = np.isin(which, which[early & waited & (came_ms <= first_ms[which] + _SAME_MOMENT_MS)])
    found[early & started & (found != COLD)] = QUEUED
    return found


def measured(samples: Samples, position: int) -> Samples:
    """One endpoint's requests that are not known to have waited for a start, failures too, without the warm-up."""
    waited = np.isin(temperatures(samples), (COLD, QUEUED))
    mine: Samples = samples[(samples["endpoint"] == position) & ~samples["warmup"] & ~waited]
    return mine


def warm(samples: Samples, position: int) -> Samples:
    """One endpoint's answers of instances that were warm, or of which nothing tells: what the latencies are of."""
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
