"""Client of one endpoint: send a body, check the answer, and return a row of the record."""

import asyncio
import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from time import perf_counter_ns
from types import TracebackType
from typing import Self

from benchmark.endpoints.answer import Judged, judge
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.evidence import read_evidence
from benchmark.endpoints.protocols import NotEncodable
from benchmark.endpoints.sample import Answer, Failure, temperature
from benchmark.engine.exchange import failure_of
from benchmark.engine.transport import connections_to
from benchmark.engine.wire import Exchange
from benchmark.record.plan import Connection
from benchmark.record.samples import FAILURES, TEMPERATURES, Row, phase_values
from inference.card import ModelCard

_FAILURE_CODES = {failure: code for code, failure in enumerate(FAILURES, 1)}
_TEMPERATURE_CODES = {state: code for code, state in enumerate(TEMPERATURES)}
_NAN = math.nan


class Instances:
    """The instances that have answered in one run, numbered from 1 in the order of appearance; 0 is unknown."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        """`ids` are the known instances of a resumed run."""
        self._numbers: dict[str, int] = {instance_id: number for number, instance_id in enumerate(ids, 1)}

    def number(self, instance_id: str | None) -> int:
        """The number of an instance; the field can hold 65 535 of them."""
        if instance_id is None or len(self._numbers) >= 0xFFFF:
            return self._numbers.get(instance_id or "", 0)
        return self._numbers.setdefault(instance_id, len(self._numbers) + 1)

    @property
    def ids(self) -> list[str]:
        return list(self._numbers)


class Client:
    """Sends requests to one endpoint. Use it as an asynchronous context. `position` is the endpoint's place in the
    plan."""

    def __init__(
        self,
        endpoint: Endpoint,
        position: int,
        card: ModelCard | None,
        instances: Instances,
        *,
        connection: Connection = "reused",
        timeout_s: float = 10.0,
    ) -> None:
        self.endpoint = endpoint
        self.position = position
        self.failure_details: dict[Failure, str] = {}
        """an example message of each failure"""
        self.observe: Callable[[bytes, Answer, int], None] | None = None
        """called with each measured answer: the input, the answer, and the instance's number"""
        self._connections = connections_to(endpoint.predict_url, reuse=connection == "reused", timeout_s=timeout_s)
        # The same body usually gets the same answer bytes, which need to be checked only once.
        protocol = endpoint.spoken
        self._judge = lru_cache(maxsize=256)(lambda status, content: judge(status, content, card, protocol))
        self._encode = lru_cache(maxsize=4096)(protocol.encode)
        self._instances = instances

    async def __aenter__(self) -> Self:
        await self._connections.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connections.__aexit__(kind, error, trace)

    async def authorize(self) -> None:
        """Take a token that does not expire soon, which may take seconds to fetch. Raises TokenError."""
        self._connections.set_headers(await asyncio.to_thread(lambda: self.endpoint.headers))

    async def send(
        self,
        body: bytes,
        group: int,
        *,
        began_ns: int,
        due_ns: int | None = None,
        waited_from_ns: int | None = None,
        warmup: bool,
    ) -> Row:
        """Send the input in `body`, a JSON object of names and values, once. A cancellation returns no row.

        Failures of an endpoint never raise. `began_ns`, the start of the run, and `due_ns`, the scheduled send, are in
        ns of `perf_counter_ns`; `due_ns` defaults to now. `waited_from_ns` is when waiting for an instance began, if
        that was before the send: an instance that was started for this request is cold, even if its start took long.
        """
        exchange, judged = Exchange(), Judged()
        started_ns = perf_counter_ns()
        try:
            await self._connections.post(self._encode(body), exchange)
            ended_ns = exchange.ended_ns
            judged = self._judge(exchange.status, exchange.body)
            failure, detail = judged.failure, judged.detail
        except NotEncodable as error:  # nothing was sent
            ended_ns = perf_counter_ns()
            failure, detail = Failure.WRONG_SCHEMA, str(error)
        except (TimeoutError, OSError, ValueError) as error:
            ended_ns = perf_counter_ns()
            failure, detail = failure_of(error), _reason(error)
        status, evidence = exchange.status, read_evidence(exchange.headers)
        if failure:
            self.failure_details.setdefault(failure, detail or (f"HTTP {status}" if status else failure.value))
        service_ms = (ended_ns - started_ns) / 1e6
        instance = self._instances.number(evidence.instance_id)
        if self.observe is not None and judged.answer is not None and not warmup:
            self.observe(body, judged.answer, instance)
        prediction = judged.answer.prediction if judged.answer else _NAN
        waited_ms = (ended_ns - (waited_from_ns or started_ns)) / 1e6
        state = temperature(evidence.request_count, evidence.instance_age_ms, waited_ms)
        return (
            self.position,
            warmup,
            _TEMPERATURE_CODES[state],
            _FAILURE_CODES[failure] if failure else 0,
            status,
            instance,
            group,
            ((started_ns if due_ns is None else due_ns) - began_ns) / 1e6,
            (started_ns - began_ns) / 1e6,
            service_ms,
            _NAN if evidence.server_ms is None else evidence.server_ms,
            *phase_values(exchange.spans_ms(ended_ns)),
            prediction,
            _NAN if evidence.request_count is None else evidence.request_count,
            _NAN if evidence.instance_age_ms is None else evidence.instance_age_ms,
            0,
        )


def _reason(error: Exception) -> str:
    """The kind of the error, without local details such as addresses."""
    return type(error).__name__
