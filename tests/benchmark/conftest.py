"""Servers that are closed after the test, and a client as the dashboard has."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.observe import new_client
from tests.benchmark.little_server import Conversation, LittleServer

Serve = Callable[[Conversation], LittleServer]
"""Start a server that lives as long as the test."""


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with new_client() as client:
        yield client


@pytest.fixture
def serve(client: httpx.Client) -> Iterator[Serve]:
    # After `client`, so that the servers end first and no request is left when the client is closed.
    with ExitStack() as servers:
        yield lambda conversation: servers.enter_context(LittleServer(conversation))


def endpoint(url: str, key: str = "api", timeout_s: float = 10.0, token: str | None = None) -> Endpoint:
    return Endpoint(key, {"api": "FastAPI", "function": "Cloud Function"}[key], url, timeout_s, token)
