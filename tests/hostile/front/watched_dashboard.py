"""`python -m tests.hostile.front.watched_dashboard FILE`: the dashboard, and in FILE what it does that it may not.

A line for each event, so that whoever started it can count them.
"""

import os
import runpy
import sys
from pathlib import Path
from unittest.mock import patch

from tests.hostile.front import watched_sender
from tests.hostile.front.watch import watching


def serve(told: Path) -> None:
    """Serve until the process is ended."""
    sender = watched_sender.command(told)
    with (
        patch("benchmark.observation.sender.COMMAND", sender),
        watching(watched_sender.teller(told), [Path(os.environ["RESULTS_DIR"])], [sender]),
    ):
        # As `python -m dashboard` does it: Streamlit looks for its settings beside the main module.
        runpy.run_module("dashboard", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
