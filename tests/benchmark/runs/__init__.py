"""Runs as they are recorded, written down instead of measured."""

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

from benchmark.endpoints.sample import Failure, Temperature
from benchmark.record.plan import ComparePlan, Plan, to_document
from benchmark.record.run import FORMAT_VERSION, Run, RunState
from benchmark.record.samples import FAILURES, ROW, TEMPERATURES, Samples, from_rows

UTC = "2026-01-02T03:04:05.678+00:00"
NAMES = {"api": "FastAPI", "function": "Cloud Function"}
EQUAL_FACTS: Mapping[str, str] = {
    "vCPU": "1",
    "memory": "512Mi",
    "concurrency": "1",
    "min instances": "0",
    "region": "europe-west1",
} | {
    "machine": "x86_64",
    "Python": "3.12.4",
    "runtime": "onnx",
    "model version": "v1",
    "model sha256": "0" * 64,
}


def row(endpoint: int, group: int, service_ms: float = 10.0, **changes: Any) -> tuple[Any, ...]:
    """A measured, warm success of one endpoint, 20 ms after the one before it; `changes` replace its fields.

    `failure` and `temperature` may be given as what they are.
    """
    if isinstance(changes.get("failure"), Failure):
        changes["failure"] = 1 + FAILURES.index(changes["failure"])
    if isinstance(changes.get("temperature"), Temperature):
        changes["temperature"] = TEMPERATURES.index(changes["temperature"])
    sent_ms = 40.0 * group + 20.0 * endpoint
    usual = {
        "endpoint": endpoint,
        "warmup": False,
        "temperature": TEMPERATURES.index(Temperature.WARM),
        "failure": 0,
        "status": 200,
        "instance": 1,
        "group": group,
        "scheduled_ms": sent_ms,
        "sent_ms": sent_ms,
        "service_ms": service_ms,
        "server_ms": 2.0,
        "wait_ms": service_ms - 1,
        "receive_ms": 1.0,
        "prediction": 1.0,
        "worker": 0,
    }
    return tuple(({name: nan for name in ROW.names or ()} | usual | changes).values())


def pairs(first_ms: Sequence[float], second_ms: Sequence[float]) -> Samples:
    """Pair after pair of warm successes with these service times."""
    couples = enumerate(zip(first_ms, second_ms, strict=True))
    return from_rows([row(side, group, both[side]) for group, both in couples for side in (0, 1)])


def make_run(plan: Plan | None = None, keys: Sequence[str] = ("api", "function"), **manifest: Any) -> Run:
    """A finished run of endpoints that are served alike; `manifest` replaces its entries."""
    plan = plan or ComparePlan(pairs=100, warmup=0, margin_ms=1.0, margin_pct=0.0)
    entries: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "plan": to_document(plan),
        "endpoints": [{"key": key, "name": NAMES.get(key, key), "url": f"http://{key}.example"} for key in keys],
        "facts": {key: dict(EQUAL_FACTS) for key in keys},
        "problems": {},
        "model": {"name": "tea", "version": "v1", "classes": ["green", "oolong", "black"]},
        "bodies": {"source": "card of tea", "count": 3, "sha256": "1" * 64},
        "client": {"host": "bench", "machine": "Linux x86_64", "cpus": 2},
    }
    outcome = {
        "ended_at_utc": UTC,
        "instances": ["abc123"],
        "failure_details": {},
        "generator": {
            "floor_ms": 0.3,
            "loop_lag_ms": 0.2,
            "late_ms": None,
            "cpu": 0.4,
            "reasons": [],
            "limited": False,
        },
    }
    return Run("0123abcd", plan.kind, "Nightly", RunState.FINISHED, UTC, entries | manifest, outcome)


def with_facts(key: str, **facts: str | None) -> Mapping[str, Any]:
    """`facts` of a manifest where the endpoint `key` differs in these from the other one."""
    return {side: {**EQUAL_FACTS, **(facts if side == key else {})} for side in NAMES}
