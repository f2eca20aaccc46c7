"""`python -m tools.bench_observation`: how exact the Predict page's latency is, and how it bears many people.

Sessions are Streamlit's own, without a browser (`sessions.py`), with Live switched on: each change of a slider is a
comparison. Programs and endpoints run as deployed.

- The p50 of a card's latency, over that of plain sockets that send the same at the same pace: with one session, in
  turn with it, and with 20 sessions, beside them.
- From a change until both cards have come: 20 sessions with a change every 2 s, and 50 with one every 5 s. A change
  that has to wait for the one before it counts from when it was due.
- The same 50 sessions while a load runs, started as the pages start it: how much longer a change then takes than that
  of one session at rest, what the sessions cost in memory and leave behind, and what they do to the load's own p95.
- 400 observations of one address in both positions: the 95% interval of the mean difference.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from math import ceil, sqrt
from pathlib import Path
from statistics import mean, median, stdev
from time import monotonic, sleep

import httpx
from websockets.exceptions import WebSocketException

from benchmark.endpoints.bodies import request_body
from benchmark.endpoints.endpoint import Endpoint
from benchmark.launch import Launcher, LaunchError
from benchmark.observation.observe import observe
from benchmark.observation.sender import Sender
from benchmark.record.plan import OpenLoopPlan
from benchmark.record.recording import load_samples
from benchmark.record.run import RunState
from benchmark.record.samples import latency_ms, warm
from benchmark.record.store import Store, UnknownRun
from inference.card import ModelCard
from tools.bench_serving import BenchError, align, end_with_status_143, progress
from tools.deployed import deploy
from tools.processes import NotServing, Server, all_serving
from tools.run import ROOT
from tools.sessions import NoSuchWidget, Visitor, visitor
from tools.supervisor import StartError

RATIO_LIMIT = 1.5
CHANGE_LIMIT_MS = 500.0
OBSERVATIONS = 400
WITH_A_RUN_LIMIT = 3.0
SESSION_LIMIT_MB = 5.0
MEMORY_LIMIT = 1.2
RUN_LIMIT = 1.2
RUN_RATE = 50.0
"""requests/s to each endpoint"""
_NEGLIGIBLE = 0.05
"""share of the p50"""
_EXACT_WITH = 20
"""sessions, beside which the latencies on cards are compared with the raw client's"""
_WARM_UP = 5
_PAUSE_S = 0.25
_OPENING = 4
"""sessions that open at once"""
_CLOSED_S = 3.0
"""until the dashboard has given up sessions that were closed"""
_RUN_START_S = 30.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One number against its limit."""

    name: str
    value: str
    limit: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What came of one change of a slider."""

    took_ms: float
    """from when it was due until both cards had come"""
    cards_ms: tuple[float, ...]
    """the latencies on the cards"""


@dataclass(frozen=True, slots=True)
class Busy:
    """Many sessions while a run is going on."""

    changes: Sequence[Change]
    errors: Sequence[str]
    sessions: int
    before_mb: float
    """memory of the dashboard before the sessions came"""
    with_mb: float
    after_mb: float
    """and when they had gone"""
    alone_ms: Sequence[float]
    """latencies of a run without any session, before and after them"""
    beside_ms: Sequence[float]
    """latencies of the same run beside the sessions"""


# What the numbers say.


def p95(values: Sequence[float]) -> float:
    """The smallest value that 95% do not exceed."""
    return sorted(values)[ceil(0.95 * len(values)) - 1]


def ratio_figure(name: str, changes: Sequence[Change], raw_ms: Sequence[float]) -> Figure:
    """The p50 of the latencies on cards over that of plain sockets."""
    cards = median(latency for change in changes for latency in change.cards_ms)
    raw = median(raw_ms)
    value = f"{cards / raw:.2f} ({cards:.2f} ms / {raw:.2f} ms)"
    return Figure(f"p50 of a card / of a raw client, {name}", value, f"<= {RATIO_LIMIT:g}", cards / raw <= RATIO_LIMIT)


def change_figure(name: str, changes: Sequence[Change]) -> Figure:
    """From a change to both cards."""
    took = [change.took_ms for change in changes]
    value = f"{p95(took):.0f} ms (p50 {median(took):.0f} ms, n = {len(took)})"
    met = p95(took) <= CHANGE_LIMIT_MS
    return Figure(f"p95 from a change to both cards, {name}", value, f"<= {CHANGE_LIMIT_MS:.0f} ms", met)


def error_figure(name: str, errors: Sequence[str]) -> Figure:
    value = f"{len(errors)}: {errors[0]}" if errors else "0"
    return Figure(f"errors, {name}", value, "0", not errors)


