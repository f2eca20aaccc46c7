"""One run from beginning to end: ask what is there, record the conditions, measure, judge the generator, close."""

import asyncio
import gc
import json
import os
import platform
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmark.cost.prices import load_prices
from benchmark.endpoints.bodies import Bodies
from benchmark.endpoints.catalog import Served, fetch
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.fairness import facts
from benchmark.endpoints.identity import TokenError
from benchmark.endpoints.observe import new_client
from benchmark.endpoints.sample import Failure, utc_now
from benchmark.engine.client import Client, Instances
from benchmark.engine.floor import FloorError, measure_floor, null_server
from benchmark.engine.generator import Health, Watch, judge
from benchmark.engine.loops import measure_arrivals, measure_callers, measure_pairs
from benchmark.record.plan import ComparePlan, Plan, to_document
from benchmark.record.recording import Recorder, load_samples
from benchmark.record.run import FORMAT_VERSION, Run, RunState
from benchmark.record.store import Store, StoreError
from inference.card import ModelCard

ProgressReport = Callable[[Mapping[str, Any]], None]
_GRACE_S = 0.5
"""How long the loops may take to clear up after a cancel, which ends requests in flight at once."""
_RENEW_TOKENS_S = 60.0


def ask(endpoints: Sequence[Endpoint]) -> list[Served]:
    """What each endpoint serves, and how, by its own account."""
    with new_client() as client:
        return [fetch(client, endpoint) for endpoint in endpoints]


def make_manifest(
    endpoints: Sequence[Endpoint], served: Sequence[Served], plan: Plan | None, bodies: Bodies, card: ModelCard | None
) -> dict[str, Any]:
    """The conditions of a run, all that is needed to read its samples later. Holds no token.

    Without a `plan`, the caller adds one of its own kind.
    """
    return {
        "format_version": FORMAT_VERSION,
        "plan": to_document(plan) if plan else {},
        "endpoints": [{"key": one.key, "name": one.name, "url": one.url} for one in endpoints],
        "facts": {one.key: facts(known) for one, known in zip(endpoints, served, strict=True)},
        "problems": {one.key: known.problem for one, known in zip(endpoints, served, strict=True) if known.problem},
        "model": {"name": card.name, "version": card.version, "classes": list(card.classes)} if card else None,
        "prices_as_of": load_prices().as_of,
        "bodies": {"source": bodies.source, "count": len(bodies.bodies), "sha256": bodies.sha256},
        "client": {
            "host": socket.gethostname(),
            "machine": f"{platform.system()} {platform.machine()}",
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "aiohttp": version("aiohttp"),
            "numpy": version("numpy"),
        },
    }


def execute(
    run: Run,
    endpoints: Sequence[Endpoint],
    bodies: Bodies,
    card: ModelCard | None,
    store: Store,
    report: ProgressReport = lambda _: None,
) -> Run:
    """Carry out `run` and record it; returns it as it ended. SIGINT and SIGTERM cancel it and keep what was measured.

    Raises StoreError where it cannot be recorded.
    """
    plan = run.plan
    store.create_run(run)
    recorder = Recorder(store, run.id, plan.requests(len(endpoints)))
    try:
        with ExitStack() as stack:
            null_url = None
            with suppress(FloorError):
                null_url = stack.enter_context(null_server())
            state, outcome = _run_loop(_Session(plan, endpoints, bodies, card, recorder, report, null_url))
    except BaseException:
        with suppress(StoreError):
            recorder.flush()
            store.finish(run.id, RunState.FAILED, {})
        raise
    recorder.flush()
    report(recorder.progress)
    samples, _ = load_samples(store, run.id)
    health = judge(samples, plan.is_open_loop, *outcome.pop("generator"))
    outcome["generator"] = _health_document(health)
    store.finish(run.id, state, outcome)
    return replace(run, state=state, outcome=outcome)


def _run_loop(session: "_Session") -> tuple[RunState, dict[str, Any]]:
    try:
        import uvloop
    except ImportError:  # no Windows; asyncio's own loop is about half as fast
        return asyncio.run(session.run())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(session.run())


class _Session:
    """What one run needs while its event loop is up."""

    def __init__(
        self,
        plan: Plan,
        endpoints: Sequence[Endpoint],
        bodies: Bodies,
        card: ModelCard | None,
        recorder: Recorder,
        report: ProgressReport,
        null_url: str | None,
    ) -> None:
        self._null_url = null_url
        self._plan = plan
        self._endpoints = endpoints
        self._bodies = bodies.bodies
        self._card = card
        self._recorder = recorder
        self._report = report

    async def run(self) -> tuple[RunState, dict[str, Any]]:
        """Measure; gives how it ended, and its outcome with the generator's raw figures."""
        cancelled = asyncio.Event()
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sign, cancelled.set)
        instances, floor_ms = Instances(), list[float]()
        async with AsyncExitStack() as stack:
            floor_ms += await self._floor_ms()
            clients = [
                await stack.enter_async_context(
                    Client(
                        endpoint,
                        position,
                        self._card,
                        instances,
                        connection=self._plan.connection,
                        timeout_s=self._plan.timeout_s,
                    )
                )
                for position, endpoint in enumerate(self._endpoints)
            ]
            await _authorize(clients)
            # What is there now lives to the end: the collector need not look at it between two requests.
            gc.collect()
            gc.freeze()
            # The thread that writes the record may not hold the interpreter for the usual 5 ms.
            sys.setswitchinterval(0.0002)
            renewing = asyncio.create_task(_renew(clients))
            watch = Watch()
            measuring = asyncio.create_task(self._measure(clients))
            waiting = asyncio.create_task(cancelled.wait())
            await asyncio.wait({measuring, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not measuring.done():
                measuring.cancel()
                await asyncio.wait({measuring}, timeout=_GRACE_S)
            lag_ms, cpu = watch.stop()
            for task in (waiting, renewing):
                task.cancel()
            if not cancelled.is_set():
                measuring.result()  # a defect of ours is not to be taken for an end
                floor_ms += await self._floor_ms()
        state = RunState.CANCELLED if cancelled.is_set() else RunState.FINISHED
        return state, {
            "ended_at_utc": utc_now(),
            "generator": (float(np.median(floor_ms)) if floor_ms else None, lag_ms, cpu),
            "instances": instances.ids,
            "failure_details": {client.endpoint.key: _texts(client.failure_details) for client in clients},
        }

    async def _floor_ms(self) -> list[float]:
        if self._null_url is None:
            return []
        return await measure_floor(self._null_url, self._bodies[0], self._plan.connection)

    async def _measure(self, clients: Sequence[Client]) -> None:
        def progress() -> None:
            self._report(self._recorder.progress)

        if isinstance(self._plan, ComparePlan):
            await measure_pairs(clients, self._bodies, self._plan, self._recorder, progress)
        elif self._plan.is_open_loop:
            await measure_arrivals(clients, self._bodies, self._plan, self._recorder, progress)
        else:
            await measure_callers(clients, self._bodies, self._plan, self._recorder, progress)


async def _authorize(clients: Sequence[Client]) -> None:
    for client in clients:
        with suppress(TokenError):  # the endpoint then refuses, which is counted
            await client.authorize()


async def _renew(clients: Sequence[Client]) -> None:
    while True:
        await asyncio.sleep(_RENEW_TOKENS_S)
        await _authorize(clients)


def _texts(details: Mapping[Failure, str]) -> dict[str, str]:
    return {failure.value: detail for failure, detail in details.items()}


def _health_document(health: Health) -> dict[str, Any]:
    return {**json.loads(json.dumps(asdict(health))), "limited": health.limited}
