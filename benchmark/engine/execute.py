"""One run from start to end: ask the endpoints, record the conditions, measure, judge the generator, close."""

import asyncio
import gc
import os
import platform
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from time import perf_counter_ns
from typing import Any

import numpy as np
import uvloop

from benchmark.cost.prices import load_prices
from benchmark.endpoints.bodies import Bodies
from benchmark.endpoints.bounded import new_client
from benchmark.endpoints.catalog import Served, fetch
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.fairness import facts, revision
from benchmark.endpoints.identity import TokenError
from benchmark.endpoints.protocols import DEFAULT
from benchmark.endpoints.sample import Failure, utc_now
from benchmark.engine.abort import Watchdog
from benchmark.engine.cancellation import Cancellation
from benchmark.engine.client import Client, Instances
from benchmark.engine.correctness import AtRest
from benchmark.engine.generator import ProcessSnapshot, Watch, judge
from benchmark.engine.loops import connections_at_most, measure_arrivals, measure_callers, measure_pairs, written
from benchmark.engine.overhead import measure_overhead, null_server_if_any
from benchmark.engine.schedule import Share, whole
from benchmark.record.journal import Journal
from benchmark.record.plan import ClosedLoopPlan, ComparePlan, Plan, PlanError
from benchmark.record.recording import HEARTBEAT_S, Recorder, load_samples
from benchmark.record.run import FORMAT_VERSION, Run, RunState
from benchmark.record.samples import Floats, Samples
from benchmark.record.store import Store, StoreError
from inference.card import ModelCard

ProgressReport = Callable[[Mapping[str, Any]], None]
_RENEW_TOKENS_S = 60.0


def ask(endpoints: Sequence[Endpoint]) -> list[Served]:
    """Ask each endpoint what it serves, and how."""
    with new_client() as client:
        return [fetch(client, endpoint) for endpoint in endpoints]


def make_manifest(
    endpoints: Sequence[Endpoint],
    served: Sequence[Served],
    plan: Mapping[str, Any],
    bodies: Bodies,
    card: ModelCard | None,
) -> dict[str, Any]:
    """The manifest of a run of `plan`, a document: everything needed to read its samples later. Contains no token."""
    return {
        "format_version": FORMAT_VERSION,
        "plan": dict(plan),
        "endpoints": [_entry(one) for one in endpoints],
        "facts": {one.key: facts(known) for one, known in zip(endpoints, served, strict=True)},
        "revisions": {one.key: revision(known) for one, known in zip(endpoints, served, strict=True)},
        "problems": {one.key: known.problem for one, known in zip(endpoints, served, strict=True) if known.problem},
        "model": {"name": card.name, "version": card.version, "classes": list(card.classes)} if card else None,
        "prices_as_of": load_prices().as_of,
        "bodies": {"source": bodies.source, "count": len(bodies.bodies), "sha256": bodies.sha256},
        "client": {
            "host": socket.gethostname(),
            "machine": f"{platform.system()} {platform.machine()}",
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "httptools": version("httptools"),
            "numpy": version("numpy"),
        },
    }


def _entry(endpoint: Endpoint) -> dict[str, Any]:
    """What a manifest says of an endpoint; of its protocol only where it is another than most speak."""
    entry = {"key": endpoint.key, "name": endpoint.name, "url": endpoint.url}
    return entry if endpoint.speaks == DEFAULT else entry | {"protocol": endpoint.speaks}


def execute(
    run: Run,
    endpoints: Sequence[Endpoint],
    bodies: Bodies,
    card: ModelCard | None,
    store: Store,
    report: ProgressReport = lambda _: None,
    *,
    times_s: Floats | None = None,
) -> Run:
    """Carry out `run` and record it; returns the ended run. SIGINT and SIGTERM cancel it and keep the measured samples.

    `times_s` are the sends of a replay in s since the start, ascending.
    Raises StoreError if it cannot be recorded, and before that PlanError if this process may not open enough
    connections for its callers.
    """
    plan = run.plan
    most = connections_for(plan, len(endpoints))
    share = whole(plan, len(endpoints), times_s)
    with Cancellation() as cancellation:
        store.create_run(run)
        stop = asyncio.Event()
        watchdog = watchdog_of(plan, run.endpoint_names, stop.set)
        journal = Journal(store, run.id, cancellation.ask)
        recorder = Recorder(journal, run.id, plan.requests(len(endpoints)), watchdog.add if watchdog else None)
        session = Session(plan, endpoints, bodies.bodies, card, recorder, report, most, stop, share)
        try:
            with null_server_if_any() as null_url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                state = runner.run(session.run(cancellation, null_url))
            recorder.flush()
            journal.drain()
            report(recorder.progress)
            samples, _ = load_samples(store, run.id)
            outcome = session.outcome | session.judged(samples)
            if watchdog and watchdog.reason is not None and state is RunState.FINISHED:
                state = RunState.ABORTED
                outcome["reason"] = watchdog.reason
            journal.finish(state, outcome)
        except BaseException:
            with suppress(StoreError):
                recorder.flush()
            with suppress(StoreError):
                journal.finish(RunState.FAILED, session.outcome)
            raise
    return replace(run, state=state, outcome=outcome)


def connections_for(plan: Plan, endpoints: int) -> int:
    """How many connections this process may have at once. Raises PlanError if the callers of `plan` need more."""
    most = connections_at_most()
    if isinstance(plan, ClosedLoopPlan) and (callers := plan.in_flight(endpoints)) > most:
        raise PlanError(f"{callers} callers need more than the {most} connections allowed here: raise `ulimit -n`")
    return most