def paired_figure(differences_ms: Sequence[float], p50_ms: float) -> Figure:
    """Whether the 95% interval of the mean difference contains 0; the extreme 5% at each end are cut off.

    One in 20 intervals misses 0 by chance, so an interval that is wholly within 5% of the p50 is good as well.
    """
    cut = len(differences_ms) // 20
    kept = sorted(differences_ms)[cut : len(differences_ms) - cut]
    centre, half = mean(kept), 1.96 * stdev(kept) / sqrt(len(kept))
    value = f"{centre - half:+.3f} to {centre + half:+.3f} ms (n = {len(differences_ms)}, p50 {p50_ms:.2f} ms)"
    is_met = abs(centre) <= half or abs(centre) + half <= _NEGLIGIBLE * p50_ms
    limit = f"contains 0, or is within {_NEGLIGIBLE:.0%} of the p50"
    return Figure("first listed minus second, one address", value, limit, is_met)


def busy_figures(name: str, found: Busy, at_rest: Sequence[Change]) -> Iterator[Figure]:
    """What sessions and a run do to each other; `at_rest` are the changes of one session alone."""
    yield error_figure(name, found.errors)
    own, rest = (p95([change.took_ms for change in changes]) for changes in (found.changes, at_rest))
    value = f"{own / rest:.2f} ({own:.0f} ms / {rest:.0f} ms)"
    limit = f"<= {WITH_A_RUN_LIMIT:g}"
    yield Figure(
        f"p95 from a change to both cards / of one session, {name}", value, limit, own / rest <= WITH_A_RUN_LIMIT
    )
    each = (found.with_mb - found.before_mb) / found.sessions
    limit = f"<= {SESSION_LIMIT_MB:g} MB"
    yield Figure(f"memory a session, {name}", f"{each:.2f} MB", limit, each <= SESSION_LIMIT_MB)
    kept = found.after_mb / found.before_mb
    value = f"{kept:.2f} ({found.before_mb:.0f} MB, {found.with_mb:.0f} MB, {found.after_mb:.0f} MB)"
    yield Figure("memory after they have gone / before", value, f"<= {MEMORY_LIMIT:g}", kept <= MEMORY_LIMIT)
    beside, alone = p95(found.beside_ms), p95(found.alone_ms)
    value = f"{beside / alone:.2f} ({beside:.2f} ms / {alone:.2f} ms, n = {len(found.beside_ms)})"
    yield Figure("p95 of the run / without sessions", value, f"<= {RUN_LIMIT:g}", beside / alone <= RUN_LIMIT)


# A session.


@contextmanager
def live(url: str) -> Iterator[Visitor]:
    """A new session on the Predict page with Live switched on, which compares for the first time."""
    with visitor(url) as page:
        page.switch("Live", True)
        if page.errors:
            raise BenchError(f"the page shows {page.errors[0]}")
        yield page


def change(page: Visitor, draw: random.Random, due_s: float) -> Change:
    """Move a slider and wait for both cards. `due_s` is in seconds of `monotonic`."""
    cards = [one for one in page.slide_any(draw) if one.kind == "metric" and one.element.label.startswith("Latency")]
    if page.errors:
        raise BenchError(f"the page shows {page.errors[0]}")
    if len(cards) != 2:
        raise BenchError(f"{len(cards)} cards with a latency came instead of 2")
    latencies = [float(one.element.body.replace("\N{NARROW NO-BREAK SPACE}", "")) for one in cards]
    return Change((cards[-1].at_s - due_s) * 1000, tuple(latencies))


# The raw client.


