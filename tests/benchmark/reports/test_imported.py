"""A file that is no run is refused by the name of what is wrong with it, before anything is made of it."""

import json
from typing import Any

import pytest

from benchmark.record.samples import Samples, from_rows
from benchmark.reports.export import run_from_document, run_to_document
from benchmark.reports.imported import ImportFault, read_json
from tests.benchmark.runs import make_run, pairs, row


def exported(samples: Samples | None = None, **manifest: Any) -> dict[str, Any]:
    document = run_to_document(make_run(**manifest), pairs([10.0] * 20, [20.0] * 20) if samples is None else samples)
    return json.loads(json.dumps(document))  # type: ignore[no-any-return]


def endpoints(*keys: str) -> dict[str, Any]:
    facts: dict[str, Any] = {key: {} for key in keys}
    return {"endpoints": [{"key": key, "name": key, "url": None} for key in keys], "facts": facts}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (endpoints("../../x", "function"), "manifest.endpoints[0].key must be letters, digits, _ and -"),
        (endpoints("a b", "function"), "manifest.endpoints[0].key must be"),
        (endpoints("k" * 33, "function"), "manifest.endpoints[0].key must be a text of at most 32 characters"),
        (endpoints("api", "api"), "manifest.endpoints must have a different key for each endpoint"),
        (endpoints("api", "API"), "manifest.endpoints must have a different key for each endpoint"),
        ({"format_version": 2}, "manifest.format_version must be a whole number from 1 to 1"),
        ({"resolution_ms": True}, "manifest.resolution_ms must be a number"),
        ({"resolution_ms": 1e300}, "manifest.resolution_ms is a number that is too large"),
        ({"note": "x" * 5000}, "manifest.note must be a text of at most 4000 characters"),
        ({"client": {"host": "h", "machine": "m", "cpus": 1.5}}, "manifest.client.cpus must be a whole number"),
        ({"workers": [{"name": "a", "host": "h", "machine": "m"}]}, "manifest.workers[0].cpus is missing"),
        ({"workers": [{"name": 1, "host": "h", "machine": "m", "cpus": 1}]}, "manifest.workers[0].name must be a text"),
    ],
)
def test_the_first_field_that_is_something_else_is_named(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ImportFault) as refused:
        run_from_document(exported(**changes))
    assert str(refused.value).startswith(f"this file is damaged: {fault}")


@pytest.mark.parametrize(
    "change",
    [
        {"sent_ms": float("inf")},
        {"scheduled_ms": -1.0},
        {"service_ms": 1e30},
        {"wait_ms": -1.0},
        {"status": 1000},
        {"worker": 1},
    ],
)
def test_requests_that_nobody_can_have_measured_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ImportFault, match=r"^this file is damaged: samples"):
        run_from_document(exported(from_rows([row(0, 0, **change), row(1, 0)])))


@pytest.mark.parametrize(
    ("worker", "fault"),
    [
        ({"name": "a", "sent": -1, "lost": 0, "limited": False}, "outcome.workers[0].sent must be a whole number"),
        ({"name": "a", "sent": 1, "lost": 0.5, "limited": False}, "outcome.workers[0].lost must be a whole number"),
        ({"name": "a", "sent": 1, "lost": 0, "limited": 0}, "outcome.workers[0].limited must be true or false"),
        ({"name": "a", "sent": 1, "lost": 0, "limited": False, "problem": 3}, "outcome.workers[0].problem must be a"),
        ({"name": "a"}, "outcome.workers[0].sent is missing"),
    ],
)
def test_a_worker_that_cannot_be_is_refused(worker: dict[str, Any], fault: str) -> None:
    document = exported()
    document["outcome"]["workers"] = [worker]
    with pytest.raises(ImportFault) as refused:
        run_from_document(document)
    assert str(refused.value).startswith(f"this file is damaged: {fault}")


def test_a_name_cannot_do_anything_to_a_terminal() -> None:
    document = exported()
    document["name"] = "\x1b[2Ja\u202eb\nc"
    run, _ = run_from_document(document)
    assert run.name == "\ufffd[2Ja\ufffdb c"


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"[" + b"[]," * 2_000_000 + b"[]]", "it holds more than 2000000 values"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": 1, "a": 2}', "an object has a member twice"),
    ],
)
def test_a_file_is_taken_apart_only_where_it_can_be_a_run(data: bytes, fault: str) -> None:
    with pytest.raises(ImportFault) as refused:
        read_json(data)
    assert str(refused.value) == f"this file is damaged: {fault}"
