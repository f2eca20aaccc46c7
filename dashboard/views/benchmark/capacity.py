"""The results of a capacity run, in their own module so that charts are imported only to draw."""

import streamlit as st

from benchmark.decision.gather import UNREADABLE
from benchmark.record.run import Run
from benchmark.record.store import Store, UnknownRun
from benchmark.runs.capacity.printing import capacity_text, cost_text, range_text, sentences
from benchmark.runs.capacity.summary import CapacitySummary, conditions
from dashboard import resources
from dashboard.components import markup, reports
from dashboard.components import run_text as say
from dashboard.components.grid import cells
from dashboard.components.panels import panel
from dashboard.views.benchmark import capacity_charts as draw
from dashboard.views.benchmark.report import head


def live(store: Store, run: Run) -> None:
    """The steps so far of a run in progress, in the form of the final report."""
    if run.progress.get("done"):
        finished(store, run)
    else:
        st.caption("Figures appear here after the first step.")


def finished(store: Store, run: Run) -> None:
    """The results of a run, or why it cannot be read."""
    try:
        found = reports.read(store, run)
    except UnknownRun:  # deleted in the meantime: the whole page says so
        st.rerun()
    except UNREADABLE as error:
        st.error(markup.plain(f"Run {run.id} cannot be read: {error}"), icon=":material/broken_image:")
        return
    summary: CapacitySummary = found.summary
    if run.is_over:
        head(found)
    if ending := say.ending(run):
        st.warning(markup.plain(ending), icon=say.STATES[run.state].icon)
    if summary.limits:
        st.warning(
            markup.plain(f"The client was the limit: {'; '.join(summary.limits)}. The capacity is at least this."),
            icon=":material/speed:",
        )
    if not summary.steps:
        st.caption("Nothing was measured.")
        return
    with st.container(border=True, key="verdict"):
        if not run.is_over:
            st.caption("So far")
        for sentence in sentences(summary):
            st.markdown(markup.plain(sentence))
    _cards(summary)
    _charts(summary)
    st.caption(markup.plain("; ".join(conditions(summary))))


def _cards(summary: CapacitySummary) -> None:
    resources.show_edges([one.key for one in summary.endpoints])
    for one, cell in zip(summary.endpoints, cells(len(summary.endpoints)), strict=True):
        with cell.container(border=True, key=f"card-{one.key}", height="stretch"):
            st.markdown(f"**{markup.plain(one.name)}**")
            value = range_text(one.range).partition(" (")[0] if one.range.is_known else markup.NOTHING
            st.metric("Capacity (requests/s)", markup.plain(value))
            st.caption(markup.plain(f"{markup.capital(capacity_text(one))}. {markup.capital(cost_text(one))}."))


def _charts(summary: CapacitySummary) -> None:
    colors = resources.palette()
    spoken = "; ".join(f"{one.name}: {len(one.steps)} steps, {capacity_text(one)}" for one in summary.endpoints)
    latency, goodput = st.columns(2, gap="medium")
    with latency:
        panel(
            "capacity-latency",
            "Latency over rate",
            lambda: draw.latency(summary, colors),
            f"p95 of response time in milliseconds by requests per second, for each step; both axes are logarithmic. "
            f"{spoken}.",
            lambda: draw.table(summary),
        )
    with goodput:
        panel(
            "capacity-goodput",
            "Goodput over rate",
            lambda: draw.goodput(summary, colors),
            f"Answers per second within the objectives by requests per second, for each step. {spoken}.",
            lambda: draw.table(summary),
        )
