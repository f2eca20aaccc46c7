"""One capacity run from start to end: step after step, recorded, each at a rate that depends on the steps before."""

import asyncio
import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from time import perf_counter_ns
from typing import Any

import numpy as np
import uvloop

from benchmark.endpoints.bodies import Bodies
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import utc_now
from benchmark.engine.abort import FEWEST, Watchdog
from benchmark.engine.cancellation import Cancellation
from benchmark.engine.client import Client, Instances
from benchmark.engine.execute import authorize, renew
from benchmark.engine.generator import Watch
from benchmark.engine.generator import judge as judge_generator
from benchmark.engine.loops import connections_at_most, measure_arrivals
from benchmark.engine.overhead import measure_overhead, null_server_if_any
from benchmark.record.journal import Journal
from benchmark.record.plan import AbortRule, OpenLoopPlan
from benchmark.record.recording import Recorder
from benchmark.record.run import Run, RunState
from benchmark.record.samples import ROW, Row, Samples, from_rows
from benchmark.record.store import Store, StoreError
from benchmark.runs.capacity.plan import SETTLING_S, CapacityPlan
from benchmark.runs.capacity.search import Search, Try
from benchmark.runs.capacity.step import Bounds, judge
from benchmark.runs.capacity.turns import (
    PRIMER_ERRORS,
    arrival_times_s,
    measured_s,
    most_requests,
    most_s,
    pause_s,
    turns,
)
from inference.card import ModelCard

ProgressReport = Callable[[Mapping[str, Any]], None]
_WARMUP = (ROW.names or ()).index("warmup")
_PRIMER_WINDOW_S = 1.0
_IN_WINDOW = FEWEST + 5


class _Steps(Recorder):
    """Records the rows, and the steps so far in the progress, so that a lost run can still be read."""

    def __init__(self, journal: Journal, run_id: str, most_steps: int) -> None:
        super().__init__(journal, run_id, 0, self._observed)
        self.bounds: list[Bounds] = []
        self.rows: list[Row] = []
        """those of the step in progress"""
        self.watchdog: Watchdog | None = None
        self._most_steps = most_steps

    def _observed(self, row: Row) -> None:
        self.rows.append(row)
        if self.watchdog is not None:
            self.watchdog.add((*row[:_WARMUP], False, *row[_WARMUP + 1 :]))  # a warm-up can break a limit too

    @property
    def progress(self) -> dict[str, Any]:
        """The progress of the run in steps."""
        steps = [bounds.document for bounds in self.bounds]
        return super().progress | {"done": len(steps), "total": self._most_steps, "steps": steps}


def execute(
    run: Run,
    plan: CapacityPlan,
    endpoints: Sequence[Endpoint],
    bodies: Bodies,
    card: ModelCard | None,
    store: Store,
    report: ProgressReport = lambda _: None,
) -> Run:
    """Carry out `run` and record it; returns the ended run. SIGINT and SIGTERM cancel it and keep the measured steps.

    Raises StoreError if it cannot be recorded.
    """
    with Cancellation() as cancellation:
        store.create_run(run)
        journal = Journal(store, run.id, cancellation.ask)
        recorder = _Steps(journal, run.id, plan.steps * len(endpoints))
        session = _Session(plan, endpoints, bodies.bodies, card, recorder, report)
        try:
            with null_server_if_any() as null_url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                state = runner.run(session.run(cancellation, null_url))
            recorder.flush()
            journal.drain()
            report(recorder.progress)
            outcome = session.outcome
            journal.finish(state, outcome)
        except BaseException:
            with suppress(StoreError):
                recorder.flush()
            with suppress(StoreError):
                journal.finish(RunState.FAILED, session.outcome)
            raise
    return replace(run, state=state, outcome=outcome)


