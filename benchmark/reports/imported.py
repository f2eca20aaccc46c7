"""Validate a run from a file before anything else reads it.

The file is untrusted. Every field has a type, a range and a maximum size, and the error names the first invalid field.
Only files need this: this program wrote everything else.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from benchmark.endpoints.configured import KEY
from benchmark.endpoints.readable import readable
from benchmark.record.plan import PlanError
from benchmark.record.run import FORMAT_VERSION, RunState
from benchmark.record.samples import ROW, Samples
from benchmark.runs import KINDS, kind_named

MAX_BYTES = 100 * 1024 * 1024
_MAX_VALUES = 2_000_000
"""Maximum number of values in one file: a list of empty lists takes fifty times its bytes in memory."""
_MAX_DEPTH = 12
_MAX_NAME = 200
_MAX_TEXT = 4_000
_MAX_NUMBER = 1e15
"""Above this, a float cannot distinguish consecutive whole numbers."""
_MAX_ENDPOINTS = 20
_MAX_WORKERS = 1000
_MAX_MS = 1e10
"""Nearly four months: longer than any run."""


class ImportFault(ValueError):
    """The file is not a valid run; the message names the problem as a clause."""


def read_json(data: bytes) -> Any:
    """Parse the document in `data`, after checking that its size is plausible for a run.

    Raises ImportFault.
    """
    if not data.strip():
        raise ImportFault("this file is empty")
    if len(data) > MAX_BYTES:
        raise ImportFault(f"this file is larger than {MAX_BYTES // 2**20} MB")
    if sum(map(data.count, (b",", b"[", b"{"))) > _MAX_VALUES:
        raise ImportFault(f"this file is damaged: it holds more than {_MAX_VALUES} values")
    try:
        return json.loads(data, parse_constant=_no_constant, object_pairs_hook=_object)
    except UnicodeDecodeError:
        raise ImportFault("this file is not text: a run is exported as JSON") from None
    except json.JSONDecodeError as error:
        text = error.doc.strip()
        cut = text.startswith("{") and (not text.endswith("}") or error.pos >= len(error.doc.rstrip()))
        fault = "ends in the middle of a run" if cut else "is not JSON"
        raise ImportFault(f"this file {fault} (line {error.lineno}): export the run again") from None
    except ImportFault:
        raise
    except (ValueError, RecursionError):  # a number with thousands of digits, or deeply nested brackets
        raise ImportFault("this file is not a run: its numbers are too large, or it is nested too deeply") from None


def check(document: Mapping[str, Any]) -> dict[str, Any]:
    """Validate `document`, a run from a file, and remove control characters from its texts.

    Raises ImportFault if a field is missing, of the wrong type, out of range, or too large.
    """
    _check_size(document)
    cleaned: dict[str, Any] = _cleaned(document)
    _RUN(cleaned, "")
    manifest, outcome = cleaned["manifest"], cleaned["outcome"]
    keys = [entry["key"] for entry in manifest["endpoints"]]
    if len({key.lower() for key in keys}) < len(keys):  # many file systems ignore case
        _refuse("manifest.endpoints", "must have a different key for each endpoint")
    if set(manifest["facts"]) != set(keys):
        _refuse("manifest.facts", "must have an entry for each endpoint and no others")
    _check_plan(cleaned["kind"], manifest["plan"])
    if any(probe["endpoint"] >= len(keys) for probe in outcome.get("probes", ())):
        _refuse("outcome.probes", "must be of the run's endpoints")
    return cleaned


def check_samples(samples: Samples, endpoints: int, workers: int = 0) -> None:
    """Raises ImportFault for impossible requests of a run with this number of endpoints and workers."""
    if np.any(samples["endpoint"] >= endpoints):
        _refuse("samples", "must be of the run's endpoints")
    if np.any(samples["worker"] > workers):
        _refuse("samples", "must be of the run's workers")
    if np.any(samples["status"] > 999):
        _refuse("samples", "must have an HTTP status, or 0")
    for name in ROW.names or ():
        if not name.endswith("_ms"):
            continue
        values = samples[name]
        may_be_unknown = name not in ("scheduled_ms", "sent_ms", "service_ms")
        most = _MAX_NUMBER if name == "instance_age_ms" else _MAX_MS
        if not np.all(((values >= 0) & (values <= most)) | (np.isnan(values) & may_be_unknown)):
            _refuse(f"samples.{name}", f"must be from 0 to {most:g}")
    if np.any(samples["sent_ms"] < samples["scheduled_ms"]):
        _refuse("samples.sent_ms", "must not be before scheduled_ms")


# --- The kinds of fields: each is a function that raises for invalid values

_Check = Callable[[Any, str], None]


def _refuse(where: str, what: str) -> NoReturn:
    raise ImportFault(f"this file is damaged: {where or 'it'} {what}")


def _text(most: int = _MAX_TEXT, pattern: str | None = None, like: str = "") -> _Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or len(value) > most:
            _refuse(where, f"must be a text of at most {most} characters")
        if pattern and not re.fullmatch(pattern, value):
            _refuse(where, f"must be {like}")

    return check


def _number(low: float = -_MAX_NUMBER, high: float = _MAX_NUMBER, *, whole: bool = False) -> _Check:
    def check(value: Any, where: str) -> None:
        if type(value) not in ((int,) if whole else (int, float)) or not low <= value <= high:
            _refuse(where, f"must be a {'whole ' if whole else ''}number from {low:g} to {high:g}")

    return check


def _truth(value: Any, where: str) -> None:
    if not isinstance(value, bool):
        _refuse(where, "must be true or false")


def _or_none(check: _Check) -> _Check:
    return lambda value, where: None if value is None else check(value, where)


def _items(check: _Check, most: int, least: int = 0) -> _Check:
    def check_all(value: Any, where: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            _refuse(where, f"must be a list of {least} to {most} entries")
        for number, entry in enumerate(value):
            check(entry, f"{where}[{number}]")

    return check_all


def _by_name(check: _Check, most: int) -> _Check:
    def check_all(value: Any, where: str) -> None:
        if not isinstance(value, dict) or len(value) > most:
            _refuse(where, f"must be an object of at most {most} members")
        for name, entry in value.items():
            check(entry, f"{where}.{name[:40]}")

    return check_all


def _members(required: Mapping[str, _Check], optional: Mapping[str, _Check] | None = None) -> _Check:
    """An object with these members, and possibly others from another version."""

    def check_all(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            _refuse(where, "must be an object")
        for name, check in {**required, **(optional or {})}.items():
            path = f"{where}.{name}" if where else name
            if name in value:
                check(value[name], path)
            elif name in required:
                _refuse(path, "is missing")

    return check_all


def _registered(value: Any, where: str) -> None:
    _text(32, "|".join(KINDS), f"one of {', '.join(KINDS)}")(value, where)  # the current registry, which may have grown


_NAME = _text(_MAX_NAME)
_AT_UTC = _text(40, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)", "a time like 2026-01-02T03:04:05+00:00")
_ENDPOINT = _members(
    {"key": _text(32, KEY.pattern, "letters, digits, _ and -, with a letter first"), "name": _NAME},
    {"url": _or_none(_text()), "protocol": _NAME},
)
_CPUS = _or_none(_number(0, 1e6, whole=True))
_MACHINE = _members({"name": _NAME, "host": _NAME, "machine": _NAME, "cpus": _CPUS})
_MANIFEST = _members(
    {
        "format_version": _number(1, FORMAT_VERSION, whole=True),
        "plan": _members({}),  # which is parsed strictly elsewhere
        "endpoints": _items(_ENDPOINT, _MAX_ENDPOINTS, 1),
        "facts": _by_name(_by_name(_or_none(_NAME), 200), _MAX_ENDPOINTS),
        "client": _members({"host": _NAME, "machine": _NAME, "cpus": _CPUS}),
    },
    {
        "problems": _by_name(_text(), _MAX_ENDPOINTS),
        "model": _or_none(_members({"name": _NAME, "version": _NAME}, {"classes": _items(_NAME, 1000)})),
        "bodies": _members({"source": _text(), "sha256": _NAME}, {"count": _number(0, whole=True)}),
        "prices_as_of": _NAME,
        "resolution_ms": _or_none(_number(0)),
        "port_poll_ms": _number(0),
        "against": _or_none(_text()),
        "workers": _items(_MACHINE, _MAX_WORKERS),
    },
)
_PROBE = _members(
    {"step": _number(0, 2**32 - 1, whole=True), "endpoint": _number(0, _MAX_ENDPOINTS, whole=True)},
    {
        "planned_idle_s": _or_none(_number(0)),
        "idle_s": _or_none(_number(0)),
        "startup_ms": _or_none(_by_name(_number(0), 20)),
        "caches_dropped": _truth,
    },
)
_GENERATOR = _members(
    {
        "floor_ms": _or_none(_number(0)),
        "loop_lag_ms": _number(),
        "late_ms": _or_none(_number()),
        "cpu": _number(0),
        "limited": _truth,
        "reasons": _items(_text(), 20),
    }
)
_COUNT = _number(0, 2**32, whole=True)
_CORRECTNESS = _members(
    {
        "bodies": _COUNT,
        "unstable": _COUNT,
        "instances": _items(_members({"id": _or_none(_NAME), "compared": _COUNT, "changed": _COUNT}), 2**16),
    }
)


def _generator(value: Any, where: str) -> None:
    if value != {}:
        _GENERATOR(value, where)


_WORKER = _members(
    {"name": _NAME, "sent": _COUNT, "lost": _COUNT, "limited": _truth}, {"problem": _text(), "generator": _generator}
)
_OUTCOME = _members(
    {},
    {
        "ended_at_utc": _AT_UTC,
        "instances": _items(_NAME, 2**16),
        "failure_details": _by_name(_by_name(_text(), 50), _MAX_ENDPOINTS),
        "generator": _generator,
        "workers": _items(_WORKER, _MAX_WORKERS),
        "probes": _items(_PROBE, 200_000),
        "reason": _text(),
        "correctness": _by_name(_CORRECTNESS, _MAX_ENDPOINTS),
    },
)
_RUN = _members(
    {
        "id": _text(32, "[0-9a-f]{4,32}", "4 to 32 of the digits 0 to 9 and a to f"),
        "kind": _registered,
        "name": _NAME,
        "state": _text(32, "|".join(RunState), f"one of {', '.join(RunState)}"),
        "started_at_utc": _AT_UTC,
        "manifest": _MANIFEST,
        "outcome": _OUTCOME,
        "samples": _members({"count": _number(0, whole=True), "packed": _text(MAX_BYTES)}),
    }
)


def _check_plan(name: str, document: Mapping[str, Any]) -> None:
    try:
        kind_named(name).read_plan(document)
    except PlanError as error:
        _refuse("manifest.plan", f"cannot be that of a run of the kind {name}: {error}")


# --- The whole file


def _check_size(document: Any) -> None:
    """Refuse deeper nesting, longer texts and larger numbers than any field may have."""
    for value, where, depth in _walk(document, "", 0):
        if depth > _MAX_DEPTH:
            raise ImportFault("this file is damaged: it is nested too deeply")
        if isinstance(value, str) and where != "samples.packed" and len(value) > _MAX_TEXT:
            _refuse(where[:80], f"must be a text of at most {_MAX_TEXT} characters")
        # A seed has 63 bits.
        if type(value) in (int, float) and not -_MAX_NUMBER <= value <= (2**63 if type(value) is int else _MAX_NUMBER):
            _refuse(where[:80], "is a number that is too large")


def _walk(value: Any, where: str, depth: int) -> Iterator[tuple[Any, str, int]]:
    yield value, where, depth
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for name, entry in value.items():
            yield name, f"{where[:80]}, a member's name,", depth
            yield from _walk(entry, f"{where}.{name}" if where else name, depth + 1)
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _walk(entry, f"{where}[{number}]", depth + 1)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {_cleaned(name): _cleaned(entry) for name, entry in value.items()}
    return [_cleaned(entry) for entry in value] if isinstance(value, list) else value


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ImportFault("this file is damaged: an object has a member twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ImportFault(f"this file is damaged: {name} is not a JSON number")
