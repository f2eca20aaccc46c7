"""What a server reports with every answer: its own duration, and its instance."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """The server's report with one answer; None is unknown."""

    server_ms: float | None = None
    instance_id: str | None = None
    instance_age_ms: float | None = None
    request_count: int | None = None


def read_evidence(headers: Mapping[str, str]) -> Evidence:
    """`headers` must be case-insensitive; unreadable values are unknown, never an error."""
    instance_id = headers.get("x-instance-id")
    count = _number(headers.get("x-request-count"))
    return Evidence(
        server_ms=_server_ms(headers.get("server-timing", "")),
        instance_id=instance_id[:64] if instance_id and instance_id.isprintable() else None,
        instance_age_ms=_number(headers.get("x-instance-age-ms")),
        request_count=int(count) if count is not None and count.is_integer() else None,
    )


_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_TOTAL = re.compile(r"(?:^|,)\s*total\s*(?:;[^,]*?)?;\s*dur\s*=\s*([^,;\s]+)")


def _server_ms(server_timing: str) -> float | None:
    """The `total` duration of a Server-Timing header, in ms."""
    if not server_timing:
        return None
    found = _TOTAL.search(_QUOTED.sub('""', server_timing))  # a description may contain commas and other separators
    return _number(found[1]) if found else None


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e15 else None
