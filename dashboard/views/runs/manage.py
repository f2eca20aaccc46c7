"""What can be done with one run, in a dialog: rename, export and delete it."""

from collections.abc import Callable
from contextlib import suppress

import streamlit as st

from benchmark.record.recording import load_samples
from benchmark.record.run import Run
from benchmark.record.store import Store, StoreError, UnknownRun
from dashboard import resources
from dashboard.components import markup, run_text
from dashboard.views.runs import compared, notes

_MANAGED = "runs-managed"
"""The run whose dialog is open. It stays open when the page is drawn again, as it is while a run is in progress."""


def ask_for(run_id: str) -> None:
    """Open the dialog of a run when the page is drawn."""
    st.session_state[_MANAGED] = run_id


def show(store: Store) -> None:
    """Draw the dialog that is open, if any. Raises StoreError."""
    with suppress(UnknownRun):  # deleted by somebody else
        if run_id := st.session_state.get(_MANAGED):
            run = store.run(run_id)
            st.dialog("Export" if store.read_only else "Manage", on_dismiss=_close)(_contents)(run)


def _close() -> None:
    st.session_state.pop(_MANAGED, None)


def _contents(run: Run) -> None:
    if notes.is_waiting():  # something was changed: the list shows it
        st.rerun()
    facts = f"{run.id} · {run_text.headline(run)}" if run.name else run_text.headline(run)
    st.markdown(f":gray[:small[{markup.plain(facts)}]]")
    with st.container(key=f"managed-{run.id}"):
        if resources.store().read_only:
            _export(run)
        else:
            _manage(run)


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
    if _change(lambda store: store.delete_run(run_id), f"Run {run_id} was deleted."):
        compared.forget(run_id)
        _close()


def _change(what: Callable[[Store], None], done: str) -> bool:
    """Whether it succeeded."""
    try:
        what(resources.store())
    except StoreError as error:
        notes.leave(f"The run was not changed: {error}")
        return False
    notes.leave(done)
    return True
