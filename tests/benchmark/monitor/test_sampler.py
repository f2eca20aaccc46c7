"""Endpoints are read when somebody looks or has asked for it, and never where that would spoil a measurement."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from benchmark.monitor import sampler as module
from benchmark.monitor.sampler import OPEN_S, SELDOM_S, Measuring, Sampler, When, default_when, pace_s
from benchmark.monitor.scrape import Watch
from tests.benchmark.conftest import Serve, endpoint
from tests.benchmark.little_server import Connection, LittleServer, reply
from tests.benchmark.metrics_text import counting, tea_service


@contextmanager
def sampling(watch: Watch, server: LittleServer, when: When, measuring: Measuring) -> Iterator[Sampler]:
    sampler = Sampler(watch, [endpoint(server.url)], when, lambda: measuring)
    try:
        yield sampler
    finally:
        sampler.close()


@pytest.mark.parametrize(
    ("when", "measuring", "is_open", "is_first", "expected"),
    [
        (When.OPEN, Measuring.NOTHING, True, True, OPEN_S),
        (When.OPEN, Measuring.NOTHING, False, False, None),
        (When.ALWAYS, Measuring.NOTHING, True, False, OPEN_S),
        (When.ALWAYS, Measuring.NOTHING, False, True, SELDOM_S),
        (When.OFF, Measuring.NOTHING, True, False, None),
        (When.OPEN, Measuring.REQUESTS, True, False, SELDOM_S),
        (When.ALWAYS, Measuring.REQUESTS, False, False, SELDOM_S),
        (When.ALWAYS, Measuring.REQUESTS, True, True, None),
        (When.ALWAYS, Measuring.STARTS, True, False, None),
        (When.OPEN, Measuring.STARTS, True, False, None),
    ],
)
def test_the_pace(when: When, measuring: Measuring, is_open: bool, is_first: bool, expected: float | None) -> None:
    assert pace_s(when, measuring, is_open=is_open, is_first=is_first) == expected


def test_only_endpoints_on_this_machine_are_read_without_being_asked_for() -> None:
    local, remote = endpoint("http://127.0.0.1:1"), endpoint("https://api.example.org", "function")
    assert default_when([local]) is When.OPEN
    assert default_when([local, remote]) is When.OFF


@pytest.mark.parametrize("when", [When.OFF, When.OPEN])
def test_nothing_is_read_until_somebody_looks(when: When, client: httpx.Client, serve: Serve) -> None:
    server = serve(counting(tea_service()))
    with sampling(Watch(client), server, when, Measuring.NOTHING):
        pass
    assert server.requests == []


def test_off_reads_once_for_whoever_comes_and_then_when_asked(client: httpx.Client, serve: Serve) -> None:
    server = serve(counting(tea_service()))
    with sampling(Watch(client), server, When.OFF, Measuring.NOTHING) as sampler:
        for _ in range(3):
            sampler.read_first(wait_s=30)
            assert len(sampler.look(wait_s=30)[0]) == 1
        sampler.read_now(wait_s=30)
        assert len(sampler.look(wait_s=30)[0]) == 2
    assert server.paths("GET") == ["/metrics"] * 2


def test_while_cold_starts_are_measured_nothing_is_read_not_even_when_asked(client: httpx.Client, serve: Serve) -> None:
    server = serve(counting(tea_service()))
    with sampling(Watch(client), server, When.OPEN, Measuring.STARTS) as sampler:
        assert sampler.is_paused
        sampler.read_first(wait_s=30)
        sampler.read_now(wait_s=30)
        assert sampler.look(wait_s=30) == [[]]
    assert server.requests == []


def test_readings_are_marked_as_no_users(client: httpx.Client, serve: Serve) -> None:
    server = serve(counting(tea_service()))
    with sampling(Watch(client), server, When.OPEN, Measuring.NOTHING) as sampler:
        sampler.look(wait_s=30)
    assert server.requests[0].headers["x-traffic"] == "test"


def test_always_goes_on_while_nobody_looks_until_it_is_switched_off(
    client: httpx.Client, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SELDOM_S", 0.01)
    service, thrice = tea_service(), threading.Semaphore(0)

    def conversation(connection: Connection) -> None:
        while connection.receive() is not None:
            connection.send(reply(service.respond("GET", "/metrics").body, content_type="text/plain"))
            thrice.release()

    watch, server = Watch(client), serve(conversation)
    with sampling(watch, server, When.ALWAYS, Measuring.NOTHING) as sampler:
        for _ in range(3):
            assert thrice.acquire(timeout=30)
        sampler.set(When.OPEN)
        assert sampler.when is When.OPEN
        assert not any(thread.name == "sampler" and thread.is_alive() for thread in _ended())


def _ended() -> list[threading.Thread]:
    """The samplers' threads, given time to end."""
    found = [thread for thread in threading.enumerate() if thread.name == "sampler"]
    for thread in found:
        thread.join(30)
    return found
