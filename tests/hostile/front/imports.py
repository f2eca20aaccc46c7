"""Files to import: runs that were really exported, with each of their fields removed, retyped, enlarged and misused."""

import base64
import copy
import gzip
import io
import json
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from math import inf, nan
from pathlib import Path
from typing import Any

from benchmark.__main__ import main
from benchmark.record.samples import ROW, from_rows, pack, unpack
from tests.benchmark.altered import good
from tests.benchmark.cards import make_card, tea_document
from tests.benchmark.little_server import LittleServer
from tests.hostile.front.hostile_texts import LONG, TEXTS

_RAW = "@@raw@@"
_DEEP = "[" * 100_000 + "]" * 100_000
_RAWS = {"1e400": "1e400", "5000 digits": "9" * 5000, "nested 100 000 deep": _DEEP}
"""What no Python value is written as: put into the finished text."""

_VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "an empty text": "",
    "a text of a number": "5",
    "zero": 0,
    "minus one": -1,
    "a fraction": 0.5,
    "1e300": 1e300,
    "-1e300": -1e300,
    "1e13": 1e13,
    "2^31": 2**31,
    "2^63": 2**63,
    "2^70": 2**70,
    "NaN": nan,
    "Infinity": inf,
    "-Infinity": -inf,
    "an empty list": [],
    "an empty object": {},
    "a list of lists": [[[]]],
    "a list of itself": [{"key": "a"}, 1],
    "nested 30 deep": [None],
    **TEXTS,
    **LONG,
}
for _ in range(30):
    _VALUES["nested 30 deep"] = [_VALUES["nested 30 deep"]]

_ALWAYS = ("null", "1e300", "a list of itself")
"""What each field of each kind of run is."""
_FIXED = {"id", "kind", "state", "started_at_utc", "packed", "key", "mode", "connection", "arrivals", "ended_at_utc"}
"""Where any other text is refused: a case of all texts leaves these as they are."""
_LIKE_EACH_OTHER = 2
"""Of members of a map that are all treated alike, so many are walked."""


@dataclass(frozen=True, slots=True)
class Import:
    """A file."""

    name: str
    make: Callable[[], bytes]
    """What is in it; there are too many of them to hold them all."""
    thorough: bool = False
    """Worth every command and every page, where it is taken in."""


def exported(directory: Path) -> dict[str, dict[str, Any]]:
    """A run of each kind, measured against little servers of our own and exported, by what it is."""
    card = make_card(tea_document())
    results = ["--results", str(directory / "measured")]
    quiet = ["--progress", "none", *results]
    api = f"api={sys.executable} -m api"
    documents: dict[str, dict[str, Any]] = {}
    with LittleServer(good(card)) as one, LittleServer(good(card)) as other:
        both = ["--endpoint", f"api={one.url}", "--endpoint", f"function={other.url}"]
        for name, arguments in {
            "compare": ["compare", *both, "--pairs", "20", "--warmup", "1", "--name", "Nightly"],
            "load": ["load", *both, "--rate", "60", "--duration", "0.5", "--warmup", "2"],
            "ladder": ["coldstart", *both, "--idle", "20ms,40ms", "--repeats", "2", "--warm", "1"],
            "spawned": ["coldstart", "--command", api, "--repeats", "1", "--warm", "1"],
        }.items():
            run_id = f"{len(documents):04x}beef"
            exported_to = directory / f"{name}.json"
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
                status = main([*arguments, *quiet, "--run-id", run_id])
                status |= main(["export", run_id, "--format", "json", "--output", str(exported_to), *results])
            if status:
                raise RuntimeError(f"{name} could not be measured: {said.getvalue()}")
            documents[name] = json.loads(exported_to.read_bytes())
    return documents


def cases(documents: Mapping[str, Any]) -> Iterator[Import]:
    """Every case; their names are unique."""
    yield from _files()
    known: set[str] = set()
    for kind, document in documents.items():
        yield Import(f"{kind}: as it was exported", partial(_written, document), thorough=True)
        yield from _fields(kind, document, known)
        yield from _wholes(kind, document)
        yield from _versions(kind, document)
        yield from _samples(kind, document)


# --- Field by field


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        alike = len(path) > 1 and path[-2] in ("facts", "startup_ms", "libraries")
        for name in list(value)[: _LIKE_EACH_OTHER if alike else None]:
            yield from _paths(value[name], (*path, name))
    elif isinstance(value, list) and value:
        yield from _paths(value[0], (*path, 0))


