"""`python -m tools.bench_observation`: how exact the Predict page's latency is, and how it bears many people.

Sessions are Streamlit's own, over its WebSocket protocol and without a browser, with Live switched on: each change of
a slider is a comparison. Programs and endpoints run as deployed.

- The p50 of a card's latency, over that of plain sockets that send the same at the same pace: with one session, in
  turn with it, and with 20 sessions, beside them.
- From a change until both cards have come: 20 sessions with a change every 2 s, and 50 with one every 5 s. A change
  that has to wait for the one before it counts from when it was due.
- 400 observations of one address in both positions: the 95% interval of the mean difference.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from math import ceil, sqrt
from pathlib import Path
from statistics import mean, median, stdev
from time import monotonic
from typing import Any

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from benchmark.endpoints.bodies import request_body
from benchmark.endpoints.endpoint import Endpoint
from benchmark.observation.observe import observe
from benchmark.observation.sender import Sender
from inference.card import CARD_FILE, ModelCard, parse_card
from tools.bench_serving import BenchError, align, end_with_status_143, progress
from tools.processes import NotServing, Server, bare_environ, free_ports
from tools.run import ROOT, RunSettings, programs, stage_function
from tools.supervisor import StartError

RATIO_LIMIT = 1.5
CHANGE_LIMIT_MS = 500.0
OBSERVATIONS = 400
_NEGLIGIBLE = 0.05
"""share of the p50"""
_EXACT_WITH = 20
"""sessions, beside which the latencies on cards are compared with the raw client's"""
_WARM_UP = 5
_PAUSE_S = 0.25
_STEP_S = 30.0
"""Until the page has answered a change, at most."""
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024


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


# A session.


class Session:
    """One open Predict page without a browser."""

    def __init__(self, socket: ClientConnection, seed: int) -> None:
        self._socket = socket
        self._random = random.Random(seed)  # noqa: S311  positions of a slider, no secrets
        self._states: dict[str, Any] = {}
        self._sliders: dict[str, Any] = {}
        self._live = ""

    async def open(self) -> None:
        """Draw the page once and switch Live on, which compares for the first time."""
        await self._rerun()
        await self._until_finished()
        if not self._sliders or not self._live:
            raise BenchError("the Predict page shows no sliders: is there a model?")
        self._states[self._live] = {"bool_value": True}
        await self._rerun()
        await self._until_finished()

    async def change(self, due_s: float) -> Change:
        """Move a slider and wait for both cards. `due_s` is in seconds of `monotonic`."""
        name, slider = self._random.choice(list(self._sliders.items()))
        steps = round((slider.max - slider.min) / slider.step)
        before = self._states[name]["double_array_value"]["data"][0]
        while (value := slider.min + self._random.randint(0, steps) * slider.step) == before:
            pass
        self._states[name] = {"double_array_value": {"data": [value]}}
        await self._rerun()
        came_s, latencies = await self._until_finished()
        if len(latencies) != 2:
            raise BenchError(f"{len(latencies)} cards with a latency came instead of 2")
        return Change((came_s - due_s) * 1000, tuple(latencies))

    async def _rerun(self) -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string = ""
        for name, value in self._states.items():
            widget = state.widget_states.widgets.add(id=name)
            if "bool_value" in value:
                widget.bool_value = value["bool_value"]
            else:
                widget.double_array_value.data.extend(value["double_array_value"]["data"])
        await self._socket.send(message.SerializeToString())

    async def _until_finished(self) -> tuple[float, list[float]]:
        """When the last latency came, in s of `monotonic`, and all latencies in ms."""
        latencies: list[float] = []
        came_s = monotonic()
        async with asyncio.timeout(_STEP_S):
            while True:
                data = await self._socket.recv()
                message = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
                kind = message.WhichOneof("type")
                if kind == "script_finished":
                    if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                        return came_s, latencies
                elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                    element = message.delta.new_element
                    which = element.WhichOneof("type")
                    if which == "metric" and element.metric.label.startswith("Latency"):
                        latencies.append(float(element.metric.body.replace("\N{NARROW NO-BREAK SPACE}", "")))
                        came_s = monotonic()
                    elif which == "slider":
                        self._sliders[element.slider.id] = element.slider
                        self._states.setdefault(
                            element.slider.id, {"double_array_value": {"data": list(element.slider.default)}}
                        )
                    elif which == "checkbox" and element.checkbox.label == "Live":
                        self._live = element.checkbox.id
                    elif which == "exception":
                        raise BenchError(f"the page shows an error: {element.exception.message}")


