"""`runs`: list the recorded runs."""

import argparse
import json

from benchmark.commands import UsageError, add_results, results_store
from benchmark.record.run import RunState
from benchmark.record.store import StoreError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_results(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON array instead of lines")


def run(arguments: argparse.Namespace) -> int:
    """Print one line per run, newest first; returns the exit status."""
    try:
        runs = results_store(arguments.results).runs()
    except StoreError as error:
        raise UsageError(str(error)) from error
    if arguments.json:
        heads = [
            {
                "id": one.id,
                "kind": one.kind,
                "name": one.name,
                "state": one.state,
                **({"reason": one.outcome.reason} if one.outcome.reason is not None else {}),
                "imported": one.is_imported,
                "started_at_utc": one.started_at_utc,
            }
            for one in runs
        ]
        print(json.dumps(heads, indent=2))
        return 0
    for one in runs:
        done, whence = one.progress.get("done", 0), "imported" if one.is_imported else ""
        why = f"  ({one.outcome.reason})" if one.state is RunState.ABORTED and one.outcome.reason else ""
        line = f"{one.id}  {one.started_text}  {one.kind:<9} {one.state:<9} {whence:<8} {done:>7}  {one.name}{why}"
        print(line.rstrip())
    if not runs:
        print("No runs yet: python -m benchmark compare --endpoint NAME=URL --endpoint NAME=URL")
    return 0
