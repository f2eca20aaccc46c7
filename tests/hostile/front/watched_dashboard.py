"""`python -m tests.hostile.front.watched_dashboard FILE`: the dashboard, and in FILE what it does that it may not.

A line for each event, so that whoever started it can count them.
"""

import json
import os
import runpy
import sys
from dataclasses import asdict
from pathlib import Path

from tests.hostile.front.figures import Problem
from tests.hostile.front.watch import watching


def serve(told: Path) -> None:
    """Serve until the process is ended."""
    file = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def tell(problem: Problem) -> None:
        os.write(file, json.dumps(asdict(problem)).encode() + b"\n")

    with watching(tell, [Path(os.environ["RESULTS_DIR"])]):
        # As `python -m dashboard` does it: Streamlit looks for its settings beside the main module.
        runpy.run_module("dashboard", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
