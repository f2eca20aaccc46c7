"""The local platform that scales to zero: an instance only while it is needed, and never one too many."""

import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.benchmark.coldstart.conftest import Platform


def predict(url: str) -> tuple[str, int]:
    """Which instance answered, and its how manieth prediction that was."""
    with httpx.Client(trust_env=False, timeout=20) as client:
        answer = client.post(f"{url}/predict", json={}).raise_for_status()
    return answer.headers["x-instance-id"], int(answer.headers["x-request-count"])


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_runs_before_the_first_request_and_after_the_idle_time(platform: Platform) -> None:
    url, process = platform(0.3)
    assert process.children() == []
    first, count = predict(url)
    assert count == 1
    until(lambda: process.children() == [])
    second, count = predict(url)
    assert (second != first, count) == (True, 1)


def test_requests_within_the_idle_time_meet_the_same_instance(platform: Platform) -> None:
    url, process = platform(30)
    assert len({predict(url)[0] for _ in range(5)}) == 1
    assert len(process.children()) == 1


def test_requests_that_come_at_once_start_one_instance(platform: Platform) -> None:
    url, process = platform(30, SLEEP_S="0.2")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(predict, [url] * 8))
    assert len({instance for instance, _ in answers}) == 1
    assert sorted(count for _, count in answers) == list(range(1, 9))
    assert len(process.children()) == 1


def test_a_connection_without_a_request_starts_nothing(platform: Platform) -> None:
    url, process = platform(30)
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))):
        time.sleep(0.1)
        assert process.children() == []


def test_a_long_answer_is_no_idling(platform: Platform) -> None:
    code = (
        "import os, socket, time\n"
        "listener = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n"
        "while True:\n"
        "    connection, _ = listener.accept()\n"
        "    if connection.recv(4096):\n"
        "        time.sleep(0.6)\n"
        "        connection.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok')\n"
    )
    url, _ = platform(0.2, sys.executable, "-S", "-E", "-c", code)
    with httpx.Client(trust_env=False, timeout=20) as client:
        assert client.get(url).text == "ok"


def test_a_client_that_has_sent_all_still_gets_its_answer(platform: Platform) -> None:
    url, _ = platform(30)
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 20) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nhost: here\r\ncontent-length: 2\r\n\r\n{}")
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 200 OK\r\n"


def test_an_answer_under_way_comes_through_when_the_platform_is_stopped(platform: Platform, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    code = (
        "import os, pathlib, signal, socket, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "listener = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n"
        "while True:\n"
        "    connection, _ = listener.accept()\n"
        "    if connection.recv(4096):\n"
        f"        pathlib.Path({str(asked)!r}).touch()\n"
        "        signal.pause()\n"
        "        time.sleep(0.1)\n"
        "        connection.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok')\n"
        "        sys.exit()\n"
    )
    url, process = platform(30, sys.executable, "-S", "-E", "-c", code)
    with ThreadPoolExecutor(1) as pool, httpx.Client(trust_env=False, timeout=20) as client:
        answer = pool.submit(client.get, url)
        until(asked.exists)
        process.terminate()
        assert answer.result().text == "ok"
    assert process.wait(20) == 0


def test_an_instance_that_died_is_replaced(platform: Platform) -> None:
    url, process = platform(30)
    first, _ = predict(url)
    (child,) = process.children()
    child.kill()
    child.wait(10)
    assert predict(url)[0] != first


def test_a_command_that_cannot_start_closes_the_connection(platform: Platform) -> None:
    url, process = platform(30, sys.executable, "-S", "-c", "import sys; sys.exit('no')")
    with httpx.Client(trust_env=False, timeout=20) as client, pytest.raises(httpx.TransportError):
        client.get(url)
    assert process.is_running()


def test_its_end_is_the_end_of_the_instance(platform: Platform) -> None:
    url, process = platform(30)
    predict(url)
    (child,) = process.children()
    process.terminate()
    assert process.wait(20) == 0
    assert not child.is_running()
