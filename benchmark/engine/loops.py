"""The three loops that send requests: pairs, arrivals at a rate, and callers that wait."""

import asyncio
import resource
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import perf_counter_ns

from benchmark.engine.client import Client
from benchmark.engine.pace import Pace
from benchmark.engine.schedule import arrival_times_s, pair_orders
from benchmark.record.plan import ComparePlan, LoadPlan
from benchmark.record.recording import FLUSH_EVERY_S, Recorder
from benchmark.record.store import StoreError

Progress = Callable[[], None]
_SPARE_FILES = 100


async def measure_pairs(
    clients: Sequence[Client], bodies: Sequence[bytes], plan: ComparePlan, recorder: Recorder, progress: Progress
) -> None:
    """Pair after pair in random order, one request in flight; the record is written between requests."""
    orders = pair_orders(plan.seed, len(clients), len(bodies))
    began_ns = perf_counter_ns()
    for group in range(plan.warmup + plan.pairs):
        recorder.phase = "warming up" if group < plan.warmup else "measuring"
        body, order = next(orders)
        for position in order:
            recorder.add(
                await clients[position].send(bodies[body], group, began_ns=began_ns, warmup=group < plan.warmup)
            )
        if recorder.is_due:
            with suppress(StoreError):
                recorder.flush()
            progress()


async def measure_arrivals(
    clients: Sequence[Client],
    bodies: Sequence[bytes],
    plan: LoadPlan,
    recorder: Recorder,
    progress: Progress,
) -> None:
    """An open loop: every request is sent when it is due, whatever became of those before it."""
    arrivals = sorted(
        (due_s, position, number)
        for position in range(len(clients))
        for number, due_s in enumerate(arrival_times_s(plan, plan.seed + position))
    )
    most = _raise_file_limit() - _SPARE_FILES
    in_flight: set[asyncio.Task[None]] = set()

    async def send(position: int, number: int, due_ns: int) -> None:
        body = bodies[number % len(bodies)]
        row = await clients[position].send(body, number, began_ns=began_ns, due_ns=due_ns, warmup=number < plan.warmup)
        recorder.add(row)

    writing = asyncio.create_task(_write_on(recorder, progress))
    began_ns = perf_counter_ns()
    try:
        with Pace() as pace:
            for due_s, position, number in arrivals:
                due_ns = began_ns + round(due_s * 1e9)
                await pace.until(due_ns)
                while len(in_flight) >= most:  # with no file left a send would fail, through no fault of the endpoint
                    await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
                task = asyncio.create_task(send(position, number, due_ns))
                in_flight.add(task)
                task.add_done_callback(in_flight.discard)
        recorder.phase = "waiting for the last answers"
        if in_flight:
            await asyncio.gather(*in_flight)
    finally:
        for task in in_flight:
            task.cancel()
        await _end(writing)


async def measure_callers(
    clients: Sequence[Client], bodies: Sequence[bytes], plan: LoadPlan, recorder: Recorder, progress: Progress
) -> None:
    """A closed loop: so many callers an endpoint, each of which sends again as soon as it has its answer."""
    began_ns = perf_counter_ns()
    sent = [0] * len(clients)

    async def call(position: int) -> None:
        while sent[position] < (plan.total or 0):
            number = sent[position]
            sent[position] += 1
            body = bodies[number % len(bodies)]
            recorder.add(await clients[position].send(body, number, began_ns=began_ns, warmup=number < plan.warmup))

    writing = asyncio.create_task(_write_on(recorder, progress))
    callers = [
        asyncio.create_task(call(position)) for _ in range(plan.concurrency or 1) for position in range(len(clients))
    ]
    try:
        await asyncio.gather(*callers)
    finally:
        for caller in callers:
            caller.cancel()
        await _end(writing)


async def _write_on(recorder: Recorder, progress: Progress) -> None:
    while True:
        await asyncio.sleep(FLUSH_EVERY_S)
        with suppress(StoreError):  # it is tried again, and what is missing at the end is said then
            await recorder.flush_aside()
        progress()


async def _end(writing: "asyncio.Task[None]") -> None:
    writing.cancel()
    await asyncio.wait({writing})


def _raise_file_limit() -> int:
    """As many open files, and so connections, as this process may have at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft if soft != resource.RLIM_INFINITY else wanted
