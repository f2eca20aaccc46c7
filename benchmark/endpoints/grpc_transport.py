"""gRPC behind httpx: GET is a model's metadata and POST a prediction, with bodies as in the REST protocol.

So everything that sends single requests with httpx also speaks gRPC.
"""

import threading
from typing import Any

import grpc
import httpx

from benchmark.endpoints.answer import TooLarge
from benchmark.endpoints.grpc_call import OPTIONS, http_status, is_refused, is_too_large, metadata_of, target_of
from benchmark.endpoints.inference_messages import (
    INFER,
    METADATA,
    NotAMessage,
    infer_json,
    infer_request,
    metadata_json,
    metadata_request,
)


class GrpcTransport(httpx.BaseTransport):
    """A channel for each target. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channels: dict[tuple[str, bool], Any] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Raises NotEncodable, and errors of httpx, as its own transports do."""
        target, model, is_secure = target_of(str(request.url))
        timeout_s = request.extensions.get("timeout", {}).get("read")
        content = request.read()
        if request.method == "GET":
            method, message, read = METADATA, metadata_request(model), metadata_json
        else:
            method, message, read = INFER, infer_request(model, content), infer_json
        channel, is_new = self._channel(target, is_secure)
        if is_new and (trace := request.extensions.get("trace")):
            trace("connection.connect_tcp.started", {})
        call = channel.unary_unary(method)
        try:
            answer = call(message, timeout=timeout_s, metadata=metadata_of(request.headers))
        except grpc.RpcError as error:
            return self._failed(error, request)
        try:
            return httpx.Response(200, content=_Body(read(answer)), request=request)
        except NotAMessage as error:
            return httpx.Response(200, content=_Body(str(error).encode()), request=request)

    def close(self) -> None:
        """Close all channels."""
        with self._lock:
            for channel in self._channels.values():
                channel.close()
            self._channels.clear()

    def _channel(self, target: str, is_secure: bool) -> tuple[Any, bool]:
        with self._lock:
            found = self._channels.get((target, is_secure))
            if found is not None:
                return found, False
            secure = grpc.ssl_channel_credentials() if is_secure else None
            made = grpc.secure_channel(target, secure, OPTIONS) if secure else grpc.insecure_channel(target, OPTIONS)
            self._channels[target, is_secure] = made
            return made, True

    def _failed(self, error: Any, request: httpx.Request) -> httpx.Response:
        code = error.code()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            raise httpx.ReadTimeout("no answer in time", request=request)
        if is_too_large(error):
            return httpx.Response(200, content=_Body(None), request=request)
        if code is grpc.StatusCode.UNAVAILABLE:
            if is_refused(error):
                raise httpx.ConnectError("refused", request=request) from ConnectionRefusedError()
            raise httpx.ReadError("the connection was lost", request=request)
        text = str(error.details() or code.name)[:1000]
        return httpx.Response(http_status(code), content=_Body(text.encode()), request=request)


class _Body(httpx.SyncByteStream):
    """A body that can be streamed, and read raw; None is one that is too large to be read."""

    def __init__(self, content: bytes | None) -> None:
        self._content = content

    def __iter__(self) -> Any:
        if self._content is None:
            raise TooLarge
        yield self._content
