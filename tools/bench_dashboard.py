"""`python -m tools.bench_dashboard`: what the Predict page costs, in a real Chromium over the programs as deployed.

- From the click on Compare until both cards are complete, against a click on a Streamlit page that does nothing else
  than change as many elements as the two cards have. Both are clicked in turn, in random order, and the time is taken
  inside of the page: from the click's own time stamp to the change of the document that completed the last element.
- What the first look at the page takes over the wire, with nothing in the browser's cache.
- When the dashboard's process imports its heavy libraries, which the first look should not wait for.

Absolute times say more about the machine than about the code, so only the ratio of the medians is judged.
"""

import argparse
import base64
import json
import os
import platform
import random
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Literal

from playwright.sync_api import Browser, Error, Locator, Page, expect, sync_playwright

from benchmark.endpoints.sample import Answer, Comparison, Sample
from benchmark.record.store import Store
from inference.card import CARD_FILE, ModelCard, parse_card
from tools.bench_serving import BenchError, align, end_with_status_143, progress
from tools.browser import NoBrowser, launch
from tools.processes import HOST, NotServing, Program, Server, bare_environ, free_ports
from tools.run import ROOT, RunSettings, programs, stage_function
from tools.supervisor import StartError

FORMAT_VERSION = 1
RATIO_LIMIT = 2.0
FIRST_LOAD_LIMIT_BYTES = 2_000_000
HISTORY = 500
"""As many comparisons as the charts show at most."""
WARM_UP = 5
RESAMPLES = 2000
DRAWING = "dashboard.components.plotting"
"""Stands for Plotly, which Streamlit itself imports in part wherever it is installed."""
TABLES = ("pandas", "pyarrow")
START_LIMIT_S = 90.0
STEP_LIMIT_MS = 60_000

Arm = Literal["empty page", "predict", "predict, long history"]
ARMS: tuple[Arm, ...] = ("empty page", "predict", "predict, long history")


@dataclass(frozen=True, slots=True)
class Target:
    """One number against its limit."""

    name: str
    value: str
    limit: str
    is_met: bool
    interval: str = "-"


@dataclass(frozen=True, slots=True)
class Transferred:
    """What a page has received."""

    requests: int
    http_bytes: int
    """headers and bodies, compressed as they came"""
    websocket_bytes: int
    """payloads"""

    @property
    def total_bytes(self) -> int:
        return self.http_bytes + self.websocket_bytes


@dataclass(frozen=True, slots=True)
class FirstLooks:
    """What first-time visitors received, and what the dashboard had imported by then."""

    fresh: Transferred
    with_history: Transferred
    with_charts: Transferred
    """fresh, and then the first Compare, which brings the charts"""
    imported_by_load: list[str]
    imported_by_compare: list[str]


# What the numbers say: no input or output from here to the next heading.

Rounds = Sequence[Mapping[Arm, float]]
"""Milliseconds from click to complete: one click of each arm in each round."""


def ratio(rounds: Rounds, arm: Arm) -> float:
    """The arm's p50 over the empty page's."""
    return median(each[arm] for each in rounds) / median(each["empty page"] for each in rounds)


def interval(rounds: Rounds, arm: Arm, seed: int) -> tuple[float, float]:
    """The ratio's 95% bootstrap interval; rounds are resampled whole, because both clicks met the same machine."""
    draw = random.Random(seed)  # noqa: S311  statistics, not secrets
    resampled = sorted(ratio(draw.choices(rounds, k=len(rounds)), arm) for _ in range(RESAMPLES))
    return resampled[round(0.025 * RESAMPLES)], resampled[round(0.975 * RESAMPLES) - 1]


def imported(log: str) -> list[str]:
    """The watched modules that appear in the output of `python -X importtime`."""
    modules = set(re.findall(r"^import time:[ \d]+\|[ \d]+\| *([\w.]+)$", log, re.MULTILINE))
    return [name for name in (DRAWING, *TABLES) if name in modules]


def click_table(rounds: Rounds) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("click to complete", "n", "p50 ms", "p25 ms", "p75 ms", "ratio of p50")]
    for arm in ARMS:
        times = [each[arm] for each in rounds]
        low, middle, high = quantiles(times, n=4, method="inclusive")
        own = f"{ratio(rounds, arm):.2f}"
        rows.append((arm, str(len(times)), f"{middle:.1f}", f"{low:.1f}", f"{high:.1f}", own))
    return rows


def transfer_table(looks: FirstLooks) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("received", "requests", "HTTP bytes", "WebSocket bytes", "total")]
    for name, one in (
        ("first load, no history", looks.fresh),
        ("first load, with a history", looks.with_history),
        ("first load and Compare, with charts", looks.with_charts),
    ):
        counts = (one.requests, one.http_bytes, one.websocket_bytes, one.total_bytes)
        rows.append((name, *(f"{count:,}" for count in counts)))
    return rows


