"""`make hostile` (`python -m tools.hostile`): the hostile cases against both endpoints, the command line, the pages and
a browser that looks at them, and a line of figures for each."""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.hostile.endpoints import serving
from tests.hostile.front import figures
from tests.hostile.front.suite import PARTS
from tests.hostile.suite import all_cases, run, summary
from tests.hostile.verdict import Problem
from tools.browser import NoBrowser
from tools.processes import NotServing
from tools.supervisor import StartError


def main() -> int:
    """Print the figures, and each problem on stderr. Returns 1 if there is any."""
    clean = True
    with tempfile.TemporaryDirectory(prefix="faceoff-hostile-") as directory:
        try:
            with serving(Path(directory)) as endpoints:
                problems = run(all_cases(), {title: running.port for title, running in endpoints.items()})
            clean &= _tell("endpoints", summary(problems), problems)
            for title, part in PARTS.items():
                found = part(Path(directory) / title.replace(" ", "-"))
                clean &= _tell(title, figures.summary(found), found)
        except (StartError, NotServing, NoBrowser) as error:
            print(error, file=sys.stderr)
            return 1
    return 0 if clean else 1


def _tell(
    title: str,
    found: object,
    problems: Mapping[str, Sequence[Problem | figures.Problem]],
) -> bool:
    """Print one line of figures and its problems; returns whether there are none."""
    for name, several in problems.items():
        for problem in several:
            print(f"{name}: {problem.kind}: {problem.text}", file=sys.stderr)
    print(f"{title}: {found}", flush=True)
    return not any(problems.values())


if __name__ == "__main__":
    sys.exit(main())
