"""What gRPC calls have in common, with or without asyncio: addresses, options, and statuses as those of HTTP."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import grpc

from benchmark.endpoints.answer import MAX_ANSWER_BYTES

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),  # else a new channel would reuse another one's connection
)
_HTTP_STATUS: Mapping[Any, int] = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
}


def http_status(code: Any) -> int:
    """The HTTP status that https://cloud.google.com/apis/design/errors gives for a gRPC status code."""
    return _HTTP_STATUS.get(code, 500)


def target_of(url: str) -> tuple[str, str, bool]:
    """The target `HOST:PORT` of a `grpc` address, the model's name, and whether TLS is used."""
    parts = urlsplit(url)
    return parts.netloc, parts.path.strip("/"), parts.scheme == "grpcs"


def metadata_of(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """HTTP headers as gRPC metadata, without those of HTTP itself."""
    own = {"content-type", "content-length", "host", "accept", "accept-encoding", "connection", "user-agent"}
    return tuple((name.lower(), value) for name, value in headers.items() if name.lower() not in own)


def is_refused(error: Any) -> bool:
    """Whether nothing listens at the target."""
    return "refused" in str(error.details()).lower()


def is_too_large(error: Any) -> bool:
    """Whether the answer was refused here, because it exceeds the limit."""
    return error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in str(error.details())