def watchdog_of(plan: Plan, names: Sequence[str], stop: Callable[[], None]) -> Watchdog | None:
    """Watches the limits of `plan` for the endpoints of these `names`; None if it has no limits."""
    if isinstance(plan, ComparePlan) or not plan.abort:
        return None
    return Watchdog(plan.abort, plan.abort_window_s, names, open_loop=plan.is_open_loop, stop=stop)


async def _at_once() -> None:
    """Nothing to wait for."""


class Session:
    """The measurement of one process during its event loop, and its results afterwards."""

    def __init__(
        self,
        plan: Plan,
        endpoints: Sequence[Endpoint],
        bodies: Sequence[bytes],
        card: ModelCard | None,
        recorder: Recorder,
        report: ProgressReport,
        most: int,
        stop: asyncio.Event,
        share: Share,
        until_start: Callable[[], Awaitable[None]] = _at_once,
    ) -> None:
        """`most` is the maximum number of simultaneous connections; `stop` ends a load.

        `share` is what this process sends of `plan`, once it is ready and `until_start` has returned.
        """
        self._plan = plan
        self._bodies = bodies
        self._recorder = recorder
        self._report = report
        self._most = most
        self._stop = stop
        self._share = share
        self._until_start = until_start
        self._instances = Instances()
        self._clients = [
            Client(endpoint, position, card, self._instances, connection=plan.connection, timeout_s=plan.timeout_s)
            for position, endpoint in enumerate(endpoints)
        ]
        self._at_rest: list[AtRest] = []
        self._overhead_ms: list[float] = []
        self._snapshot: ProcessSnapshot | None = None

    @property
    def instances(self) -> list[str]:
        """The IDs of the instances that have answered; rows refer to them by number, from 1."""
        return self._instances.ids

    @property
    def outcome(self) -> dict[str, Any]:
        """The outcome of the run, however it ended."""
        return {
            "ended_at_utc": utc_now(),
            "instances": self._instances.ids,
            "failure_details": {client.endpoint.key: _texts(client.failure_details) for client in self._clients},
            **({"correctness": self._correctness} if self._at_rest else {}),
        }

    @property
    def _correctness(self) -> dict[str, Any]:
        """How many answers under load differ from those at rest, by endpoint."""
        ids = self._instances.ids
        return {
            client.endpoint.key: at_rest.document(ids)
            for client, at_rest in zip(self._clients, self._at_rest, strict=False)
        }

    def judged(self, samples: Samples) -> dict[str, Any]:
        """The generator's health for the outcome; empty if it did not start."""
        if self._snapshot is None:
            return {}
        overhead_ms = float(np.median(self._overhead_ms)) if self._overhead_ms else None
        health = judge(samples, self._plan, len(self._clients), overhead_ms, self._snapshot)
        return {"generator": health.document}

    async def run(self, cancellation: Cancellation, null_url: str | None) -> RunState:
        """Measure; returns how it ended. The client overhead is measured at `null_url`."""
        async with self._connections():
            return await cancellation.until_cancelled(asyncio.create_task(self._conduct(null_url)))

    async def measure(self, null_url: str | None) -> None:
        """Measure to the end, or until `stop`."""
        async with self._connections():
            await self._conduct(null_url)

    @asynccontextmanager
    async def _connections(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for client in self._clients:
                await stack.enter_async_context(client)
            yield

    async def _conduct(self, null_url: str | None) -> None:
        await self._measure_overhead(null_url)
        await authorize(self._clients)
        if not isinstance(self._plan, ComparePlan) and self._plan.correctness:
            await self._ask_at_rest()
        # All current objects live to the end, so the collector need not scan them between requests.
        gc.collect()
        gc.freeze()
        # The thread that writes the record must not hold the interpreter for the usual 5 ms.
        sys.setswitchinterval(0.0002)
        await self._until_start()
        renewing = asyncio.create_task(renew(self._clients))
        watch = Watch()
        try:
            await self._measure()
        finally:
            self._snapshot = watch.stop()
            renewing.cancel()
        await self._measure_overhead(null_url)

    async def _measure_overhead(self, null_url: str | None) -> None:
        if null_url is not None:
            self._overhead_ms += await measure_overhead(null_url, self._bodies[0], self._plan.connection)

    async def _ask_at_rest(self) -> None:
        self._recorder.phase = "asking at rest"
        async with written(self._recorder, self._progress, HEARTBEAT_S):
            for client in self._clients:
                self._at_rest.append(AtRest())
                await self._at_rest[-1].ask(client, self._bodies, perf_counter_ns())
        self._recorder.phase = "measuring"

    def _progress(self) -> None:
        self._report(self._recorder.progress)

    async def _measure(self) -> None:
        clients, bodies, plan, recorder = self._clients, self._bodies, self._plan, self._recorder
        progress = self._progress
        if isinstance(plan, ComparePlan):
            await measure_pairs(clients, bodies, plan, recorder, progress)
        elif isinstance(plan, ClosedLoopPlan):
            await measure_callers(clients, bodies, plan, self._share.numbers, recorder, progress, self._stop)
        else:
            sends = self._share.sends
            await measure_arrivals(clients, bodies, sends, plan.warmup, recorder, progress, self._most, self._stop)


async def authorize(clients: Sequence[Client]) -> None:
    """Refresh the token of each of `clients` that needs one, if a token is available."""
    for client in clients:
        with suppress(TokenError):  # the endpoint then refuses the request, which counts as a failure
            await client.authorize()


async def renew(clients: Sequence[Client]) -> None:
    """Refresh the tokens of `clients` once a minute, until it is cancelled."""
    while True:
        await asyncio.sleep(_RENEW_TOKENS_S)
        await authorize(clients)


def _texts(details: Mapping[Failure, str]) -> dict[str, str]:
    return {failure.value: detail for failure, detail in details.items()}
