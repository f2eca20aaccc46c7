"""`runs`: find and list the recorded runs."""

import argparse
import json
import sys
from typing import Any

from benchmark.commands import UsageError, add_results, results_store
from benchmark.record.query import FoundRun, RunQuery, SortBy
from benchmark.record.run import RunState
from benchmark.record.store import StoreError
from benchmark.runs import KINDS, titles

_LIMIT = 500
_FROM_THE_LARGEST = (SortBy.RECORDED, SortBy.STARTED, SortBy.P50, SortBy.P95)
"""Times are sorted from the latest and latencies from the largest; texts from A."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_results(parser)
    add = parser.add_argument
    add("--json", action="store_true", help="print a JSON array instead of lines")
    add("--limit", type=int, default=_LIMIT, metavar="N", help=f"list at most so many runs (default {_LIMIT})")
    add(
        "--search",
        default="",
        metavar="TEXT",
        help="only runs in whose ID, name, kind, state, start, endpoints, result or user every word occurs",
    )
    add("--kind", action="append", default=[], choices=KINDS, help="only runs of this kind; may be repeated")
    add("--state", action="append", default=[], choices=[*RunState], help="only runs in this state; may be repeated")
    add(
        "--sort",
        default=SortBy.RECORDED,
        choices=[*SortBy],
        help="order of the list: the latest or largest first, texts from A (default recorded: the newest first)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print one line per run, by default the newest first; returns the exit status. Raises UsageError."""
    if arguments.limit < 1:
        raise UsageError("--limit must be at least 1")
    sort_by = SortBy(arguments.sort)
    query = RunQuery(
        arguments.search,
        tuple(arguments.kind),
        tuple(map(RunState, arguments.state)),
        sort_by=sort_by,
        descending=sort_by in _FROM_THE_LARGEST,
        limit=arguments.limit,
        titles=titles() if arguments.search else {},
    )
    try:
        found = results_store(arguments.results).find(query)
    except StoreError as error:
        raise UsageError(str(error)) from error
    if arguments.json:
        print(json.dumps([_document(one) for one in found.runs], indent=2))
    for one in () if arguments.json else found.runs:
        print(_line(one))
    if len(found.runs) < found.total:
        print(f"{len(found.runs)} of {found.total} runs: --limit shows more", file=sys.stderr)
    if not found.total and not arguments.json:
        is_filtered = arguments.search or arguments.kind or arguments.state
        start = "No runs yet: python -m benchmark compare --endpoint NAME=URL --endpoint NAME=URL"
        print("No runs match." if is_filtered else start)
    return 0


def _document(one: FoundRun) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "name": one.name,
        "state": one.state,
        **({"reason": one.reason} if one.reason is not None else {}),
        "imported": one.is_imported,
        "started_at_utc": one.started_at_utc,
        **({"verdict": one.verdict} if one.verdict else {}),
        **({"who": one.started_by} if one.started_by else {}),
    }


def _line(one: FoundRun) -> str:
    done, whence = one.progress.get("done", 0), "imported" if one.is_imported else ""
    why = f"({one.reason})" if one.state is RunState.ABORTED and one.reason else ""
    started = f"{one.started_at_utc[:19].replace('T', ' ')} UTC"
    facts = "  ".join(filter(None, (one.name, why, one.verdict)))
    return f"{one.id}  {started}  {one.kind:<9} {one.state:<9} {whence:<8} {done:>7}  {facts}".rstrip()