def _fields(kind: str, document: Any, known: set[str]) -> Iterator[Import]:
    """Of a field that is `known` from another kind of run, a few cases alone."""
    for number, path in enumerate(_paths(document)):
        where = ".".join(map(str, path))
        rotating = number % len(_VALUES)  # each field gets one case with every command and page
        for position, (name, value) in enumerate(_VALUES.items()):
            if where not in known or position == rotating or name in _ALWAYS:
                yield Import(
                    f"{kind}: {where} is {name}", partial(_changed, document, path, value), position == rotating
                )
        yield Import(f"{kind}: {where} is removed", partial(_changed, document, path), thorough=True)
        if where in known:
            continue
        known.add(where)
        for name, raw in _RAWS.items():
            yield Import(f"{kind}: {where} is {name}", partial(_raw, document, path, raw))
        found = _at(document, path)
        if isinstance(found, list) and found:
            yield Import(f"{kind}: {where} is doubled", partial(_changed, document, path, found * 2), thorough=True)
            many: Any = found[:1] * 20_000
            yield Import(f"{kind}: {where} has 20 000 entries", partial(_changed, document, path, many))
        if isinstance(found, dict):
            odd = {**found, "<b>": "</b>", "": 1, "../x": [{}], "__class__": {"x": None}}
            yield Import(f"{kind}: {where} has odd members", partial(_changed, document, path, odd), thorough=True)
            many = {**found, **{f"m{index}": "x" for index in range(20_000)}}
            yield Import(f"{kind}: {where} has 20 000 members", partial(_changed, document, path, many))


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


def _with(document: Any, path: tuple[Any, ...], *value: Any) -> Any:
    """`document` with `value` at `path`, or without what is there."""
    changed = copy.copy(document)
    inner = changed
    for step in path[:-1]:
        inner[step] = copy.copy(inner[step])
        inner = inner[step]
    if value:
        inner[path[-1]] = value[0]
    else:
        del inner[path[-1]]
    return changed


def _changed(document: Any, path: tuple[Any, ...], *value: Any) -> bytes:
    return _written(_with(document, path, *value))


def _raw(document: Any, path: tuple[Any, ...], raw: str) -> bytes:
    return _changed(document, path, _RAW).replace(f'"{_RAW}"'.encode(), raw.encode())


def _written(document: Any) -> bytes:
    return json.dumps(document).encode()


# --- All at once


