"""`python -m tools.bench_dashboard`: what the pages cost, in a real Chromium over the programs as deployed.

- From the click on Compare until both cards are complete, against a click on a Streamlit page that does nothing else
  than change as many elements as the two cards have. Both are clicked in turn, in random order, and the time is taken
  inside of the page: from the click's own time stamp to the change of the document that completed the last element.
- What the first look at each page takes over the wire, with nothing in the browser's cache (`bench_pages.py`).
- When the dashboard's process imports its heavy libraries, which the first look should not wait for.
- The CPU time of each change under Live, and the memory that is left when visitors have gone (`bench_sessions.py`).

Times on the clock say more about the machine than about the code, so only the ratio of their medians is judged.
"""

import argparse
import json
import os
import platform
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import Literal

from playwright.sync_api import Browser, Error, Locator, Page, expect, sync_playwright

from benchmark.endpoints.sample import Answer, Comparison, Sample
from benchmark.record.store import Store
from inference.card import ModelCard
from tools.bench_pages import DRAWING, TABLES, Addresses, FirstLooks, Transferred, first_looks
from tools.bench_serving import BenchError, align, end_with_status_143, progress
from tools.bench_sessions import VISITORS, Sessions, measure_sessions
from tools.browser import STEP_LIMIT_MS, NoBrowser, launch, open_page, settle
from tools.deployed import deploy
from tools.processes import HOST, NotServing, Program, Server, all_serving, bare_environ, free_ports
from tools.run import ROOT
from tools.supervisor import StartError

FORMAT_VERSION = 1
RATIO_LIMIT = 2.0
PAGE_LIMIT_BYTES = 1_300_000
CHANGE_LIMIT_MS = 60.0
MEMORY_LIMIT = 1.2
HISTORY = 500
"""As many comparisons as the charts show at most."""
WARM_UP = 5
RESAMPLES = 2000
START_LIMIT_S = 90.0

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
    loads = {f"first load, {title}": one for title, one in looks.pages.items()}
    loads["first load, Predict with a history"] = looks.with_history
    loads["first load and Compare, with charts"] = looks.with_charts
    for name, one in loads.items():
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
    return Target(f"first load, {name}, bytes", f"{total:,}", f"<= {PAGE_LIMIT_BYTES:,}", total <= PAGE_LIMIT_BYTES)


def change_target(sessions: Sessions) -> Target:
    spent_ms = sessions.mean_change_cpu_ms
    return Target(
        "change under Live, CPU ms", f"{spent_ms:.1f}", f"<= {CHANGE_LIMIT_MS:g}", spent_ms <= CHANGE_LIMIT_MS
    )


def memory_target(sessions: Sessions) -> Target:
    name = f"memory after {VISITORS} sessions / before"
    return Target(name, f"{sessions.growth:.2f}", f"<= {MEMORY_LIMIT:g}", sessions.growth <= MEMORY_LIMIT)


def import_target(when: str, found: Sequence[str], unwanted: Sequence[str]) -> Target:
    early = ", ".join(name for name in found if name in unwanted)
    return Target(f"imported {when}, of {', '.join(unwanted)}", early or "none", "none", not early)


def history(card: ModelCard, length: int) -> Iterator[Comparison]:
    """A record as `length` comparisons leave it; the answers are the training data's middle, the times are drawn."""
    draw = random.Random(0)  # noqa: S311  a shape to draw, no secret
    inputs = card.defaults
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
    used: Server
    """the one with the history"""


@contextmanager
def serving(scratch: Path) -> Iterator[Servers]:
    """Both endpoints, a dashboard for each purpose and the empty page, all healthy; stopped at the end."""
    try:
        deployed = deploy(scratch)
    except StartError as error:
        raise BenchError(str(error)) from error
    predict = deployed.dashboard("predict")
    with_history = deployed.dashboard("history")
    traced = deployed.dashboard("traced", PYTHONPROFILEIMPORTTIME="1")
    record = Store(deployed.results_dir("history"))
    for comparison in history(deployed.card, HISTORY):
        record.add(comparison)
    empty_page = _empty_page(bare_environ())
    wanted = (with_history, *deployed.endpoints, predict, traced, empty_page)
    with all_serving(wanted, scratch, START_LIMIT_S) as (used, *_):
        long_url = f"{used.url}/?history=Everyone's"
        yield Servers(empty_page.url, predict.url, long_url, traced.url, scratch / traced.log_name, used)


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


# The clicks.


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


def judge(rounds: Rounds, looks: FirstLooks, sessions: Sessions, seed: int) -> list[Target]:
    return [
        click_target(rounds, "predict", seed),
        click_target(rounds, "predict, long history", seed),
        *(load_target(title, one) for title, one in looks.pages.items()),
        load_target("Predict with a history", looks.with_history),
        change_target(sessions),
        memory_target(sessions),
        import_target("by the first look", looks.imported_by_load, (DRAWING, *TABLES)),
    ]


def report(
    rounds: Rounds, looks: FirstLooks, sessions: Sessions, targets: Sequence[Target], facts: dict[str, object]
) -> str:
    """Everything measured and judged, as JSON."""
    document = {
        "format_version": FORMAT_VERSION,
        "conditions": facts,
        "click_to_complete_ms": {arm: [each[arm] for each in rounds] for arm in ARMS},
        "received": {
            "first_load": asdict(looks.fresh),
            "first_load_with_history": asdict(looks.with_history),
            "first_load_and_compare": asdict(looks.with_charts),
            "pages": {title: asdict(one) for title, one in looks.pages.items()},
        },
        "sessions": asdict(sessions),
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
                addresses = Addresses(servers.predict, servers.predict_with_history, servers.traced)
                looks = first_looks(browser, addresses, servers.traced_log, compare)
                elements, rounds = measure_clicks(browser, servers, options.clicks, options.seed)
                facts = conditions(options, elements, browser.version)
                browser.close()
                progress("visitors")
                sessions = measure_sessions(servers.used, servers.predict_with_history, options.seed)
        except (BenchError, NotServing, NoBrowser, Error, AssertionError) as error:
            print(f"not measured: {error}", file=sys.stderr)
            return 2
    targets = judge(rounds, looks, sessions, options.seed)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(report(rounds, looks, sessions, targets, facts))
    print(align(click_table(rounds)))
    print()
    print(align(transfer_table(looks)))
    print()
    print(align(target_table(targets)))
    print()
    print(
        f"{elements} elements on the empty page, as in both cards together; {HISTORY} comparisons in the long history."
    )
    print(
        f"A change under Live sends {sessions.change_bytes:,.0f} bytes. Memory: {sessions.before_mib:.0f} MiB before, "
        f"{sessions.after_mib:.0f} MiB after {VISITORS} sessions at once."
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
