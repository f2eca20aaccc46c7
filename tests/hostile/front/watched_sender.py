"""`python -m tests.hostile.front.watched_sender FILE`: the sending process, and in FILE what it does that it may not.

A line for each event, so that whoever started it can count them.
"""

import json
import os
import runpy
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.hostile.front.figures import Problem
from tests.hostile.front.watch import watching


def command(told: Path) -> tuple[str, ...]:
    """What starts it."""
    return sys.executable, "-m", "tests.hostile.front.watched_sender", str(told)


def teller(told: Path) -> Callable[[Problem], None]:
    """Appends problems to a file that several processes may share."""
    file = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def tell(problem: Problem) -> None:
        os.write(file, json.dumps(asdict(problem)).encode() + b"\n")

    return tell


def taken(told: Path) -> list[Problem]:
    """The problems so far, which are then forgotten."""
    lines = told.read_text().splitlines()
    os.truncate(told, 0)
    return [Problem(**json.loads(line)) for line in lines]


if __name__ == "__main__":
    with watching(teller(Path(sys.argv[1])), []):
        runpy.run_module("benchmark.observation.process", run_name="__main__")