def _wholes(kind: str, document: Any) -> Iterator[Import]:
    for name, text in {**TEXTS, "200 characters": "x" * 200}.items():
        yield Import(f"{kind}: every text is {name}", _later(with_every_text(document, text)), thorough=True)
    odd = with_every_text(document, "x")
    keys = [entry["key"] for entry in odd["manifest"]["endpoints"]]
    for name, key in {**TEXTS, "long": "k" * 33, "empty": "", "the other's": keys[-1], "in capitals": "API"}.items():
        yield Import(f"{kind}: an endpoint's key is {name}", _later(_renamed(document, keys[0], key)), thorough=True)
        if len(keys) > 1 and name == "the other's":
            yield Import(
                f"{kind}: both have a key, large and small",
                _later(_renamed(document, keys[1], keys[0].upper())),
                thorough=True,
            )
    for name, value in {"zero": 0, "one": 1, "1e9": 1e9, "negative": -5, "1e15": 1e15}.items():
        yield Import(f"{kind}: every number is {name}", _later(_numbered(document, value)), thorough=True)
    text = _written(document).decode()
    yield Import(
        f"{kind}: every member twice", _as_it_is(text.replace('{"', '{"id": "00ff", "id": "00fe", "').encode())
    )
    yield Import(f"{kind}: cut off", _as_it_is(text[: len(text) // 2].encode()))
    yield Import(f"{kind}: with a byte order mark", _as_it_is(b"\xef\xbb\xbf" + text.encode()), thorough=True)
    yield Import(f"{kind}: in UTF-16", _as_it_is(text.encode("utf-16")))
    yield Import(f"{kind}: with NUL behind it", _as_it_is(text.encode() + b"\0"))


def _later(document: Any) -> Callable[[], bytes]:
    return partial(_written, document)


def _as_it_is(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def with_every_text(value: Any, text: str) -> Any:
    """`value` with `text` for each text that is not one of a few."""
    if isinstance(value, dict):
        return {key: entry if key in _FIXED else with_every_text(entry, text) for key, entry in value.items()}
    if isinstance(value, list):
        return [with_every_text(entry, text) for entry in value]
    return text if isinstance(value, str) else value


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {new if key == old else key: _renamed(entry, old, new) for key, entry in value.items()}
    if isinstance(value, list):
        return [_renamed(entry, old, new) for entry in value]
    return new if value == old else value


def _numbered(value: Any, number: float) -> Any:
    if isinstance(value, dict):
        kept = ("faceoff_run", "format_version", "samples")
        return {key: entry if key in kept else _numbered(entry, number) for key, entry in value.items()}
    if isinstance(value, list):
        return [_numbered(entry, number) for entry in value]
    return number if type(value) in (int, float) else value


def _versions(kind: str, document: Any) -> Iterator[Import]:
    for version in (0, 2, -1, 1.0, "1", True, None, [1], 10**30):
        yield Import(f"{kind}: format {version!r}", _later({**document, "faceoff_run": version}))
        manifest = {**document["manifest"], "format_version": version}
        yield Import(f"{kind}: manifest {version!r}", _later({**document, "manifest": manifest}), thorough=True)


# --- The requests


def _samples(kind: str, document: Any) -> Iterator[Import]:
    chunk = base64.b64decode(document["samples"]["packed"])
    count = document["samples"]["count"]

    def with_chunk(name: str, chunk: bytes, count: Any = count, thorough: bool = False) -> Import:
        samples = {"count": count, "packed": base64.b64encode(chunk).decode()}
        return Import(f"{kind}: samples {name}", _later({**document, "samples": samples}), thorough)

    head = chunk[: len(pack(from_rows([]))) - len(zlib.compress(b"", 1))]  # which names the version
    data = zlib.decompress(chunk[len(head) :])

    def packed(data: bytes) -> bytes:
        return head + zlib.compress(data)

    yield with_chunk("are none", pack(from_rows([])), 0, thorough=True)
    yield with_chunk("are cut off", chunk[:-5])
    yield with_chunk("go on", chunk + b"x")
    yield with_chunk("are gzip", gzip.compress(data))
    yield with_chunk("are half a row", packed(data[:-1]))
    yield with_chunk("are random", bytes(range(256)))
    yield with_chunk("name no version", chunk[len(head) :])
    yield with_chunk("name a later version", head[:-1] + b"\xff" + chunk[len(head) :])
    yield with_chunk("are all 0xff", packed(b"\xff" * len(data)))
    yield with_chunk("are all 0x7f", packed(b"\x7f" * len(data)))
    yield with_chunk("are all zero", packed(b"\0" * len(data)), thorough=True)
    squeezer = zlib.compressobj(9)
    bomb = head + b"".join(squeezer.compress(b"\0" * 2**20) for _ in range(1024)) + squeezer.flush()
    yield with_chunk("are a bomb of 1 GB", bomb, 2**30 // ROW.itemsize)
    yield with_chunk("are a bomb that says that it is small", bomb)
    yield with_chunk("are 500 000", packed(b"\0" * 500_000 * ROW.itemsize), 500_000)
    rows = unpack(chunk)
    for name in ROW.names or ():
        for what, value in _ODD[ROW[name].kind].items():
            changed = rows.copy()
            changed[name][: max(1, count // 2)] = value
            yield with_chunk(f"have {name} {what}", pack(changed), thorough=what in ("zero", "NaN", "1e9"))


_ODD: dict[str, dict[str, float]] = {
    "f": {"zero": 0.0, "NaN": nan, "infinite": inf, "-1": -1.0, "1e9": 1e9, "1e30": 1e30, "tiny": 1e-30},
    "u": {"zero": 0, "one": 1, "255": 255},
    "b": {"zero": 0, "one": 1},
}


# --- What is no run at all


def _files() -> Iterator[Import]:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../tmp/faceoff-pwned", b"\0" * 10_000_000)
    for name, data in {
        "empty": b"",
        "a blank": b" ",
        "null": b"null",
        "a number": b"1",
        "a text": b'"run"',
        "a list": b"[]",
        "an object": b"{}",
        "only its mark": b'{"faceoff_run": 1}',
        "no JSON": b"faceoff_run: 1",
        "HTML": b"<html><script>window.pwned=1</script>",
        "bytes": bytes(range(256)),
        "NUL": b"\0" * 100_000,
        "a database": b"SQLite format 3\0" + b"\0" * 4000,
        "a zip file that would leave": zipped.getvalue(),
        "a gzip bomb": gzip.compress(b"\0" * 10_000_000),
        "100 000 brackets": b"[" * 100_000,
        "100 000 objects": b'{"a":' * 100_000,
        "3 000 000 lists": b"[" + b"[]," * 3_000_000 + b"[]]",
        "101 MB of blanks": b" " * (101 * 2**20),
    }.items():
        yield Import(f"file: {name}", _as_it_is(data))
