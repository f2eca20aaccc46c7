"""Two runs side by side: every setting and every figure that differs."""

from collections.abc import Sequence
from contextlib import suppress

import streamlit as st

from benchmark.decision.gather import UNREADABLE
from benchmark.record.run import Run
from benchmark.record.store import Store, UnknownRun
from benchmark.summary.diff import differences
from dashboard.components import markup, reports, run_text

_PARAMETER = "compare"
MOST = 2


def wanted() -> list[str]:
    """The ids of `?compare=ID,ID`, which makes a comparison a link to share."""
    # Limited, because anyone can write an address.
    return [run_id for run_id in dict.fromkeys(st.query_params.get(_PARAMETER, "").split(",", 10)[:10]) if run_id]


def chosen(store: Store) -> list[Run]:
    """The runs to compare, at most two. Raises StoreError."""
    found, ids = [], wanted()
    for run_id in ids:
        with suppress(UnknownRun):
            found.append(store.run(run_id))
    return [run for run in found if run.id in ids][:MOST]  # only whole ids: the store also finds prefixes


def choose(ids: Sequence[str]) -> None:
    """Compare these runs."""
    if ids:
        st.query_params[_PARAMETER] = ",".join(ids)
    else:
        st.query_params.pop(_PARAMETER, None)


def forget(run_id: str) -> None:
    """Compare nothing if this run, which is deleted, is one of the two."""
    if run_id in wanted():
        choose(())


def show(store: Store, runs: Sequence[Run]) -> None:
    """Draw the differences of two runs."""
    with st.container(border=True, key="compared"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown("**Differences**", width="content")
            st.button("Close", type="tertiary", on_click=choose, args=((),), key="uncompare")
        if others := [run for run in runs if not run_text.has_latencies(run)]:  # a link may name any run
            named = markup.plain(" and ".join(run_text.title(run) for run in others))
            st.error(f"Only comparisons and loads can be compared, not {named}.", icon=":material/error:")
            return
        try:
            first, second = (reports.read(store, run).summary for run in runs)
            found = differences(first, second)
        except UNREADABLE as error:
            st.error(markup.plain(f"These runs cannot be compared: {error}"), icon=":material/error:")
            return
        if not found:
            st.markdown("No differences: every setting and every figure is the same.")
            return
        header = ["", *(markup.plain(f"{run.name} ({run.id})" if run.name else run_text.title(run)) for run in runs)]
        rows = [[markup.plain(text[:160]) for text in (line.name, line.first, line.second)] for line in found]
        st.markdown(markup.markdown_table(header, rows))
