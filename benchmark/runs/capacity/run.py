"""The kind of a capacity run: how it is checked, prepared, described and shown."""

from collections.abc import Callable, Mapping
from typing import Any

from benchmark.endpoints.bodies import card_for, from_descriptions
from benchmark.engine.execute import ask, make_manifest
from benchmark.record.plan import PlanError, check_count, check_hosts
from benchmark.record.run import Run
from benchmark.record.samples import Samples
from benchmark.record.store import Store
from benchmark.runs.capacity import plan as plans
from benchmark.runs.capacity.headline import of_capacity
from benchmark.runs.capacity.measure import execute
from benchmark.runs.capacity.plan import CapacityPlan
from benchmark.runs.capacity.printing import print_capacity
from benchmark.runs.capacity.summary import CapacitySummary, summarise, to_document
from benchmark.runs.kind import Order, ProgressReport, RunKind, Work
from benchmark.runs.requests import describe_found, new_run, read_bodies, span
from benchmark.statistics.text import listed


def check(order: Order[CapacityPlan]) -> None:
    """Refuse potentially harmful orders. Raises PlanError."""
    plan = order.plan
    check_count(len(order.endpoints))
    check_hosts(order.endpoints, order.allowed_hosts)
    if plan.max_rate > order.max_rate or plan.max_requests > order.max_requests:
        raise PlanError(f"at most {order.max_rate:g} requests/s and {order.max_requests} requests are allowed")
    if plan.usd_per_hour and len(plan.usd_per_hour) != len(order.endpoints):
        raise PlanError("a cost for each endpoint is needed, or none")
    if plan.arrivals != "constant":
        raise PlanError("a capacity is searched with constant arrivals")


def prepare(order: Order[CapacityPlan], store: Store) -> Work:
    """Ask the endpoints what they serve, and write the manifest. Raises PlanError, StoreError."""
    if order.resumed:
        raise PlanError(f"run {order.resumed.id} cannot be resumed: start a new one")
    check(order)
    plan, endpoints = order.plan, order.endpoints
    served = ask(endpoints)
    card = card_for(endpoints, served, order.body_from)
    silent = [f"{one.key} {known.problem}" for one, known in zip(endpoints, served, strict=True) if known.problem]
    bodies = read_bodies(order.body_from, card, silent, from_descriptions(endpoints, served))
    manifest = make_manifest(endpoints, served, plans.to_document(plan), bodies, card)
    run = new_run(plans.KIND, order.name, manifest, order.run_id)
    addresses = listed([endpoint.address for endpoint in endpoints])
    announcement = (
        f"At most {plan.steps} steps to each of {addresses}, up to {plan.max_rate:g} requests/s and "
        f"{plan.max_requests} requests, at most {span(plan.limit_s)}{describe_found(endpoints)}"
    )

    def carry_out(report: ProgressReport) -> Run:
        return execute(run, plan, endpoints, bodies, card, store, report)

    return Work(run, plan.steps * len(endpoints), announcement, carry_out)


def describe_plan(plan: CapacityPlan, endpoints: int, count: Callable[[int], str]) -> str:
    """A short description of a plan."""
    return (
        f"{', '.join(slo.text for slo in plan.slos)} up to {plan.max_rate:g}/s, at most {count(plan.steps)} steps each"
    )


def _count_steps(samples: Samples, outcome: Mapping[str, Any]) -> int:
    return len(outcome.get("steps", ()))


KIND: RunKind[CapacityPlan, CapacitySummary] = RunKind(
    name=plans.KIND,
    title="capacity",
    read_plan=plans.from_document,
    write_plan=plans.to_document,
    describe=describe_plan,
    check=check,
    prepare=prepare,
    summarise=summarise,
    summary_type=CapacitySummary,
    print=print_capacity,
    document=to_document,
    has_results=lambda summary: any(step.n for one in summary.endpoints for step in one.steps),
    headline=of_capacity,
    panel="dashboard.views.benchmark.capacity",
    unit="step",
    count=_count_steps,
    needs_idle_endpoints=True,
)
