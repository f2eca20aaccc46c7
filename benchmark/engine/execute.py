"""One run from start to end: ask the endpoints, record the conditions, measure, judge the generator, close."""

import asyncio
import gc
import os
import platform
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import uvloop

from benchmark.cost.prices import load_prices
from benchmark.endpoints.bodies import Bodies
from benchmark.endpoints.catalog import Served, fetch
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.fairness import facts, revision
from benchmark.endpoints.identity import TokenError
from benchmark.endpoints.observe import new_client
from benchmark.endpoints.protocols import DEFAULT
from benchmark.endpoints.sample import Failure, utc_now
from benchmark.engine.cancellation import Cancellation
from benchmark.engine.client import Client, Instances
from benchmark.engine.generator import ProcessSnapshot, Watch, judge
from benchmark.engine.loops import connections_at_most, measure_arrivals, measure_callers, measure_pairs
from benchmark.engine.overhead import NullServerError, measure_overhead, null_server
from benchmark.record.plan import ClosedLoopPlan, ComparePlan, OpenLoopPlan, Plan, PlanError
from benchmark.record.recording import Recorder, load_samples
from benchmark.record.run import FORMAT_VERSION, Run, RunState
from benchmark.record.samples import Samples
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
    return entry if endpoint.protocol == DEFAULT else entry | {"protocol": endpoint.protocol}


def execute(
    run: Run,
    endpoints: Sequence[Endpoint],
    bodies: Bodies,
    card: ModelCard | None,
    store: Store,
    report: ProgressReport = lambda _: None,
) -> Run:
    """Carry out `run` and record it; returns the ended run. SIGINT and SIGTERM cancel it and keep the measured samples.

    Raises StoreError if it cannot be recorded, and before that PlanError if this process may not open enough
    connections for its callers.
    """
    plan = run.plan
    most = connections_at_most()
    if isinstance(plan, ClosedLoopPlan) and (callers := plan.in_flight(len(endpoints))) > most:
        raise PlanError(f"{callers} callers need more than the {most} connections allowed here: raise `ulimit -n`")
    with Cancellation() as cancellation:
        store.create_run(run)
        recorder = Recorder(store, run.id, plan.requests(len(endpoints)))
        session = _Session(plan, endpoints, bodies, card, recorder, report, most)
        try:
            with ExitStack() as stack:
                null_url = None
                with suppress(NullServerError):
                    null_url = stack.enter_context(null_server())
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    state = runner.run(session.run(cancellation, null_url))
            recorder.flush()
            report(recorder.progress)
            samples, _ = load_samples(store, run.id)
            outcome = session.outcome | session.judged(samples)
            store.finish(run.id, state, outcome)
        except BaseException:
            with suppress(StoreError):
                recorder.flush()
            with suppress(StoreError):
                store.finish(run.id, RunState.FAILED, session.outcome)
            raise
    return replace(run, state=state, outcome=outcome)


class _Session:
    """The state of one run during its event loop, and its results afterwards."""

    def __init__(
        self,
        plan: Plan,
        endpoints: Sequence[Endpoint],
        bodies: Bodies,
        card: ModelCard | None,
        recorder: Recorder,
        report: ProgressReport,
        most: int,
    ) -> None:
        """`most` is the maximum number of simultaneous connections."""
        self._plan = plan
        self._bodies = bodies.bodies
        self._recorder = recorder
        self._report = report
        self._most = most
        self._instances = Instances()
        self._clients = [
            Client(endpoint, position, card, self._instances, connection=plan.connection, timeout_s=plan.timeout_s)
            for position, endpoint in enumerate(endpoints)
        ]
        self._overhead_ms: list[float] = []
        self._snapshot: ProcessSnapshot | None = None

    @property
    def outcome(self) -> dict[str, Any]:
        """The outcome of the run, however it ended."""
        return {
            "ended_at_utc": utc_now(),
            "instances": self._instances.ids,
            "failure_details": {client.endpoint.key: _texts(client.failure_details) for client in self._clients},
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
        async with AsyncExitStack() as stack:
            for client in self._clients:
                await stack.enter_async_context(client)
            return await cancellation.until_cancelled(asyncio.create_task(self._conduct(null_url)))

    async def _conduct(self, null_url: str | None) -> None:
        await self._measure_overhead(null_url)
        await authorize(self._clients)
        # All current objects live to the end, so the collector need not scan them between requests.
        gc.collect()
        gc.freeze()
        # The thread that writes the record must not hold the interpreter for the usual 5 ms.
        sys.setswitchinterval(0.0002)
        renewing = asyncio.create_task(_renew(self._clients))
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

    async def _measure(self) -> None:
        def progress() -> None:
            self._report(self._recorder.progress)

        if isinstance(self._plan, ComparePlan):
            await measure_pairs(self._clients, self._bodies, self._plan, self._recorder, progress)
        elif isinstance(self._plan, OpenLoopPlan):
            await measure_arrivals(self._clients, self._bodies, self._plan, self._recorder, progress, self._most)
        else:
            await measure_callers(self._clients, self._bodies, self._plan, self._recorder, progress)


async def authorize(clients: Sequence[Client]) -> None:
    """Refresh the token of each of `clients` that needs one, if a token is available."""
    for client in clients:
        with suppress(TokenError):  # the endpoint then refuses the request, which counts as a failure
            await client.authorize()


async def _renew(clients: Sequence[Client]) -> None:
    while True:
        await asyncio.sleep(_RENEW_TOKENS_S)
        await authorize(clients)


def _texts(details: Mapping[Failure, str]) -> dict[str, str]:
    return {failure.value: detail for failure, detail in details.items()}
