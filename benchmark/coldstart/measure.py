"""One run of cold starts, from its first new instance to its last, recorded probe by probe.

Each probe is written atomically: its requests and the server's report of its start are recorded together or not at
all, so that an interrupted run can be resumed at any point.
"""

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from benchmark.coldstart.force import ForceError, force_instance
from benchmark.coldstart.plan import ColdPlan, ForcedPlan, IdleSweepPlan, SpawnPlan, Step, gap_text, steps
from benchmark.coldstart.program import LocalProgram, ProgramError, ProgramTimeout
from benchmark.coldstart.target import Target
from benchmark.endpoints.bodies import Bodies
from benchmark.endpoints.bounded import new_client
from benchmark.endpoints.catalog import Served, fetch
from benchmark.endpoints.identity import TokenError
from benchmark.endpoints.sample import Failure, Temperature, utc_now
from benchmark.engine.cancellation import Cancellation
from benchmark.engine.client import Client, Instances
from benchmark.record.journal import Journal
from benchmark.record.recording import load_samples
from benchmark.record.run import Run, RunState
from benchmark.record.samples import FAILURES, ROW, TEMPERATURES, Row, from_rows, make_row, pack
from benchmark.record.store import Store, StoreError, UnknownRun
from inference.card import ModelCard

ProgressReport = Callable[[Mapping[str, Any]], None]
DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_HEARTBEAT_S = 2.0
_INSTANCE = (ROW.names or ()).index("instance")


def drop_page_cache(path: Path = DROP_CACHES) -> str | None:
    """Empty this machine's page cache, which requires root. Returns why it failed, or None.

    Linux only: https://docs.kernel.org/admin-guide/sysctl/vm.html#drop-caches, 3 for pages, dentries and inodes.
    """
    try:
        os.sync()  # dirty pages cannot be dropped
        path.write_text("3\n")
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def execute(
    run: Run,
    plan: ColdPlan,
    targets: Sequence[Target],
    bodies: Bodies,
    card: ModelCard | None,
    store: Store,
    *,
    force: str | None = None,
    resume: bool = False,
    report: ProgressReport = lambda _: None,
) -> Run:
    """Carry out `run`, or the rest of it, and record it. Returns the finished run.

    SIGINT and SIGTERM cancel it and keep the measured samples. `force` is a shell command; its environment has
    FORCE_ENDPOINT, the endpoint's key, and FORCE_ID, a new value each time.

    Raises StoreError, and ForceError where the command fails (the run is then FAILED and can be resumed).
    """
    with Cancellation() as cancellation:
        if resume:
            store.resume_run(run.id)
        else:
            store.create_run(run)
        journal = Journal(store, run.id, cancellation.ask)
        session = _Session(run, plan, targets, bodies.bodies[0], card, store, journal, force, report)
        try:
            asyncio.run(session.run(cancellation))
            journal.drain()
            outcome = session.outcome
            state = RunState.CANCELLED if cancellation.is_asked else RunState.FINISHED
            journal.finish(state, outcome)
        except BaseException as error:
            with suppress(StoreError):
                reason = str(error) if isinstance(error, ForceError) else type(error).__name__
                journal.finish(RunState.FAILED, session.outcome | {"reason": reason})
            raise
    return replace(run, state=state, outcome=outcome)


