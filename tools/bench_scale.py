"""`make bench-scale`: what load from several workers costs, as shares and ratios from one run.

- Rate: requests/s of 1, 2 and 4 workers of this machine against null servers, beside that many times those of one.
- Exactness: the sends of each run beside those of one process, and merged percentiles beside those of all rows.
- Cost of collecting: CPU of the coordinator with its scheduler, and of each worker's own process beside its engine.
- Reach: from the measured cost of a call, of a byte and of a row, what limits 10, 100 and 1000 workers.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmark.endpoints.bodies import Bodies
from benchmark.endpoints.catalog import Served
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import utc_now
from benchmark.engine.execute import make_manifest
from benchmark.engine.overhead import null_server
from benchmark.engine.schedule import whole
from benchmark.fleet import coordinator
from benchmark.fleet.cluster import Cluster
from benchmark.fleet.coordinator import CALL_EVERY_S
from benchmark.fleet.engine import SILENCE_S
from benchmark.fleet.members import connected
from benchmark.fleet.merge import Part
from benchmark.record.plan import OpenLoopPlan, to_document
from benchmark.record.recording import load_samples
from benchmark.record.run import Run, RunState, new_run_id
from benchmark.record.samples import Samples, in_order, join, pack
from benchmark.record.store import Store
from benchmark.statistics.estimates import quantiles
from benchmark.statistics.percentiles import PERCENTILES

LINEAR_LIMIT = 0.9
"""The goal: this share of as many times the rate of one worker as there are workers."""
_BODY = b'{"x": 1}'
_CALLS = 300
_BLOB_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Scale:
    """One load from some workers."""

    workers: int
    rate: float
    """answers per second, of all"""
    linear: float
    """share of the planned rate"""
    engine_cpu: float
    """mean share of a core of an engine"""
    coordinator_cpu: float
    """share of a core of the coordinator, with the scheduler and the record"""
    collecting_cpu: float
    """mean share of a core of a worker's own process"""
    is_exact: bool
    """whether the sends are those of one process, and the merged percentiles those of all rows"""
    limited: bool


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds in the process of scheduler and coordinator together."""

    call_s: float
    """of a call without rows"""
    byte_s: float
    """of each byte that comes back"""
    row_s: float
    """of merging and recording a row"""
    row_bytes: float
    """of a row as it travels"""


@dataclass(frozen=True, slots=True)
class Reach:
    """What so many workers would do to one scheduler and coordinator."""

    workers: int
    scheduler_busy: float
    """share of a core for calls and bytes"""
    coordinator_busy: float
    """share of a core for rows"""
    wait_p99_s: float
    """how long a word waits in the scheduler"""
    limit: str
    """what gives way first; empty if nothing does"""


def scale(workers: int, rate: float, duration_s: float, store: Store) -> tuple[Scale, Samples]:
    """A load of `rate` requests/s from each worker, against a null server for each worker's share."""
    plan = OpenLoopPlan(rate * workers / 2, duration_s, warmup=20, seed=1)
    with ExitStack() as stack:
        urls = [stack.enter_context(null_server()) for _ in range(2)]
        endpoints = [Endpoint(key, key, url) for key, url in zip("ab", urls, strict=True)]
        bodies = Bodies("bench", (_BODY,))
        manifest = make_manifest(endpoints, [Served(), Served()], to_document(plan), bodies, None)
        run = Run(new_run_id(), "load", "", RunState.RUNNING, utc_now(), manifest)
        busy_s, began_s = time.process_time(), time.perf_counter()
        ended = coordinator.execute(run, endpoints, bodies, None, store, lambda _: None, Cluster(None, workers))
        busy_s, span_s = time.process_time() - busy_s, time.perf_counter() - began_s
    samples, _ = load_samples(store, run.id)
    parts = ended.outcome["workers"]
    ended_ms = samples["sent_ms"] + samples["service_ms"]
    answered = np.count_nonzero(samples["failure"] == 0) * 1000 / float(ended_ms.max())
    due = sorted((round(row["scheduled_ms"] * 1e6), int(row["endpoint"]), int(row["group"])) for row in samples)
    planned = whole(plan, 2).sends
    found = Scale(
        workers,
        answered,
        answered / (len(planned) / duration_s),
        float(np.mean([part["generator"]["cpu"] for part in parts])),
        busy_s / span_s,
        float(np.mean([part["collecting_cpu_s"] for part in parts])) / duration_s,
        _is_same(due, sorted(planned)) and _is_merged_exactly(samples, workers),
        any(part["limited"] for part in parts),
    )
    return found, samples


def _is_same(due: Sequence[tuple[int, int, int]], planned: Sequence[tuple[int, int, int]]) -> bool:
    """Whether these are the same sends; a time in ms is off by a rounding."""
    if len(due) != len(planned):
        return False
    return {send[1:] for send in due} == {send[1:] for send in planned} and bool(
        np.all(np.abs(np.array([send[0] for send in due]) - np.array([send[0] for send in planned])) <= 1)
    )


def _is_merged_exactly(samples: Samples, workers: int) -> bool:
    """Whether the percentiles are bit for bit those of the rows of all workers, one after another."""
    shares = PERCENTILES.values()
    apart = np.concatenate([samples["service_ms"][samples["worker"] == 1 + at] for at in range(workers)])
    merged = quantiles(in_order(samples)["service_ms"], shares)
    return [one.value for one in merged] == [one.value for one in quantiles(apart, shares)]


