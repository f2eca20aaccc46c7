"""A file of one run on local disk, for what cannot be written to the record now."""

import errno
import fcntl
import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote

from benchmark.record.location import Location
from benchmark.record.run import RunState

_FRAME = struct.Struct("<cIII")
"""The kind of a frame, the number of its chunk, and the length and CRC-32 of its content, which follows."""
_CHUNK, _PROGRESS, _END = b"C", b"P", b"E"
_PART_BYTES = 8 * 2**20


class SpoolInUse(OSError):
    """Another process uses this file."""


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended."""

    state: RunState
    outcome: Mapping[str, Any]


class Spool:
    """The file of one run. One process at a time has it; its lock ends with that process, however it ends.

    A frame is valid or missing: what was cut off while it was written is not read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO | None = None

    @classmethod
    def of(cls, location: Location, run_id: str) -> Self:
        """The file of a run of the record at `location`."""
        return cls(_directory(location) / f"{quote(run_id, safe='')}{_suffix(location)}")

    @classmethod
    def left(cls, location: Location) -> list[Self]:
        """The files of all runs of the record at `location`, also of those in progress."""
        return [cls(path) for path in sorted(_directory(location).glob(f"*{_suffix(location)}"))]

    @property
    def run_id(self) -> str:
        return unquote(self.path.name.rsplit(".", 2)[0])

    @property
    def exists(self) -> bool:
        return self._file is not None or self.path.exists()

    def take(self) -> FileIO:
        """Lock the file. Raises SpoolInUse, also without a file."""
        if self._file is None:
            self._file = self._locked("rb+")
        return self._file

    def add(self, chunks: Sequence[tuple[int, bytes]], progress: Mapping[str, Any] | None = None) -> None:
        """Append numbered chunks, and the progress with them. Raises OSError, and then keeps none of them."""
        frames = [(_CHUNK, position, samples) for position, samples in chunks]
        if frames and progress is not None:
            frames.append((_PROGRESS, 0, json.dumps(progress).encode()))
        self._append(frames)

    def end(self, end: End) -> None:
        """Append how the run ended. Raises OSError."""
        content = json.dumps({"state": end.state, "outcome": dict(end.outcome)}).encode()
        self._append([(_END, 0, content)])

    def parts(self) -> Iterator[list[tuple[int, bytes]]]:
        """The chunks in the order in which they were added, about 8 MiB at a time. Raises OSError."""
        part, size = list[tuple[int, bytes]](), 0
        for kind, position, content in self._frames():
            if kind == _CHUNK:
                part.append((position, content))
                size += len(content)
            if size >= _PART_BYTES:
                yield part
                part, size = [], 0
        if part:
            yield part

    def progress(self) -> Mapping[str, Any] | None:
        """The progress at the last chunks, if that was added. Raises OSError."""
        found: Mapping[str, Any] | None = self._last(_PROGRESS)
        return found

    def ended(self) -> End | None:
        """How the run ended, if that was added; the last time counts. Raises OSError."""
        document = self._last(_END)
        return None if document is None else End(RunState(document["state"]), document["outcome"])

    def _last(self, wanted: bytes) -> Any:
        """The document in the last frame of this kind; None without one."""
        found = None
        for kind, _, content in self._frames():
            if kind == wanted:
                found = content
        return None if found is None else json.loads(found)

    def discard(self) -> None:
        """Delete the file, if there is one. Raises OSError."""
        if self.exists:
            self.take()
            self.path.unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        """Leave the file to others."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, frames: Sequence[tuple[bytes, int, bytes]]) -> None:
        if not frames:
            return
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._locked("ab+")
        start = self._file.seek(0, os.SEEK_END)
        try:
            for kind, position, content in frames:
                frame = _FRAME.pack(kind, position, len(content), zlib.crc32(content)) + content
                if self._file.write(frame) < len(frame):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError:  # what follows a frame that was cut off would not be read
            os.ftruncate(self._file.fileno(), start)
            raise

    def _frames(self) -> Iterator[tuple[bytes, int, bytes]]:
        if not self.exists:
            return
        file = self.take()
        file.seek(0)
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            kind, position, length, checksum = _FRAME.unpack(head)
            content = file.read(length)
            if len(content) < length or zlib.crc32(content) != checksum:
                return
            yield kind, position, content

    def _locked(self, mode: str) -> FileIO:
        try:
            file = FileIO(self.path, mode)  # kept open, because it has the lock
        except FileNotFoundError as error:
            raise SpoolInUse(f"{self.path} was just written to the record") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.exists(self.path) or not os.path.samestat(os.fstat(file.fileno()), os.stat(self.path)):
                raise SpoolInUse(f"{self.path} was just written to the record")
        except OSError as error:
            file.close()
            raise error if isinstance(error, SpoolInUse) else SpoolInUse(str(error)) from error
        return file


def _directory(location: Location) -> Path:
    return location.directory / "spool"


def _suffix(location: Location) -> str:
    """Tells the records apart that have their local state in one directory."""
    if location.url is None:
        return ".file.spool"
    return f".{hashlib.sha256(location.name.encode()).hexdigest()[:12]}.spool"
