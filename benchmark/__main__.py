"""`python -m benchmark COMMAND`: measure, and read what was measured. The dashboard runs the same code.

Exit status: 0 it holds, 1 a gate fails, 2 it was not asked for properly or nothing was measured, 130 interrupted,
141 nobody reads on.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from benchmark.commands import UsageError

COMMANDS: dict[str, str] = {
    "compare": "which of two endpoints is faster: paired requests in random order, one in flight",
    "load": "how endpoints hold up: requests at a rate (open loop), or callers that wait (closed loop)",
    "agree": "do two endpoints give the same answers? Rows, a grid, random inputs, the boundary, and invalid inputs",
    "coldstart": "how long a new instance takes for its first answer, and after which idle gap it is gone",
    "selftest": "by how much runs of one server against itself differ here: smaller differences are not claimed",
    "simulate": "two endpoints whose truth is known, to see what the statistics make of it",
    "runs": "list what is in the record",
    "show": "one run, recomputed from its samples",
    "diff": "two runs, only what differs",
    "export": "a run as CSV, JSON or percentiles for HdrHistogram's plotter",
    "import": "add a run that was exported as JSON",
    "gate": "check SLOs against a run; the exit status is 1 if one is broken",
    "cost": "what a month of requests costs, gross and net of the free tier",
    "decide": "which of two endpoints to choose for your needs, and where the answer flips",
    "report": "runs as one page to hand in: verdict, charts, cost, methods and limits",
}

_HIDDEN = ("run",)
"""For the dashboard, and so in no list."""
_MODULES = {"import": "import_"}  # a word of Python's own


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:  # where nothing is measured yet, or nothing to be kept
        return 130  # 128 and the number of SIGINT, as a shell has it
    except BrokenPipeError:  # who read has read enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still writes when it ends
        return 141  # 128 and the number of SIGPIPE


def _run(arguments: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m benchmark", description="Measure endpoints and read the record.")
    commands = parser.add_subparsers(dest="chosen", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    for name in _HIDDEN:
        commands.add_parser(name)
    for name, command in commands.choices.items():
        if given and given[0] == name:  # the others need not be imported, which takes longer than most of them run
            module = importlib.import_module(f"benchmark.commands.{_MODULES.get(name, name)}")
            module.configure(command)
            command.set_defaults(run=module.run)
    parsed = parser.parse_args(given)
    try:
        status = int(parsed.run(parsed))
        sys.stdout.flush()
        return status
    except UsageError as error:
        print(f"{parser.prog} {parsed.chosen}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
