"""The three loops that send requests: pairs, arrivals at a rate, and callers that wait."""

import asyncio
import resource
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from time import perf_counter_ns
from typing import Any

from benchmark.engine.client import Client
from benchmark.engine.pace import Pace
from benchmark.engine.schedule import pair_orders
from benchmark.record.plan import ClosedLoopPlan, ComparePlan
from benchmark.record.recording import FLUSH_EVERY_S, HEARTBEAT_S, Recorder
from benchmark.record.store import StoreError

Progress = Callable[[], None]
_SPARE_FILES = 100
_MOST_FILES = 65_536


async def measure_pairs(
    clients: Sequence[Client], bodies: Sequence[bytes], plan: ComparePlan, recorder: Recorder, progress: Progress
) -> None:
    """Send rounds in random order with one request in flight; the record is written between requests."""
    orders = pair_orders(plan.seed, len(clients), len(bodies))
    began_ns = perf_counter_ns()
    async with written(recorder, progress, HEARTBEAT_S):
        for group in range(plan.warmup + plan.pairs):
            recorder.phase = "warming up" if group < plan.warmup else "measuring"
            body, order = next(orders)
            for position in order:
                recorder.add(
                    await clients[position].send(bodies[body], group, began_ns=began_ns, warmup=group < plan.warmup)
                )
            if recorder.unwritten_s >= FLUSH_EVERY_S:
                await _write(recorder, progress)


async def measure_arrivals(
    clients: Sequence[Client],
    bodies: Sequence[bytes],
    arrivals: Sequence[tuple[int, int, int]],
    warmup: int,
    recorder: Recorder,
    progress: Progress,
    most: int,
    stop: asyncio.Event,
    *,
    began_ns: int | None = None,
) -> None:
    """An open loop: every request is sent when due, regardless of earlier requests, until `stop`.

    `arrivals` are the sends in order: due in ns since the start, the endpoint, and the number of its request. The first
    `warmup` to each endpoint are marked. With `most` in flight, the next one waits, because it would fail without a
    free file descriptor. Requests in flight at the `stop` are still waited for: they are likely the slowest.
    `began_ns` is the start, in ns of `perf_counter_ns`, if it was earlier than now.
    """
    in_flight: set[asyncio.Task[None]] = set()
    defects: list[Exception] = []

    async def send(position: int, number: int, due_ns: int) -> None:
        body = bodies[number % len(bodies)]
        is_warmup = number < warmup
        try:
            recorder.add(await clients[position].send(body, number, began_ns=start_ns, due_ns=due_ns, warmup=is_warmup))
        except Exception as error:  # an error of ours: failures of an endpoint are in the row
            defects.append(error)

    async def send_all() -> None:
        with Pace() as pace:
            for since_began_ns, position, number in arrivals:
                due_ns = start_ns + since_began_ns
                await pace.until(due_ns)
                while len(in_flight) >= most:
                    await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
                if defects:
                    break
                task = create_task(send(position, number, due_ns))
                in_flight.add(task)
                task.add_done_callback(in_flight.discard)

    create_task = asyncio.get_running_loop().create_task
    start_ns = perf_counter_ns() if began_ns is None else began_ns
    async with written(recorder, progress, FLUSH_EVERY_S):
        try:
            await _until(stop, send_all())
            recorder.phase = "waiting for the last answers"
            await asyncio.gather(*in_flight)
            for defect in defects:
                raise defect
        finally:
            for task in in_flight:
                task.cancel()


async def measure_callers(
    clients: Sequence[Client],
    bodies: Sequence[bytes],
    plan: ClosedLoopPlan,
    numbers: Sequence[int],
    recorder: Recorder,
    progress: Progress,
    stop: asyncio.Event,
) -> None:
    """A closed loop: each caller of an endpoint sends its next request as soon as it has its answer, until `stop`.

    Each endpoint gets the requests of these `numbers`, in this order. The first `plan.warmup` of the run are marked.
    """
    began_ns = perf_counter_ns()
    left = [iter(numbers) for _ in clients]

    async def call(position: int) -> None:
        for number in left[position]:
            if stop.is_set():
                return
            body = bodies[number % len(bodies)]
            recorder.add(await clients[position].send(body, number, began_ns=began_ns, warmup=number < plan.warmup))

    callers = [asyncio.create_task(call(position)) for _ in range(plan.concurrency) for position in range(len(clients))]
    async with written(recorder, progress, FLUSH_EVERY_S):
        try:
            await asyncio.gather(*callers)
        finally:
            for caller in callers:
                caller.cancel()


async def _until(stop: asyncio.Event, sending: Coroutine[Any, Any, None]) -> None:
    """Wait for `sending`, and cancel it at the `stop`. Raises its error."""
    task, stopped = asyncio.create_task(sending), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def connections_at_most() -> int:
    """Raise the limit of open files, and return how many connections this process may have at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return max(1, (wanted if soft == resource.RLIM_INFINITY else soft) - _SPARE_FILES)


@asynccontextmanager
async def written(recorder: Recorder, progress: Progress, every_s: float) -> AsyncIterator[None]:
    """A context in which the record is written at least every `every_s`, during any wait."""
    writing = asyncio.create_task(_write_on(recorder, progress, every_s))
    try:
        yield
    finally:
        writing.cancel()
        await asyncio.wait({writing})


async def _write_on(recorder: Recorder, progress: Progress, every_s: float) -> None:
    while True:
        if recorder.unwritten_s >= every_s:
            await _write(recorder, progress)
        await asyncio.sleep(max(0.0, every_s - recorder.unwritten_s))


async def _write(recorder: Recorder, progress: Progress) -> None:
    """Write in another thread, because blocking the loop would count as lag."""
    with suppress(StoreError):  # it is retried, and missing rows are reported at the end
        await recorder.flush_aside()
    progress()
