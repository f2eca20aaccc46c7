"""The Runs page: what is in the record, to find, open, name, compare, keep, take along and delete."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from benchmark.coldstart.plan import KIND as COLD_STARTS
from benchmark.record.plan import PlanError
from benchmark.record.recording import add_finished_run, load_samples
from benchmark.record.run import Run
from benchmark.record.store import Store, StoreError
from benchmark.reports.export import run_from_document
from benchmark.summary.comparison import differences
from benchmark.summary.summarise import Summary, summarise
from dashboard import resources, run_words, words
from dashboard.views.run_actions import run_link

MAX_IMPORT_MB = 100
_AT_A_TIME = 15
_UNREADABLE = (StoreError, PlanError, ValueError, KeyError, IndexError, TypeError)


def page() -> None:
    st.markdown(
        "#### Runs\n:gray[:small[Every run with all its requests. Tick two of them to see what differs between them.]]"
    )
    store = resources.store()
    if note := st.session_state.pop("runs-note", None):
        st.toast(words.plain(note))
    try:
        known = store.runs()
    except StoreError as error:
        st.warning(words.plain(f"The record cannot be read: {error}. A new directory in RESULTS_DIR starts a new one."))
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="runs-bar"):
        wanted = st.text_input(
            "Filter",
            placeholder="Filter by name, kind, state, endpoint or day",
            label_visibility="collapsed",
            key="filter",
        )
        with st.popover("Import", icon=":material/upload:", key="import"):
            _import()
    if not known:
        st.info("No runs yet: start one on the Benchmark page, or import one that was exported as JSON.")
        return
    chosen = _chosen(known)
    if len(chosen) == 2:
        _compare(store, chosen)
    shown = [run for run in known if matches(run, wanted)]
    if not shown:
        st.info("No run matches the filter.")
    most = st.session_state.get("most", _AT_A_TIME)
    for run in shown[:most]:
        _row(run, chosen)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{min(most, len(shown))} of {len(known)} runs", width="content")
        if len(shown) > most:
            st.button("Show more", type="tertiary", on_click=_show_more, args=(most,), key="show-more")


def matches(run: Run, wanted: str) -> bool:
    """Whether every word of `wanted` is somewhere in what the list shows of `run`."""
    names = [str(entry.get("name", "")) for entry in run.manifest.get("endpoints", [])]
    text = " ".join([run.id, run.name, run_words.kind(run), run.state, run_words.started(run), *names]).lower()
    return all(word in text for word in wanted.lower().split())


def _row(run: Run, chosen: Sequence[Run]) -> None:
    state = run_words.STATES[run.state]
    with (
        st.container(border=True, key=f"run-row-{run.id}"),
        st.container(horizontal=True, vertical_alignment="center", key=f"run-line-{run.id}"),
    ):
        picked = run in chosen
        st.checkbox(
            f"Compare {run.id}",
            value=picked,
            key=f"pick-{run.id}-{picked}",
            on_change=_pick,
            args=(run.id, [one.id for one in chosen]),
            label_visibility="collapsed",
            width="content",
            disabled=not run.is_over or run.kind == COLD_STARTS or (len(chosen) == 2 and not picked),
        )
        run_link(run, run_words.title(run), heading=True)
        st.markdown(state.markdown, width="content")
        facts = [f"{words.count(int(run.progress.get('done', 0)))} requests", run_words.started(run)]
        facts = [run_words.kind(run), *facts, run.id] if run.name else facts
        st.markdown(
            f":gray[:small[{words.plain(' · '.join(facts))}]]",
            width="stretch",
        )
        # What is inside is made when it is opened: a hundred runs would have hundreds of buttons.
        manage = st.popover("Manage", type="tertiary", key=f"manage-{run.id}", on_change="rerun")
        if manage.open:
            with manage:
                _manage(run)


def _manage(run: Run) -> None:
    st.text_input(
        "Name", run.name, max_chars=200, key=f"name-{run.id}", on_change=_rename, args=(run.id,), placeholder=run.id
    )
    if not run.is_over:
        st.caption("It goes on: cancel it on its page before you delete it.")
        return
    from dashboard.views.run_report import export_buttons

    export_buttons(run, lambda: load_samples(resources.store(), run.id)[0])
    sure = st.checkbox("Delete it with all its samples", key=f"sure-{run.id}")
    st.button(
        "Delete this run",
        icon=":material/delete:",
        disabled=not sure,
        on_click=_delete,
        args=(run.id,),
        key=f"delete-{run.id}",
        width="stretch",
    )


def _rename(run_id: str) -> None:
    _change(lambda store: store.rename_run(run_id, st.session_state[f"name-{run_id}"].strip()), "Renamed.")


def _delete(run_id: str) -> None:
    _change(lambda store: store.delete_run(run_id), f"Run {run_id} is deleted.")
    if run_id in st.query_params.get("compare", ""):
        st.query_params.pop("compare", None)


def _change(what: Callable[[Store], None], done: str) -> None:
    try:
        what(resources.store())
        st.session_state["runs-note"] = done
    except StoreError as error:
        st.session_state["runs-note"] = f"Not done: {error}"


def _show_more(most: int) -> None:
    st.session_state.most = most + _AT_A_TIME


# --- Two side by side


def _chosen(known: Sequence[Run]) -> list[Run]:
    """The runs of `?compare=ID,ID`, so that a comparison can be shared."""
    wanted = st.query_params.get("compare", "").split(",")
    by_id = {run.id: run for run in known}
    return [by_id[run_id] for run_id in dict.fromkeys(wanted) if run_id in by_id][:2]


def _pick(run_id: str, chosen: list[str]) -> None:
    now = [one for one in chosen if one != run_id] if run_id in chosen else [*chosen, run_id]
    if now:
        st.query_params["compare"] = ",".join(now)
    else:
        st.query_params.pop("compare", None)


def _close() -> None:
    st.query_params.pop("compare", None)


def _compare(store: Store, chosen: Sequence[Run]) -> None:
    with st.container(border=True, key="compared"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown("**What differs**", width="content")
            st.button("Close", type="tertiary", on_click=_close, key="uncompare")
        try:
            first, second = (_summary(store, run) for run in chosen)
            found = differences(first, second)
        except _UNREADABLE as error:
            st.error(words.plain(f"They cannot be compared: {error}"), icon=":material/error:")
            return
        if not found:
            st.markdown("Nothing: they are alike in every setting and every figure.")
            return
        header = ["", *(words.plain(f"{run.name} ({run.id})" if run.name else run_words.title(run)) for run in chosen)]
        rows = [[words.plain(text[:160]) for text in (line.name, line.first, line.second)] for line in found]
        st.markdown(words.markdown_table(header, rows))


def _summary(store: Store, run: Run) -> Summary:
    samples, _ = load_samples(store, run.id)
    return summarise(run, samples)


# --- Import


def _import() -> None:
    file = st.file_uploader(
        "A run that was exported as JSON", type="json", max_upload_size=MAX_IMPORT_MB, key="file", on_change=_take_in
    )
    if file is None:
        st.caption("From this page, or by `python -m benchmark export ID --format json`.")


def _take_in() -> None:
    file: Any = st.session_state.file
    if file is None:
        return
    try:
        run, samples = run_from_document(json.loads(file.getvalue()))
        add_finished_run(resources.store(), run, samples)
        st.session_state["runs-note"] = f"Run {run.id} is in the record."
    except (ValueError, RecursionError, StoreError) as error:
        st.session_state["runs-note"] = f"Not imported: {error}"
