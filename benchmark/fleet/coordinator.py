"""One load on many workers: place the engines, start them together, collect their rows, and close the run.

The coordinator alone writes the record. It calls each worker once a second, through the scheduler: the call carries the
words without which an engine stops, and brings the rows back. Whoever does not answer in time is lost, and costs its
own rows. The times of a row count from the start of the worker that sent it, so no clocks of two machines are compared.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from time import perf_counter
from typing import Any

import uvloop

from benchmark.endpoints import readable
from benchmark.endpoints.bodies import Bodies
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import utc_now
from benchmark.engine.abort import Watchdog
from benchmark.engine.cancellation import Cancellation
from benchmark.engine.client import Instances
from benchmark.engine.execute import ProgressReport, watchdog_of
from benchmark.engine.schedule import whole
from benchmark.fleet import worker
from benchmark.fleet.cluster import Cluster
from benchmark.fleet.engine import BEAT, GO, SILENCE_S, STOP
from benchmark.fleet.frames import MESSAGE
from benchmark.fleet.members import Client, Member, connected
from benchmark.fleet.merge import Part, outcome
from benchmark.fleet.sketch import LiveView
from benchmark.fleet.split import split
from benchmark.fleet.task import make_task, pack
from benchmark.record.journal import Journal
from benchmark.record.plan import PlanError, to_document
from benchmark.record.recording import Log
from benchmark.record.run import Run, RunState
from benchmark.record.samples import Floats, Samples, in_order, join
from benchmark.record.samples import pack as pack_rows
from benchmark.record.store import Store, StoreError
from inference.card import ModelCard

CALL_EVERY_S = 1.0
ANSWER_WITHIN_S = SILENCE_S + 1
"""A worker that takes longer is lost: its engine has heard nothing for so long, and has ended."""
_READY_WITHIN_S = 60.0
_STOPPED_WITHIN_S = 3.0
"""How long engines may take to end after a cancellation, which ends no requests in flight."""


def execute(
    run: Run,
    endpoints: Sequence[Endpoint],
    bodies: Bodies,
    card: ModelCard | None,
    store: Store,
    report: ProgressReport,
    cluster: Cluster,
    *,
    times_s: Floats | None = None,
) -> Run:
    """Carry out `run`, a load, on the workers of `cluster`, and record it; otherwise as the engine's `execute`.

    Raises PlanError before anything is recorded if the workers cannot carry it out, and StoreError.
    """
    with Cancellation() as cancellation, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        conduct = _conduct(run, endpoints, bodies, card, store, report, cluster, times_s, cancellation)
        return runner.run(conduct)


async def _conduct(
    run: Run,
    endpoints: Sequence[Endpoint],
    bodies: Bodies,
    card: ModelCard | None,
    store: Store,
    report: ProgressReport,
    cluster: Cluster,
    times_s: Floats | None,
    cancellation: Cancellation,
) -> Run:
    plan: Any = run.plan
    async with connected(cluster) as (client, members):
        parts = split(plan, whole(plan, len(endpoints), times_s), len(members))
        tasks = [make_task(run.id, to_document(part), endpoints, share, bodies.bodies, card) for part, share in parts]
        packed = pack(tasks)
        known = [{"name": member.name, **member.machine} for member in members]
        run = replace(run, manifest={**run.manifest, "workers": known})
        stop = asyncio.Event()
        watchdog = watchdog_of(plan, run.endpoint_names, stop.set)
        collector = _Collector(run, report, sum(task.requests for task in tasks), watchdog)
        followers = [
            _Follower(client, member, position, Part(member.name, task.requests, task.sends[0]), collector)
            for position, (member, task) in enumerate(zip(members, tasks, strict=True))
        ]
        futures = [
            client.submit(
                worker.carry_out,
                follower.key,
                task,
                key=follower.key,
                workers=[follower.member.address],
                allow_other_workers=False,
                pure=False,
                retries=0,
            )
            for follower, task in zip(followers, packed, strict=True)
        ]
        try:
            return await _measure(run, store, followers, collector, stop, watchdog, cancellation)
        finally:
            with suppress(Exception):  # the scheduler may be gone
                await asyncio.wait_for(client.cancel(futures, force=True), _STOPPED_WITHIN_S)
            await asyncio.gather(*(follower.kill() for follower in followers))


async def _measure(
    run: Run,
    store: Store,
    followers: "Sequence[_Follower]",
    collector: "_Collector",
    stop: asyncio.Event,
    watchdog: Watchdog | None,
    cancellation: Cancellation,
) -> Run:
    following = [asyncio.create_task(follower.follow()) for follower in followers]
    cancelled = asyncio.create_task(cancellation.wait())
    try:
        await _until_ready(followers, following, cancelled)
        # In another thread: engines that hear nothing meanwhile end themselves, and a busy record takes up to 10 s.
        await asyncio.to_thread(store.create_run, run)
        journal = await asyncio.to_thread(Journal, store, run.id, cancellation.ask)
        state = RunState.FAILED
        try:
            collector.start(journal)
            for follower in followers:
                follower.say(GO)
            state = await _until_over(followers, following, cancelled, stop, collector)
        finally:
            ended_ns = collector.elapsed_ns
            reason = None
            if all(follower.part.lost is not None for follower in followers):
                state, reason = RunState.FAILED, f"lost contact with all {len(followers)} workers"
            elif watchdog and watchdog.reason is not None and state is RunState.FINISHED:
                state, reason = RunState.ABORTED, watchdog.reason
            is_whole = state is RunState.FINISHED
            parts = [follower.part for follower in followers]
            ending = {"ended_at_utc": utc_now(), **outcome(parts, collector.instances, None if is_whole else ended_ns)}
            if reason is not None:
                ending["reason"] = reason
            try:
                await collector.write(is_live=False)
                await asyncio.to_thread(journal.drain)
            except BaseException:
                with suppress(StoreError):
                    journal.finish(RunState.FAILED, ending)
                raise
            journal.finish(state, ending)
        return replace(run, state=state, outcome=ending)
    finally:
        cancelled.cancel()
        for task in following:
            task.cancel()
        await asyncio.wait(following)


async def _until_ready(
    followers: "Sequence[_Follower]", following: Sequence[asyncio.Task[None]], cancelled: asyncio.Task[None]
) -> None:
    """Wait until every engine can start. Raises PlanError if one cannot, and KeyboardInterrupt for a cancellation."""
    waiting = [asyncio.create_task(follower.ready.wait()) for follower in followers]
    ready = asyncio.gather(*waiting)
    try:
        watched: set[asyncio.Future[Any]] = {ready, cancelled, *following}
        await asyncio.wait(watched, timeout=_READY_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        if cancelled.done():
            raise KeyboardInterrupt
        for follower in followers:
            if follower.part.lost is not None:
                raise PlanError(f"worker {follower.part.name} cannot start: {follower.part.lost}")
        if not ready.done():
            late = next(follower for follower in followers if not follower.ready.is_set())
            raise PlanError(f"worker {late.part.name} was not ready within {_READY_WITHIN_S:.0f} s: it may be busy")
    finally:
        ready.cancel()
        with suppress(asyncio.CancelledError):
            await ready


async def _until_over(
    followers: "Sequence[_Follower]",
    following: Sequence[asyncio.Task[None]],
    cancelled: asyncio.Task[None],
    stop: asyncio.Event,
    collector: "_Collector",
) -> RunState:
    """Write what is collected until all engines have ended; ends them at the `stop`, or when `cancelled`."""
    stopped = asyncio.create_task(stop.wait())
    over = asyncio.gather(*following)
    writing: asyncio.Task[None] | None = None
    try:
        while not over.done():
            watched = {over, *(task for task in (cancelled, stopped) if not task.done())}
            await asyncio.wait(watched, timeout=CALL_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            collector.watch()
            if writing is None or writing.done():  # a record that is away must not delay the end of the engines
                writing = asyncio.create_task(_written(collector))
            if stop.is_set() or cancelled.done():
                for follower in followers:
                    follower.say(STOP)
            if cancelled.done():
                await asyncio.wait({over}, timeout=_STOPPED_WITHIN_S)
                return RunState.CANCELLED
        over.result()
        return RunState.FINISHED
    finally:
        stopped.cancel()
        if writing is not None:
            await asyncio.wait({writing})


async def _written(collector: "_Collector") -> None:
    with suppress(StoreError):  # it is retried, and at the end reported
        await collector.write()


class _Follower:
    """Calls one worker until its engine has ended or it is lost."""

    def __init__(self, client: Client, member: Member, position: int, part: Part, collector: "_Collector") -> None:
        self.member = member
        self.part = part
        self.ready = asyncio.Event()
        self.key = f"faceoff-{collector.run_id}-{position}"
        self._client = client
        self._position = position
        self._collector = collector
        self._words: list[bytes] = []
        self._wake = asyncio.Event()
        self._attempt: str | None = None

    def say(self, word: bytes) -> None:
        """Pass a word on, now."""
        self._words.append(word)
        self._wake.set()

    async def follow(self) -> None:
        """Call until the engine has ended, or the worker is lost."""
        while self.part.lost is None:
            self._wake.clear()
            words, self._words = [*self._words, BEAT], []
            try:
                reply = await self._call(worker.call, words)
            except Exception as error:  # of any kind, from the scheduler or the worker
                self.part.lost = _clause(error)
                return
            if reply is None and self._attempt is None:
                self._words = [word for word in words if word != BEAT]  # it has not begun
            elif reply is None or (self._attempt or reply.attempt) != reply.attempt:
                self.part.lost = "it was restarted"
            elif self._take(reply):
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), CALL_EVERY_S)

    async def kill(self) -> None:
        """End its engine, if it can still be reached."""
        if self.part.outcome is None:
            with suppress(Exception):
                await self._call(worker.kill)

    async def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        address = self.member.address
        called = self._client.run(function, self.key, *arguments, workers=[address])
        return (await asyncio.wait_for(called, ANSWER_WITHIN_S))[address]

    def _take(self, reply: worker.Reply) -> bool:
        """Pass its frames on; returns whether its engine has ended."""
        self._attempt = reply.attempt
        self.part.collecting_cpu_s = reply.cpu_s
        try:
            for kind, content in reply.frames:
                if kind == MESSAGE:
                    self._hear(json.loads(content))
                else:
                    self._collector.add(self.part.rows(content, self._position))
        except (ValueError, KeyError, TypeError) as error:
            self.part.lost = f"it sent what cannot be read ({type(error).__name__})"
            return True
        if reply.is_over and self.part.outcome is None and self.part.lost is None:
            self.part.lost = f"its engine ended: {readable.name(reply.problem or 'nobody knows why')}"
        return reply.is_over

    def _hear(self, message: Mapping[str, Any]) -> None:
        if "instances" in message:
            ids = [readable.name(str(instance_id)) for instance_id in message["instances"]]
            self.part.meet(ids, self._collector.instances)
        if "ready" in message:
            self.ready.set()
        if "refused" in message:
            self.part.lost = readable.name(str(message["refused"]))
        if "live" in message:
            self._collector.live.add(message["live"])
        if "outcome" in message:
            self.part.outcome = message["outcome"]


class _Collector:
    """The rows of all workers on their way to the record."""

    def __init__(self, run: Run, report: ProgressReport, total: int, watchdog: Watchdog | None) -> None:
        self.run_id = run.id
        self.instances = Instances()
        self.live = LiveView(len(run.endpoint_keys))
        self._log: Log | None = None
        self._report = report
        self._total = total
        self._watchdog = watchdog
        self._rows: list[Samples] = []
        self._unwritten: list[Samples] = []
        self._done = 0
        self._started_s = perf_counter()

    def start(self, log: Log) -> None:
        """The run begins now, and is written to `log`."""
        self._log = log
        self._started_s = perf_counter()

    @property
    def elapsed_ns(self) -> int:
        """Since the start."""
        return int((perf_counter() - self._started_s) * 1e9)

    def add(self, samples: Samples) -> None:
        """Keep rows of a worker for the next write."""
        self._rows.append(samples)
        self._done += len(samples)

    def watch(self) -> None:
        """Judge the rows since the last time by the limits of the run."""
        fresh, self._rows = in_order(join(self._rows)), []
        if self._watchdog is not None:
            for row in fresh.tolist():
                self._watchdog.add(row)
        self._unwritten.append(fresh)

    async def write(self, *, is_live: bool = True) -> None:
        """Write the rows since the last time, or a sign of life, in another thread, with the live view if `is_live`.

        One at a time. Raises StoreError, and keeps the rows.
        """
        self.watch()
        taken = len(self._unwritten)
        rows = join(self._unwritten)
        progress = {
            "done": self._done,
            "total": self._total,
            "phase": "measuring",
            "elapsed_s": round(self.elapsed_ns / 1e9, 3),
            **({"live": self.live.document} if is_live else {}),
        }
        await asyncio.to_thread(self._append, rows, progress)
        del self._unwritten[:taken]  # kept until now: the record may be free next time
        self._report(progress)

    def _append(self, rows: Samples, progress: Mapping[str, Any]) -> None:
        assert self._log  # rows come after the start  # noqa: S101
        self._log.append(self.run_id, pack_rows(rows) if len(rows) else None, progress)


def _clause(error: Exception) -> str:
    """Why a worker was lost."""
    if isinstance(error, TimeoutError):
        return f"it did not answer within {ANSWER_WITHIN_S:.0f} s"
    return "it left the cluster" if isinstance(error, OSError) else f"it failed ({type(error).__name__})"
