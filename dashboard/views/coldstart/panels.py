"""The results of a cold-start run, in their own module so that Plotly is imported only to draw."""

import streamlit as st

from benchmark.coldstart.summary import ColdFigures, ColdSummary, part_names, runtime_text, threshold_text
from benchmark.decision.gather import UNREADABLE
from benchmark.record.run import Run
from benchmark.record.store import Store, UnknownRun
from benchmark.statistics.estimates import Estimate
from benchmark.statistics.text import bounds
from dashboard import resources
from dashboard.components import markup, reports, run_text
from dashboard.components.grid import cells
from dashboard.components.pairs import pairs_table
from dashboard.components.panels import empty_panel, panel
from dashboard.views.coldstart import charts as draw


def live(store: Store, run: Run) -> None:
    """The results so far of a run in progress, in the form of the final report."""
    if run.progress.get("done"):
        finished(store, run)
    else:
        st.caption("Figures appear here after the first probe.")


def finished(store: Store, run: Run) -> None:
    """All results of a run."""
    if not run.progress.get("done"):
        st.caption("Nothing was measured.")
        return
    try:
        summary = reports.read(store, run).summary
    except UnknownRun:  # deleted in the meantime: the whole page says so
        st.rerun()
    except UNREADABLE as error:
        st.error(markup.plain(f"This run cannot be read: {error}."), icon=":material/error:")
        return
    _cards(summary)
    _verdict(summary)
    _charts(summary)
    _conditions(summary)


def _cards(summary: ColdSummary) -> None:
    keys = [side.key for side in summary.endpoints]
    resources.show_edges(keys)
    for side, cell in zip(summary.endpoints, cells(len(keys)), strict=True):
        with cell.container(border=True, key=f"card-{side.key}", height="stretch"):
            with st.container(
                horizontal=True,
                horizontal_alignment="distribute",
                vertical_alignment="center",
                key=f"title-{side.key}",
            ):
                st.markdown(f"**{markup.plain(side.name)}**", width="content")
                if side.failed:
                    st.badge(f"{side.failed} of {len(side.probes)} failed", icon=":material/close:", color="red")
                else:
                    st.badge(markup.counted(len(side.probes), "probe"), icon=":material/check:", color="green")
            with st.container(horizontal=True, key=f"coldfigures-{side.key}"):
                cold, warm = (word.split()[0] for word in (side.cold_word, side.warm_word))
                st.metric(f"{cold.capitalize()} p50 (ms)", run_text.value(side.cold_ms[0]))
                st.metric(
                    f"Slowest {cold} (ms)",
                    markup.duration(max(side.cold_values_ms, default=0.0)) if side.cold_values_ms else markup.NOTHING,
                )
                st.metric(f"{warm.capitalize()} p50 (ms)", run_text.value(side.warm_ms[0]))
                st.metric(f"{cold.capitalize()} / {warm}", _ratio(side))
            st.caption("  \n".join(_lines(summary, side)))


def _lines(summary: ColdSummary, side: ColdFigures) -> list[str]:
    """The note below the figures of a card, as Markdown."""
    lines = [
        f"Runtime: {markup.plain(runtime_text(side))}.",
        f"{side.cold_word.capitalize()} p50: {_interval(side.cold_ms[0])}. "
        f"{side.warm_word.capitalize()} p50: {_interval(side.warm_ms[0])}.",
    ]
    if side.failed and side.failure_details:
        lines.append(markup.plain("; ".join(f"{name}: {text}" for name, text in side.failure_details.items())))
    if summary.plan.mode == "ladder":
        lines.append(markup.plain(threshold_text(side)))
    elif side.split:
        lines.append(_split_text(summary, side))
    elif side.cold_values_ms:
        lines.append("It does not report the parts of its start.")
    return lines


