"""The plan of a capacity run on the Benchmark page: its objectives, its limits, and what it will send at most."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from benchmark.cost.bill import estimate_usd
from benchmark.endpoints.endpoint import Endpoint
from benchmark.record.plan import MAX_RATE, MAX_REQUESTS, PlanError
from benchmark.runs.capacity.plan import CapacityPlan, Slo
from benchmark.runs.requests import span
from benchmark.statistics.text import listed
from dashboard import resources
from dashboard.components import markup
from dashboard.views.benchmark.plan_controls import Draft, connection, limits, seed

_SLOS = {"p95_ms": 200.0, "error_rate": 0.001}
_MAX_RATE = 500.0
_START_RATE = 20.0
_FOR_TWO_S = 400
_FOR_EACH_MORE_S = 150


def draft(endpoints: Sequence[Endpoint]) -> Draft:
    """The plan that the controls describe. Raises PlanError."""
    st.caption("Objectives that each endpoint must keep:")
    slos = tuple(Slo(metric, limit) for metric, limit in limits("slo", _SLOS))
    left, right = st.columns(2)
    max_rate = left.number_input(
        "Requests/s at most", 1.0, MAX_RATE, _MAX_RATE, 50.0, format="%g", key="max-rate", bind="query-params"
    )
    start_rate = right.number_input(
        "Requests/s at first", 0.1, MAX_RATE, _START_RATE, 10.0, format="%g", key="start-rate", bind="query-params"
    )
    reused = connection()
    with st.expander("Steps, prices and more", key="advanced"):
        details = _details(endpoints)
    return Draft(
        CapacityPlan(
            slos,
            max_rate=max_rate,
            start_rate=min(start_rate, max_rate),
            connection=reused,
            timeout_s=max(endpoint.timeout_s for endpoint in endpoints),
            **details,
        )
    )


def _details(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The other settings of the plan."""
    left, right = st.columns(2)
    longest_s = _FOR_TWO_S + _FOR_EACH_MORE_S * max(0, len(endpoints) - 2)
    steps = left.number_input("Steps of each", 4, 100, 12, key="steps", bind="query-params")
    step_s = right.number_input("Step (s)", 0.5, 30.0, 8.0, 1.0, format="%g", key="step-s", bind="query-params")
    left, right = st.columns(2)
    limit_s = left.number_input("Time limit (s)", 10, 86_400, longest_s, 50, key="limit-s", bind="query-params")
    most = right.number_input(
        "Requests in all", 100, MAX_REQUESTS, MAX_REQUESTS, 1000, key="max-requests", bind="query-params"
    )
    return {
        "steps": steps,
        "step_s": step_s,
        "limit_s": float(limit_s),
        "max_requests": most,
        "usd_per_hour": _prices(endpoints),
        "seed": seed(),
    }


def _prices(endpoints: Sequence[Endpoint]) -> tuple[float, ...]:
    """What each endpoint costs in USD an hour; empty for the prices of the cost model. Raises PlanError."""
    typed = [
        st.number_input(
            f"{markup.plain(endpoint.name)} (USD/h)",
            0.0,
            10_000.0,
            None,
            0.01,
            format="%g",
            placeholder="by the cost model",
            key=f"usd-{endpoint.key}",
            help="What it costs while it answers. By the cost model, as much as the busy instances that answer.",
        )
        for endpoint in endpoints
    ]
    given = tuple(usd for usd in typed if usd is not None)
    if given and len(given) < len(typed):
        raise PlanError("give a price for every endpoint, or for none")
    return given


def estimate(plan: CapacityPlan, endpoints: Sequence[Endpoint]) -> str:
    """What the run will send at most, how long it takes at most, and what that costs at most."""
    names = listed([endpoint.name for endpoint in endpoints])
    remote = any(not endpoint.is_local for endpoint in endpoints)
    # Most requests are at rates that an endpoint holds, where they take less than its lowest objective.
    slowest_ms = min((slo.limit for slo in plan.slos if slo.share), default=plan.timeout_s * 1000)
    usd = estimate_usd(plan.most_requests, slowest_ms, resources.prices())
    cost = f", at most USD {usd:.2g} if each takes {slowest_ms:g} ms" if remote else ""
    return (
        f"At most {markup.count(plan.most_requests)} requests to {names} in turn, at most {span(plan.limit_s)}{cost}. "
        "It overloads each for seconds at a time."
    )
