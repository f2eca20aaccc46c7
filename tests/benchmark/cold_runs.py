"""Runs of cold starts whose truth is known, as they would be recorded."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmark.coldstart.plan import KIND, ColdPlan, steps, to_document
from benchmark.endpoints.sample import Failure, Temperature
from benchmark.record.run import Run, RunState
from benchmark.record.samples import FAILURES, TEMPERATURES, Row, Samples, from_rows, make_row

NAMES = {"api": "FastAPI", "function": "Cloud Function"}
FACTS = {"vCPU": "1", "region": "here"}


@dataclass(frozen=True, slots=True)
class TrueStart:
    """An endpoint that is cold after `idle_s`, with times in ms; `evidence` is what its answers say of the instance."""

    cold_ms: float = 800.0
    warm_ms: float = 20.0
    idle_s: float = 600.0
    evidence: bool = True
    model_ms: float | None = 30.0
    fails: Sequence[int] = ()
    """steps whose probe fails"""
    failure: Failure = Failure.SERVER_ERROR
    in_advance: bool = False
    """every new instance was started before it was asked"""


def cold_run(
    plan: ColdPlan, starts: Mapping[str, TrueStart], state: RunState = RunState.FINISHED, done: int | None = None
) -> tuple[Run, Samples]:
    """The run of `plan` over endpoints by key, or its first `done` steps."""
    noise = random.Random(1)  # noqa: S311
    rows: list[Row] = []
    probes: list[dict[str, Any]] = []
    clock_ms = 0.0
    keys = list(starts)
    for step in steps(plan, len(keys))[:done]:
        clock_ms += (step.idle_s or 0) * 1000
        for position in step.order:
            true = starts[keys[position]]
            cold = step.idle_s is None or step.idle_s >= true.idle_s
            latency_ms = (true.cold_ms if cold else true.warm_ms) * noise.uniform(0.9, 1.1)
            failed = 1 + FAILURES.index(true.failure) if step.number in true.fails else 0
            state_now = Temperature.COLD if cold else Temperature.WARM
            if cold and true.in_advance:
                state_now = Temperature.FIRST_ON_WARM
            request_ms = 10.0 if plan.mode == "spawn" else latency_ms
            for lead in (True, *[False] * plan.warm_requests):
                service_ms = request_ms if lead else true.warm_ms * noise.uniform(0.9, 1.1)
                waited_ms = latency_ms - request_ms if lead else 0.0
                told = state_now if lead else Temperature.WARM
                rows.append(
                    make_row(
                        endpoint=position,
                        temperature=TEMPERATURES.index(told if true.evidence else Temperature.UNKNOWN),
                        failure=failed if lead else 0,
                        status=500 if lead and failed else 200,
                        instance=len(probes) + 1,
                        group=step.number,
                        scheduled_ms=clock_ms,
                        sent_ms=clock_ms + waited_ms,
                        service_ms=service_ms,
                        prediction=0.0,
                    )
                )
                clock_ms += waited_ms + service_ms
            startup = {"imports": 400.0, "runtime": 100.0, "model": true.model_ms, "server": 100.0}
            probes.append(
                {
                    "step": step.number,
                    "endpoint": position,
                    "planned_idle_s": step.idle_s,
                    "idle_s": None if step.idle_s is None else step.idle_s * 1.01,
                    "startup_ms": startup if cold and true.model_ms is not None else None,
                }
            )
    manifest = {
        "format_version": 1,
        "plan": to_document(plan),
        "endpoints": [{"key": key, "name": NAMES.get(key, key), "url": None} for key in keys],
        "facts": {key: FACTS for key in keys},
        "problems": {},
        "model": None,
        "bodies": {"source": "card", "count": 1, "sha256": "0" * 64},
        "client": {"host": "bench", "machine": "Linux x86_64", "cpus": 2},
    }
    progress = {"done": len(probes), "total": plan.probes * len(keys), "phase": "done", "probes": probes}
    run = Run("c01d" * 2, KIND, "", state, "2026-05-04T03:02:01+00:00", manifest, {}, progress)
    if state is RunState.FINISHED:
        run = replace(run, outcome={"probes": probes, "instances": [], "failure_details": {}})
    return run, from_rows(rows)
