"""The commands of `python -m benchmark`, one module each: `configure(parser)` adds arguments, `run(...)` runs it.

`run` returns the exit status and raises UsageError for errors that the parser cannot detect.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.record.store import Store

ROOT = Path(__file__).resolve().parents[2]


class UsageError(Exception):
    """The command is invalid or cannot be carried out; the message says why and what to do."""


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add the argument for the location of the record."""
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="directory of the record (default: RESULTS_DIR, or results)"
    )


def results_store(directory: Path | None) -> Store:
    """The record in `directory`, or else in RESULTS_DIR, or else in `results`."""
    return Store(directory or Path(os.environ.get("RESULTS_DIR") or ROOT / "results"))


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
