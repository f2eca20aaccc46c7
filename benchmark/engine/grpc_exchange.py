"""gRPC calls with the time of each part, for the client of one endpoint: as `exchange.Connections`, over HTTP/2.

gRPC resolves names and starts TLS by itself, so these phases are part of connecting, and unknown alone.
"""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Self

import grpc

from benchmark.endpoints.answer import TooLarge
from benchmark.endpoints.grpc_call import OPTIONS, http_status, is_refused, is_too_large, metadata_of, target_of
from benchmark.endpoints.inference_messages import INFER, NotAMessage, infer_json, infer_request
from benchmark.endpoints.traffic import TEST_HEADERS
from benchmark.engine.exchange import Refused
from benchmark.engine.wire import Exchange


class GrpcConnections:
    """One channel, which carries all calls at once; without `reuse`, one for each call."""

    def __init__(self, url: str, *, reuse: bool, timeout_s: float, is_test: bool = True) -> None:
        self._target, self._model, self._is_secure = target_of(url)
        self._reuse = reuse
        self._timeout_s = timeout_s
        self._channel: Any = None
        self._encode = lru_cache(maxsize=4096)(infer_request)
        self._standard = TEST_HEADERS if is_test else {}
        self.set_headers({})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._channel is not None:
            await self._channel.close()

    def set_headers(self, headers: Mapping[str, str]) -> None:
        """Send these headers as metadata with every call from now on, in addition to the standard ones."""
        self._metadata = metadata_of({**self._standard, **headers})

    async def post(self, body: bytes, exchange: Exchange) -> None:
        """Send `body`, of the REST protocol, as a call, and read the answer into `exchange`, as in the REST protocol.

        Raises NotEncodable, TimeoutError, Refused, TooLarge and ConnectionResetError.
        """
        message = self._encode(self._model, body)
        async with asyncio.timeout(self._timeout_s):
            channel = self._channel
            try:
                if channel is None:
                    exchange.connect_start_ns = perf_counter_ns()
                    channel = self._new_channel()
                    if self._reuse:
                        self._channel = channel
                    await _connect(channel, exchange)
                await self._call(channel, message, exchange)
            finally:
                if channel is not None and not self._reuse:
                    await channel.close()

    def _new_channel(self) -> Any:
        if self._is_secure:
            return grpc.aio.secure_channel(self._target, grpc.ssl_channel_credentials(), OPTIONS)
        return grpc.aio.insecure_channel(self._target, OPTIONS)

    async def _call(self, channel: Any, message: bytes, exchange: Exchange) -> None:
        call = channel.unary_unary(INFER)(message, timeout=self._timeout_s, metadata=self._metadata)
        exchange.sent_ns = perf_counter_ns()
        try:
            headers = await call.initial_metadata()
            exchange.answered_ns = perf_counter_ns()
            answer = await call
            exchange.ended_ns = perf_counter_ns()
        except grpc.aio.AioRpcError as error:
            exchange.ended_ns = perf_counter_ns()
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise TimeoutError from error
            if is_too_large(error):
                raise TooLarge from error
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise (Refused if is_refused(error) else ConnectionResetError) from error
            exchange.status = http_status(error.code())
            return
        exchange.status = 200
        exchange.headers = {name: value for name, value in headers or () if isinstance(value, str)}
        try:
            exchange.body = infer_json(answer)
        except NotAMessage:
            exchange.body = b""


async def _connect(channel: Any, exchange: Exchange) -> None:
    """Wait until `channel` is connected or has failed, in which case the call says why."""
    states = grpc.ChannelConnectivity
    state = channel.get_state(try_to_connect=True)
    while state in (states.IDLE, states.CONNECTING):
        await channel.wait_for_state_change(state)
        state = channel.get_state()
    if state is states.READY:
        exchange.connect_end_ns = perf_counter_ns()
