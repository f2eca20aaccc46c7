"""Runs to look at: simulated ones, whole or in part, as the record keeps them."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from benchmark.endpoints.sample import Failure, Temperature
from benchmark.fleet.sketch import LiveView, by_second
from benchmark.record.plan import ComparePlan, OpenLoopPlan, Plan
from benchmark.record.run import Run
from benchmark.record.samples import FAILURES, TEMPERATURES, Samples
from benchmark.record.store import StoreError
from benchmark.summary.summarise import Summary, summarise
from benchmark.synthetic.demo import DEMO, simulate_run
from dashboard import resources

GENERATOR: dict[str, Any] = {
    "floor_ms": 0.5,
    "loop_lag_ms": 0.2,
    "late_ms": None,
    "cpu": 0.3,
    "reasons": [],
    "limited": False,
}


def simulated(plan: Plan | None = None, **outcome: Any) -> tuple[Run, Samples]:
    """A finished run of the endpoints `api` and `function`, with a generator."""
    run, samples = simulate_run(DEMO, plan or ComparePlan(pairs=100, warmup=5))
    keys = {"api": "FastAPI", "function": "Cloud Function"}
    manifest = dict(run.manifest)
    manifest["endpoints"] = [
        {**side, "key": key, "name": name}
        for side, (key, name) in zip(manifest["endpoints"], keys.items(), strict=True)
    ]
    manifest["facts"] = {
        key: {**facts, "vCPU": vcpu, "region": None}
        for key, facts, vcpu in zip(keys, manifest["facts"].values(), ("1", "2"), strict=True)
    }
    del manifest["truth"]
    known = {**run.outcome, "generator": GENERATOR, **outcome}
    return replace(run, name="", manifest=manifest, outcome=known), samples


def with_trouble(samples: Samples) -> Samples:
    """The same with two timeouts of the second endpoint and a cold start of the first."""
    changed: Samples = samples.copy()
    second = np.flatnonzero((changed["endpoint"] == 1) & ~changed["warmup"])[3:5]
    changed["failure"][second] = 1 + FAILURES.index(Failure.TIMEOUT)
    changed["service_ms"][second] = 10_000
    first = np.flatnonzero((changed["endpoint"] == 0) & ~changed["warmup"])[7]
    changed["temperature"][first] = TEMPERATURES.index(Temperature.COLD)
    changed["service_ms"][first] = 2500
    return changed


def summary_of(plan: Plan | None = None) -> tuple[Summary, Samples]:
    run, samples = simulated(plan)
    return summarise(run, samples), samples


LOAD = OpenLoopPlan(rate=40.0, duration_s=10.0)


def simulated_many(count: int) -> tuple[Run, Samples]:
    """A finished run of `count` endpoints, called A, B and so on, each 20 % slower than the one before."""
    run, samples = simulated()
    first = samples[samples["endpoint"] == 0]
    sides = []
    for position in range(count):
        side = first.copy()
        side["endpoint"] = position
        side["service_ms"] *= 1.2**position
        sides.append(side)
    names = "ABCDEF"[:count]
    entry, facts = run.manifest["endpoints"][0], run.manifest["facts"]["api"]
    manifest = {
        **run.manifest,
        "endpoints": [{**entry, "key": name.lower(), "name": name} for name in names],
        "facts": {name.lower(): facts for name in names},
    }
    return replace(run, manifest=manifest), np.concatenate(sides)


def from_workers(count: int = 4) -> tuple[Run, Samples]:
    """A load from this many workers: the last is farther away, and the first was lost halfway."""
    run, samples = simulated(LOAD)
    samples = samples.copy()
    samples["worker"] = 1 + (samples["group"] + samples["endpoint"]) % count
    far = samples["worker"] == count
    samples["service_ms"][far] += 12.0
    lost = (samples["worker"] == 1) & (samples["scheduled_ms"] > 5000)
    missing, samples = int(np.count_nonzero(lost)), samples[~lost]
    machine = run.manifest.client
    machines = [
        {"name": f"worker-{number}", "host": machine.host, "machine": machine.machine, "cpus": machine.cpus}
        for number in range(1, count + 1)
    ]
    sent = np.bincount(samples["worker"], minlength=count + 1)[1:].tolist()
    workers: list[dict[str, Any]] = [
        {"name": one["name"], "sent": rows, "lost": 0, "limited": False}
        for one, rows in zip(machines, sent, strict=True)
    ]
    workers[0] |= {"lost": missing, "problem": "it did not answer within 5 s"}
    workers[1]["limited"] = count > 2
    manifest = {**run.manifest, "workers": machines}
    return replace(run, manifest=manifest, outcome={**run.outcome, "workers": workers}), samples


def live_view() -> list[Any]:
    """What the progress of `from_workers` has in its last seconds."""
    view = LiveView(2)
    view.add(by_second(from_workers()[1], open_loop=True))
    return json.loads(json.dumps(view.document))  # type: ignore[no-any-return]


def end_run(within_s: float) -> None:
    """Cancel the run that the dashboard of a test has started, if any, and wait for its process."""
    launcher = resources.launcher()
    if child := launcher._child:
        with suppress(StoreError):
            launcher.cancel(child.run_id)
        child.process.wait(within_s)