def _verdict(summary: ColdSummary) -> None:
    if summary.verdict is None:
        return
    with st.container(border=True, key="verdict"):
        st.markdown(f"{run_text.OUTCOMES[summary.verdict.outcome].markdown} {markup.plain(summary.verdict.sentence)}")
        pairs = summary.verdict.pairs
        if len(pairs) > 1:
            st.markdown(pairs_table(pairs, [side.name for side in summary.endpoints]))


def _charts(summary: ColdSummary) -> None:
    colors = resources.palette()
    counts = "; ".join(
        f"{side.name}: {len(side.cold_values_ms)} {side.cold_word} and {len(side.warm_values_ms)} {side.warm_word}"
        for side in summary.endpoints
    )
    if summary.plan.mode == "ladder":
        first, second = st.columns(2, gap="medium")
        with first:
            panel(
                "idle",
                "Response time by idle gap",
                lambda: draw.idle_scatter(summary, colors),
                "Response time in milliseconds by the idle gap before it, both on log axes. "
                + " ".join(threshold_text(side) for side in summary.endpoints),
                lambda: draw.probe_table(summary),
            )
        with second:
            panel(
                "share",
                "Share of cold probes",
                lambda: draw.cold_share(summary, colors),
                f"Share of cold probes after each idle gap, with 95% intervals. {counts}.",
                lambda: draw.share_table(summary),
            )
        _populations(summary, counts)
        return
    left, right = st.columns(2, gap="medium")
    with left:
        _populations(summary, counts)
    with right:
        if any(side.split for side in summary.endpoints):
            panel(
                "split",
                "Parts of a cold start",
                lambda: draw.split_bars(summary, colors),
                " ".join(f"{side.name}: {_split_text(summary, side)}" for side in summary.endpoints),
                lambda: draw.split_table(summary),
            )
        else:
            empty_panel("split", "Parts of a cold start", "No endpoint has reported the parts of its start yet.")
    panel(
        "order",
        "Cold starts in order",
        lambda: draw.in_order(summary, colors),
        f"Each cold start in milliseconds in the order of the run. {counts}.",
        lambda: draw.probe_table(summary),
    )


def _populations(summary: ColdSummary, counts: str) -> None:
    panel(
        "populations",
        "Cold and warm",
        lambda: draw.populations(summary, resources.palette()),
        f"Time to the answer in milliseconds on a log axis, cold and warm apart, with medians. {counts}.",
        lambda: draw.population_table(summary),
    )


def _split_text(summary: ColdSummary, side: ColdFigures) -> str:
    if side.split is None:
        return "It does not report the parts of its start."
    values_ms = (side.split.imports_ms, side.split.model_ms, side.split.rest_ms)
    parts = zip(part_names(summary.plan), values_ms, strict=True)
    said = ", ".join(f"{name} {markup.duration(value_ms)} ms" for name, value_ms in parts)
    return f"Medians: {said} (n = {side.split_n})."


def _conditions(summary: ColdSummary) -> None:
    with st.container(border=True, key="chart-conditions", gap="xsmall"):
        st.markdown("**Conditions**")
        lines = list(summary.conditions)
        if summary.mismatches:
            unequal = "; ".join(one.describe() for one in summary.mismatches)
            lines.append(f"different or unknown: {unequal}")
        st.markdown("\n".join(f"- :small[{markup.plain(markup.capital(line))}]" for line in lines))


def _ratio(side: ColdFigures) -> str:
    cold, warm = side.cold_ms[0], side.warm_ms[0]
    if not cold.n or not warm.n or warm.value <= 0:
        return markup.NOTHING
    ratio = cold.value / warm.value
    return f"{ratio:.1f}" if ratio < 10 else markup.count(ratio)


def _interval(estimate: Estimate) -> str:
    if not estimate.n:
        return "none yet"
    if not estimate.estimable:
        return f"n = {estimate.n}, interval not estimable"
    return f"95% {bounds(estimate, write=markup.duration)} ms, n = {markup.count(estimate.n)}"
