"""Servers as processes: awaited, started again, and stopped with their workers."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tools.processes import NotServing, Program, Server, all_serving, free_ports, is_healthy, serving

Start = Callable[..., Server]


def stand_in(*behaviour: str) -> Program:
    command = (sys.executable, "-I", "-S", str(Path(__file__).with_name("stand_in.py")), *behaviour)
    return Program("Stand-in", command, Path.cwd(), dict(os.environ))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    servers = []

    def start(*behaviour: str) -> Server:
        server = Server(stand_in(*behaviour), tmp_path / "stand-in.log")
        servers.append(server)
        server.start()
        server.wait_until_healthy()
        return server

    yield start
    for server in servers:
        server.kill()


def test_free_ports_differ_and_can_be_bound() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert not any(is_healthy(port) for port in ports)


def test_a_server_is_stopped_by_sigterm(start: Start) -> None:
    server = start("serve")
    assert server.stop()
    assert server.is_gone()
    assert server.stop(), "stopping twice is harmless"


@pytest.mark.parametrize("behaviour", [("serve", "ignore-term"), ("serve", "worker")])
def test_what_does_not_end_by_sigterm_is_killed_and_reported(start: Start, behaviour: tuple[str, ...]) -> None:
    server = start(*behaviour)
    processes = server.processes()
    assert not server.stop(within_s=0.2)
    _, left = psutil.wait_procs(processes, timeout=5)
    assert [process for process in left if process.status() != psutil.STATUS_ZOMBIE] == []
    assert not is_healthy(server.port)


def test_a_server_is_weighed_and_timed_with_its_workers(start: Start) -> None:
    alone, with_worker = start("serve"), start("serve", "worker")
    assert with_worker.memory_mib() > alone.memory_mib() > 0
    before_s = alone.cpu_s()
    for _ in range(20):
        assert is_healthy(alone.port)
    assert alone.cpu_s() > before_s > 0
    alone.kill()
    assert alone.memory_mib() == alone.cpu_s() == 0


def test_several_are_served_together_and_one_that_fails_stops_the_others(tmp_path: Path) -> None:
    with all_serving([replace(stand_in("serve"), title=name) for name in "AB"], tmp_path) as servers:
        assert [server.name for server in servers] == ["A", "B"]
        assert all(is_healthy(server.port) for server in servers)
    assert all(server.is_gone() for server in servers)

    (port,) = free_ports(1)
    programs = [replace(stand_in("serve"), title="A", port=port), replace(stand_in("crash"), title="B")]
    with pytest.raises(NotServing, match="B ended at its start"), all_serving(programs, tmp_path):
        pass
    assert not is_healthy(port)


def test_a_killed_server_starts_again_on_its_port_and_keeps_its_log(start: Start) -> None:
    server = start("serve")
    url = server.url
    server.kill()
    assert server.has_ended()
    assert server.status() == "killed by SIGKILL"
    server.start()
    server.wait_until_healthy()
    assert server.url == url
    assert server.output() == "listening\n" * 2


def test_a_server_that_ends_at_its_start_is_reported_with_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(NotServing, match=r"^Stand-in ended at its start \(exit status 3\)\. .*:\n  reason 6\n"),
        serving(stand_in("crash"), tmp_path / "log"),
    ):
        pytest.fail("it serves")


def test_a_server_that_is_not_healthy_in_time_is_reported(tmp_path: Path) -> None:
    server = Server(stand_in("busy"), tmp_path / "log")
    server.start()
    try:
        with pytest.raises(NotServing, match=r"^Stand-in is not healthy after 0\.5 s\."):
            server.wait_until_healthy(0.5)
    finally:
        server.kill()


def test_serving_reports_what_does_not_stop(tmp_path: Path) -> None:
    with (
        pytest.raises(NotServing, match=r"^Stand-in was not stopped by SIGTERM\."),
        serving(stand_in("serve", "stubborn-worker"), tmp_path / "log"),
    ):
        pass
