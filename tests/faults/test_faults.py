"""Faults around the endpoints, done to the real programs; and that no request leaves anything behind in memory."""

import asyncio
import gc
import tracemalloc
from collections.abc import MutableMapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from inference.asgi import ServiceApp
from inference.service import Service
from tests.conftest import make_app
from tests.faults.scenarios import BAD_BODIES, NEED_MOUNTS, SCENARIOS, TITLES, can_mount
from tests.hostile.case import LISTED, NAMED

SOAKED_REQUESTS = 20_000
KEPT_BYTES_PER_REQUEST = 1.0
"""The smallest thing that could be left behind by a request is a pointer in a list: 8 bytes."""


@pytest.mark.slow
@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "soak"])
def test_the_endpoint_withstands(name: str, title: str, tmp_path: Path) -> None:
    if name in NEED_MOUNTS and not can_mount():
        pytest.skip("this user may not change mounts")
    result = SCENARIOS[name](title, tmp_path)
    assert result.passed, result.figure


@pytest.mark.slow
def test_requests_good_and_bad_leave_nothing_behind_in_memory(service: Service) -> None:
    endpoint = make_app(service)
    tracemalloc.start()
    try:
        # Long enough for the pools of ONNX Runtime's arguments to fill: 20 kB, however many requests follow.
        asyncio.run(_ask(endpoint, SOAKED_REQUESTS))
        before_bytes = _allocated_bytes()
        asyncio.run(_ask(endpoint, SOAKED_REQUESTS))
        kept_bytes = _allocated_bytes() - before_bytes
    finally:
        tracemalloc.stop()
    assert kept_bytes / SOAKED_REQUESTS < KEPT_BYTES_PER_REQUEST


async def _ask(endpoint: ServiceApp, count: int) -> None:
    async def send(_: MutableMapping[str, Any]) -> None:
        pass

    for body in islice(cycle((NAMED, LISTED, *BAD_BODIES)), count):

        async def receive(body: bytes = body) -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body}

        headers = [
            (b"content-type", b"application/json"),
            (b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),
        ]
        await endpoint({"type": "http", "method": "POST", "path": "/predict", "headers": headers}, receive, send)


def _allocated_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
