"""Which version of this program runs here: a worker with another one would measure something else."""

import hashlib
import platform
from functools import cache
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("benchmark", "inference")


@cache
def program_version() -> str:
    """The hash of the sources that a worker runs, with the versions of Python (major and minor) and numpy."""
    digest = hashlib.sha256(f"{platform.python_version_tuple()[:2]} {np.__version__}".encode())
    for path in sorted(path for name in _PACKAGES for path in (ROOT / name).rglob("*.py")):
        digest.update(f"\n{path.relative_to(ROOT).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
