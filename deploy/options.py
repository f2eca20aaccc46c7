"""The command-line options that choose the variables, for deployment steps and for staging."""

import argparse
from pathlib import Path

from deploy.variables import VariableError


def variable_options() -> argparse.ArgumentParser:
    """`--with FILE` and `--set NAME=VALUE`, each as often as wanted: a parent for a parser."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--with",
        dest="files",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="variables on top of deploy/variables.env",
    )
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="NAME=VALUE")
    return parser


def chosen(options: argparse.Namespace) -> tuple[list[Path], dict[str, str]]:
    """The files of parsed options, and what goes on top of them. Raises VariableError."""
    return options.files, dict(_pair(text) for text in options.overrides)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise VariableError(f"--set takes NAME=VALUE, not {text!r}")
    return name, value
