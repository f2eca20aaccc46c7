"""`make hostile` (`python -m tools.hostile`): the hostile cases against both endpoints, and one line of figures."""

import sys
import tempfile
from pathlib import Path

from tests.hostile.endpoints import NotServing, serving
from tests.hostile.suite import all_cases, run, summary
from tools.supervisor import LaunchError


def main() -> int:
    """Print the figures, and on stderr what is wrong with which case. Returns 1 where anything is."""
    with tempfile.TemporaryDirectory(prefix="faceoff-hostile-") as directory:
        try:
            with serving(Path(directory)) as endpoints:
                problems = run(all_cases(), {title: running.port for title, running in endpoints.items()})
        except (LaunchError, NotServing) as error:
            print(error, file=sys.stderr)
            return 1
    for name, found in problems.items():
        for problem in found:
            print(f"{name}: {problem.kind}: {problem.text}", file=sys.stderr)
    figures = summary(problems)
    print(figures)
    return 0 if figures.clean else 1


if __name__ == "__main__":
    sys.exit(main())
