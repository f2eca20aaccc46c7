"""CORS: only pages of the origins in CORS_ORIGINS may read the answers; by default, none."""

from collections.abc import Mapping

_EXPOSED = "Server-Timing, X-Instance-Id, X-Instance-Age-Ms, X-Request-Count, Traceparent"
_PREFLIGHT = {
    "access-control-allow-methods": "GET, HEAD, POST",
    "access-control-allow-headers": "Authorization, Content-Type, Traceparent",
    "access-control-max-age": "3600",
}


class Cors:
    """The CORS headers for exact `origins`, such as `https://example.org`."""

    def __init__(self, origins: frozenset[str]) -> None:
        self._origins = {origin.encode(): origin for origin in origins}

    def preflight(self, method: str, headers: Mapping[bytes, bytes]) -> Mapping[str, str] | None:
        """The headers that answer a preflight; None for any other request, and if CORS is off."""
        if method != "OPTIONS" or not self._origins or b"access-control-request-method" not in headers:
            return None
        return _PREFLIGHT if headers.get(b"origin", b"") in self._origins else {}

    def headers(self, headers: Mapping[bytes, bytes]) -> list[tuple[str, str]]:
        """The headers that let a page of an allowed origin read the answer."""
        if not self._origins:
            return []
        origin = self._origins.get(headers.get(b"origin", b""))
        # Vary also without permission: a cache must not give one origin's answer to another.
        vary = [("vary", "Origin")]
        if origin is None:
            return vary
        return [
            *vary,
            ("access-control-allow-origin", origin),
            ("access-control-expose-headers", _EXPOSED),
            ("timing-allow-origin", origin),
        ]
