"""The Benchmark page: plan a run, follow it, read its report.

Another process carries out the run. The page shows the run that `?run=ID` names, so a refresh, another browser or a
closed tab does not affect it.
"""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from benchmark.endpoints.endpoint import Endpoint
from benchmark.engine.forecast import estimate, typical_ms
from benchmark.launch import LaunchError
from benchmark.record.plan import (
    MARGIN_PCT,
    Arrivals,
    ClosedLoopPlan,
    ComparePlan,
    Connection,
    OpenLoopPlan,
    Plan,
    PlanError,
    default_margin_ms,
)
from benchmark.record.run import Run
from benchmark.record.store import StoreError
from benchmark.statistics.estimates import min_samples
from dashboard import resources
from dashboard.components import markup, run_text
from dashboard.components.following import find, follow, show_finished, why_missing
from dashboard.components.run_actions import run_link, wait_for_end
from dashboard.pages import page_at, page_of_run

DEMO = "demo"
"""`?run=demo` is a simulated run that is not recorded."""
_KINDS = (
    (
        "compare",
        ":material/balance:",
        "Compare",
        "Which is faster? The same request goes to each endpoint in random order, one at a time: service time. "
        "A winner needs an interval that excludes zero and a difference above the margin.",
    ),
    (
        "rate",
        ":material/stacked_line_chart:",
        "Load",
        "What happens under load? Requests arrive at a fixed rate (open loop). Response time counts from when a "
        "request was due, so stalls are visible.",
    ),
    (
        "callers",
        ":material/group:",
        "Callers",
        "How much can they handle? A fixed number of clients each wait for their answer (closed loop). Measures "
        "throughput, and a service time that hides stalls.",
    ),
)
_CARD_WAIT_S = 1.5
_PATH = "benchmark"
_LATEST = 5
_CONNECTIONS: tuple[Connection, ...] = ("reused", "new")
_ARRIVALS: tuple[Arrivals, ...] = ("poisson", "constant")


def page() -> None:
    st.markdown("#### Benchmark\n:gray[:small[Runs continue in the background. You can close this page.]]")
    try:
        known = resources.store().runs(50)
    except StoreError as error:
        known = []
        st.warning(markup.plain(f"The record cannot be read: {error}. Runs cannot be saved until this is fixed."))
    going_on = next((run for run in known if not run.is_over), None)
    if going_on and page_of_run(going_on.kind) == page_at(_PATH) and "run" not in st.query_params:
        st.query_params["run"] = going_on.id
    if resources.settings().read_only:
        st.caption(f"{markup.READ_ONLY}: you can open runs, but not start them.")
        _chosen(known, going_on)
        return
    left, right = st.columns([1, 3], gap="medium")
    with left, st.container(border=True, key="plan"):
        st.fragment(_planning)(resources.settings().endpoints, known)
    with right:
        _chosen(known, going_on)


def _chosen(known: Sequence[Run], going_on: Run | None) -> None:
    """The run in the address, or the runs to choose from."""
    run_id = st.query_params.get("run")
    if run_id is None:
        _nothing_yet(known)
    elif run_id == DEMO:
        _show_demo()
    else:
        _show(run_id, going_on)


# --- Planning


def _planning(endpoints: Sequence[Endpoint], known: Sequence[Run]) -> None:
    """A fragment, so that a change of the plan redraws only the plan."""
    plan = None
    try:
        plan = _plan(endpoints)
    except PlanError as error:
        st.error(markup.plain(markup.sentence(str(error))))
    else:
        _estimate(plan, endpoints, known)
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
        disabled=plan is None or busy is not None,
    )
    if pressed and plan and _start(plan, endpoints, name):
        st.rerun()
    if busy:
        st.caption("Another run is in progress. Runs would disturb each other, so only one can run at a time.")
        wait_for_end(busy)


