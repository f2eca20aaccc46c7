"""`python -m tools.first_verdict`: how long a newcomer waits, from a CSV file to a verdict.

The wine table of scikit-learn is written as a CSV file. Then come two commands, each with its defaults:

    python -m training --csv wine.csv --target cultivar
    MODEL=wine python -m tools.run

and the Benchmark page in a real Chromium, with one click on Start. The packages are installed and the browser is open
before the clock starts. All of it works in a copy of the programs, which is removed at the end: models, runs and a
stack that is already running stay as they are.
"""

import argparse
import csv
import logging
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Error, Page, expect, sync_playwright
from sklearn.datasets import load_wine

from tools.bench_serving import end_with_status_143
from tools.browser import NoBrowser, launch, new_page
from tools.processes import NotServing, Program, Server, bare_environ, free_ports, is_healthy

ROOT = Path(__file__).resolve().parents[1]
_COPIED = (
    "api",
    "benchmark",
    "cloud_function",
    "dashboard",
    "deploy",
    "inference",
    "requirements",
    "tools",
    "training",
)
_TARGET = "cultivar"
_STOP_S = 30.0
"""From SIGTERM to SIGKILL: longer than tools.run gives its programs."""
_VERDICT_S = 600.0
_SENTENCE = "said => { said.querySelector('.stMarkdownBadge')?.remove(); return said.textContent; }"
"""The verdict without its badge, whose icon is a word for the browser."""
PAIRS = 500
"""What the page proposes."""


class NoVerdict(Exception):
    """A step failed; the message says which one and why."""


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.first_verdict", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"pairs that are compared (default {PAIRS})")
    pairs = parser.parse_args(arguments).pairs
    if not 1 <= pairs <= 100_000:
        parser.error("--pairs is from 1 to 100000")
    signal.signal(signal.SIGTERM, end_with_status_143)
    # A terminal's Ctrl+C ends Playwright's driver too, and what it had still to answer would be reported there.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        seconds, verdict = first_verdict(pairs)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except (NoVerdict, NotServing, NoBrowser, OSError) as error:
        print(f"no verdict: {error}", file=sys.stderr)
        return 1
    for part, took_s in {**seconds, "in all": sum(seconds.values())}.items():
        print(f"{part:38} {took_s:6.1f} s")
    print(verdict)
    return 0


def first_verdict(pairs: int) -> tuple[dict[str, float], str]:
    """The seconds of each part, in their order, and the verdict. Raises NoVerdict, NotServing, NoBrowser, OSError."""
    with tempfile.TemporaryDirectory(prefix="first-verdict-", ignore_cleanup_errors=True) as scratch:
        root = Path(scratch) / "faceoff"
        for name in _COPIED:
            shutil.copytree(ROOT / name, root / name)
        table = write_wine(Path(scratch) / "wine.csv")
        environ = {**bare_environ(), "PYTHONPATH": str(root)}
        with sync_playwright() as playwright:
            browser = launch(playwright)
            try:
                return _timed(root, environ, table, new_page(browser), pairs)
            except (Error, AssertionError) as error:
                raise NoVerdict(f"the Benchmark page: {str(error).splitlines()[0]}") from error
            finally:
                browser.close()


def _timed(root: Path, environ: Mapping[str, str], table: Path, page: Page, pairs: int) -> tuple[dict[str, float], str]:
    marks = [time.monotonic()]
    _train(root, environ, table)
    marks.append(time.monotonic())
    with _running(root, environ, table.stem) as url:
        marks.append(time.monotonic())
        page.goto(f"{url}/benchmark" + ("" if pairs == PAIRS else f"?pairs={pairs}"))
        start = page.get_by_role("button", name="Start")
        expect(start).to_be_enabled(timeout=_VERDICT_S * 1000)
        marks.append(time.monotonic())
        start.click()
        head = page.locator(".st-key-run-head")
        expect(head.get_by_text("Finished")).to_be_visible(timeout=_VERDICT_S * 1000)
        verdict = page.locator(".st-key-verdict")
        expect(verdict).to_be_visible()
        marks.append(time.monotonic())
        said = " ".join(verdict.locator("p").first.evaluate(_SENTENCE).split())
    parts = (
        "train",
        "start the endpoints and the dashboard",
        "open the Benchmark page",
        f"Start to verdict, {pairs} pairs",
    )
    return {part: after - before for part, before, after in zip(parts, marks, marks[1:], strict=False)}, said


def write_wine(path: Path) -> Path:
    """The wine table as a person would have it: names in the first line, the class as a text in the last column."""
    wine = load_wine()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*wine.feature_names, _TARGET])
        for row, target in zip(wine.data, wine.target, strict=True):
            writer.writerow([*row.tolist(), wine.target_names[target]])
    return path


def _train(root: Path, environ: Mapping[str, str], table: Path) -> None:
    command = (sys.executable, "-m", "training", "--csv", str(table), "--target", _TARGET)
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise NoVerdict(f"training: {done.stderr.strip() or done.returncode}")


@contextmanager
def _running(root: Path, environ: Mapping[str, str], model: str) -> Iterator[str]:
    """The address of the dashboard when all three programs are healthy; all are stopped at the end."""
    ports = free_ports(3)
    names = ("API_PORT", "FUNCTION_PORT", "DASHBOARD_PORT")
    variables = {"MODEL": model, **dict(zip(names, map(str, ports), strict=True))}
    program = Program(
        title="tools.run",
        command=(sys.executable, "-m", "tools.run"),
        cwd=root,
        environ={**environ, **variables},
        port=ports[-1],
        health_path="/_stcore/health",
    )
    server = Server(program, root / "run.log")
    server.start()
    try:
        server.wait_until_healthy()
        while not all(is_healthy(port) for port in ports[:-1]):
            if server.has_ended():
                raise NotServing(f"{server.name} ended at its start ({server.status()}). {server.log_tail()}")
            time.sleep(0.02)
        yield server.url
    finally:
        # SIGTERM, whatever has happened: tools.run stops its programs, which a SIGKILL would leave behind.
        if not server.stop(_STOP_S):
            print(f"{server.name} was not stopped by SIGTERM", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
