"""A record with something of everything that the pages show."""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from benchmark.coldstart.plan import IdleSweepPlan, SpawnPlan
from benchmark.endpoints.sample import Answer, Comparison, Failure, Sample
from benchmark.record.plan import ComparePlan
from benchmark.record.recording import add_finished_run
from benchmark.record.run import Run
from benchmark.record.samples import Samples
from inference.card import ModelCard
from tests.benchmark.cold_runs import TrueStart, cold_run
from tests.browser.conftest import Stack
from tests.browser.predict_page import ENDPOINTS
from tests.dashboard.runs import GENERATOR, LOAD, simulated, with_trouble

EARLIER = 40
"""How many comparisons `earlier` gives."""


def earlier(card: ModelCard) -> Iterator[Comparison]:
    """A record with something to draw: latencies of two shapes, and one failure."""
    draw = random.Random(0)  # noqa: S311  numbers to look at, no secret
    for number in range(EARLIER):
        samples = []
        for endpoint, typical_ms in zip(ENDPOINTS, (3.0, 6.0), strict=True):
            latency_ms = draw.lognormvariate(math.log(typical_ms), 0.4)
            failed = endpoint == "function" and number == 12
            answer = None if failed else Answer(1.0, card.classes[1], 0.89, (0.05, 0.89, 0.06), card.version)
            failure = Failure.TIMEOUT if failed else None
            samples.append(
                Sample(endpoint, "2026-01-01T00:00:00.000+00:00", latency_ms, failure=failure, answer=answer)
            )
        inputs = card.defaults
        yield Comparison(f"earlier-{number}", "2026-01-01T00:00:00.000+00:00", card.name, inputs, tuple(samples))


def fill(stack: Stack, card: ModelCard) -> dict[str, str]:
    """Put comparisons and runs of every kind into the stack's record; returns the ids of the runs by what they are."""
    for comparison in earlier(card):
        stack.store.add(comparison)
    limited = {**GENERATOR, "loop_lag_ms": 9.2, "reasons": ["its event loop lagged by 9.2 ms"], "limited": True}
    starts: Mapping[str, TrueStart] = {"api": TrueStart(), "function": TrueStart(1200, 25, 1200, evidence=False)}
    compared, requests = simulated(ComparePlan(pairs=400))
    loaded, arrived = simulated(LOAD)
    hurried, few = simulated(ComparePlan(pairs=90), generator=limited)
    runs: dict[str, tuple[Run, Samples]] = {
        "compared": (replace(compared, name="A first look at both"), requests),
        "loaded": (loaded, with_trouble(arrived)),
        "limited": (hurried, with_trouble(few)),
        "spawned": cold_run(SpawnPlan(12), {"api": TrueStart(), "function": TrueStart(1200)}),
        "ladder": cold_run(IdleSweepPlan(3, idle_s=(60.0, 300.0, 900.0, 1800.0)), starts),
    }
    for number, (run, samples) in enumerate(runs.values()):
        add_finished_run(stack.store, replace(run, id=f"{number}f111ed0", manifest=_at(stack, run)), samples)
    return {name: f"{number}f111ed0" for number, name in enumerate(runs)}


def _at(stack: Stack, run: Run) -> dict[str, Any]:
    """The manifest of `run` as one of the stack's own endpoints."""
    urls = {"api": stack.api.url, "function": stack.function.url}
    endpoints = [{**entry, "url": urls[entry["key"]]} for entry in run.manifest["endpoints"]]
    return {**run.manifest, "endpoints": endpoints}
