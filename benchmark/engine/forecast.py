"""Forecasts: what a run will send, how long it will take, and what the platform will charge."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.cost.bill import estimate_usd
from benchmark.cost.prices import load_prices
from benchmark.endpoints.endpoint import Endpoint
from benchmark.record.plan import OpenPlan, Plan, PlanError
from benchmark.record.run import Run, RunState


@dataclass(frozen=True, slots=True)
class Forecast:
    """`duration_s` is None before any request has been timed; `cost_usd` is None if nothing is charged."""

    requests: int
    duration_s: float | None
    cost_usd: float | None


def estimate(plan: Plan, endpoints: Sequence[Endpoint], typical_ms: float | None) -> Forecast:
    """The forecast for a request that takes `typical_ms`.

    The cost is gross and an upper bound: request-based billing of a Cloud Run service with the settings of deploy/,
    without overlapping requests. Endpoints on this machine cost nothing.
    """
    requests = plan.requests(len(endpoints))
    remote = sum(not endpoint.is_local for endpoint in endpoints)
    return Forecast(
        requests,
        estimate_duration_s(plan, len(endpoints), typical_ms),
        estimate_usd(plan.requests(remote), typical_ms or 100.0, load_prices()) if remote else None,
    )


def estimate_duration_s(plan: Plan, endpoints: int, typical_ms: float | None) -> float | None:
    """The duration of `plan` if a request takes `typical_ms`; an open loop has a fixed duration."""
    if isinstance(plan, OpenPlan):
        return plan.duration_s
    if typical_ms is None:
        return None
    return plan.requests(endpoints) * typical_ms / 1000 / plan.in_flight(endpoints)


def typical_ms(runs: Sequence[Run], endpoints: Sequence[Endpoint], plan: Plan) -> float | None:
    """How long a request took in the last closed-loop run of the same endpoints and connections.

    `runs` are newest first; imported runs are skipped, because they were not measured from here. None without such a
    run.
    """
    urls = [endpoint.url for endpoint in endpoints]
    for run in runs:
        if run.state is not RunState.FINISHED or run.is_imported:
            continue
        try:
            reached = [one.url for one in run.manifest.endpoints]
            before, progress = run.plan, run.progress
        except (PlanError, KeyError, TypeError):  # from another kind or version
            continue
        if reached != urls:
            continue
        if before.connection != plan.connection or not progress.get("done") or not progress.get("elapsed_s"):
            continue
        if before.is_open_loop:
            continue
        return float(progress["elapsed_s"]) * 1000 * before.in_flight(len(urls)) / int(progress["done"])
    return None
