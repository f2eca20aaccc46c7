"""The left side of the Benchmark page: what to measure, what that will send, and Start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from benchmark.endpoints.endpoint import Endpoint
from benchmark.engine.forecast import estimate, typical_ms
from benchmark.launch import LaunchError
from benchmark.record.plan import (
    MARGIN_PCT,
    AbortRule,
    Arrivals,
    ClosedLoopPlan,
    ComparePlan,
    LoadPlan,
    Plan,
    PlanError,
    default_margin_ms,
)
from benchmark.record.run import Run
from benchmark.record.store import StoreError
from benchmark.runs.capacity.plan import CapacityPlan
from benchmark.statistics.estimates import min_samples
from dashboard import resources
from dashboard.components import markup, run_text
from dashboard.components.run_actions import wait_for_end
from dashboard.views.benchmark import capacity_planning, load_shapes
from dashboard.views.benchmark.plan_controls import Draft, connection, limits, seed

_CARD_WAIT_S = 1.5
_WARMUP = 20
_ARRIVALS: tuple[Arrivals, ...] = ("poisson", "constant", "gamma")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A kind of run that the page can start."""

    key: str
    icon: str
    name: str
    text: str
    draft: Callable[[Sequence[Endpoint]], Draft | None]
    """Draws its controls. None until they describe a plan. Raises PlanError."""


def planning(endpoints: Sequence[Endpoint], known: Sequence[Run]) -> None:
    """Draw the controls as a fragment, so that a change of the plan redraws only the plan."""
    drafted = None
    try:
        drafted = _draft(endpoints)
    except PlanError as error:
        st.error(markup.plain(markup.sentence(str(error))))
    if drafted:
        _estimate(drafted.plan, endpoints, known)
    name = st.text_input(
        "Name", placeholder="A name for the record (optional)", label_visibility="collapsed", key="name"
    )
    try:
        busy = resources.launcher().running()
    except StoreError:  # the page says so elsewhere
        busy = None
    pressed = st.button(
        "Start",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        key="start",
        disabled=drafted is None or busy is not None,
    )
    if pressed and drafted and _start(drafted, endpoints, name):
        st.rerun()
    if busy:
        st.caption("Another run is in progress. Runs would disturb each other, so only one can run at a time.")
        wait_for_end(busy)


def _draft(endpoints: Sequence[Endpoint]) -> Draft | None:
    chosen = st.segmented_control(
        "Measurement",
        [one.key for one in MEASUREMENTS],
        default="compare",
        required=True,
        format_func={one.key: one.name for one in MEASUREMENTS}.__getitem__,
        width="stretch",
        key="kind",
        bind="query-params",
        help="  \n".join(f"**{one.name}**: {one.text}" for one in MEASUREMENTS),
    )
    return next(one for one in MEASUREMENTS if one.key == chosen).draft(endpoints)


def _compare(endpoints: Sequence[Endpoint]) -> Draft:
    amount, other = st.columns(2)
    unit = {1: "requests", 2: "pairs"}.get(len(endpoints), "blocks")
    pairs = amount.number_input(unit.capitalize(), 1, 100_000, 500, 100, key="pairs", bind="query-params")
    warmup = other.number_input(f"Warm-up {unit}", 0, 1000, 20, 10, key="warmup", bind="query-params")
    st.caption(f"p95 needs {min_samples(0.95)} {unit}, p99 {min_samples(0.99)}. Smaller differences need more.")
    terms, _ = _terms(endpoints)
    return Draft(ComparePlan(pairs, warmup=warmup, **terms))


def _load(endpoints: Sequence[Endpoint]) -> Draft | None:
    shape = load_shapes.choose()
    terms, more = _terms(endpoints)
    with more:
        terms |= _load_terms()
        if shape is None or not shape.has_times:
            terms |= _arrivals()
    return None if shape is None else Draft(_warmed_up(shape.make(**terms)), shape.log)


def _callers(endpoints: Sequence[Endpoint]) -> Draft:
    amount, other = st.columns(2)
    callers = amount.number_input("Callers to each", 1, 200, 8, 1, key="callers", bind="query-params")
    total = other.number_input("Requests to each", 1, 100_000, 2000, 500, key="total", bind="query-params")
    terms, more = _terms(endpoints)
    with more:
        terms |= _load_terms()
    return Draft(_warmed_up(ClosedLoopPlan(concurrency=callers, total=total, **terms)))


