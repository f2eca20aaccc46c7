"""Two dashboards over one record: a run that one has started is watched and cancelled in the other."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect

from benchmark.record.recording import load_samples
from benchmark.record.run import RunState
from tests.browser.benchmark_page import BenchmarkPage
from tests.browser.conftest import Stack, Visitor
from tests.browser.settling import settle
from tests.servers import ROOT
from tools.processes import Program, Server

_DASHBOARD = "import runpy; runpy.run_module('dashboard', run_name='__main__')"
_ON_ANOTHER_MACHINE = f"import socket; socket.gethostname = lambda: 'another-machine'; {_DASHBOARD}"
"""A dashboard that takes itself to be on another machine: there it cannot send a signal to the process of a run."""

NewReplica = Callable[[str], Server]


@pytest.fixture
def new_replica(stack: Stack, tmp_path: Path) -> Iterator[NewReplica]:
    """A function that starts another dashboard over the record of the stack."""
    with ExitStack() as running:

        def start(script: str) -> Server:
            command = (sys.executable, "-c", script)
            environ = stack.dashboard.program.environ
            program = Program("replica", command, ROOT, environ, health_path="/_stcore/health")
            server = Server(program, tmp_path / program.log_name)
            running.callback(server.stop)
            server.start()
            server.wait_until_healthy()
            return server

        yield start
        for run in stack.store.runs():
            stack.store.delete_run(run.id)


@pytest.mark.slow
@pytest.mark.parametrize("script", [_DASHBOARD, _ON_ANOTHER_MACHINE], ids=["same machine", "another machine"])
def test_a_run_of_one_dashboard_is_watched_and_cancelled_in_another(
    visitor: Visitor, stack: Stack, new_replica: NewReplica, script: str
) -> None:
    replica = new_replica(script)
    first = BenchmarkPage(visitor.open("benchmark"))
    first.choose("Load")
    first.fill("Requests/s to each", 40)
    first.fill("Duration (s)", 600)
    run_id = first.start()
    expect(first.progress).to_contain_text("left")

    second = BenchmarkPage(visitor.new_page())
    second.page.goto(f"{replica.url}/runs")
    row = second.page.locator(f"#run-{run_id}")
    expect(row).to_contain_text("Running")
    expect(row).to_contain_text("1% of 48")
    row.get_by_role("link").click()
    expect(second.progress).to_contain_text("left")
    expect(second.figure("time").locator(".main-svg").first).to_be_visible()
    expect(second.page.get_by_role("button", name="Start")).to_be_disabled()

    second.page.get_by_role("button", name="Cancel").click()
    second.expect_report("Cancelled")
    first.expect_report("Cancelled")
    assert stack.store.run(run_id).state is RunState.CANCELLED
    assert len(load_samples(stack.store, run_id)[0]) > 0, "what was measured is kept"

    second.page.goto(f"{replica.url}/runs")
    settle(second.page)
    expect(row).to_contain_text("Cancelled")
    expect(second.page.get_by_role("status")).to_have_text("1 run")
