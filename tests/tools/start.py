"""`python start.py PLAN`: the launcher over the stand-ins of a plan, a JSON object; see `Plan` in test_run.py."""

import signal

if __name__ == "__main__":
    # As in tools/run.py: what comes during the imports waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT))

import json
import os
import sys
import time
from pathlib import Path

from tools.processes import HOST, Program
from tools.supervisor import Timeouts, launch


def main(text: str) -> int:
    plan = json.loads(text)
    directory = Path(plan["directory"])
    stand_in = Path(__file__).with_name("stand_in.py")

    def prepare() -> None:
        """Take as long as the test wants, where it wants to see this."""
        if plan["slow_preparation"]:
            (directory / "preparing").touch()
            while not (directory / "prepared").exists():
                time.sleep(0.01)

    return launch(
        [
            Program(
                title=title,
                command=(sys.executable, "-I", "-S", str(stand_in), *behaviour),
                cwd=directory,
                environ={**os.environ, "HOST": HOST, "PORT": str(port)},
                port=port,
                port_variable=f"{title.upper()}_PORT",
            )
            for title, port, *behaviour in plan["programs"]
        ],
        logs=directory / "logs",
        timeouts=Timeouts(**plan["timeouts"]),
        prepare=prepare,
        make_pid=int(os.environ["MAKE_PID"]) if "MAKE_PID" in os.environ else None,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
