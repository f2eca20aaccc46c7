"""Slow clients are cut in time, and nobody else waits for them."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hostile.case import request
from tests.hostile.client import predicts
from tests.hostile.endpoints import serving
from tests.hostile.slow_clients import hold
from tests.hostile.verdict import LIMIT_S
from tools.processes import Server

pytestmark = pytest.mark.slow

SLOW_CLIENTS = 200
FULL_S = 60.0
"""Filling every buffer on the way may take a while itself."""


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    with serving(tmp_path_factory.mktemp("slow")) as running:
        yield running


@pytest.mark.parametrize("title", ["API", "Function"])
def test_200_slow_clients_are_cut_within_the_limit_while_all_others_are_served(
    title: str, endpoints: Mapping[str, Server]
) -> None:
    port = endpoints[title].port
    over = threading.Event()
    served: list[bool] = []

    def normal_client() -> None:
        while not over.wait(0.1):
            served.append(predicts(port))

    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(normal_client)
        try:
            slow = hold(port, SLOW_CLIENTS)
        finally:
            over.set()
    assert len(slow.kept_s) == SLOW_CLIENTS
    assert [kept_s for kept_s in slow.kept_s if kept_s is None or kept_s > LIMIT_S] == []
    assert served
    assert all(served)


@pytest.mark.parametrize("title", ["API", "Function"])
def test_a_client_that_takes_none_of_its_answers_is_cut(title: str, endpoints: Mapping[str, Server]) -> None:
    ask = request("GET", "/model-info", content_type=None) * 1000
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", endpoints[title].port))
        connection.setblocking(False)
        assert eventually_cut(connection, ask)
    assert predicts(endpoints[title].port)


def eventually_cut(connection: socket.socket, ask: bytes) -> bool:
    """Ask on and on, for more than any buffer on the way holds, and take nothing: whether the server ends it."""
    end_s = time.monotonic() + FULL_S
    while time.monotonic() < end_s:
        try:
            connection.send(ask)
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:
            return True
    return False