class _Session:
    """The state of one run in progress."""

    def __init__(
        self,
        plan: CapacityPlan,
        endpoints: Sequence[Endpoint],
        bodies: Sequence[bytes],
        card: ModelCard | None,
        recorder: _Steps,
        report: ProgressReport,
    ) -> None:
        self._plan = plan
        self._bodies = bodies
        self._recorder = recorder
        self._report = report
        self._most = connections_at_most()
        self._instances = Instances()
        self._clients = [
            Client(endpoint, position, card, self._instances, connection=plan.connection, timeout_s=plan.timeout_s)
            for position, endpoint in enumerate(endpoints)
        ]
        self._sent = 0
        self._early: str | None = None
        self._overhead_ms: list[float] = []

    @property
    def outcome(self) -> dict[str, Any]:
        """The outcome of the run, however it ended."""
        return {
            "ended_at_utc": utc_now(),
            "instances": self._instances.ids,
            "failure_details": {
                client.endpoint.key: {failure.value: detail for failure, detail in client.failure_details.items()}
                for client in self._clients
            },
            "steps": [bounds.document for bounds in self._recorder.bounds],
            "floor_ms": float(np.median(self._overhead_ms)) if self._overhead_ms else None,
            **({"early": self._early} if self._early else {}),
        }

    async def run(self, cancellation: Cancellation, null_url: str | None) -> RunState:
        """Measure; returns how it ended."""
        async with AsyncExitStack() as stack:
            for client in self._clients:
                await stack.enter_async_context(client)
            return await cancellation.until_cancelled(asyncio.create_task(self._conduct(null_url)))

    async def _conduct(self, null_url: str | None) -> None:
        if null_url is not None:
            self._overhead_ms += await measure_overhead(null_url, self._bodies[0], self._plan.connection)
        await authorize(self._clients)
        gc.collect()
        gc.freeze()  # as in a load: what lives to the end need not be scanned between requests
        sys.setswitchinterval(0.0002)
        renewing = asyncio.create_task(renew(self._clients))
        try:
            await self._search()
        finally:
            renewing.cancel()

    async def _search(self) -> None:
        plan = self._plan
        self._began_ns = perf_counter_ns()
        searches = [Search(plan.start_rate, plan.max_rate) for _ in self._clients]
        for position, proposed in turns(plan, searches):
            elapsed_s = (perf_counter_ns() - self._began_ns) / 1e9
            if elapsed_s + most_s(plan, proposed) > plan.limit_s:
                self._early = f"the time limit of {plan.limit_s:g} s"
                break
            if self._sent + most_requests(plan, proposed) > plan.max_requests:
                self._early = f"the maximum of {plan.max_requests} requests"
                break
            searches[position].tell(judge(*await self._step(position, proposed), plan).told)
            self._report(self._recorder.progress)

    async def _step(self, position: int, proposed: Try) -> tuple[Samples, Bounds]:
        """Carry out one step; returns its samples, without the primer's, and its bounds."""
        plan, name = self._plan, self._clients[position].endpoint.name
        spent = True
        if proposed.primer_rate is not None:
            self._recorder.phase = f"overloading {name}"
            overload = [AbortRule(slo.metric, slo.limit) for slo in plan.slos if slo.share is not None]
            errors = AbortRule("error_rate", PRIMER_ERRORS)
            limits = [*overload, errors]
            spent = (
                await self._send(position, proposed.primer_rate, proposed.primer_s, None, limits, _PRIMER_WINDOW_S)
                is not None
            )
            await asyncio.sleep(pause_s(proposed))
        self._recorder.phase = f"{name} at {proposed.rate:.3g}/s"
        first, planned_s = self._sent, measured_s(plan, proposed)
        watch = Watch()
        stopped = await self._send(
            position, proposed.rate, planned_s + SETTLING_S, SETTLING_S, plan.abort, plan.abort_window_s
        )
        samples = from_rows(self._recorder.rows)
        open_loop = OpenLoopPlan(rate=proposed.rate, duration_s=planned_s, warmup=0)
        health = judge_generator(samples, open_loop, 1, None, watch.stop())
        bounds = Bounds(
            position,
            proposed.rate,
            proposed.primer_rate,
            first,
            self._sent,
            planned_s,
            stopped,
            health.reasons,
            max(health.loop_lag_ms, health.late_ms or 0.0),
            health.cpu,
            spent,
        )
        self._recorder.bounds.append(bounds)
        return samples, bounds

    async def _send(
        self,
        position: int,
        rate: float,
        duration_s: float,
        warmup_s: float | None,
        limits: Sequence[AbortRule],
        window_s: float,
    ) -> str | None:
        """Send at a rate until a limit is broken, and wait for the last answer. Returns what was broken.

        The first `warmup_s` are warm-up, or all of it.
        """
        stop = asyncio.Event()
        names = [client.endpoint.name for client in self._clients]
        self._recorder.rows = []
        window_s = max(window_s, _IN_WINDOW / rate)  # with fewer requests, nothing is judged
        self._recorder.watchdog = watchdog = Watchdog(limits, window_s, names, open_loop=True, stop=stop.set)
        times_s = arrival_times_s(rate, duration_s)
        warm = len(times_s) if warmup_s is None else int((times_s < warmup_s).sum())
        due_ns = perf_counter_ns() - self._began_ns
        first = self._sent
        self._sent += len(times_s)
        sends = [(due_ns + round(at_s * 1e9), position, first + n) for n, at_s in enumerate(times_s.tolist())]
        await measure_arrivals(
            self._clients,
            self._bodies,
            sends,
            first + warm,
            self._recorder,
            lambda: self._report(self._recorder.progress),
            self._most,
            stop,
            began_ns=self._began_ns,
        )
        return watchdog.reason
