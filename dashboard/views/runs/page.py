"""The Runs page: find, open, name, compare, export, import and delete runs."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from benchmark.decision.gather import UNREADABLE
from benchmark.record.recording import add_finished_run, load_samples
from benchmark.record.run import Run
from benchmark.record.store import Store, StoreError, UnknownRun
from benchmark.reports.export import run_from_bytes
from benchmark.reports.imported import MAX_BYTES, ImportFault
from benchmark.runs import UnknownKind, kind_of_run
from benchmark.summary.diff import differences
from benchmark.summary.summarise import Summary
from dashboard import resources
from dashboard.components import markup, reports, run_text
from dashboard.components.run_actions import run_link

_AT_A_TIME = 15
_NEWEST = 500


def page() -> None:
    st.markdown("#### Runs\n:gray[:small[Every run, with all its requests. Select two runs to compare them.]]")
    store = resources.store()
    if note := st.session_state.pop("runs-note", None):
        st.toast(markup.plain(note))
    try:
        known, total = store.runs(_NEWEST), store.count_runs()
        chosen = _chosen(store)
    except StoreError as error:
        st.warning(
            markup.plain(f"The record cannot be read: {error}. To start a new one, set RESULTS_DIR to a new directory.")
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="runs-bar"):
        wanted = st.text_input(
            "Filter",
            placeholder="Filter by name, kind, state, endpoint or day",
            label_visibility="collapsed",
            key="filter",
        )
        if not store.read_only:
            with st.popover("Import", icon=":material/upload:", key="import"):
                _import()
    if store.read_only:
        st.caption(f"{markup.READ_ONLY}: you can open, compare and export runs, but not change them.")
    if not known:
        ways = "." if store.read_only else ": start one on the Benchmark page, or import one that was exported as JSON."
        st.info(f"No runs yet{ways}")
        return
    if len(chosen) == 2:
        _compare(store, chosen)
    shown = [run for run in known if matches(run, wanted)]
    if not shown:
        st.info("No runs match the filter.")
    most = st.session_state.get("runs-most", _AT_A_TIME)
    listed = shown[:most]
    for run in listed:
        _row(run, chosen, [one.id for one in listed])
    with st.container(horizontal=True, vertical_alignment="center"):
        newest = f"the newest {len(known)} of " if total > len(known) else ""
        st.caption(f"{len(listed)} of {newest}{markup.counted(total, 'run')}", width="content")
        if len(shown) > most:
            st.button("Show more", type="tertiary", on_click=_show_more, args=(most,), key="show-more")


def matches(run: Run, wanted: str) -> bool:
    """Whether the list entry of `run` contains every word of `wanted`."""
    try:
        names = run.endpoint_names
    except (KeyError, TypeError):  # damaged, but still listed
        names = ()
    facts = [run.state, *(["imported"] if run.is_imported else []), run_text.started(run)]
    text = " ".join([run.id, run.name, run_text.kind(run), *facts, *names]).lower()
    return all(word in text for word in wanted.lower().split())


def _row(run: Run, chosen: Sequence[Run], listed: Sequence[str]) -> None:
    with (
        st.container(border=True, key=f"run-row-{run.id}"),
        st.container(horizontal=True, vertical_alignment="center", key=f"run-line-{run.id}"),
    ):
        picked = run.id in [one.id for one in chosen]
        st.session_state[_box(run.id)] = picked
        st.checkbox(
            f"Compare {run.id}",
            key=_box(run.id),
            on_change=_pick,
            args=(listed,),
            label_visibility="collapsed",
            width="content",
            disabled=not run.is_over or not _has_latencies(run) or (len(chosen) == 2 and not picked),
        )
        run_link(run, run_text.title(run), heading=True)
        st.markdown(run_text.badges(run), width="content")
        facts = [run_text.done(run), run_text.started(run)]
        facts = [run_text.kind(run), *facts, run.id] if run.name else facts
        st.markdown(
            f":gray[:small[{markup.plain(' · '.join(facts))}]]",
            width="stretch",
        )
        # The contents are built only when it is opened: a hundred runs would have hundreds of buttons.
        read_only = resources.store().read_only
        manage = st.popover(
            "Export" if read_only else "Manage", type="tertiary", key=f"manage-{run.id}", on_change="rerun"
        )
        if manage.open:
            with manage:
                _export(run) if read_only else _manage(run)


def _has_latencies(run: Run) -> bool:
    """Whether the run can be compared with another one."""
    try:
        return issubclass(kind_of_run(run).summary_type, Summary)
    except UnknownKind:  # from a later version
        return False


def _export(run: Run) -> None:
    # Imported here, as the charts of a report take most of a second to import.
    from dashboard.views.benchmark.report import export_buttons

    export_buttons(run, lambda: load_samples(resources.store(), run.id)[0])


def _manage(run: Run) -> None:
    st.text_input(
        "Name", run.name, max_chars=200, key=f"name-{run.id}", on_change=_rename, args=(run.id,), placeholder=run.id
    )
    if not run.is_over:
        st.caption("This run is in progress. Cancel it on its page before you delete it.")
        return
    _export(run)
    sure = st.checkbox("Delete this run and all its samples", key=f"sure-{run.id}")
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
    _change(lambda store: store.delete_run(run_id), f"Run {run_id} was deleted.")
    if run_id in _wanted():
        st.query_params.pop("compare", None)


def _change(what: Callable[[Store], None], done: str) -> None:
    try:
        what(resources.store())
        st.session_state["runs-note"] = done
    except StoreError as error:
        st.session_state["runs-note"] = f"The run was not changed: {error}"


def _show_more(most: int) -> None:
    st.session_state["runs-most"] = most + _AT_A_TIME


# --- Two side by side


def _chosen(store: Store) -> list[Run]:
    """The runs of `?compare=ID,ID`, which makes a comparison a link to share. Raises StoreError."""
    found = []
    for run_id in _wanted():
        with suppress(UnknownRun):
            found.append(store.run(run_id))
    return [run for run in found if run.id in _wanted()][:2]  # only whole ids: the store also finds prefixes


def _wanted() -> list[str]:
    # Limited, because anyone can write an address.
    return [run_id for run_id in dict.fromkeys(st.query_params.get("compare", "").split(",", 10)[:10]) if run_id]


def _box(run_id: str) -> str:
    return f"pick-{run_id}"


def _pick(listed: Sequence[str]) -> None:
    """Compare the selected runs.

    Reads every checkbox on the page, because the address may lag behind by one of two quick clicks.
    """
    wanted = _wanted()
    now = [one for one in dict.fromkeys([*wanted, *listed]) if st.session_state.get(_box(one), one in wanted)]
    if now:
        st.query_params["compare"] = ",".join(now)
    else:
        st.query_params.pop("compare", None)


def _close() -> None:
    st.query_params.pop("compare", None)


def _compare(store: Store, chosen: Sequence[Run]) -> None:
    with st.container(border=True, key="compared"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown("**Differences**", width="content")
            st.button("Close", type="tertiary", on_click=_close, key="uncompare")
        if others := [run for run in chosen if not _has_latencies(run)]:  # a link may name any run
            named = markup.plain(" and ".join(run_text.title(run) for run in others))
            st.error(f"Only comparisons and loads can be compared, not {named}.", icon=":material/error:")
            return
        try:
            first, second = (reports.read(store, run).summary for run in chosen)
            found = differences(first, second)
        except UNREADABLE as error:
            st.error(markup.plain(f"These runs cannot be compared: {error}"), icon=":material/error:")
            return
        if not found:
            st.markdown("No differences: every setting and every figure is the same.")
            return
        header = ["", *(markup.plain(f"{run.name} ({run.id})" if run.name else run_text.title(run)) for run in chosen)]
        rows = [[markup.plain(text[:160]) for text in (line.name, line.first, line.second)] for line in found]
        st.markdown(markup.markdown_table(header, rows))


# --- Import


def _import() -> None:
    file = st.file_uploader(
        "A run that was exported as JSON",
        type="json",
        max_upload_size=MAX_BYTES // 2**20,
        key="file",
        on_change=_take_in,
    )
    if file is None:
        st.caption(
            "From this page, or by `python -m benchmark export ID --format json`. You can look at an imported "
            "run, but recommendations and estimates leave it out, and it cannot be resumed."
        )


def _take_in() -> None:
    file: Any = st.session_state.file
    if file is None:
        return
    try:
        run, samples = run_from_bytes(file.getvalue())
        add_finished_run(resources.store(), run, samples)
        st.session_state["runs-note"] = f"Run {run.id} was imported."
    except (ImportFault, StoreError) as error:
        st.session_state["runs-note"] = f"Not imported: {error}"
