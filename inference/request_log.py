"""The log as JSON lines in the field names of Google Cloud Logging: one a request, and one a failure of our own.

https://cloud.google.com/logging/docs/structured-logging names the fields. A line never holds a query string, a
body, a token or an address, so that logs can be kept and shown.
"""

import json
import logging
import os
import re
import sys
from asyncio import get_running_loop
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as _quoted  # what json.dumps does to a text, without its detours
from typing import TextIO

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_CLOUD_TRACE = re.compile(rb"([0-9a-fA-F]{32})(?:/(\d{1,20}))?(?:;o=\d)?")
_EXECUTION_ID = re.compile(rb"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace that a request belongs to: 32 hex digits, and the 16 of the span that answers it."""

    trace_id: str
    span_id: str

    @property
    def traceparent(self) -> str:
        """As the W3C header has it."""
        return f"00-{self.trace_id}-{self.span_id}-01"


def read_trace(traceparent: bytes, cloud_trace_context: bytes) -> Trace | None:
    """The caller's trace with a span of our own, from `traceparent` or else `X-Cloud-Trace-Context`."""
    found = _TRACEPARENT.fullmatch(traceparent) or _CLOUD_TRACE.fullmatch(cloud_trace_context)
    if not found or not found[1].strip(b"0"):
        return None
    return Trace(found[1].decode().lower(), os.urandom(8).hex())


class RequestLog:
    """Writes the lines. INFO for answered requests, WARNING for refused ones, ERROR for failures of our own."""

    def __init__(self, level: str, environ: Mapping[str, str] = os.environ, stream: TextIO | None = None) -> None:
        threshold = logging.getLevelNamesMapping()[level]
        self._info = threshold <= logging.INFO
        self._warning = threshold <= logging.WARNING
        self._error = threshold <= logging.ERROR
        self._project = environ.get("GOOGLE_CLOUD_PROJECT")
        self._with_execution_id = environ.get("LOG_EXECUTION_ID", "").lower() in ("true", "1", "yes")
        self._stream = stream or sys.stdout
        self._unwritten: list[str] = []

    def write(
        self,
        method: str,
        path: str,
        status: int,
        duration_s: float | None,
        sizes_bytes: tuple[int, int],
        trace: Trace | None = None,
        execution_id: bytes = b"",
    ) -> None:
        """Log one answered request; `sizes_bytes` are those of its body and of the answer's.

        `method` and `path` are empty where the request could not be read so far, and `duration_s` is None where it was
        refused before it was complete.
        """
        wanted = self._info if status < 400 else self._warning if status < 500 else self._error
        if not wanted:
            return
        # Put together by hand, at half the cost of a dictionary and an encoder: every request pays for it.
        severity = "INFO" if status < 400 else "WARNING" if status < 500 else "ERROR"
        path = path[:200]
        message = f"{method or '-'} {path or '-'} {status}"
        known = f'"requestMethod":{_quoted(method)},"requestUrl":{_quoted(path)},' if method else ""
        latency = "" if duration_s is None else f',"latency":"{duration_s:.6f}s"'
        line = (
            f'{{"severity":"{severity}","message":{_quoted(message)},"httpRequest":{{'
            f'{known}"status":{status},"requestSize":"{sizes_bytes[0]}","responseSize":"{sizes_bytes[1]}"{latency}}}'
        )
        if trace:
            name = f"projects/{self._project}/traces/{trace.trace_id}" if self._project else trace.trace_id
            line += f',"logging.googleapis.com/trace":{_quoted(name)},"logging.googleapis.com/spanId":"{trace.span_id}"'
        if self._with_execution_id and _EXECUTION_ID.fullmatch(execution_id):
            line += f',"logging.googleapis.com/labels":{{"execution_id":"{execution_id.decode()}"}}'
        self._unwritten.append(line + "}\n")
        if len(self._unwritten) == 1:
            self._write_soon()

    def _write_soon(self) -> None:
        """Write when the event loop has finished its turn: a system call for all lines of a turn instead of each."""
        try:
            loop = get_running_loop()
        except RuntimeError:
            self._write_all()
        else:
            loop.call_soon(self._write_all)

    def _write_all(self) -> None:
        text = "".join(self._unwritten)
        self._unwritten.clear()
        with suppress(OSError, ValueError):  # a full disk or a closed pipe must not stop serving
            self._stream.write(text)
            self._stream.flush()


class _JsonLine(logging.Formatter):
    """A record and its traceback as one line; as plain text, each line of a traceback would be a separate entry."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        return json.dumps({"severity": record.levelname, "message": message})


def log_failures_as_json(names: Iterable[str], stream: TextIO | None = None) -> None:
    """Let the loggers of `names` write one JSON line a record to `stream` (default: standard error), and no other."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JsonLine())
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
