"""Read a log of requests as a schedule to send again: when each request came, and its body if that was recorded.

Three kinds of logs are known by their entries: the JSON export of Cloud Logging (entries with `httpRequest`), targets
and results of vegeta as JSON, and lines of `{"time": ..., "body": ...}`. A log is untrusted: its size, entries and
times have limits, and the first bad entry is named by its line.
"""

import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from benchmark.endpoints import readable
from benchmark.record.samples import Floats

MAX_BYTES = 64 * 1024 * 1024
MAX_ENTRY = 1024 * 1024
MAX_ENTRIES = 1_000_000
_MAX_BODY = 64 * 1024
_MAX_NUMBER = sys.float_info.max
_MAX_TIME_S = 1e11
"""In s since any origin: more than three thousand years."""
_PLATFORM_LOG = "run.googleapis.com%2Frequests"
"""Cloud Run writes one entry a request here; the program's own entries on the same requests are left out."""
_SECOND = 1 - 1e-6
"""Without what is due a second later, whatever the rounding."""
_SPACE = " \t\r\n"


class LogError(ValueError):
    """The log is unusable; the message says why in a clause that follows the file's name."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The requests of a log in the order of their times."""

    name: str
    """of the file"""
    sha256: str
    """of the file"""
    total: int
    times_s: Floats | None
    """since the first request, ascending; None if the log has no times"""
    bodies: tuple[bytes, ...] | None
    """one JSON document for each request: an object of names and values, or a list of values; None if not recorded"""
    left_out: int
    """entries that are not predictions"""

    def at_speed(self, speed: float) -> "Recording":
        """The same requests, `speed` times faster. Raises LogError for a log without times."""
        if self.times_s is None:
            raise LogError("has no times")
        return replace(self, times_s=self.times_s / speed)

    @property
    def peak_rate(self) -> float:
        """The most requests that are due within a second, as a rate; 0 without times."""
        if self.times_s is None:
            return 0.0
        within = np.searchsorted(self.times_s, self.times_s + _SECOND, side="left") - np.arange(self.total)
        return float(within.max())


@dataclass(frozen=True, slots=True)
class _Entry:
    """One request of a log."""

    line: int
    time_s: float | None
    body: bytes | None
    is_of_platform: bool = False


