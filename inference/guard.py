"""uvicorn's HTTP protocol with deadlines for slow clients, and JSON for every refusal.

uvicorn serves both endpoints, the API directly and the function through functions-framework, so this one class gives
them the same behaviour before a request reaches a framework.
"""

from asyncio import TimerHandle, Transport
from collections.abc import Mapping
from functools import partial
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from inference.asgi import REPLY_EXTENSION, ServiceApp
from inference.contract import MAX_HEAD_BYTES, ContractError, headers_too_large, request_timeout
from inference.deadlines import Deadlines
from inference.service import Reply

REQUEST_DEADLINE_S = 4.0
"""Headers and body of a request must arrive this long after the connection or the previous answer."""
READ_DEADLINE_S = 4.0
"""A client that has taken nothing of its answer for this long is cut off: what waits for it fills the memory."""

_FRAMEWORK_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"})
_FRAMEWORK_PATHS = frozenset({"/robots.txt", "/favicon.ico"})


def guarded(service_app: ServiceApp) -> type[HttpToolsProtocol]:
    """The protocol class for uvicorn's `http` setting, with refusals written by `service_app`."""
    deadlines = Deadlines(REQUEST_DEADLINE_S)

    class GuardedProtocol(HttpToolsProtocol):
        """One connection, with a deadline for each request to arrive and one for each answer to be read.

        The deadline takes the place of uvicorn's keep-alive timer, which the first byte of a request would stop.
        """

        _reading: TimerHandle | None = None
        _unreadable = False
        _progress = 0
        _bytes_without_progress = 0

        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            deadlines.start(self, self.loop)

        def connection_lost(self, exc: Exception | None) -> None:
            deadlines.stop(self)
            self._stop_reading()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            # The parser keeps a header or trailer that has not ended and copies it with every piece that arrives:
            # without a limit a few connections keep the whole process busy.
            before = self._progress
            try:
                self._parse(data)
            except HttpParserError:
                self._refuse_unreadable()
                return
            if self._progress != before:
                self._bytes_without_progress = 0
                return
            self._bytes_without_progress += len(data)
            if self._bytes_without_progress > MAX_HEAD_BYTES:
                self._give_up(headers_too_large())

        def _parse(self, data: bytes) -> None:
            while True:
                try:
                    self.parser.feed_data(data)
                    return
                except HttpParserUpgrade as upgrade:
                    if not self._declines_upgrade():
                        return
                    # The parser takes what follows for another protocol. No other is spoken here, and a server may
                    # ignore the wish (RFC 9110, 7.8): the same request is read again without it.
                    data = self._head_without_upgrade() + data[upgrade.args[0] :]
                    self.parser = HttpRequestParser(self)
                    self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it

        def _declines_upgrade(self) -> bool:
            # CONNECT asks for another protocol by itself, and is refused like every other unknown method.
            return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

        def _head_without_upgrade(self) -> bytes:
            version = self.parser.get_http_version().encode()
            lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
            lines += [b"%b: %b" % (name, value) for name, value in self.headers if name != b"upgrade"]
            return b"\r\n".join([*lines, b"", b""])

        def on_message_begin(self) -> None:
            self._progress += 1
            super().on_message_begin()

        def on_url(self, url: bytes) -> None:
            super().on_url(url)
            if len(self.url) > MAX_HEAD_BYTES:
                raise ValueError  # which the parser reports as a request that cannot be read

        def on_headers_complete(self) -> None:
            if not self._declines_upgrade():
                super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._progress += 1
            super().on_body(body)

        def on_message_complete(self) -> None:
            if self._declines_upgrade():
                return
            self._progress += 1
            deadlines.stop(self)
            super().on_message_complete()

        def on_response_complete(self) -> None:
            # As uvicorn has it, without a timer that would be made and cancelled for every request.
            self.server_state.total_requests += 1
            if self.transport.is_closing():
                self._start_reading()
                return
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            if self._unreadable:
                self._refuse_unreadable()
            elif self not in deadlines and not self._being_answered():
                deadlines.start(self, self.loop)

        def shutdown(self) -> None:
            super().shutdown()
            if self.transport.is_closing():
                self._start_reading()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._start_reading()

        def resume_writing(self) -> None:
            self._stop_reading()
            super().resume_writing()
            if self.transport.is_closing():  # nothing else would end a connection whose client stopped reading
                self._start_reading()

        def _refuse_unreadable(self) -> None:
            if self._being_answered():
                # What cannot be read came behind a complete request, which gets its answer first.
                self._unreadable = True
                self.flow.pause_reading()
            else:
                self._refuse(ContractError(400, "bad_request", "This is not an HTTP request that can be read."))

        def _being_answered(self) -> bool:
            """Whether a complete request still waits for its complete answer."""
            cycle = self.cycle
            return bool(self.pipeline) or (cycle is not None and not cycle.response_complete and not cycle.more_body)

        def _should_upgrade_to_ws(self) -> bool:
            return False  # functions-framework has no setting for it, and the connection would hang

        def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
            # functions-framework answers these by itself, in plain text; the contract says what they get.
            method, path = cycle.scope["method"], cycle.scope["path"]
            if method not in _FRAMEWORK_METHODS or path in _FRAMEWORK_PATHS or path[:1] != "/" or "\n" in path:
                app = service_app
            extensions: dict[str, Any] = {REPLY_EXTENSION: partial(self._write_reply, cycle)}
            cycle.scope["extensions"] = extensions
            super()._start_asgi_task(cycle, app)

        def _write_reply(self, cycle: RequestResponseCycle, reply: Reply) -> bool:
            """Write a whole answer at once; False, with nothing done, where it must wait for the client to read.

            What `RequestResponseCycle.send` does, without reading and checking again headers that we made.
            """
            if self.flow.write_paused and not cycle.disconnected:
                return False
            if cycle.disconnected:
                return True
            cycle.response_started = cycle.response_complete = True
            cycle.waiting_for_100_continue = False
            closes = reply.closes or not cycle.keep_alive
            with_body = cycle.scope["method"] != "HEAD"
            self.transport.write(self._whole(reply, closes=closes, with_body=with_body))
            cycle.message_event.set()
            if closes:
                self.transport.close()
            cycle.on_response()
            return True

        def _whole(self, reply: Reply, *, closes: bool, with_body: bool = True) -> bytes:
            """The bytes of an answer."""
            parts = [STATUS_LINE[reply.status]]
            for name, value in self.server_state.default_headers:
                parts += (name, b": ", value, b"\r\n")
            parts += (reply.head, reply.length_line)
            if closes and not reply.closes:
                parts.append(b"connection: close\r\n")
            parts.append(b"\r\n")
            if with_body:
                parts.append(reply.body)
            return b"".join(parts)

        def _start_reading(self) -> None:
            waiting_bytes = self.transport.get_write_buffer_size()
            if self._reading is None and waiting_bytes:
                self._reading = self.loop.call_later(READ_DEADLINE_S, self._check_reading, waiting_bytes)

        def _stop_reading(self) -> None:
            if self._reading is not None:
                self._reading.cancel()
                self._reading = None

        def _check_reading(self, before_bytes: int) -> None:
            self._reading = None
            if self.transport.get_write_buffer_size() >= before_bytes:
                self.transport.abort()  # closing would wait for the client to read
            else:
                self._start_reading()

        def _close(self) -> None:
            self.transport.close()
            self._start_reading()

        def too_slow(self) -> None:
            self._give_up(request_timeout())

        def _give_up(self, error: ContractError) -> None:
            answered = self.cycle is None or self.cycle.response_complete
            arriving = self.scope is not None and (self.cycle is None or self.scope is not self.cycle.scope)
            if answered and not arriving:
                self._close()  # idle, or still sending a refused request: no client waits for an answer
            else:
                self._refuse(error)

        def _refuse(self, error: ContractError) -> None:
            if not self.transport.is_closing():
                if self.cycle is not None:
                    self.cycle.disconnected = True  # nothing of its own may follow the refusal
                self.transport.write(self._whole(service_app.refuse(error, self._arriving()), closes=True))
                self._close()

        def _arriving(self) -> Mapping[str, Any]:
            """What is known of the request that has begun and is not answered: nothing where there is none."""
            answered = self.cycle is not None and self.scope is self.cycle.scope and self.cycle.response_complete
            return {} if self.scope is None or answered else self.scope

    return GuardedProtocol
