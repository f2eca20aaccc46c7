"""What an engine writes to its worker: frames of packed rows, and JSON messages between them."""

import json
import struct
from collections.abc import Iterator
from typing import IO, Any

ROWS = b"R"
MESSAGE = b"M"
_HEAD = struct.Struct("<cI")
MAX_FRAME = 64 * 1024 * 1024


def rows_frame(chunk: bytes) -> bytes:
    """A frame with a packed chunk of rows."""
    return _HEAD.pack(ROWS, len(chunk)) + chunk


def message_frame(message: dict[str, Any]) -> bytes:
    """A frame with a JSON message."""
    content = json.dumps(message).encode()
    return _HEAD.pack(MESSAGE, len(content)) + content


def read_frames(pipe: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The kind and content of each frame, until the pipe ends. A frame that was cut off is left out."""
    while len(head := pipe.read(_HEAD.size)) == _HEAD.size:
        kind, size = _HEAD.unpack(head)
        if size > MAX_FRAME or len(content := pipe.read(size)) < size:
            return
        yield kind, content
