"""The commands of `python -m benchmark`, one module each: `configure(parser)` adds arguments, `run(...)` runs it.

`run` returns the exit status and raises UsageError for errors that the parser cannot detect.
"""

import argparse
import getpass
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.endpoints import readable
from benchmark.record.location import Location, LocationError, is_url, location_in

if TYPE_CHECKING:
    from benchmark.record.store import Store

ROOT = Path(__file__).resolve().parents[2]


class UsageError(Exception):
    """The command is invalid or cannot be carried out; the message says why and what to do."""


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add the argument for the location of the record."""
    parser.add_argument(
        "--results",
        metavar="DIR|URL",
        help="directory of the record, or postgresql+psycopg:// address without a password, which belongs into "
        "PGPASSWORD or ~/.pgpass (default: RESULTS_URL, or RESULTS_DIR, or results)",
    )


def results_store(given: str | os.PathLike[str] | None) -> "Store":
    """The record at the `given` directory or address, or else where the environment says. Raises UsageError."""
    from benchmark.record.journal import recover  # a database's client is slow to import, and not all commands need it
    from benchmark.record.store import Store

    try:
        location = location_in(os.environ, ROOT / "results")
        if given is not None:
            location = _location(os.fspath(given), location)
    except LocationError as error:
        raise UsageError(str(error)) from None
    store = Store(location, user=user_name())
    recover(store)
    return store


def _location(given: str, configured: Location) -> Location:
    if not is_url(given):
        return Location(Path(given))
    try:
        location = Location(configured.directory, given)
    except LocationError as error:
        raise LocationError(f"--results {error}") from None
    if location.has_password:
        raise LocationError("--results: other users can read a command line: set RESULTS_URL, or PGPASSWORD, instead")
    return location


def user_name() -> str:
    """The user of this process; empty if it has no name."""
    try:
        return readable.name(getpass.getuser())
    except (KeyError, OSError):  # a numeric user of a container
        return ""


def write_json(path: Path, document: Any) -> None:
    """Write `document` to a file, or to standard output for `-`. Raises UsageError."""
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        return
    try:
        path.write_text(text)
    except OSError as error:
        raise UsageError(f"--json {path}: cannot be written ({error.strerror})") from error


def present(document: Any, json_path: Path | None, print_text: Callable[[], None]) -> None:
    """Write `document` to `--json`, and print the text unless JSON goes to standard output. Raises UsageError."""
    if json_path:
        write_json(json_path, document)
    if str(json_path) != "-":
        print_text()
