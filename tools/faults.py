"""`make faults` (`python -m tools.faults`): each fault on both endpoints, a line with its figure for each."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults.scenarios import NEED_MOUNTS, SCENARIOS, TITLES, can_mount
from tools.processes import NotServing
from tools.supervisor import StartError


def main(arguments: list[str] | None = None) -> int:
    """Run all scenarios, or those named. Returns 1 if one failed; those that cannot run here are reported."""
    parser = argparse.ArgumentParser(prog="python -m tools.faults", description=__doc__)
    parser.add_argument("scenario", nargs="*", help=f"of: {', '.join(SCENARIOS)}")
    names = parser.parse_args(arguments).scenario or list(SCENARIOS)
    if unknown := set(names) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    mounts = can_mount()
    passed = tried = 0
    for name in names:
        for title in TITLES:
            if name in NEED_MOUNTS and not mounts:
                print(f"-     {name}, {title}: not run: this user may not change mounts", flush=True)
                continue
            tried += 1
            with tempfile.TemporaryDirectory(prefix="faceoff-faults-") as directory:
                try:
                    result = SCENARIOS[name](title, Path(directory))
                    ok, figure = result.passed, result.figure
                except (StartError, NotServing, OSError) as error:
                    ok, figure = False, str(error)
            passed += ok
            print(f"{'ok   ' if ok else 'FAIL '} {name}, {title}: {figure}", flush=True)
    print(f"faults tried {tried}, passed {passed}, failed {tried - passed}")
    return 0 if passed == tried else 1


if __name__ == "__main__":
    sys.exit(main())
