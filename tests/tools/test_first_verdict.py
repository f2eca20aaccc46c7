"""What a newcomer waits for, as the script times it."""

import csv
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.servers import ROOT, run
from tools.first_verdict import write_wine
from tools.processes import bare_environ

PARTS = ("train", "start the endpoints and the dashboard", "open the Benchmark page", "Start to verdict, 12 pairs")


def test_the_table_has_a_name_for_each_column_and_the_class_as_a_text(tmp_path: Path) -> None:
    with write_wine(tmp_path / "wine.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert (len(header), len(rows), header[-1]) == (14, 178, "cultivar")
    assert {row[-1] for row in rows} == {"class_0", "class_1", "class_2"}


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A folder with a short path: Chromium makes a socket in it, whose path may have about 100 characters."""
    with tempfile.TemporaryDirectory(prefix="fv-") as directory:
        yield Path(directory)


@pytest.mark.slow
def test_a_verdict_comes_of_a_csv_file_two_commands_and_a_click(short_dir: Path) -> None:
    artifacts = sorted((ROOT / "artifacts").iterdir())
    done = run([sys.executable, "-m", "tools.first_verdict", "--pairs", "12"], TMPDIR=str(short_dir))
    assert done.returncode == 0, done.stderr
    *parts, whole, verdict = [line for line in done.stdout.splitlines() if line]
    seconds = [float(re.fullmatch(r".* ([0-9.]+) s", line)[1]) for line in (*parts, whole)]  # type: ignore[index]
    assert [re.sub(r" +[0-9.]+ s$", "", line) for line in parts] == list(PARTS)
    assert seconds[-1] == pytest.approx(sum(seconds[:-1]), abs=0.3)
    assert "FastAPI" in verdict and "Cloud Function" in verdict and "n = 12 pairs" in verdict
    assert list(short_dir.iterdir()) == []
    assert sorted((ROOT / "artifacts").iterdir()) == artifacts


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_everything(number: signal.Signals, status: int, short_dir: Path) -> None:
    command = [sys.executable, "-m", "tools.first_verdict", "--pairs", "100000"]
    environ = {**bare_environ(), "TMPDIR": str(short_dir)}
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True)
    programs: list[psutil.Process] = []
    deadline = time.monotonic() + 60
    while not list(short_dir.glob("*/faceoff/build/logs/dashboard.log")) and time.monotonic() < deadline:
        time.sleep(0.1)
    while len(programs) < 5 and time.monotonic() < deadline:  # tools.run and its three, Playwright's driver
        programs = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status, errors
    assert "Traceback" not in errors
    _, left = psutil.wait_procs(programs, timeout=10)
    assert [one.cmdline() for one in left if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    assert list(short_dir.iterdir()) == []
