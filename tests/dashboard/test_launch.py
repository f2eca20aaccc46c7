"""Runs that a page starts: found again by their id alone, and ended by a signal."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.store import Store, StoreError
from dashboard import launch

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "RESULTS_DIR": str(tmp_path)}


def test_what_a_process_says_before_it_has_a_record_is_kept(tmp_path: Path, environ: dict[str, str]) -> None:
    launch.start([sys.executable, "-S", "-c", "import sys; sys.exit('one\\nno model here')"], "aa01", environ)
    until(lambda: not launch.is_alive("aa01"))
    assert launch.last_words("aa01", tmp_path) == "no model here"
    assert launch.last_words("aa02", tmp_path) is None


def test_only_one_run_goes_on_and_a_cancel_ends_it(tmp_path: Path, environ: dict[str, str]) -> None:
    store = Store(tmp_path)
    assert launch.running(store) is None
    launch.start(SLEEP, "aa03", environ)
    assert launch.is_alive("aa03")
    assert launch.running(store) == "aa03"
    launch.cancel(store, "aa03")
    until(lambda: not launch.is_alive("aa03"))
    assert launch.running(store) is None


def test_a_run_of_an_earlier_dashboard_is_cancelled_by_its_record(tmp_path: Path, environ: dict[str, str]) -> None:
    code = (
        "import os, time; from pathlib import Path\n"
        "from benchmark.run import Run, RunState; from benchmark.store import Store\n"
        "run = Run('aa04', 'coldstart', '', RunState.RUNNING, '2026-05-04T03:02:01+00:00', {})\n"
        "Store(Path(os.environ['RESULTS_DIR'])).create_run(run)\n"
        "time.sleep(60)\n"
    )
    launch.start([sys.executable, "-c", code], "aa04", environ)
    process = launch._processes.pop("aa04")  # as after a restart, which remembers no process
    store = Store(tmp_path)
    until(lambda: launch.running(store) == "aa04")
    launch.cancel(store, "aa04")
    assert process.wait(20) == -signal.SIGTERM


@pytest.mark.parametrize("text", ["", "../x", "ABCD", "a/b", "zz11", "aaa"])
def test_an_id_from_the_address_bar_is_no_path(text: str, tmp_path: Path) -> None:
    assert not launch.is_run_id(text)
    with pytest.raises(StoreError):
        launch.last_words(text, tmp_path)
