"""The commands of `python -m benchmark`, a module each: `configure(parser)` says what it takes, `run(...)` does it.

`run` returns the exit status and raises UsageError for what the parser cannot know.
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
    """What was asked for makes no sense or cannot be done; the message says why and what to do."""


def add_results(parser: argparse.ArgumentParser) -> None:
    """The argument that says where the record is."""
    parser.add_argument("--results", type=Path, metavar="DIR", help="the record (default RESULTS_DIR, or results)")


def results_store(directory: Path | None) -> Store:
    """The record in `directory`, or where the environment says, or in `results`."""
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
    """Write `document` where `--json` says, and print the text unless standard output is JSON's. Raises UsageError."""
    if json_path:
        write_json(json_path, document)
    if str(json_path) != "-":
        print_text()
