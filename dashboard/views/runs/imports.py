"""Import a run from a file that was exported as JSON."""

from typing import Any

import streamlit as st

from benchmark.record.recording import add_finished_run
from benchmark.record.store import SortBy, StoreError
from benchmark.reports.export import run_from_bytes
from benchmark.reports.imported import MAX_BYTES, ImportFault
from benchmark.runs.headlines import write_headline
from dashboard import resources
from dashboard.views.runs import notes


def show() -> None:
    """Draw the control that takes the file."""
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
        write_headline(resources.store(), run, samples)
        st.query_params["sort"] = f"-{SortBy.RECORDED}"  # so that it is the first, however old it is
        st.query_params.pop("page", None)
        notes.leave(f"Run {run.id} was imported.")
    except (ImportFault, StoreError) as error:
        notes.leave(f"Not imported: {error}")
