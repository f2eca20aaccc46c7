"""The Runs page: find, open, name, compare, export, import and delete runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic

import streamlit as st

from benchmark.record.query import FoundRun, FoundRuns
from benchmark.record.run import RunState
from benchmark.record.store import Store, StoreError
from benchmark.runs import KINDS
from benchmark.runs.headline import Headline
from benchmark.runs.headlines import read_headline
from dashboard import resources
from dashboard.components import markup
from dashboard.pages import page_of_run
from dashboard.views.runs import compared, imports, manage, notes
from dashboard.views.runs.listing import MAX_SEARCH, PER_PAGE, Listing, listing, order_in, page_in
from dashboard.views.runs.table import Table, to_html

_GRID = "runs-grid"
_OPENED = "runs-opened"
_FOLLOW_EVERY_S = 2.0
_READ_FOR_S = 2.0
"""How long the page reads runs without a headline before it shows what it has found so far."""
_MOST_KEPT = 10_000
"""headlines in memory"""

_grid = st.components.v2.component(
    "faceoff.runs",
    html='<div class="runs"></div>',
    js=Path(__file__).with_name("table.js").read_text(),
    isolate_styles=False,
)


def page() -> None:
    _follow_link()
    st.markdown("#### Runs\n:gray[:small[Every run, with all its requests. Select two runs to compare them.]]")
    notes.show()
    store = resources.store()
    shown = _controls(store)
    try:
        found = store.find(shown.query)
        if found.total and not found.runs:  # a part behind the end, of a list that is shorter now
            shown = replace(shown, page=-(-found.total // PER_PAGE))
            found = store.find(shown.query)
        chosen = compared.chosen(store)
        manage.show(store)
    except StoreError as error:
        advice = "" if store.location.url else " To start a new one, set RESULTS_DIR to a new directory."
        st.warning(markup.plain(f"The record cannot be read: {error}.{advice}"))
        return
    if store.read_only:
        st.caption(f"{markup.READ_ONLY}: you can open, compare and export runs, but not change them.")
    if len(chosen) == compared.MOST:
        compared.show(store, chosen)
    if found.runs:
        _list(store, shown, found, [run.id for run in chosen])
    elif shown.is_filtered:
        st.info("No runs match the filter.")
    else:
        ways = "." if store.read_only else ": start one on the Benchmark page, or import one that was exported as JSON."
        st.info(f"No runs yet{ways}")


def _controls(store: Store) -> Listing:
    """Draw the search and the filters, which are in the address, and read the list that they describe."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="runs-bar"):
        search = st.text_input(
            "Search",
            type="search",
            placeholder="Search by name, ID, endpoint, result, user or day",
            max_chars=MAX_SEARCH,
            label_visibility="collapsed",
            key="search",
            on_change=_first_page,
            bind="query-params",
        )
        kinds = st.multiselect(
            "Kind",
            KINDS,
            placeholder="Every kind",
            label_visibility="collapsed",
            key="kinds",
            on_change=_first_page,
            bind="query-params",
            width=190,
        )
        states = st.multiselect(
            "State",
            [state.value for state in RunState],
            placeholder="Every state",
            label_visibility="collapsed",
            key="states",
            on_change=_first_page,
            bind="query-params",
            width=190,
        )
        if not store.read_only:
            with st.popover("Import", icon=":material/upload:", key="import"):
                imports.show()
    return listing(search or "", kinds, states, st.query_params)


def _first_page() -> None:
    st.query_params.pop("page", None)


# --- The list


