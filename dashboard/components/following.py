"""Follow a run of any kind: its progress, its results so far, and why it is missing."""

from contextlib import suppress
from importlib import import_module
from typing import Protocol, cast

import streamlit as st

from benchmark.record.run import Run
from benchmark.record.store import Store, StoreError, UnknownRun
from benchmark.runs import UnknownKind, kind_of_run
from dashboard import resources
from dashboard.components import markup, run_text
from dashboard.components.run_actions import cancel_button

_EVERY_S = 1.0


class Panel(Protocol):
    """What the panel of a kind, a module, can draw."""

    def live(self, store: Store, run: Run) -> None:
        """Draw the results so far of a run in progress."""

    def finished(self, store: Store, run: Run) -> None:
        """Draw all results of a run that has ended."""


def panel_of(run: Run) -> Panel:
    """The panel that draws `run`, imported only now because charts are slow to import. Raises UnknownKind."""
    return cast(Panel, import_module(kind_of_run(run).panel))


def show_finished(run: Run) -> None:
    """Draw all results of a run that has ended, or say that this version does not know its kind."""
    try:
        panel = panel_of(run)
    except UnknownKind as error:
        st.error(markup.plain(f"Run {run.id} cannot be read: {error}"), icon=":material/broken_image:")
        return
    panel.finished(resources.store(), run)


def find(run_id: str) -> Run | None:
    """The current state of a run, closed if its process was killed; None if it is missing. Raises StoreError.

    A run that is being resumed counts as missing until its process has reached the record.
    """
    launcher, store = resources.launcher(), resources.store()
    try:
        run = store.run(run_id)
        if launcher.close_dead(run):
            run = store.run(run_id)
    except UnknownRun:
        return None
    return None if launcher.is_resuming(run) else run


def why_missing(run_id: str) -> None:
    """Say why a run without a record and a process is missing."""
    if problem := resources.launcher().problem(run_id):
        st.error(markup.plain(f"The run did not start: {problem}"), icon=":material/error:")
    else:
        st.warning(markup.plain(f"There is no run {run_id} in the record: it may have been deleted."))


def follow(run_id: str, live_every_s: float = _EVERY_S) -> None:
    """Follow a run until it ends, then redraw the whole page. Every `live_every_s`, draw the results so far."""
    st.fragment(_progress, run_every=_EVERY_S)(run_id)
    st.fragment(_live, run_every=live_every_s)(run_id)


def _progress(run_id: str) -> None:
    try:
        run = _look(run_id)
    except StoreError as error:  # perhaps busy: the next attempt may succeed
        st.caption(markup.plain(f"The record cannot be read right now: {error}"))
        return
    with st.container(border=True, key="progress"):
        share, text = run_text.progress(run) if run else (0.0, "Starting: contacting the endpoints")
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            title = f"**{markup.plain(run_text.title(run))}**{_plan_text(run)}" if run else "**Starting**"
            st.markdown(title, width="content")
            cancel_button(run_id, "cancel")
        st.progress(share, text=text)


def _look(run_id: str) -> Run | None:
    """The run, or None until its process has reached the record. When it ends, the whole page is redrawn."""
    launcher, store = resources.launcher(), resources.store()
    try:
        run = store.run(run_id)
    except UnknownRun:
        if not launcher.is_alive(run_id):
            st.rerun()
        return None
    if launcher.is_resuming(run):
        return None
    if run.is_over or launcher.close_dead(run):
        st.rerun()
    return run


def _plan_text(run: Run) -> str:
    try:
        return f" · {run_text.plan(run)}"
    except ValueError:  # a plan from another version
        return ""


def _live(run_id: str) -> None:
    try:
        run = resources.store().run(run_id)
    except UnknownRun:  # its process has not reached the record yet
        st.skeleton(height=300)
        return
    except StoreError:  # the progress above says so
        return
    if run.is_over:  # being resumed, or about to be redrawn because it ended
        return
    with suppress(UnknownKind):  # from a later version, which can show its figures
        panel_of(run).live(resources.store(), run)