def _warmed_up(plan: LoadPlan) -> LoadPlan:
    """At most a tenth of a short load is its warm-up."""
    return replace(plan, warmup=min(_WARMUP, plan.requests(1) // 10))


def _terms(endpoints: Sequence[Endpoint]) -> tuple[dict[str, Any], DeltaGenerator]:
    """The settings of every plan of requests, and the expander that has most of them."""
    reused = connection()
    more = st.expander("Margin, seed and more", key="advanced")
    with more:
        margin_ms = st.number_input(
            "Minimum relevant difference (ms)",
            0.0,
            10_000.0,
            default_margin_ms(endpoints),
            format="%g",
            key="margin-ms",
            bind="query-params",
            help="Fixed before the run. The larger of this and the percentage applies.",
        )
        margin_pct = st.number_input(
            "Minimum relevant difference (%)",
            0.0,
            100.0,
            MARGIN_PCT,
            format="%g",
            key="margin-pct",
            bind="query-params",
        )
        goodput_ms = st.number_input(
            "Goodput limit (ms)",
            0.0,
            600_000.0,
            0.0,
            format="%g",
            key="goodput-ms",
            bind="query-params",
            help="The report then has the share of requests that were answered within it. 0: no goodput.",
        )
        terms = {
            "connection": reused,
            "margin_ms": margin_ms,
            "margin_pct": margin_pct,
            "timeout_s": max(endpoint.timeout_s for endpoint in endpoints),
            "seed": seed(),
            "goodput_ms": goodput_ms or None,
        }
    return terms, more


def _load_terms() -> dict[str, Any]:
    """The settings that only loads have."""
    correctness = st.checkbox(
        "Compare answers with those at rest",
        key="correctness",
        bind="query-params",
        help="Each different input (at most 100) is sent twice before the load. The report counts the answers under "
        "load that differ, by instance.",
    )
    st.caption("Stop at once when an endpoint exceeds, in the last 10 s:")
    return {"abort": tuple(AbortRule(*limit) for limit in limits("abort", {})), "correctness": correctness}


def _arrivals() -> dict[str, Any]:
    arrivals = st.selectbox("Arrivals", _ARRIVALS, format_func=str.capitalize, key="arrivals", bind="query-params")
    if arrivals != "gamma":
        return {"arrivals": arrivals}
    burstiness = st.number_input(
        "Burstiness",
        0.01,
        100.0,
        0.25,
        0.05,
        format="%g",
        key="burstiness",
        bind="query-params",
        help="The shape of the gaps between requests: 1 is Poisson, 0.25 has gaps that vary twice as much.",
    )
    return {"arrivals": arrivals, "burstiness": burstiness}


def _estimate(plan: Plan | CapacityPlan, endpoints: Sequence[Endpoint], known: Sequence[Run]) -> None:
    """Show what the run will send, before it starts."""
    if isinstance(plan, CapacityPlan):
        said = capacity_planning.estimate(plan, endpoints)
    else:
        names = [endpoint.name for endpoint in endpoints]
        said = run_text.estimate(estimate(plan, endpoints, _request_ms(plan, endpoints, known)), names)
    with st.container(key="estimate"):
        st.markdown(f":material/schedule: {markup.plain(said)}")


def _request_ms(plan: Plan, endpoints: Sequence[Endpoint], known: Sequence[Run]) -> float | None:
    """About how long a request takes, if that is known."""
    if (found := typical_ms(known, endpoints, plan)) is not None:
        return found
    served = resources.catalog().served(endpoints, wait_s=_CARD_WAIT_S)
    for endpoint, entry in zip(endpoints, served, strict=True):
        if entry is None or entry.problem:
            problem = (entry.problem if entry else None) or "has not answered yet"
            st.caption(f":material/error: {markup.plain(f'{endpoint.name} at {endpoint.address} {problem}.')}")
    # Before the first run, guess from how long each took to return its model card.
    took_ms = [entry.took_ms for entry in served if entry and entry.took_ms is not None]
    return sum(took_ms) / len(took_ms) if len(took_ms) == len(endpoints) else None


def _start(draft: Draft, endpoints: Sequence[Endpoint], name: str) -> bool:
    try:
        st.query_params["run"] = resources.launcher().start(
            draft.plan, endpoints, name.strip(), draft.log, user=resources.user()
        )
    except (LaunchError, PlanError) as error:
        st.error(markup.plain(f"Not started: {error}."))
        return False
    return True


MEASUREMENTS = (
    Measurement(
        "compare",
        ":material/balance:",
        "Compare",
        "Which is faster? The same request goes to each endpoint in random order, one at a time: service time. "
        "A winner needs an interval that excludes zero and a difference above the margin.",
        _compare,
    ),
    Measurement(
        "rate",
        ":material/stacked_line_chart:",
        "Load",
        "What happens under load? Requests arrive at a fixed rate, in stages, or as in a log (open loop). Response "
        "time counts from when a request was due, so stalls are visible.",
        _load,
    ),
    Measurement(
        "callers",
        ":material/group:",
        "Callers",
        "How much can they handle? A fixed number of clients each wait for their answer (closed loop). Measures "
        "throughput, and a service time that hides stalls.",
        _callers,
    ),
    Measurement(
        "capacity",
        ":material/vertical_align_top:",
        "Capacity",
        "Which rate can each sustain? Searches the highest rate at which each endpoint keeps your objectives, with an "
        "interval, their ratio, and the ratio per dollar.",
        capacity_planning.draft,
    ),
)
"""In the order of the page."""
