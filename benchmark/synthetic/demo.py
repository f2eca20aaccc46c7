"""Simulated runs in the form of real ones, for the command line and for pages that have no run to show yet."""

from dataclasses import asdict

from benchmark.endpoints.fairness import ALWAYS_SHOWN, SIMULATED
from benchmark.endpoints.sample import utc_now
from benchmark.engine.schedule import arrival_times_s
from benchmark.record.plan import (
    ClosedLoopPlan,
    ComparePlan,
    LoadPlan,
    Plan,
    PlanError,
    ReplayPlan,
    StagedPlan,
    to_document,
)
from benchmark.record.run import FORMAT_VERSION, Run, RunState, new_run_id
from benchmark.record.samples import Samples
from benchmark.synthetic.simulate import (
    Machine,
    TrueEndpoint,
    Truth,
    simulate_arrivals,
    simulate_closed,
    simulate_compare,
    simulate_load,
)

DEMO = Truth(
    (TrueEndpoint(base_ms=42.0, network_ms=8.0, spread=0.25), TrueEndpoint(base_ms=50.0, network_ms=8.0, spread=0.3)),
    Machine(drift_per_minute=0.1),
)
"""Two remote endpoints, one of them 8 ms slower, on a machine that slows down."""
_FACTS = dict.fromkeys(ALWAYS_SHOWN, SIMULATED)


KEYS = ("first", "second", "third", "fourth", "fifth", "sixth")
"""The keys of up to six simulated endpoints."""


def simulate_run(truth: Truth, plan: Plan) -> tuple[Run, Samples]:
    """A finished run of up to six endpoints with the keys `KEYS`, which differ only in their true latencies.

    Limits to abort on are not watched. Raises PlanError for a replay.
    """
    if isinstance(plan, ComparePlan):
        samples = simulate_compare(truth, plan.pairs, plan.warmup, plan.seed)
    else:
        samples = _load(truth, plan)
    sides = [
        {"key": key, "name": f"{key.capitalize()} (simulated)", "url": "simulated"}
        for key in KEYS[: len(truth.endpoints)]
    ]
    manifest = {
        "format_version": FORMAT_VERSION,
        "plan": to_document(plan),
        "endpoints": sides,
        "facts": {side["key"]: _FACTS for side in sides},
        "problems": {},
        "model": None,
        "bodies": {"source": "simulated", "count": 1, "sha256": ""},
        "client": {"host": "a simulation", "machine": "virtual time", "cpus": 1},
        "truth": asdict(truth),
    }
    outcome = {"ended_at_utc": utc_now(), "instances": [], "failure_details": {}}
    progress = {"done": len(samples), "total": len(samples), "phase": "", "elapsed_s": 0}
    return (
        Run(new_run_id(), plan.kind, "Simulated", RunState.FINISHED, utc_now(), manifest, outcome, progress),
        samples,
    )


def _load(truth: Truth, plan: LoadPlan) -> Samples:
    if isinstance(plan, ClosedLoopPlan):
        samples = simulate_closed(truth, plan.total, plan.seed, connections=plan.concurrency)
    elif isinstance(plan, ReplayPlan):
        raise PlanError("a simulated run cannot replay a log")
    elif isinstance(plan, StagedPlan) or plan.ramp is not None or plan.arrivals == "gamma":
        samples = simulate_arrivals(
            truth,
            [arrival_times_s(plan, plan.seed + at, at / len(truth.endpoints)) for at in range(len(truth.endpoints))],
            plan.seed,
        )
    else:
        samples = simulate_load(truth, plan.rate, plan.duration_s, plan.seed, poisson=plan.arrivals == "poisson")
    samples["warmup"] = samples["group"] < plan.warmup
    return samples