def target_table(targets: Sequence[Target]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("target", "value", "95% interval", "limit", "")]
    return rows + [
        (target.name, target.value, target.interval, target.limit, "ok" if target.is_met else "MISSED")
        for target in targets
    ]


def click_target(rounds: Rounds, arm: Arm, seed: int) -> Target:
    value = ratio(rounds, arm)
    low, high = interval(rounds, arm, seed)
    return Target(
        f"click to complete, {arm} / empty page",
        f"{value:.2f}",
        f"<= {RATIO_LIMIT:g}",
        value <= RATIO_LIMIT,
        f"{low:.2f} to {high:.2f}",
    )


def load_target(name: str, transferred: Transferred) -> Target:
    total = transferred.total_bytes
    return Target(
        f"first load, {name}, bytes", f"{total:,}", f"<= {FIRST_LOAD_LIMIT_BYTES:,}", total <= FIRST_LOAD_LIMIT_BYTES
    )


def import_target(when: str, found: Sequence[str], unwanted: Sequence[str]) -> Target:
    early = ", ".join(name for name in found if name in unwanted)
    return Target(f"imported {when}, of {', '.join(unwanted)}", early or "none", "none", not early)


def history(card: ModelCard, length: int) -> Iterator[Comparison]:
    """A record as `length` comparisons leave it; the answers are the training data's middle, the times are drawn."""
    draw = random.Random(0)  # noqa: S311  a shape to draw, no secret
    inputs = tuple(feature.default for feature in card.features)
    share = 1 / len(card.classes) if card.is_classifier else None
    for number in range(length):
        at_utc = f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.000+00:00"
        answer = Answer(
            0.0,
            card.classes[0] if card.is_classifier else None,
            share,
            tuple(share for _ in card.classes) if share else None,
            card.version,
        )
        samples = tuple(
            Sample(endpoint, at_utc, draw.lognormvariate(1.2, 0.5), status=200, answer=answer)
            for endpoint in ("api", "function")
        )
        yield Comparison(f"history-{number}", at_utc, card.name, inputs, samples)


# The programs.


@dataclass(frozen=True, slots=True)
class Servers:
    """The addresses of what is measured; `traced` is a dashboard that logs what it imports."""

    empty_page: str
    predict: str
    predict_with_history: str
    traced: str
    traced_log: Path


@contextmanager
def serving(scratch: Path) -> Iterator[Servers]:
    """Both endpoints, a dashboard for each purpose and the empty page, all healthy; stopped at the end."""
    environ = bare_environ()
    api_port, function_port, dashboard_port = free_ports(3)
    settings = RunSettings(api_port, function_port, dashboard_port, model_dir=None, build_dir=scratch)
    try:
        stage_function(settings, environ)
    except StartError as error:
        raise BenchError(str(error)) from error
    endpoints = programs(settings, environ)[1:]

    def dashboard(title: str, **variables: str) -> Program:
        variables = {"RESULTS_DIR": str(scratch / "results" / title), **variables}
        own = replace(settings, dashboard_port=free_ports(1)[0])
        return replace(programs(own, environ | variables)[0], title=title)

    predict = dashboard("predict")
    with_history = dashboard("history")
    traced = dashboard("traced", PYTHONPROFILEIMPORTTIME="1")
    card = parse_card(json.loads((ROOT / "artifacts" / "iris" / CARD_FILE).read_bytes()))
    record = Store(scratch / "results" / "history")
    for comparison in history(card, HISTORY):
        record.add(comparison)
    empty_page = _empty_page(environ)

    with ExitStack() as running:
        servers = [
            Server(program, scratch / program.log_name)
            for program in (*endpoints, predict, with_history, traced, empty_page)
        ]
        for server in servers:
            running.callback(server.stop)
            server.start()
        for server in servers:
            server.wait_until_healthy(START_LIMIT_S)
        yield Servers(
            empty_page.url,
            predict.url,
            f"{with_history.url}/?history=Everyone's",
            traced.url,
            scratch / traced.log_name,
        )


