"""What is imported decides how soon the first page is there and how much memory an idle dashboard takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REPORT = "import sys; print(*(name for name in {wanted} if name in sys.modules))"


def loaded(statement: str, *wanted: str) -> set[str]:
    """Which of the `wanted` modules a fresh process has after `statement`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{REPORT.format(wanted=wanted)}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_measurement_engine_needs_neither_streamlit_nor_pandas() -> None:
    everything = (
        "from benchmark.endpoints import answer, catalog, endpoint, observe, rows; from benchmark.record import store; "
        "from benchmark.monitor import counts, drift, scrape; from benchmark.agreement import audit"
    )
    heavy = ("streamlit", "pandas", "numpy", "plotly", "scipy", "prometheus_client")
    assert loaded(everything, "httpx", *heavy) == {"httpx"}


def test_a_cost_is_computed_by_the_standard_library_alone() -> None:
    assert loaded("import benchmark.cost.bill", "benchmark.cost.bill", "httpx", "numpy") == {"benchmark.cost.bill"}


def test_the_landing_page_needs_neither_pandas_nor_figures() -> None:
    # Streamlit itself registers a template with Plotly; the figures, which take most of its time, wait for a chart.
    figures = (
        "dashboard.plotting",
        "dashboard.predict_charts",
        "dashboard.cost_charts",
        "dashboard.run_charts",
        "dashboard.panels",
        "plotly.graph_objs._figure",
        "plotly.subplots",
    )
    pages = ("predict", "agree", "benchmark", "coldstart", "cost", "decide", "monitor", "runs")
    statement = "import dashboard.resources, " + ", ".join(f"dashboard.views.{page}" for page in pages)
    assert loaded(statement, "streamlit", "pandas", "pyarrow", "prometheus_client", *figures) == {"streamlit"}


@pytest.mark.parametrize(
    "module",
    [
        "settings",
        "words",
        "inputs",
        "theme",
        "watched",
        "monitor_words",
        "run_words",
        "agree_words",
        "background",
    ],
)
def test_what_is_pure_needs_no_streamlit(module: str) -> None:
    name = f"dashboard.{module}"
    assert loaded(f"import {name}", name, "streamlit", "pandas", "plotly") == {name}


@pytest.mark.parametrize(
    "module",
    ["plotting", "predict_charts", "monitor_charts", "agree_charts", "run_charts", "cost_charts", "coldstart_charts"],
)
def test_charts_need_plotly_but_no_streamlit_and_no_pandas(module: str) -> None:
    assert loaded(f"import dashboard.{module}", "plotly.graph_objs._figure", "streamlit", "pandas") == {
        "plotly.graph_objs._figure"
    }


def test_refusing_to_start_needs_no_streamlit() -> None:
    start = "import dashboard.__main__ as program\ntry:\n    program.main()\nexcept SystemExit as end:\n    print(end)"
    done = subprocess.run(
        [sys.executable, "-c", f"{start}\nimport sys; print('streamlit' in sys.modules)"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PORT": "none"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "refusing to start: PORT must be a number from 1 to 65535\nFalse\n", done.stderr
