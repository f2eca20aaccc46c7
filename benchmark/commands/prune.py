"""`prune`: delete old runs and comparisons."""

import argparse
import re
import sys
from datetime import UTC, datetime, timedelta

from benchmark.commands import UsageError, add_results, results_store
from benchmark.record.retention import Outdated, delete_outdated, outdated
from benchmark.record.store import StoreError

_AGE = re.compile(r"([1-9][0-9]{0,4})([dhw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_ANSWER = "delete"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_results(parser)
    parser.add_argument(
        "--older-than", type=_age, required=True, metavar="AGE", help="how old at least: 90d, 12w or 48h"
    )
    parser.add_argument("--keep-named", action="store_true", help="keep runs that have a name")
    parser.add_argument("--yes", action="store_true", help="delete without asking")


def run(arguments: argparse.Namespace) -> int:
    """Show what would be deleted, and delete it after a confirmation; returns the exit status."""
    store, keep_named = results_store(arguments.results), arguments.keep_named
    before_utc = (datetime.now(UTC) - arguments.older_than).isoformat(timespec="milliseconds")
    try:
        found = outdated(store, before_utc, keep_named=keep_named)
        print(f"{store.location.name}: {_described(found, before_utc)}")
        if not found.runs and not found.comparisons:
            return 0
        if not arguments.yes and not _confirmed():
            return 2
        delete_outdated(store, before_utc, keep_named=keep_named, report=_report)
    except StoreError as error:
        raise UsageError(str(error)) from error
    print("Deleted.")
    return 0


def _described(found: Outdated, before_utc: str) -> str:
    if found.oldest_utc is None or found.newest_utc is None:
        return f"nothing is older than {_day(before_utc)}."
    return (
        f"{found.runs:,} {_plural('run', found.runs)} with {found.requests:,} {_plural('request', found.requests)} "
        f"({found.samples_bytes / 1e6:,.1f} MB) and {found.comparisons:,} "
        f"{_plural('comparison', found.comparisons)}, from {_day(found.oldest_utc)} to {_day(found.newest_utc)}."
    )


def _confirmed() -> bool:
    """Whether the operator types the word. Raises UsageError where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise UsageError("nothing was deleted: add --yes to delete this")
    answer = input(f"Type '{_ANSWER}' to delete all of this: ").strip()
    if answer != _ANSWER:
        print("Nothing was deleted.")
    return answer == _ANSWER


def _report(runs: int, comparisons: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{runs:,} runs and {comparisons:,} comparisons deleted", end="", file=sys.stderr, flush=True)


def _day(at_utc: str) -> str:
    return f"{at_utc[:16].replace('T', ' ')} UTC"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def _age(text: str) -> timedelta:
    found = _AGE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError("must be a number of days, weeks or hours, such as 90d, 12w or 48h")
    return int(found[1]) * _UNITS[found[2]]
