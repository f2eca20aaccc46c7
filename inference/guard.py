"""uvicorn's HTTP protocol with what it lacks: a deadline for requests, and JSON for every refusal.

Both endpoints are served by uvicorn, the API directly and the function through functions-framework, so this one class
gives them the same behaviour before a request reaches any framework.
"""

from asyncio import TimerHandle, Transport
from collections.abc import Mapping
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from inference.asgi import Endpoint
from inference.contract import MAX_HEAD_BYTES, ContractError, headers_too_large, request_timeout

REQUEST_DEADLINE_S = 4.0
"""A request, headers and body together, has to arrive within this from the connection or from the previous answer."""

_FRAMEWORK_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"})
_FRAMEWORK_PATHS = frozenset({"/robots.txt", "/favicon.ico"})


def guarded(endpoint: Endpoint) -> type[HttpToolsProtocol]:
    """The protocol class for uvicorn's `http` setting, refusing in the words of `endpoint`."""

    class GuardedProtocol(HttpToolsProtocol):
        """One connection. A deadline runs while a request is arriving; nothing runs while it is being answered."""

        _deadline: TimerHandle | None = None
        _unreadable = False
        _progress = 0
        _bytes_without_progress = 0

        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._start_deadline()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_deadline()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            self._unset_keepalive_if_required()
            # The parser keeps a header or trailer that has not ended and copies it with every piece that arrives:
            # without a limit a few connections keep the whole process busy.
            before = self._progress
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade:
                pass  # an upgrade may be ignored
            except HttpParserError:
                self._refuse_unreadable()
                return
            if self._progress != before:
                self._bytes_without_progress = 0
                return
            self._bytes_without_progress += len(data)
            if self._bytes_without_progress > MAX_HEAD_BYTES:
                self._give_up(headers_too_large())

        def on_message_begin(self) -> None:
            self._progress += 1
            super().on_message_begin()

        def on_url(self, url: bytes) -> None:
            super().on_url(url)
            if len(self.url) > MAX_HEAD_BYTES:
                raise ValueError  # which the parser reports as a request that cannot be read

        def on_body(self, body: bytes) -> None:
            self._progress += 1
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._progress += 1
            self._stop_deadline()
            super().on_message_complete()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            # The deadline takes the place of the keep-alive timer, which the first byte of a request would stop.
            self._unset_keepalive_if_required()
            if self._unreadable:
                self._refuse_unreadable()
            elif self._deadline is None and not self.transport.is_closing():
                self._start_deadline()

        def _refuse_unreadable(self) -> None:
            cycle = self.cycle
            if self.pipeline or (cycle is not None and not cycle.response_complete and not cycle.more_body):
                # What cannot be read came behind a complete request, which gets its answer first.
                self._unreadable = True
                self.flow.pause_reading()
            else:
                self._refuse(ContractError(400, "bad_request", "This is not an HTTP request that can be read."))

        def _should_upgrade_to_ws(self) -> bool:
            return False  # functions-framework cannot be told so, and the connection would hang

        def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
            # functions-framework answers these by itself, in plain text; the contract says what they get.
            method, path = cycle.scope["method"], cycle.scope["path"]
            if method not in _FRAMEWORK_METHODS or path in _FRAMEWORK_PATHS or path[:1] != "/" or "\n" in path:
                app = endpoint
            super()._start_asgi_task(cycle, app)

        def _start_deadline(self) -> None:
            self._deadline = self.loop.call_later(REQUEST_DEADLINE_S, self._too_slow)

        def _stop_deadline(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _too_slow(self) -> None:
            self._deadline = None
            self._give_up(request_timeout())

        def _give_up(self, error: ContractError) -> None:
            answered = self.cycle is None or self.cycle.response_complete
            arriving = self.scope is not None and (self.cycle is None or self.scope is not self.cycle.scope)
            if answered and not arriving:
                self.transport.close()  # idle, or still sending what was refused: nobody waits for an answer
            else:
                self._refuse(error)

        def _refuse(self, error: ContractError) -> None:
            if not self.transport.is_closing():
                if self.cycle is not None:
                    self.cycle.disconnected = True  # nothing of its own may follow the refusal
                reply = endpoint.refuse(error, self._arriving())
                headers = "".join(f"{name}: {value}\r\n" for name, value in reply.headers if name != "connection")
                head = f"{headers}content-length: {len(reply.body)}\r\nconnection: close\r\n\r\n"
                self.transport.write(STATUS_LINE[reply.status] + head.encode() + reply.body)
                self.transport.close()

        def _arriving(self) -> Mapping[str, Any]:
            """What is known of the request that has begun and is not answered: nothing where there is none."""
            answered = self.cycle is not None and self.scope is self.cycle.scope and self.cycle.response_complete
            return {} if self.scope is None or answered else self.scope

    return GuardedProtocol