def read_log(path: Path) -> Recording:
    """The requests in the log at `path`. Raises LogError."""
    try:
        if not path.is_file():
            raise LogError("is not a file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise LogError(f"cannot be read ({error.strerror or type(error).__name__})") from error
    return parse_log(data, readable.name(path.name, 100))


def parse_log(data: bytes, name: str) -> Recording:
    """The requests in the log `data`. Raises LogError."""
    if len(data) > MAX_BYTES:
        raise LogError(f"is larger than {MAX_BYTES // 2**20} MiB")
    if data.startswith(b"\x1f\x8b"):
        raise LogError("is compressed: unpack it first")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LogError(f"is not UTF-8 text (line {data.count(bytes([10]), 0, error.start) + 1})") from None
    entries, count = [], 0
    for line, document in _documents(text):
        count += 1
        if count > MAX_ENTRIES:
            raise LogError(f"has more than {MAX_ENTRIES} entries")
        if (entry := _entry(line, document)) is not None:
            entries.append(entry)
    if any(entry.is_of_platform for entry in entries):
        entries = [entry for entry in entries if entry.is_of_platform]
    if not entries:
        raise LogError("has no requests" if not count else f"has no POST requests among its {count} entries")
    times = _all_or_none(entries, [entry.time_s for entry in entries], "time")
    bodies = _all_or_none(entries, [entry.body for entry in entries], "body")
    order = np.arange(len(entries)) if times is None else np.argsort(np.array(times), kind="stable")
    return Recording(
        name,
        hashlib.sha256(data).hexdigest(),
        len(entries),
        None if times is None else np.array(times)[order] - min(times),
        None if bodies is None else tuple(bodies[at] for at in order.tolist()),
        count - len(entries),
    )


def _all_or_none(entries: list[_Entry], values: list[Any], what: str) -> list[Any] | None:
    """All values, or None if no entry has one."""
    missing = [entry.line for entry, value in zip(entries, values, strict=True) if value is None]
    if missing and len(missing) < len(entries):
        _refuse(missing[0], f"has no {what}, though other entries do")
    return None if missing else values


# --- JSON documents in a text


def _documents(text: str) -> Iterator[tuple[int, Any]]:
    """The entries of a JSON array, or JSON documents one after the other, each with the line on which it begins."""
    decode = json.JSONDecoder(parse_constant=_no_constant).raw_decode
    at = _skip(text, 0, _SPACE)
    is_array = text.startswith("[", at)
    at = _skip(text, at + 1, _SPACE) if is_array else at
    line, counted = 1, 0
    while at < len(text) and not (is_array and text[at] == "]"):
        line += text.count("\n", counted, at)
        counted = at
        try:
            document, end = decode(text, at)
        except json.JSONDecodeError as error:
            _refuse(error.lineno, "is not JSON")
        except (ValueError, RecursionError):
            _refuse(line, "holds a number that is too large, or is nested too deeply")
        if end - at > MAX_ENTRY:
            _refuse(line, f"begins an entry larger than {MAX_ENTRY // 2**20} MiB")
        yield line, document
        at = _skip(text, end, _SPACE)
        if is_array and text.startswith(",", at):
            at = _skip(text, at + 1, _SPACE)
        elif is_array and not text.startswith("]", at):
            _refuse(line + text.count("\n", counted, at), "ends in the middle of a JSON array")


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at


def _no_constant(_: str) -> NoReturn:
    raise ValueError


def _refuse(line: int, what: str) -> NoReturn:
    raise LogError(f"line {line} {what}")


# --- Entries


def _entry(line: int, document: Any) -> _Entry | None:
    """The request of an entry; None for one that is not a prediction. Raises LogError."""
    if not isinstance(document, dict):
        _refuse(line, "is not a JSON object")
    if "httpRequest" in document or "logName" in document or "insertId" in document:
        return _cloud_logging(line, document)
    if "method" in document and "url" in document and "timestamp" not in document:
        return _vegeta_target(line, document)
    if "timestamp" in document and "latency" in document and "code" in document:
        is_post = document.get("method", "POST") == "POST"
        return _Entry(line, _time_s(line, document["timestamp"]), None) if is_post else None
    if "time" in document:
        return _Entry(line, _time_s(line, document["time"]), _body(line, document.get("body")))
    _refuse(line, "is no entry of Cloud Logging, of vegeta, or with time and body")


def _cloud_logging(line: int, document: dict[str, Any]) -> _Entry | None:
    request = document.get("httpRequest")
    if not isinstance(request, dict) or request.get("requestMethod", "POST") != "POST":
        return None
    if "timestamp" not in document:
        _refuse(line, "has no timestamp")
    is_of_platform = str(document.get("logName", "")).endswith(_PLATFORM_LOG)
    return _Entry(line, _time_s(line, document["timestamp"]), None, is_of_platform)


def _vegeta_target(line: int, document: dict[str, Any]) -> _Entry | None:
    if document["method"] != "POST":
        return None
    body = document.get("body")
    if body is None:
        return _Entry(line, None, None)
    try:
        decoded = base64.b64decode(body, validate=True).decode()
    except (TypeError, ValueError):
        _refuse(line, "has a body that is not base64 of UTF-8 text")
    return _Entry(line, None, _body(line, decoded))


def _time_s(line: int, value: Any) -> float:
    """A time in s since any origin: a number, or RFC 3339, in UTC unless it says otherwise."""
    if isinstance(value, str) and len(value) <= 40:
        try:
            found = datetime.fromisoformat(value)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            pass
    elif type(value) in (int, float) and abs(value) <= _MAX_TIME_S:
        return float(value)
    _refuse(line, "has a time that is neither seconds nor like 2026-01-02T03:04:05Z")


def _body(line: int, document: Any) -> bytes | None:
    """One input as JSON: an object of names and values, or a list of values if the names are not in the log."""
    if document is None:
        return None
    if isinstance(document, str):
        try:
            document = json.loads(document, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            _refuse(line, "has a body that is not JSON")
    if isinstance(document, dict) and len(document) == 1:
        if isinstance(rows := document.get("instances"), list):
            if len(rows) != 1 or not isinstance(rows[0], list):
                _refuse(line, "has a body with several inputs: each request can hold one")
            document = rows[0]
        elif isinstance(features := document.get("features"), list):
            document = features
    values = document.values() if isinstance(document, dict) else document
    if not isinstance(document, dict | list) or not document or not all(map(_is_value, values)):
        _refuse(line, "has a body that is not one input: names with numbers, texts or null")
    body = json.dumps(document).encode()
    if len(body) > _MAX_BODY:
        _refuse(line, f"has a body larger than {_MAX_BODY // 1024} KiB")
    return body


def _is_value(value: Any) -> bool:
    return value is None or isinstance(value, str) or (type(value) in (int, float) and abs(value) <= _MAX_NUMBER)