class _Session:
    """The state of one run in progress."""

    def __init__(
        self,
        run: Run,
        plan: ColdPlan,
        targets: Sequence[Target],
        body: bytes,
        card: ModelCard | None,
        store: Store,
        journal: Journal,
        force: str | None,
        report: ProgressReport,
    ) -> None:
        self._run = run
        self._plan = plan
        self._targets = targets
        self._body = body
        self._card = card
        self._store = store
        self._journal = journal
        self._force = force
        self._report = report
        before = run.progress
        self._probes: list[dict[str, Any]] = list(before.get("probes", ()))
        self._instances = Instances(before.get("instances", ()))
        self._failure_details: dict[str, dict[str, str]] = dict(before.get("failure_details", {}))
        self._phase = "starting"
        self._unwritten: list[Row] = []
        self._writing = asyncio.Lock()  # older progress must never replace newer progress
        self._touched_ns: dict[int, int] = {}
        """when this process last sent a request to each endpoint"""

    @property
    def outcome(self) -> dict[str, Any]:
        return {
            "ended_at_utc": utc_now(),
            "probes": self._probes,
            "instances": self._instances.ids,
            "failure_details": self._failure_details,
        }

    @property
    def _progress(self) -> dict[str, Any]:
        return {
            "done": len(self._probes),
            "total": self._plan.probes * len(self._targets),
            "phase": self._phase,
            "elapsed_s": round((perf_counter_ns() - self._began_ns) / 1e9, 3),
            "probes": self._probes,
            "instances": self._instances.ids,
            "failure_details": self._failure_details,
        }

    async def run(self, cancellation: Cancellation) -> None:
        """Measure the remaining steps until done or cancelled. Raises StoreError, ForceError."""
        # Times continue from the earlier part; the time between two parts is not counted.
        samples, _ = load_samples(self._store, self._run.id)
        recorded_ms = float((samples["sent_ms"] + samples["service_ms"]).max()) if len(samples) else 0.0
        self._began_ns = perf_counter_ns() - int((recorded_ms + 1) * 1e6)
        async with AsyncExitStack() as stack:
            self._http = stack.enter_context(new_client())
            self._clients = [await stack.enter_async_context(self._client(at)) for at in range(len(self._targets))]
            tasks = [asyncio.create_task(doing) for doing in (self._measure(), self._beat(), cancellation.wait())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await asyncio.shield(self._append())  # samples that could not be written so far
        finally:
            for result in results:
                if isinstance(result, Exception):
                    raise result

    def _client(self, position: int, url: str | None = None) -> Client:
        target = self._targets[position]
        endpoint = target.at(url or "http://127.0.0.1:1", self._plan.timeout_s)
        # New connections throughout: none survives a gap, and warm requests must be measured the same way.
        return Client(endpoint, position, self._card, self._instances, connection="new", timeout_s=self._plan.timeout_s)

    async def _beat(self) -> None:
        """Write a regular sign of life, even during long waits."""
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            await self._write()

    async def _write(self) -> None:
        """Write all unwritten samples, even if this is cancelled. Raises UnknownRun if the run was deleted."""
        try:
            await asyncio.shield(self._append())
        except UnknownRun:
            raise
        except StoreError:  # a busy file must not end a long sweep: the next heartbeat tries again
            return

    async def _append(self) -> None:
        """Write rows and progress in one transaction. Raises StoreError, and keeps the rows."""
        async with self._writing:
            rows, self._unwritten = self._unwritten, []
            progress = json.loads(json.dumps(self._progress))
            try:
                chunk = pack(from_rows(rows)) if rows else None
                await asyncio.to_thread(self._journal.append, self._run.id, chunk, progress)
            except StoreError:
                self._unwritten = rows + self._unwritten
                raise
        self._report(progress)

    async def _measure(self) -> None:
        done = {(probe["step"], probe["endpoint"]) for probe in self._probes}
        probes = {SpawnPlan: self._spawn, ForcedPlan: self._forced, IdleSweepPlan: self._after_gap}
        probe = probes[type(self._plan)]
        for step in steps(self._plan, len(self._targets)):
            left = [position for position in step.order if (step.number, position) not in done]
            if isinstance(self._plan, IdleSweepPlan):
                await self._prime(left, step)
            for position in left:
                await probe(step, position)

    # --- Three ways to create a new instance

    async def _spawn(self, step: Step, position: int) -> None:
        target = self._targets[position]
        assert target.command  # a plan of this mode has commands  # noqa: S101
        self._phase = f"starting {target.name}"
        drops = isinstance(self._plan, SpawnPlan) and self._plan.drop_caches
        dropped = drops and drop_page_cache() is None
        try:
            program = LocalProgram(target.command)
        except ProgramError as error:
            await self._record_no_start(step, position, perf_counter_ns(), error)
            return
        try:
            try:
                await program.wait_until_open(self._plan.timeout_s)
            except ProgramError as error:
                await self._record_no_start(step, position, program.spawned_ns, error)
                return
            async with self._client(position, program.url) as client:
                await self._probe(step, client, spawned_ns=program.spawned_ns, more={"caches_dropped": dropped})
        except BaseException:
            program.kill()
            raise
        finally:
            await asyncio.to_thread(program.stop)

    async def _forced(self, step: Step, position: int) -> None:
        self._phase = f"forcing a new instance of {self._targets[position].name}"
        assert self._force  # a plan of this mode has a command  # noqa: S101
        unique = f"{self._run.id}-{step.number}-{os.urandom(2).hex()}"
        await force_instance(self._force, self._targets[position].key, unique)
        await self._probe(step, self._clients[position])

    async def _after_gap(self, step: Step, position: int) -> None:
        assert step.idle_s is not None  # an idle sweep's steps have gaps  # noqa: S101
        due_ns = self._touched_ns[position] + int(step.idle_s * 1e9)
        self._phase = f"waiting: {gap_text(step.idle_s)} without a request"
        while (left_s := (due_ns - perf_counter_ns()) / 1e9) > 0:
            await asyncio.sleep(left_s)
        await self._probe(step, self._clients[position])

    async def _prime(self, positions: Sequence[int], step: Step) -> None:
        """Make sure that an instance is running and that the time of its last request is known.

        Done once after each start, because requests may have arrived before a run was resumed.
        """
        for position in positions:
            if position not in self._touched_ns:
                self._phase = f"waking up {self._targets[position].name}"
                client = self._clients[position]
                await _authorize(client)
                row = await client.send(self._body, step.number, began_ns=self._began_ns, warmup=True)
                self._unwritten.append(row)
                self._touched_ns[position] = perf_counter_ns()
        await self._write()

    # --- One probe

    async def _probe(
        self, step: Step, client: Client, *, spawned_ns: int | None = None, more: Mapping[str, Any] | None = None
    ) -> None:
        """Send the probe, then the warm requests to the same instance, and record all of them."""
        position = client.position
        self._phase = f"probing {self._targets[position].name}"
        await _authorize(client)
        touched_ns = self._touched_ns.get(position)
        sent_ns = perf_counter_ns()
        rows = [
            await client.send(
                self._body,
                step.number,
                began_ns=self._began_ns,
                due_ns=spawned_ns,
                waited_from_ns=spawned_ns,
                warmup=False,
            )
        ]
        for _ in range(self._plan.warm_requests):
            rows.append(await client.send(self._body, step.number, began_ns=self._began_ns, warmup=False))
        served = await asyncio.to_thread(fetch, self._http, client.endpoint)
        self._touched_ns[position] = perf_counter_ns()
        self._note_failures(client)
        gap_s = None if step.idle_s is None or touched_ns is None else (sent_ns - touched_ns) / 1e9
        await self._record(step, position, rows, idle_s=gap_s, startup_ms=self._startup_ms(served, rows[0]), more=more)

    def _startup_ms(self, served: Served, row: Row) -> Mapping[str, Any] | None:
        """The start report of the instance that answered; None if another one answered or there is no report."""
        number = row[_INSTANCE]
        startup = served.serving.get("startup_ms")
        asked = self._instances.ids[number - 1] if number else None
        if asked is None or served.serving.get("instance_id") != asked or not isinstance(startup, dict):
            return None
        return {
            str(phase)[:32]: float(value)
            for phase, value in startup.items()
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
        }

    async def _record_no_start(self, step: Step, position: int, spawned_ns: int, error: ProgramError) -> None:
        """A start without an answer counts as a failed attempt."""
        # A start that took longer is censored, not missing: it counts as slower than any other.
        failure = Failure.TIMEOUT if isinstance(error, ProgramTimeout) else Failure.REFUSED
        self._failure_details.setdefault(self._targets[position].key, {}).setdefault(failure.value, str(error))
        row = make_row(
            endpoint=position,
            temperature=TEMPERATURES.index(Temperature.UNKNOWN),
            failure=1 + FAILURES.index(failure),
            group=step.number,
            scheduled_ms=(spawned_ns - self._began_ns) / 1e6,
            sent_ms=(perf_counter_ns() - self._began_ns) / 1e6,
            service_ms=0.0,
        )
        await self._record(step, position, [row])

    async def _record(
        self,
        step: Step,
        position: int,
        rows: list[Row],
        *,
        idle_s: float | None = None,
        startup_ms: Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self._probes.append(
            {
                "step": step.number,
                "endpoint": position,
                "planned_idle_s": step.idle_s,
                "idle_s": idle_s,
                "startup_ms": startup_ms,
                **(more or {}),
            }
        )
        self._unwritten += rows
        await self._write()

    def _note_failures(self, client: Client) -> None:
        for failure, detail in client.failure_details.items():
            self._failure_details.setdefault(client.endpoint.key, {}).setdefault(failure.value, detail)


async def _authorize(client: Client) -> None:
    with suppress(TokenError):  # the endpoint then refuses the request, which counts as a failure
        await client.authorize()