def _plan(endpoints: Sequence[Endpoint]) -> Plan:
    """The plan that the controls describe. Raises PlanError."""
    kind = st.segmented_control(
        "Measurement",
        [key for key, *_ in _KINDS],
        default="compare",
        required=True,
        format_func={key: name for key, _, name, _ in _KINDS}.__getitem__,
        width="stretch",
        key="kind",
        bind="query-params",
        help="  \n".join(f"**{name}**: {text}" for _, _, name, text in _KINDS),
    )
    amount, other = st.columns(2)
    if kind == "compare":
        unit = {1: "requests", 2: "pairs"}.get(len(endpoints), "blocks")
        pairs = amount.number_input(unit.capitalize(), 1, 100_000, 500, 100, key="pairs", bind="query-params")
        warmup = other.number_input(f"Warm-up {unit}", 0, 1000, 20, 10, key="warmup", bind="query-params")
        st.caption(f"p95 needs {min_samples(0.95)} {unit}, p99 {min_samples(0.99)}. Smaller differences need more.")
    elif kind == "rate":
        rate = amount.number_input(
            "Requests/s to each", 0.1, 1000.0, 50.0, 10.0, format="%g", key="rate", bind="query-params"
        )
        duration_s = other.number_input("Duration (s)", 1, 3600, 30, 10, key="duration", bind="query-params")
    else:
        callers = amount.number_input("Callers to each", 1, 200, 8, 1, key="callers", bind="query-params")
        total = other.number_input("Requests to each", 1, 100_000, 2000, 500, key="total", bind="query-params")
    connection = st.segmented_control(
        "Connections",
        _CONNECTIONS,
        default="reused",
        required=True,
        format_func=str.capitalize,
        width="stretch",
        key="connection",
        bind="query-params",
        help="New: each request opens its own connection, which is part of its latency.",
    )
    with st.expander("Margin, seed and more", key="advanced"):
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
        seed = st.number_input("Random seed", 0, 2**31, 0, key="seed", bind="query-params")
        if kind == "rate":
            arrivals = st.selectbox(
                "Arrivals", _ARRIVALS, format_func=str.capitalize, key="arrivals", bind="query-params"
            )
    timeout_s = max(endpoint.timeout_s for endpoint in endpoints)
    common: dict[str, Any] = {
        "connection": connection,
        "margin_ms": margin_ms,
        "margin_pct": margin_pct,
        "timeout_s": timeout_s,
        "seed": seed,
        "goodput_ms": goodput_ms or None,
    }
    if kind == "compare":
        return ComparePlan(pairs, warmup=warmup, **common)
    if kind == "rate":
        return OpenLoopPlan(rate=rate, duration_s=float(duration_s), arrivals=arrivals, **common)
    return ClosedLoopPlan(concurrency=callers, total=total, **common)


def _estimate(plan: Plan, endpoints: Sequence[Endpoint], known: Sequence[Run]) -> None:
    """Show what the run will send, before it starts."""
    names = [endpoint.name for endpoint in endpoints]
    request_ms = typical_ms(known, endpoints, plan)
    if request_ms is None:
        served = resources.catalog().served(endpoints, wait_s=_CARD_WAIT_S)
        for endpoint, entry in zip(endpoints, served, strict=True):
            if entry is None or entry.problem:
                problem = (entry.problem if entry else None) or "has not answered yet"
                st.caption(f":material/error: {markup.plain(f'{endpoint.name} at {endpoint.address} {problem}.')}")
        # Before the first run, guess from how long each took to return its model card.
        took_ms = [entry.took_ms for entry in served if entry and entry.took_ms is not None]
        request_ms = sum(took_ms) / len(took_ms) if len(took_ms) == len(endpoints) else None
    planned = estimate(plan, endpoints, request_ms)
    with st.container(key="estimate"):
        st.markdown(f":material/schedule: {markup.plain(run_text.estimate(planned, names))}")


def _start(plan: Plan, endpoints: Sequence[Endpoint], name: str) -> bool:
    try:
        st.query_params["run"] = resources.launcher().start(plan, endpoints, name.strip())
    except (LaunchError, PlanError) as error:
        st.error(markup.plain(f"Not started: {error}."))
        return False
    return True


# --- Results


def _nothing_yet(known: Sequence[Run]) -> None:
    with st.container(border=True, key="nothing"):
        st.markdown("**Which endpoint is faster, and how certain is that?**")
        how = "Open a run below."
        if not resources.settings().read_only:
            how = "Choose a measurement, check the estimate, and press **Start**."
        st.markdown(
            f"{how} The report has a verdict with its interval, errors, percentiles, latency over time, the slow tail, "
            "the parts of a request, and the conditions of each endpoint."
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Show a simulated run", icon=":material/science:", on_click=_open, args=(DEMO,), key="show-demo")
            st.caption("Two simulated endpoints with a known difference. Nothing is sent.", width="content")
    for column, (key, icon, name, text) in zip(st.columns(len(_KINDS), gap="medium"), _KINDS, strict=True):
        with column, st.container(border=True, key=f"kind-{key}", height="stretch"):
            st.markdown(f"{icon} **{name}**")
            st.caption(text)
    if known:
        st.markdown("**Latest runs**")
        for run in known[:_LATEST]:
            run_link(run, run_text.headline(run))


def _open(run_id: str) -> None:
    st.query_params["run"] = run_id


def _close() -> None:
    st.query_params.pop("run", None)


def _show_demo() -> None:
    st.info(
        "This run is simulated: one endpoint is 8 ms slower, and the machine slows down over time. Nothing was sent.",
        icon=":material/science:",
    )
    from dashboard.views.benchmark.report import demo, report

    report(demo())


def _show(run_id: str, going_on: Run | None) -> None:
    try:
        run = find(run_id)
    except StoreError as error:
        problem = resources.launcher().problem(run_id)
        st.error(markup.plain(problem or f"This run cannot be read: {error}"), icon=":material/error:")
        return
    if run is None:
        if resources.launcher().is_alive(run_id):
            follow(run_id)
        else:
            why_missing(run_id)
            st.button("Show all runs", on_click=_close, key="close")
    elif page_of_run(run.kind) != page_at(_PATH):
        st.info(f"Run {run.id} is a {run_text.kind(run)} run. It has its own page.", icon=":material/info:")
        run_link(run, run_text.headline(run))
    elif run.is_over:
        if going_on and going_on.id == run.id:
            st.rerun()  # it ended after the plan on the left was drawn
        show_finished(run)
    else:
        follow(run_id)