@asynccontextmanager
async def session(url: str, seed: int) -> AsyncIterator[Session]:
    """A new browser's session at the dashboard's `url`, with Live switched on."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(url)
    cookies = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
    async with connect(
        url.replace("http://", "ws://") + "/_stcore/stream",
        additional_headers={"Cookie": cookies},
        subprotocols=[Subprotocol("streamlit")],
        max_size=_MAX_MESSAGE_BYTES,
        proxy=None,
    ) as socket:
        opened = Session(socket, seed)
        await opened.open()
        yield opened


# The raw client.


class Raw:
    """`tools.raw_requests` as a process: its latencies, one exchange at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def exchange(self) -> list[float]:
        assert self._process.stdin  # both are pipes  # noqa: S101
        assert self._process.stdout  # noqa: S101
        self._process.stdin.write(b"\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), _STEP_S)
        if not line:
            raise BenchError("the raw client has ended")
        latencies: list[float] = json.loads(line)
        return latencies


@asynccontextmanager
async def raw_client(stage: "Stage") -> AsyncIterator[Raw]:
    body = request_body(stage.card, stage.card.defaults).decode()
    addresses = [server.address for server in stage.endpoints]
    command = (sys.executable, "-m", "tools.raw_requests", body, *addresses)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield Raw(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


# The measurements.


@dataclass(frozen=True, slots=True)
class Stage:
    """The programs that are measured, and the card of their model."""

    dashboard: Server
    endpoints: tuple[Server, ...]
    card: ModelCard


@dataclass(frozen=True, slots=True)
class Options:
    """The command-line options."""

    changes: int
    seconds: float


async def at_rest(stage: Stage, changes: int) -> tuple[list[Change], list[float]]:
    """One session and the raw client in turn, at the same pace."""
    found: list[Change] = []
    raw_ms: list[float] = []
    async with session(stage.dashboard.url, 0) as page, raw_client(stage) as raw:
        for number in range(_WARM_UP + changes):
            await asyncio.sleep(_PAUSE_S)
            change = await page.change(monotonic())
            await asyncio.sleep(_PAUSE_S)
            latencies = await raw.exchange()
            if number >= _WARM_UP:
                found.append(change)
                raw_ms += latencies
    return found, raw_ms


async def many(
    stage: Stage, sessions: int, every_s: float, seconds: float
) -> tuple[list[Change], list[float], list[str]]:
    """(changes, raw latencies, errors) of so many sessions, each with a change `every_s`, and the raw client at the
    pace of all of them."""
    changes: list[Change] = []
    raw_ms: list[float] = []
    errors: list[str] = []
    rounds = max(1, round(seconds / every_s))
    ready = asyncio.Semaphore(4)  # sessions that open at once
    opened = asyncio.Barrier(sessions + 1)

    async def person(number: int) -> None:
        joined = False
        try:
            async with ready:
                context = session(stage.dashboard.url, number)
                page = await context.__aenter__()
            try:
                joined = True
                await opened.wait()
                due_s = monotonic() + every_s * (number + 0.5) / sessions
                for _ in range(rounds):
                    await asyncio.sleep(max(0.0, due_s - monotonic()))
                    changes.append(await page.change(due_s))
                    due_s += every_s
            finally:
                await context.__aexit__(None, None, None)
        except (BenchError, OSError, TimeoutError, WebSocketException, httpx.HTTPError) as error:
            errors.append(f"{type(error).__name__} {error}".strip())
            if not joined:
                await opened.wait()

    async def beside() -> None:
        await opened.wait()
        async with raw_client(stage) as raw:  # only now, because servers close a connection that waits
            for number in range(_WARM_UP + rounds * sessions):
                latencies = await raw.exchange()
                if number >= _WARM_UP:
                    raw_ms.extend(latencies)
                await asyncio.sleep(every_s / sessions)

    async with asyncio.TaskGroup() as group:
        group.create_task(beside())
        for number in range(sessions):
            group.create_task(person(number))
    return changes, raw_ms, errors


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
    changes, raw_ms = asyncio.run(at_rest(stage, options.changes))
    yield ratio_figure("at rest", changes, raw_ms)
    for sessions, every_s in ((20, 2.0), (50, 5.0)):
        name = f"{sessions} sessions, each every {every_s:g} s"
        progress(name)
        changes, raw_ms, errors = asyncio.run(many(stage, sessions, every_s, options.seconds))
        if not changes:
            raise BenchError(f"no session got an answer: {errors[0]}")
        if sessions == _EXACT_WITH:
            yield ratio_figure(name, changes, raw_ms)
        yield change_figure(name, changes)
        yield error_figure(name, errors)


@contextmanager
def serving(scratch: Path) -> Iterator[Stage]:
    """The dashboard over both endpoints, as `make run` starts them, healthy; stopped at the end."""
    environ = bare_environ()
    api_port, function_port, dashboard_port = free_ports(3)
    settings = RunSettings(api_port, function_port, dashboard_port, model_dir=None, build_dir=scratch)
    try:
        stage_function(settings, environ)
    except StartError as error:
        raise BenchError(str(error)) from error
    started = [
        replace(program, environ={**program.environ, "RESULTS_DIR": str(scratch / "results")})
        for program in programs(settings, environ)
    ]
    servers = [Server(program, scratch / program.log_name) for program in started]
    card = parse_card(json.loads((ROOT / "artifacts" / "iris" / CARD_FILE).read_bytes()))
    with ExitStack() as running:
        for server in servers:
            running.callback(server.stop)
            server.start()
        for server in servers:
            server.wait_until_healthy()
        yield Stage(servers[0], tuple(servers[1:]), card)


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
    except (BenchError, NotServing, OSError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 2
    rows = [("figure", "value", "limit", "")]
    rows += [(one.name, one.value, one.limit, "ok" if one.is_met else "MISSED") for one in found]
    print(align(rows))
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    return 0 if all(one.is_met for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
