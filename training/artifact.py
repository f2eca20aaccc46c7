"""Write an artifact: all of its files appear at once, or the previous ones stay as they were."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from inference.card import ARTIFACT_FILES


def write_artifact(directory: Path, files: Mapping[str, bytes], check: Callable[[Path], object]) -> None:
    """Replace `directory` by one that holds exactly `files`.

    The files are written and synced beside it first and handed to `check`; then two renames put them in its place. A
    reader sees the old artifact, the new one, or for a moment between the renames none, but never a mixture. After a
    crash in that moment, the next call brings the old artifact back before it does anything else.

    Raises OSError where the artifact cannot be written, or where `directory` holds anything but an artifact (it would
    be lost), and whatever `check` raises; nothing has changed then.
    """
    directory = Path(os.path.realpath(directory))
    previous = directory.with_name(f".{directory.name}.previous")
    _recover(directory, previous)
    if directory.exists():
        foreign = sorted(entry.name for entry in directory.iterdir() if entry.name not in ARTIFACT_FILES)
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
            directory.rename(previous)
        staging.rename(directory)
    finally:
        _recover(directory, previous)
        shutil.rmtree(staging, ignore_errors=True)


def _recover(directory: Path, previous: Path) -> None:
    """Put `previous` back where the new artifact did not get into its place, and delete it otherwise."""
    if previous.exists() and not directory.exists():
        previous.rename(directory)
    shutil.rmtree(previous, ignore_errors=True)
