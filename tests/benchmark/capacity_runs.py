"""Capacity runs against simulated servers whose capacity is known, as the record keeps them."""

from typing import Any

from benchmark.record.run import Run, RunState
from benchmark.record.samples import Samples
from benchmark.runs.capacity.plan import CapacityPlan, Slo, to_document
from benchmark.runs.capacity.simulated import simulate
from benchmark.synthetic.bucket import TokenBucket

PLAN = CapacityPlan((Slo("p95_ms", 200.0), Slo("error_rate", 0.001)))
RATES = (80.0, 40.0)


def capacity_run(plan: CapacityPlan = PLAN, rates: tuple[float, ...] = RATES, **outcome: Any) -> tuple[Run, Samples]:
    """A finished run of endpoints with these capacities: one that refuses, one that queues, and so on."""
    servers = [TokenBucket(rate, 0.5, bool(number % 2)) for number, rate in enumerate(rates)]
    found = simulate(plan, servers, seed=1)
    keys = {"api": "FastAPI", "function": "Cloud Function"} if len(rates) == 2 else {"api": "FastAPI"}
    manifest = {
        "format_version": 1,
        "plan": to_document(plan),
        "endpoints": [{"key": key, "name": name, "url": "http://127.0.0.1:1"} for key, name in keys.items()],
        "facts": {key: {} for key in keys},
        "client": {"host": "here", "machine": "Linux", "cpus": 2},
    }
    ended = {
        "ended_at_utc": "2026-01-02T03:10:05Z",
        "steps": [step.bounds.document for step in found.steps],
        "instances": [],
        **outcome,
    }
    progress = {"done": len(found.steps), "total": plan.steps * len(rates), "phase": "measuring", "elapsed_s": 300.0}
    run = Run("ca9ac17e", "capacity", "", RunState.FINISHED, "2026-01-02T03:04:05Z", manifest, ended, progress)
    return run, found.samples