class Raw:
    """`tools.raw_requests` as a process: its latencies, one exchange at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def exchange(self) -> list[float]:
        assert self._process.stdin  # both are pipes  # noqa: S101
        assert self._process.stdout  # noqa: S101
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("the raw client has ended")
        latencies: list[float] = json.loads(line)
        return latencies


@contextmanager
def raw_client(stage: "Stage") -> Iterator[Raw]:
    body = request_body(stage.card, stage.card.defaults).decode()
    addresses = [server.address for server in stage.endpoints]
    command = (sys.executable, "-m", "tools.raw_requests", body, *addresses)
    with subprocess.Popen(  # noqa: S603  our own program
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Raw(process)
        finally:
            process.kill()


# The measurements.


@dataclass(frozen=True, slots=True)
class Stage:
    """The programs that are measured, and the card of their model."""

    dashboard: Server
    measuring: Server
    """another dashboard, for what happens while a run is going on"""
    endpoints: tuple[Server, ...]
    card: ModelCard
    results_dir: Path
    """the record of `measuring`"""


@dataclass(frozen=True, slots=True)
class Options:
    """The command-line options."""

    changes: int
    seconds: float


def at_rest(stage: Stage, changes: int) -> tuple[list[Change], list[float]]:
    """One session and the raw client in turn, at the same pace."""
    found: list[Change] = []
    raw_ms: list[float] = []
    draw = random.Random(0)  # noqa: S311  positions of a slider, no secrets
    with live(stage.dashboard.url) as page, raw_client(stage) as raw:
        for number in range(_WARM_UP + changes):
            sleep(_PAUSE_S)
            one = change(page, draw, monotonic())
            sleep(_PAUSE_S)
            latencies = raw.exchange()
            if number >= _WARM_UP:
                found.append(one)
                raw_ms += latencies
    return found, raw_ms


_FAULTS = (BenchError, NoSuchWidget, OSError, TimeoutError, WebSocketException, httpx.HTTPError)
"""What can go wrong in a session."""


@dataclass(slots=True)
class Crowd:
    """Many sessions on one dashboard, and what has come of their changes."""

    pages: list[Visitor] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def use(self, every_s: float, rounds: int) -> None:
        """Let each session change a slider `every_s`, so many times, evenly spread over time."""
        began_s = monotonic()

        def use(number: int) -> None:
            draw = random.Random(number)  # noqa: S311  positions of a slider, no secrets
            try:
                for turn in range(rounds):
                    due_s = began_s + every_s * (turn + (number + 0.5) / len(self.pages))
                    sleep(max(0.0, due_s - monotonic()))
                    self.changes.append(change(self.pages[number], draw, due_s))
            except _FAULTS as error:
                self.errors.append(f"{type(error).__name__} {error}".strip())

        with ThreadPoolExecutor(len(self.pages)) as pool:
            list(pool.map(use, range(len(self.pages))))


@contextmanager
def crowd(url: str, sessions: int) -> Iterator[Crowd]:
    """So many open sessions; those that do not open are errors of it. Raises BenchError if none does."""
    found = Crowd()
    with ExitStack() as opened:

        def enter(_: int) -> None:
            try:
                found.pages.append(opened.enter_context(live(url)))
            except _FAULTS as error:
                found.errors.append(f"{type(error).__name__} {error}".strip())

        with ThreadPoolExecutor(_OPENING) as pool:
            list(pool.map(enter, range(sessions)))
        if not found.pages:
            raise BenchError(f"no session opened: {found.errors[0]}")
        yield found


def many(stage: Stage, sessions: int, every_s: float, seconds: float) -> tuple[Crowd, list[float]]:
    """So many sessions, each with a change `every_s`, and the latencies of the raw client at their joint pace."""
    raw_ms: list[float] = []
    rounds = max(1, round(seconds / every_s))

    def beside() -> None:
        with raw_client(stage) as raw:  # only now, because servers close a connection that waits
            for number in range(_WARM_UP + rounds * sessions):
                latencies = raw.exchange()
                if number >= _WARM_UP:
                    raw_ms.extend(latencies)
                sleep(every_s / sessions)

    with crowd(stage.dashboard.url, sessions) as found, ThreadPoolExecutor(1) as pool:
        raw = pool.submit(beside)
        found.use(every_s, rounds)
        raw.result()
    return found, raw_ms


def with_a_run(stage: Stage, sessions: int, every_s: float, seconds: float) -> Busy:
    """So many sessions, each with a change `every_s`, while a load runs in the record of their dashboard."""
    server = stage.measuring
    rounds = max(1, round(seconds / every_s))
    duration_s = rounds * every_s
    with live(server.url) as page:  # the first visitor brings the imports
        draw = random.Random(0)  # noqa: S311  positions of a slider, no secrets
        for _ in range(_WARM_UP):
            change(page, draw, monotonic())
    alone_ms = run_beside(stage, duration_s, lambda: sleep(duration_s))
    before_mb = _memory_mb(server)
    with crowd(server.url, sessions) as found:
        beside_ms = run_beside(stage, duration_s, lambda: found.use(every_s, rounds))
        with_mb = _memory_mb(server)
    sleep(_CLOSED_S)
    after_mb = _memory_mb(server)
    alone_ms += run_beside(stage, duration_s, lambda: sleep(duration_s))
    return Busy(found.changes, found.errors, sessions, before_mb, with_mb, after_mb, alone_ms, beside_ms)


def run_beside(stage: Stage, duration_s: float, meanwhile: Callable[[], None]) -> list[float]:
    """The latencies of a load that the dashboard's launcher starts, with `meanwhile` done while it measures."""
    endpoints = [Endpoint(server.name.lower(), server.name, server.url) for server in stage.endpoints]
    store = Store(stage.results_dir)
    with closing(Launcher(store)) as launcher:
        run_id = launcher.start(OpenLoopPlan(rate=RUN_RATE, duration_s=duration_s), endpoints)
        _until(lambda: _is_recorded(store, run_id))
        meanwhile()
        _until(lambda: store.run(run_id).is_over and not launcher.is_alive(run_id))
        run = store.run(run_id)
        if run.state is not RunState.FINISHED:
            raise BenchError(f"the run is {run.state}: {launcher.problem(run_id)}")
    samples, _ = load_samples(store, run_id)
    sides = [latency_ms(warm(samples, place), run.plan.is_open_loop) for place in range(len(endpoints))]
    return [float(value) for side in sides for value in side]


