"""Writing the artifact: all of its files appear at once, or the previous ones stay as they were."""

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # Linux renameat2(2)
_RENAME_SWAP = 2  # macOS renamex_np(2)


def write_artifact(directory: Path, files: Mapping[str, bytes], check: Callable[[Path], object]) -> None:
    """Replace `directory` by one that holds exactly `files`.

    Everything is written and synced beside it first and handed to `check`, then the two directories change
    places in one step, so a reader or a crash sees the old artifact or the new one, never a mixture. Raises
    OSError where it cannot be written, or where `directory` holds anything but an artifact (it would be lost),
    and whatever `check` raises; nothing has changed then.
    """
    directory = Path(os.path.realpath(directory))
    if directory.exists():
        foreign = sorted(entry.name for entry in directory.iterdir() if entry.name not in files)
        if foreign:
            raise FileExistsError(f"{directory} is not an artifact: it holds {foreign[0]}")
    directory.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        staging.chmod(0o755)
        for name, data in files.items():
            with (staging / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        check(staging)
        if directory.exists():
            _exchange(staging, directory)
        else:
            staging.rename(directory)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _exchange(staging: Path, directory: Path) -> None:
    """Swap two directories; where the system cannot do it in one step, in two with the first undone on failure."""
    if _swap(staging, directory):
        return
    previous = staging.with_name(staging.name + ".previous")
    directory.rename(previous)
    try:
        staging.rename(directory)
    except OSError:
        previous.rename(directory)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def _swap(one: Path, other: Path) -> bool:
    """Ask the kernel to exchange two names; False where it or the file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if sys.platform == "darwin":
            failed = libc.renamex_np(os.fsencode(one), os.fsencode(other), _RENAME_SWAP)
        else:
            failed = libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    except AttributeError:  # a C library without it
        return False
    return not failed
