"""`python -m deploy COMMAND`: print the commands of one step of a deployment; with --run, run them too."""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.commands import FUNCTION_SOURCE, SERVICE_FILE, STEPS, Argv, service_file
from deploy.options import chosen, variable_options
from deploy.variables import VariableError, Variables

ROOT = Path(__file__).resolve().parents[1]

Runner = Callable[[Argv], int]


def _run(command: Argv) -> int:
    """Run one command in the project's folder, with the terminal's input and output; returns its status."""
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603  only what commands.py renders


def main(arguments: Sequence[str] | None = None, run: Runner = _run, root: Path = ROOT) -> int:
    """The command line; returns the exit status. Nothing is run without --run."""
    width = max(map(len, STEPS))
    parser = argparse.ArgumentParser(
        prog="python -m deploy",
        description=__doc__,
        parents=[variable_options()],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(["steps, in their order:", *(f"  {name:{width}}  {s.title}" for name, s in STEPS.items())]),
    )
    parser.add_argument("step", choices=STEPS, metavar="COMMAND")
    parser.add_argument("--run", action="store_true", help="run the commands too")
    options = parser.parse_args(arguments)
    step = STEPS[options.step]
    try:
        variables = Variables.from_files(*chosen(options))
        commands = step.commands(variables)
        if options.run and options.step == "api":
            target = root / SERVICE_FILE
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(service_file(variables), encoding="utf-8")
    except (VariableError, OSError) as error:
        print(f"not deployed: {error}", file=sys.stderr)
        return 1
    if options.run and options.step.startswith("function") and not (root / FUNCTION_SOURCE / "main.py").is_file():
        print(f"not deployed: there is nothing in {FUNCTION_SOURCE}: run `make stage-function`", file=sys.stderr)
        return 1
    failed = 0
    for command in commands:
        print(shlex.join(command), flush=True)
        if options.run and (status := run(command)):
            failed = status
            if not step.goes_on:
                break
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