def _nothing(size: int) -> bytes:
    return bytes(size)


async def _call_costs() -> tuple[float, float]:
    """CPU seconds of a call through the scheduler, and of each byte that it brings back."""
    async with connected(Cluster(None, 1)) as (client, members):
        address = members[0].address

        async def cost_s(size: int, calls: int) -> float:
            await client.run(_nothing, size, workers=[address])
            began_s = time.process_time()
            for _ in range(calls):
                await client.run(_nothing, size, workers=[address])
            return (time.process_time() - began_s) / calls

        call_s = await cost_s(0, _CALLS)
        return call_s, max(0.0, await cost_s(_BLOB_BYTES, 30) - call_s) / _BLOB_BYTES


def measure_costs(samples: Samples, store: Store) -> Costs:
    """The costs on this machine; `samples` are rows as workers measured them."""
    call_s, byte_s = asyncio.run(_call_costs())
    rows = np.resize(samples, 50_000)
    rows["instance"] = 0
    chunk = pack(rows)
    run = Run(new_run_id(), "load", "", RunState.RUNNING, utc_now(), {"plan": None, "endpoints": []})
    store.create_run(run)
    part = Part("a", 0)

    def merge() -> None:
        store.append(run.id, pack(in_order(join([part.rows(chunk, 0)]))), {})

    return Costs(call_s, byte_s, _cpu_s(merge) / len(rows), len(chunk) / len(rows))


def _cpu_s(work: Callable[[], None], times: int = 5) -> float:
    began_s = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began_s) / times


def reach(costs: Costs, workers: int, rate: float, seed: int = 0, seconds: int = 60) -> Reach:
    """Simulate the calls of `workers` that each bring back `rate` rows a second.

    Each worker is called once a second at its own moment; the scheduler serves one call after another (D. V. Lindley,
    The Theory of Queues with a Single Server, 1952: w' = max(0, w + service - gap)).
    """
    random = np.random.default_rng(seed)
    moments = np.sort((random.uniform(0, CALL_EVERY_S, workers) + np.arange(seconds)[:, None] * CALL_EVERY_S).ravel())
    service_s = costs.call_s + random.poisson(rate * CALL_EVERY_S, len(moments)) * costs.row_bytes * costs.byte_s
    waits_s = np.zeros(len(moments))
    for at in range(1, len(moments)):
        waits_s[at] = max(0.0, waits_s[at - 1] + service_s[at - 1] - (moments[at] - moments[at - 1]))
    scheduler = workers / CALL_EVERY_S * (costs.call_s + rate * CALL_EVERY_S * costs.row_bytes * costs.byte_s)
    rows = workers * rate * costs.row_s
    wait_p99_s = float(np.quantile(waits_s, 0.99))
    limit = ""
    if rows >= 1 and rows >= scheduler:
        limit = f"the coordinator: merging holds up to {1 / costs.row_s:,.0f} rows/s"
    elif scheduler >= 1 or wait_p99_s > SILENCE_S - CALL_EVERY_S:
        limit = f"the scheduler: it holds up to {workers / scheduler:,.0f} workers at this rate"
    return Reach(workers, scheduler, rows, wait_p99_s, limit)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 if a goal is missed on a machine that was not the limit."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench_scale", description=__doc__)
    parser.add_argument("--rate", type=float, default=600.0, help="requests/s of each worker (default 600)")
    parser.add_argument("--duration", type=float, default=10.0, help="of each load in s (default 10)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args(arguments)
    scales = []
    with TemporaryDirectory() as directory:
        store = Store(Path(directory))
        for workers in (1, 2, 4):
            found, samples = scale(workers, given.rate, given.duration, store)
            scales.append(found)
            print(
                f"{workers} workers: {found.rate:.0f} requests/s, {found.linear:.3f} of linear; an engine "
                f"{found.engine_cpu:.0%} of a core, its worker's process {found.collecting_cpu:.1%}, the coordinator "
                f"{found.coordinator_cpu:.0%}; {'exact' if found.is_exact else 'NOT EXACT'}"
                f"{'; the client was the limit' if found.limited else ''}",
                flush=True,
            )
        costs = measure_costs(samples, store)
    print(
        f"A call {costs.call_s * 1e6:.0f} us, a megabyte {costs.byte_s * 2**20 * 1e3:.1f} ms, a row "
        f"{costs.row_s * 1e6:.2f} us and {costs.row_bytes:.0f} bytes of CPU and traffic, scheduler and coordinator."
    )
    reaches = [reach(costs, workers, rate) for rate in (100.0, 1000.0) for workers in (10, 100, 1000)]
    for rate, group in ((100, reaches[:3]), (1000, reaches[3:])):
        for one in group:
            print(
                f"{one.workers} workers at {rate}/s each, simulated: scheduler {one.scheduler_busy:.0%} of a core, "
                f"coordinator {one.coordinator_busy:.0%}, a word waits {one.wait_p99_s * 1000:.0f} ms (p99)"
                f"{f'; the limit is {one.limit}' if one.limit else ''}"
            )
    if given.json:
        document: dict[str, Any] = {
            "scale": list(map(asdict, scales)),
            "costs": asdict(costs),
            "reach": list(map(asdict, reaches)),
        }
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    missed = [one for one in scales if not one.is_exact or (one.linear < LINEAR_LIMIT and not one.limited)]
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