def _empty_page(environ: Mapping[str, str]) -> Program:
    (port,) = free_ports(1)
    options = {
        "server.address": HOST,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    baselines = ROOT / "tools" / "baselines"
    command = (sys.executable, "-m", "streamlit", "run", str(baselines / "empty_page.py"), *flags)
    return Program("empty-page", command, baselines, environ, port, health_path="/_stcore/health")


# The browser.


def open_page(browser: Browser, url: str) -> Page:
    """The page at `url`, settled, in a fresh browser."""
    page = new_page(browser)
    page.goto(url)
    settle(page)
    return page


def new_page(browser: Browser) -> Page:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(STEP_LIMIT_MS)
    return context.new_page()


def settle(page: Page) -> None:
    """Wait until no script runs, nothing is still to come and the browser has nothing left to draw."""
    app = page.locator(".stApp")
    expect(app).to_have_attribute("data-test-connection-state", "CONNECTED")
    expect(app).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    expect(page.get_by_test_id("stElementContainer").filter(visible=True).first).to_be_visible()
    page.evaluate("new Promise(done => requestIdleCallback(done, {timeout: 5000}))")


# Arms a stop watch: it starts at the next click and stops at the change that makes `complete` true.
_STOP_WATCH = """
([complete, before]) => {
    const isComplete = (0, eval)(complete);
    window.measured = new Promise(resolve => {
        let started = null;
        document.addEventListener('click', event => { started = event.timeStamp; }, {capture: true, once: true});
        const observer = new MutationObserver(() => {
            if (started !== null && isComplete(before)) {
                observer.disconnect();
                resolve(performance.now() - started);
            }
        });
        observer.observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
    });
}
"""

# A card is complete with its last element, the caption that ends with the endpoint's count of its predictions.
_CARD_NUMBERS = """
(() => ['api', 'function'].map(key => {
    const card = document.querySelector('.st-key-card-' + key);
    const isDrawn = !card.querySelector('[data-testid=stSkeleton]');
    const found = isDrawn && /first request|\\brequest (\\d+)/.exec(card.textContent);
    return found ? Number(found[1] ?? 1) : 0;
}))
"""
_CARDS_COMPLETE = f"before => {_CARD_NUMBERS}().every((number, index) => number > before[index])"

_PRESSES = """
(() => [...document.querySelectorAll('[data-testid=stMarkdown]')]
    .map(text => Number(/after (\\d+) presses/.exec(text.textContent)?.[1] ?? -1))
    .filter(presses => presses >= 0))
"""
_TEXTS_COMPLETE = f"""before => {{
    const now = {_PRESSES}();
    return now.length === before.length && now.every((number, index) => number > before[index]);
}}"""


def click(page: Page, button: Locator, state: str, complete: str) -> float:
    """Milliseconds from the click on `button` until `complete` is true of the `state` before; returns settled."""
    page.bring_to_front()
    page.evaluate(_STOP_WATCH, [complete, page.evaluate(f"{state}()")])
    button.click()
    took_ms = page.evaluate("window.measured")
    settle(page)
    return float(took_ms)


def compare(page: Page) -> float:
    return click(page, page.get_by_role("button", name="Compare"), _CARD_NUMBERS, _CARDS_COMPLETE)


def press(page: Page) -> float:
    return click(page, page.get_by_role("button", name="Press"), _PRESSES, _TEXTS_COMPLETE)


def count_elements(page: Page) -> int:
    """How many elements both cards have."""
    both = page.locator(".st-key-card-api, .st-key-card-function")
    return both.get_by_test_id("stElementContainer").count()


def measure_clicks(browser: Browser, servers: Servers, clicks: int, seed: int) -> tuple[int, list[dict[Arm, float]]]:
    """(elements, rounds): each round clicks each arm once, in an order drawn anew; the first few do not count."""
    predict = open_page(browser, servers.predict)
    long = open_page(browser, servers.predict_with_history)
    compare(predict)
    elements = count_elements(predict)
    empty = open_page(browser, f"{servers.empty_page}/?elements={elements}")
    arms: dict[Arm, Callable[[], float]] = {
        "empty page": lambda: press(empty),
        "predict": lambda: compare(predict),
        "predict, long history": lambda: compare(long),
    }
    draw = random.Random(seed)  # noqa: S311  an order, not a secret
    rounds: list[dict[Arm, float]] = []
    for number in range(WARM_UP + clicks):
        progress(f"round {number - WARM_UP + 1} of {clicks}" if number >= WARM_UP else "warm-up")
        took = {arm: arms[arm]() for arm in draw.sample(ARMS, len(ARMS))}
        if number >= WARM_UP:
            rounds.append(took)
    for page in (predict, long, empty):
        page.context.close()
    return elements, rounds


class Meter:
    """Counts what a page receives from now on, as the browser's network stack has it."""

    def __init__(self, page: Page) -> None:
        self._requests = self._http_bytes = self._websocket_bytes = 0
        session = page.context.new_cdp_session(page)
        session.on("Network.loadingFinished", self._finished)
        session.on("Network.webSocketFrameReceived", self._received)
        session.send("Network.enable")

    def read(self) -> Transferred:
        return Transferred(self._requests, self._http_bytes, self._websocket_bytes)

    def _finished(self, event: dict[str, Any]) -> None:
        self._requests += 1
        self._http_bytes += int(event["encodedDataLength"])

    def _received(self, event: dict[str, Any]) -> None:
        frame = event["response"]
        text: str = frame["payloadData"]
        self._websocket_bytes += len(text.encode() if frame["opcode"] == 1 else base64.b64decode(text))


def first_looks(browser: Browser, servers: Servers) -> FirstLooks:
    """Open the page as a first-time visitor does, step by step."""

    def imported_so_far() -> list[str]:
        return imported(servers.traced_log.read_text(errors="replace"))

    page = new_page(browser)
    meter = Meter(page)
    _load(page, servers.traced)
    fresh = meter.read()
    imported_by_load = imported_so_far()
    compare(page)
    expect(page.get_by_role("figure").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    with_charts = meter.read()
    imported_by_compare = imported_so_far()
    page.get_by_role("button", name="Table").first.click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    settle(page)
    page.context.close()
    if missing := {DRAWING, *TABLES} - set(imported_so_far()):
        raise BenchError(
            f"charts and a table were shown without {', '.join(missing)}: the list of imports cannot be trusted"
        )

    page = new_page(browser)
    meter = Meter(page)
    _load(page, servers.predict_with_history)
    with_history = meter.read()
    page.context.close()
    return FirstLooks(fresh, with_history, with_charts, imported_by_load, imported_by_compare)


def _load(page: Page, url: str) -> None:
    page.goto(url, wait_until="networkidle")
    settle(page)


# The run.


@dataclass(frozen=True, slots=True)
class Options:
    """The command-line options."""

    clicks: int
    seed: int
    json: Path


def conditions(options: Options, elements: int, chromium: str) -> dict[str, object]:
    """The conditions of the measurement."""
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load_average": list(os.getloadavg()),
        "chromium": chromium,
        "versions": {name: version(name) for name in ("httpx", "playwright", "plotly", "streamlit")},
        "elements": elements,
        "history": HISTORY,
        "n": options.clicks,
        "warm_up": WARM_UP,
        "seed": options.seed,
    }


def judge(rounds: Rounds, looks: FirstLooks, seed: int) -> list[Target]:
    return [
        click_target(rounds, "predict", seed),
        click_target(rounds, "predict, long history", seed),
        load_target("no history", looks.fresh),
        load_target("with a history", looks.with_history),
        import_target("by the first look", looks.imported_by_load, (DRAWING, *TABLES)),
    ]


def report(rounds: Rounds, looks: FirstLooks, targets: Sequence[Target], facts: dict[str, object]) -> str:
    """Everything measured and judged, as JSON."""
    document = {
        "format_version": FORMAT_VERSION,
        "conditions": facts,
        "click_to_complete_ms": {arm: [each[arm] for each in rounds] for arm in ARMS},
        "received": {
            "first_load": asdict(looks.fresh),
            "first_load_with_history": asdict(looks.with_history),
            "first_load_and_compare": asdict(looks.with_charts),
        },
        "imported": {
            "first_load": looks.imported_by_load,
            "first_load_and_compare": looks.imported_by_compare,
        },
        "targets": [asdict(target) for target in targets],
    }
    return json.dumps(document, indent=2) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns 1 if a limit is missed, 2 if nothing could be measured."""
    options = _options(arguments)
    # A terminated run must also come to what stops its servers.
    signal.signal(signal.SIGTERM, end_with_status_143)
    expect.set_options(timeout=STEP_LIMIT_MS)
    with tempfile.TemporaryDirectory(prefix="faceoff-bench-") as scratch:
        try:
            progress("starting the programs")
            with serving(Path(scratch)) as servers, sync_playwright() as playwright:
                browser = launch(playwright)
                progress("first looks")
                looks = first_looks(browser, servers)
                elements, rounds = measure_clicks(browser, servers, options.clicks, options.seed)
                facts = conditions(options, elements, browser.version)
                browser.close()
        except (BenchError, NotServing, NoBrowser, Error, AssertionError) as error:
            print(f"not measured: {error}", file=sys.stderr)
            return 2
    targets = judge(rounds, looks, options.seed)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(report(rounds, looks, targets, facts))
    print(align(click_table(rounds)))
    print()
    print(align(transfer_table(looks)))
    print()
    print(align(target_table(targets)))
    print()
    print(
        f"{elements} elements on the empty page, as in both cards together; {HISTORY} comparisons in the long history."
    )
    print(f"Raw numbers: {options.json}")
    return 0 if all(target.is_met for target in targets) else 1


def _options(arguments: list[str] | None) -> Options:
    summary = (__doc__ or "").split("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tools.bench_dashboard", description=summary)
    parser.add_argument("--clicks", type=int, default=40, help="counted clicks on each page (default 40)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the order of the clicks (default 0)")
    parser.add_argument("--json", type=Path, default=ROOT / "results" / "bench-dashboard.json", help="file to write")
    given = parser.parse_args(arguments)
    if given.clicks < 2:
        parser.error("--clicks must be at least 2")
    return Options(given.clicks, given.seed, given.json)


if __name__ == "__main__":
    sys.exit(main())