def _list(store: Store, shown: Listing, found: FoundRuns, picked: Sequence[str]) -> None:
    kept = _kept_headlines()
    rows = [_with_headline(run, kept.get(run.id)) for run in found.runs]
    table = Table(
        rows,
        found.total,
        offset=(shown.page - 1) * PER_PAGE,
        per_page=PER_PAGE,
        sort_by=shown.sort_by,
        descending=shown.descending,
        picked=picked,
        can_pick=len(picked) < compared.MOST,
        unreadable=[run.id for run in rows if run.verdict is None and kept.get(run.id, "") is None],
        read_only=store.read_only,
    )
    kinds = {run.id: run.kind for run in rows}
    _grid(key=_GRID, data={"html": to_html(table)}, on_asked_change=partial(_answer, kinds, picked))
    if any(not run.is_over for run in rows):
        st.fragment(_follow, run_every=_FOLLOW_EVERY_S)(store, shown, found)
    unread = [run.id for run in rows if _is_unread(run, kept)]
    if unread and _read(store, unread, kept):
        st.rerun()


def _answer(kinds: Mapping[str, str], before: Sequence[str]) -> None:
    """Do what was clicked on in the table of these runs, whose kinds are by id; `before` are compared so far.

    A browser may send anything.
    """
    asked = st.session_state[_GRID].get("asked")
    if not isinstance(asked, Mapping):
        return
    what, value = asked.get("what"), asked.get("value")
    if not isinstance(value, str):
        return
    if what == "pick":
        picked = [one for one in value.split(",") if one in kinds]
        known = [one for one in before if one in picked or one not in kinds]
        compared.choose(list(dict.fromkeys([*known, *picked]))[: compared.MOST])
    elif what == "sort":
        sort_by, descending = order_in(value)
        st.query_params["sort"] = f"{'-' if descending else ''}{sort_by}"
        _first_page()
    elif what == "page":
        st.query_params["page"] = str(page_in(value))
    elif what == "manage" and value in kinds:
        manage.ask_for(value)
    elif what == "open" and value in kinds:
        st.session_state[_OPENED] = value, kinds[value]


def _follow_link() -> None:
    """Go to the page of the run whose link was clicked on."""
    if opened := st.session_state.pop(_OPENED, None):
        run_id, kind = opened
        st.switch_page(page_of_run(kind).link(), query_params={"run": run_id})


def _follow(store: Store, shown: Listing, found: FoundRuns) -> None:
    """Draw the page again when a run in progress has got further."""
    try:
        if store.find(shown.query) != found:
            st.rerun()
    except StoreError:  # perhaps busy: the next attempt may succeed
        return


# --- Headlines of runs that have none in the record, because an earlier version recorded them


@st.cache_resource(show_spinner=False)
def _kept_headlines() -> dict[str, Headline | None]:
    """By run, the headlines that a read-only record cannot keep; None for a damaged run, which has none."""
    return {}


def _is_unread(run: FoundRun, kept: Mapping[str, Headline | None]) -> bool:
    return run.verdict is None and run.is_over and run.kind in KINDS and run.id not in kept


def _with_headline(run: FoundRun, known: Headline | None) -> FoundRun:
    if run.verdict is not None or known is None:
        return run
    figures = [*known.latencies_ms, *[(None, None)] * len(run.endpoints)]
    endpoints = (
        replace(one, p50_ms=p50_ms, p95_ms=p95_ms)
        for one, (p50_ms, p95_ms) in zip(run.endpoints, figures, strict=False)
    )
    return replace(run, verdict=known.verdict, endpoints=tuple(endpoints))


def _read(store: Store, run_ids: Sequence[str], kept: dict[str, Headline | None]) -> bool:
    """Read as many of these runs as there is time for, but at least one; returns whether there is something new."""
    if len(kept) > _MOST_KEPT:
        kept.clear()
    due_s = monotonic() + _READ_FOR_S
    with st.spinner("Reading results"):
        for run_id in run_ids:
            try:
                found = read_headline(store, run_id)
            except StoreError:  # deleted meanwhile, or the record is busy: the next look may succeed
                return run_id != run_ids[0]
            if found is None or store.read_only:
                kept[run_id] = found
            if monotonic() > due_s:
                break
    return True
