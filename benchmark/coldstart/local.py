"""The two programs of this repository, started as their image and the platform start them."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmark.coldstart.program import Command, ProgramError
from inference.card import CARD_FILE

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"api": "FastAPI", "function": "Cloud Function"}


def are_here() -> bool:
    """Whether their sources are on this machine; the dashboard's image does not contain them."""
    return (ROOT / "api" / "__main__.py").is_file()


def programs(
    environ: Mapping[str, str] = os.environ, directories: Mapping[str, Path] | None = None
) -> dict[str, Command]:
    """Their commands by key; `directories` overrides the working directories."""
    where = {"api": ROOT, "function": Path(environ.get("FUNCTION_DIR") or ROOT / "build" / "function").absolute()}
    where |= directories or {}
    framework = str(Path(sys.executable).with_name("functions-framework"))
    return {
        "api": Command((sys.executable, "-m", "api"), where["api"]),
        "function": Command((framework, "--target", "predict"), where["function"]),
    }


def serve_the_same_model(commands: Mapping[str, Command], environ: Mapping[str, str] = os.environ) -> bool:
    """Whether both start with the same model card, as far as their files tell: MODEL_DIR, or else each its default."""
    if environ.get("MODEL_DIR"):
        return True
    api, function = commands["api"].directory / "artifacts" / "iris", commands["function"].directory / "artifact"
    try:
        return (api / CARD_FILE).read_bytes() == (function / CARD_FILE).read_bytes()
    except OSError:  # starting them says it
        return True


def require_directories(commands: Mapping[str, Command]) -> None:
    """Raises ProgramError if the working directory of one of `commands` does not exist."""
    for key, command in commands.items():
        if not command.directory.is_dir():
            remedy = "stage it with: make stage-function" if key == "function" else "give another --directory"
            raise ProgramError(f"{key} has no directory {command.directory}: {remedy}")
