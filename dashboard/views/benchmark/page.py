"""The Benchmark page: plan a run, follow it, read its report.

Another process carries out the run. The page shows the run that `?run=ID` names, so a refresh, another browser or a
closed tab does not affect it.
"""

from collections.abc import Sequence

import streamlit as st

from benchmark.record.run import Run
from benchmark.record.store import StoreError
from dashboard import resources
from dashboard.components import markup, run_text
from dashboard.components.following import find, follow, show_finished, why_missing
from dashboard.components.run_actions import run_link
from dashboard.pages import page_at, page_of_run
from dashboard.views.benchmark.planning import MEASUREMENTS, planning

DEMO = "demo"
"""`?run=demo` is a simulated run that is not recorded."""
_PATH = "benchmark"
_LATEST = 5


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
        st.fragment(planning)(resources.settings().endpoints, known)
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
    for column, one in zip(st.columns(len(MEASUREMENTS), gap="medium"), MEASUREMENTS, strict=True):
        with column, st.container(border=True, key=f"kind-{one.key}", height="stretch"):
            st.markdown(f"{one.icon} **{one.name}**")
            st.caption(one.text)
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
