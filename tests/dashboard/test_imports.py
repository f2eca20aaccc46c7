"""What is imported decides how soon the first page is there and how much memory an idle dashboard takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REPORT = "import sys; print(*(name for name in {wanted} if name in sys.modules))"


def fresh_process(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def loaded(statement: str, *wanted: str) -> set[str]:
    """Which of the `wanted` modules a fresh process has after `statement`."""
    done = fresh_process(f"{statement}\n{REPORT.format(wanted=wanted)}")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_measurement_engine_needs_neither_streamlit_nor_pandas() -> None:
    everything = (
        "from benchmark.endpoints import answer, catalog, endpoint, rows; from benchmark.record import history, store; "
        "from benchmark.observation import observe, process; from benchmark.monitor import counts, drift, scrape; "
        "from benchmark.agreement import audit"
    )
    heavy = ("streamlit", "pandas", "numpy", "plotly", "scipy", "prometheus_client")
    assert loaded(everything, "httpx", *heavy) == {"httpx"}


def test_a_cost_is_computed_by_the_standard_library_alone() -> None:
    assert loaded("import benchmark.cost.bill", "benchmark.cost.bill", "httpx", "numpy") == {"benchmark.cost.bill"}


def test_the_landing_page_needs_neither_pandas_nor_figures() -> None:
    # Streamlit itself registers a template with Plotly; the figures, which take most of its time, wait for a chart.
    figures = ("dashboard.views.benchmark.charts", "plotly.graph_objs._figure", "plotly.subplots")
    statement = "import dashboard.resources; from dashboard.pages import PAGES; import importlib; "
    statement += "[importlib.import_module(page.module) for page in PAGES]"
    assert loaded(statement, "streamlit", "pandas", "pyarrow", "prometheus_client", *figures) == {"streamlit"}


@pytest.mark.parametrize(
    "module",
    [
        "settings",
        "components.markup",
        "components.sample_text",
        "components.inputs",
        "components.theme",
        "components.run_text",
        "components.background",
        "views.predict.text",
        "views.monitor.snapshot",
        "views.monitor.text",
        "views.agreement.text",
    ],
)
def test_what_is_pure_needs_no_streamlit(module: str) -> None:
    name = f"dashboard.{module}"
    assert loaded(f"import {name}", name, "streamlit", "pandas", "plotly") == {name}


CHARTS = (
    "components.figure",
    "components.plotting",
    "views.predict.charts",
    "views.monitor.charts",
    "views.agreement.charts",
    "views.benchmark.charts",
    "views.benchmark.rate_chart",
    "views.benchmark.capacity_charts",
    "views.cost.charts",
    "views.coldstart.charts",
)


@pytest.mark.parametrize("module", CHARTS)
def test_charts_need_neither_plotly_nor_streamlit(module: str) -> None:
    name = f"dashboard.{module}"
    assert loaded(f"import {name}", name, "plotly", "streamlit", "pandas") == {name}


DRAWN = """
import dashboard.resources
from dashboard.components import panels
from dashboard.components.figure import figure, scatter
from dashboard.components.theme import LIGHT

panels.plot("chart", figure([scatter(x=[1.0, 2.0], y=[3.0, 4.0])], LIGHT), "A line")
"""


def test_a_chart_is_drawn_without_pandas() -> None:
    assert loaded(DRAWN, "plotly.graph_objs._figure", "pandas", "pyarrow") == {"plotly.graph_objs._figure"}


TABLE_BESIDE_CHART = """
import importlib, importlib.util, sys, threading, time
import dashboard.resources
import streamlit as st
from dashboard.components import panels
from dashboard.components.figure import figure, scatter
from dashboard.components.theme import LIGHT

half_imported, over = threading.Event(), threading.Event()


class HalfWay:
    # Finds pandas as it is, and stops in the middle of its import until the other thread has drawn, or waits.

    def find_spec(self, name, path, target=None):
        if name != "pandas":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            half_imported.set()
            while not (over.is_set() or waits_for_an_import(chart)):
                time.sleep(0.005)
            execute(module)

        spec.loader.exec_module = exec_module
        return spec


def waits_for_an_import(thread):
    frame = sys._current_frames().get(thread.ident)
    return frame is not None and frame.f_code.co_name == "acquire" and "importlib" in frame.f_code.co_filename


def draw():
    try:
        half_imported.wait()
        panels.plot("chart", figure([scatter(x=[1.0, 2.0], y=[3.0, 4.0])], LIGHT), "A line")
        print("drawn")
    finally:
        over.set()


chart = threading.Thread(target=draw)
sys.meta_path.insert(0, HalfWay())
chart.start()
st.dataframe([{"a": 1}])
chart.join()
assert half_imported.is_set()
print("shown")
"""


def test_a_chart_can_be_drawn_while_another_session_imports_what_a_table_needs() -> None:
    done = fresh_process(TABLE_BESIDE_CHART)
    assert done.stdout.split() == ["drawn", "shown"], done.stderr


def test_refusing_to_start_needs_no_streamlit() -> None:
    start = "import dashboard.__main__ as program\ntry:\n    program.main()\nexcept SystemExit as end:\n    print(end)"
    done = fresh_process(f"{start}\nimport sys; print('streamlit' in sys.modules)", PORT="none")
    assert done.stdout == "refusing to start: PORT must be a number from 1 to 65535\nFalse\n", done.stderr
