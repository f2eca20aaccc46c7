"""`python -m benchmark COMMAND`: measure, and read what was measured. The dashboard runs the same code.

Exit status: 0 success, 1 a check failed, 2 a usage error or nothing measured, 130 interrupted, 141 the reader of a pipe
has closed it.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from benchmark.commands import UsageError

COMMANDS: dict[str, str] = {
    "probe": "send one request to an endpoint, and show what was sent, what came back and what was read in it",
    "compare": "find out which endpoint is faster: paired requests in random order, one in flight",
    "load": "test endpoints under load: requests at a fixed rate (open loop) or waiting callers (closed loop)",
    "capacity": "find the highest rate at which each endpoint keeps its SLOs, with an interval, and per dollar",
    "agree": "check that endpoints give the same answers to rows, a grid, random, boundary and invalid inputs",
    "coldstart": "measure how long a new instance takes to answer, and after which idle gap it stops",
    "selftest": "measure one server against itself to find the smallest difference that this machine can resolve",
    "simulate": "simulate endpoints with known latencies to check the statistics",
    "runs": "list the recorded runs",
    "show": "show one run, recomputed from its samples",
    "diff": "show what differs between two runs",
    "export": "export a run as CSV, JSON or percentiles for HdrHistogram's plotter",
    "import": "add a run that was exported as JSON",
    "prune": "delete old runs and comparisons; shows first what it would delete",
    "gate": "check SLOs against a run; exits with status 1 if one is broken",
    "cost": "calculate what a month of requests costs, before and after the free tier",
    "decide": "recommend an endpoint for your needs, with a sensitivity analysis",
    "report": "write a report on runs: verdict, charts, cost, methods and limits",
}

_HIDDEN = ("run",)
"""Used by the dashboard, and not listed in the help."""
_MODULES = {"import": "import_"}  # `import` is a keyword


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:  # before anything is measured, or when there is nothing to keep
        return 130  # 128 + SIGINT, as in a shell
    except BrokenPipeError:  # such as `head`, which stops reading
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes at its end
        return 141  # 128 + SIGPIPE


def _run(arguments: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    hidden = [name for name in _HIDDEN if given[:1] == [name]]  # no others, or errors would list them
    parser = argparse.ArgumentParser(prog="python -m benchmark", description="Measure endpoints and read the record.")
    commands = parser.add_subparsers(dest="chosen", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    for name in hidden:
        commands.add_parser(name)
    for name, command in commands.choices.items():
        if given and given[0] == name:  # importing all commands would take longer than running most of them
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