def _is_recorded(store: Store, run_id: str) -> bool:
    try:
        return bool(store.run(run_id))
    except UnknownRun:
        return False


def _until(what: Callable[[], bool]) -> None:
    deadline_s = monotonic() + _RUN_START_S
    while not what():
        if monotonic() > deadline_s:
            raise BenchError("the run does not start, or does not end")
        sleep(0.05)


def _memory_mb(server: Server) -> float:
    return server.memory_mib() * 2**20 / 1e6


def paired(stage: Stage) -> tuple[list[float], float]:
    """The differences of both positions where both are the first endpoint's address, and the p50 of all latencies."""
    url = stage.endpoints[0].url
    positions = [Endpoint("first", "First", url), Endpoint("second", "Second", url)]
    differences: list[float] = []
    latencies: list[float] = []
    sender = Sender()
    try:
        for number in range(_WARM_UP + OBSERVATIONS):
            taken = {sample.endpoint: sample for sample in observe(sender, positions, stage.card, stage.card.defaults)}
            if failed := next((sample.failure for sample in taken.values() if sample.failure), None):
                raise BenchError(f"a request failed: {failed}")
            if number >= _WARM_UP:
                differences.append(taken["first"].latency_ms - taken["second"].latency_ms)
                latencies += (sample.latency_ms for sample in taken.values())
    finally:
        sender.close()
    return differences, median(latencies)


def measure(stage: Stage, options: Options) -> Iterator[Figure]:
    """Every figure, as soon as it is measured."""
    progress("400 observations of one address")
    yield paired_figure(*paired(stage))
    progress("one session at rest")
    alone, raw_ms = at_rest(stage, options.changes)
    yield ratio_figure("at rest", alone, raw_ms)
    for sessions, every_s in ((20, 2.0), (50, 5.0)):
        name = f"{sessions} sessions, each every {every_s:g} s"
        progress(name)
        found, raw_ms = many(stage, sessions, every_s, options.seconds)
        if not found.changes:
            raise BenchError(f"no session got an answer: {found.errors[0]}")
        if sessions == _EXACT_WITH:
            yield ratio_figure(name, found.changes, raw_ms)
        yield change_figure(name, found.changes)
        yield error_figure(name, found.errors)
    progress(f"{name} and a run")
    busy = with_a_run(stage, sessions, every_s, options.seconds)
    if not busy.changes:
        raise BenchError(f"no session got an answer: {busy.errors[0]}")
    yield from busy_figures(f"{name}, and a run", busy, alone)


@contextmanager
def serving(scratch: Path) -> Iterator[Stage]:
    """Two dashboards over both endpoints, as `make run` starts them, healthy; stopped at the end."""
    try:
        deployed = deploy(scratch)
    except StartError as error:
        raise BenchError(str(error)) from error
    measuring = "Measuring"
    wanted = (deployed.dashboard(), deployed.dashboard(measuring), *deployed.endpoints)
    with all_serving(wanted, scratch) as (dashboard, other, *endpoints):
        yield Stage(dashboard, other, tuple(endpoints), deployed.card, deployed.results_dir(measuring))


def figures(options: Options) -> list[Figure]:
    """Start the programs and measure everything. Raises BenchError and NotServing."""
    with tempfile.TemporaryDirectory(prefix="faceoff-bench-") as scratch, serving(Path(scratch)) as stage:
        return list(measure(stage, options))


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns 1 if a limit is missed, 2 if nothing could be measured."""
    summary = (__doc__ or "").split("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tools.bench_observation", description=summary)
    parser.add_argument("--changes", type=int, default=60, help="counted changes of the session at rest (default 60)")
    parser.add_argument("--seconds", type=float, default=20.0, help="duration of each step with many (default 20)")
    given = parser.parse_args(arguments)
    if given.changes < 2:
        parser.error("--changes must be at least 2")
    signal.signal(signal.SIGTERM, end_with_status_143)
    try:
        found = figures(Options(given.changes, given.seconds))
    except (NotServing, LaunchError, *_FAULTS) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 2
    rows = [("figure", "value", "limit", "")]
    rows += [(one.name, one.value, one.limit, "ok" if one.is_met else "MISSED") for one in found]
    print(align(rows))
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    return 0 if all(one.is_met for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
