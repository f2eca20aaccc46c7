"""What the dashboard draws of a toy run."""

import streamlit as st

from benchmark.record.run import Run
from benchmark.record.store import Store
from dashboard.components import reports


def live(store: Store, run: Run) -> None:
    st.markdown(f"Counting: {run.progress['done']} so far")


def finished(store: Store, run: Run) -> None:
    st.markdown(f"Counted to {reports.read(store, run).summary.highest}")
