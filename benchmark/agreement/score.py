"""Send many rows to endpoints in as few requests as possible, and return the outcome of every row.

Only answers are collected: nothing here is timed. Failures of an endpoint never raise.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from time import perf_counter_ns

import httpx

from benchmark.agreement.inputs import Invalid
from benchmark.agreement.outcomes import InputOutcome, Refusal, read_outcome, read_outcomes, read_refusal
from benchmark.endpoints.answer import MAX_ANSWER_BYTES
from benchmark.endpoints.bounded import EXCHANGE_ERRORS, exchange_failure, read_body
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.identity import TokenError
from benchmark.endpoints.protocols import DEFAULT, NotEncodable
from benchmark.endpoints.sample import Failure
from benchmark.endpoints.traffic import TEST_HEADERS
from inference.card import ModelCard, Value
from inference.contract import MAX_BODY_BYTES

_AT_ONCE = 8
"""Total requests in flight: enough to hide network latency, few enough for a service with one instance."""
_CHUNK_ROWS = 200
_GIVE_UP_AFTER = 5
_JSON = "application/json"

Progress = Callable[[int, int], None]
"""Called with the number of rows done and the total, from the calling thread."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """An endpoint and the form in which it takes rows. With a `problem`, nothing is sent: it is every outcome."""

    endpoint: Endpoint
    form: str
    """its name among the forms of the endpoint's protocol"""
    headers: Mapping[str, str]
    problem: InputOutcome | None = None

    @property
    def takes_many(self) -> bool:
        """Whether one request may hold many rows."""
        return self.endpoint.spoken.forms[self.form].takes_many


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int | None = None
    body: bytes = b""
    failure: Failure | None = None


def probe(client: httpx.Client, endpoint: Endpoint, card: ModelCard) -> Scorer:
    """Try the forms in order, best first, and return the first that `endpoint` accepts, or else the single-row form."""
    alone = _single(endpoint)
    try:
        headers = endpoint.headers
    except TokenError as error:
        return Scorer(endpoint, alone, {}, InputOutcome(failure=Failure.NO_IDENTITY, detail=str(error)))
    for form, how in endpoint.spoken.forms.items():
        rows = [card.defaults] * 2 if how.takes_many else [card.defaults]
        try:
            body = how.encode(card.feature_names, rows)
        except NotEncodable as error:
            return Scorer(endpoint, alone, headers, InputOutcome(failure=Failure.WRONG_SCHEMA, detail=str(error)))
        reply = _post(client, endpoint, headers, body)
        if reply.status is None:
            return Scorer(endpoint, alone, headers, InputOutcome(failure=reply.failure))
        outcomes = _read(reply, card, endpoint, form, len(rows))
        if outcomes and outcomes[0].answer:
            return Scorer(endpoint, form, headers)
    return Scorer(endpoint, alone, headers)


def _single(endpoint: Endpoint) -> str:
    return next(name for name, form in endpoint.spoken.forms.items() if not form.takes_many)


def score(
    client: httpx.Client,
    scorers: Sequence[Scorer],
    card: ModelCard,
    rows: Sequence[Sequence[Value]],
    report: Progress = lambda _, __: None,
) -> list[list[InputOutcome]]:
    """The outcome of each row at each endpoint: a list for each endpoint, in the order of the rows.

    If a request with many rows gets no usable answer, its rows are sent one by one, so that one bad row does not affect
    the others. After five requests in a row without an HTTP answer, sending stops: timeouts could take hours.
    """
    outcomes: list[list[InputOutcome]] = [[one.problem or InputOutcome()] * len(rows) for one in scorers]
    silent = [0] * len(scorers)
    given_up: list[Failure | None] = [None] * len(scorers)
    done, total = 0, len(rows) * len(scorers)
    report(done, total)
    with ThreadPoolExecutor(_AT_ONCE, "score") as pool:
        pending: dict[Future[list[InputOutcome]], tuple[int, range]] = {}
        for side, chunk in _interleaved(scorers, card, len(rows)):
            given = [rows[index] for index in chunk]
            pending[pool.submit(_score_chunk, client, scorers[side], card, given)] = (side, chunk)
        try:
            for future in as_completed(pending):
                side, chunk = pending[future]
                found = [InputOutcome(failure=given_up[side])] * len(chunk) if future.cancelled() else future.result()
                outcomes[side][chunk.start : chunk.stop] = found
                silent[side] = 0 if found[-1].status is not None else silent[side] + 1
                if silent[side] == _GIVE_UP_AFTER:
                    given_up[side] = found[-1].failure
                    for other, (its_side, _) in pending.items():
                        if its_side == side:
                            other.cancel()
                done += len(chunk)
                report(done, total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return outcomes


def refuse(
    client: httpx.Client, scorers: Sequence[Scorer], invalid: Sequence[Invalid], report: Progress = lambda _, __: None
) -> list[list[Refusal]]:
    """The reply of each endpoint to each invalid input: a list for each endpoint, in the order of the inputs."""

    def ask(one: Scorer, what: Invalid) -> Refusal:
        if one.problem:
            return Refusal(None)
        body = what.body
        if what.is_named:
            try:
                body = one.endpoint.spoken.encode(body)
            except NotEncodable:
                return Refusal(None)
        reply = _post(client, one.endpoint, one.headers, body, what.content_type)
        return Refusal(None) if reply.status is None else read_refusal(reply.status, reply.body)

    total = len(invalid) * len(scorers)
    refusals: list[list[Refusal]] = [[] for _ in scorers]
    report(0, total)
    with ThreadPoolExecutor(_AT_ONCE, "refuse") as pool:
        pending = [(side, pool.submit(ask, one, what)) for what in invalid for side, one in enumerate(scorers)]
        for done, (side, future) in enumerate(pending, 1):
            refusals[side].append(future.result())
            report(done, total)
    return refusals


def _interleaved(scorers: Sequence[Scorer], card: ModelCard, count: int) -> Iterator[tuple[int, range]]:
    """Alternate chunks between endpoints, so that all endpoints are busy throughout."""
    sizes = [_rows_in_one(card) if one.takes_many else 1 for one in scorers]
    chunks = [
        [range(start, min(start + size, count)) for start in range(0, count, size)] if not one.problem else []
        for one, size in zip(scorers, sizes, strict=True)
    ]
    for turn in range(max(map(len, chunks), default=0)):
        yield from ((side, several[turn]) for side, several in enumerate(chunks) if turn < len(several))


def _rows_in_one(card: ModelCard) -> int:
    """How many rows fit into a request, and their answers into a reply, with a margin."""
    row_bytes = (
        26 * len(card.features) + 4 + sum(len(json.dumps(max(one.categories, key=len))) for _, one in card.categories)
    )
    answer_bytes = 200 + sum(len(json.dumps(name)) + 26 for name in card.classes)
    return max(1, min(_CHUNK_ROWS, MAX_BODY_BYTES // 2 // row_bytes, MAX_ANSWER_BYTES // 2 // answer_bytes))


def _score_chunk(
    client: httpx.Client, one: Scorer, card: ModelCard, rows: Sequence[Sequence[Value]]
) -> list[InputOutcome]:
    if not one.takes_many:
        return [_alone(client, one, card, row, one.form) for row in rows]
    reply = _ask(client, one, card, one.form, rows)
    outcomes = _read(reply, card, one.endpoint, one.form, len(rows))
    if outcomes is not None:
        return outcomes
    if reply.status is None:  # sending rows one by one would only wait longer
        return [InputOutcome(failure=reply.failure)] * len(rows)
    return [_alone(client, one, card, row, _single(one.endpoint)) for row in rows]


def _alone(client: httpx.Client, one: Scorer, card: ModelCard, row: Sequence[Value], form: str) -> InputOutcome:
    reply = _ask(client, one, card, form, [row])
    outcomes = _read(reply, card, one.endpoint, form, 1)
    return outcomes[0] if outcomes else InputOutcome(failure=reply.failure)


def _ask(client: httpx.Client, one: Scorer, card: ModelCard, form: str, rows: Sequence[Sequence[Value]]) -> _Reply:
    body = one.endpoint.spoken.forms[form].encode(card.feature_names, rows)
    return _post(client, one.endpoint, one.headers, body)


def _read(reply: _Reply, card: ModelCard, endpoint: Endpoint, name: str, count: int) -> list[InputOutcome] | None:
    if reply.status is None:
        return None
    protocol = endpoint.spoken
    form = protocol.forms[name]
    if form.takes_many:
        outcomes = read_outcomes(reply.status, reply.body, card, protocol, form, count)
    else:
        outcomes = [read_outcome(reply.status, reply.body, card, protocol)]
    if outcomes is None or endpoint.speaks == DEFAULT:
        return outcomes
    return [replace(one, fields=None) for one in outcomes]  # other protocols call the same things by other names


def _post(
    client: httpx.Client, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, content_type: str = _JSON
) -> _Reply:
    """Send one request, and retry once if the server was just closing the connection."""
    reply = _post_once(client, endpoint, headers, body, content_type)
    if reply.failure is Failure.RESET:
        reply = _post_once(client, endpoint, headers, body, content_type)
    return reply


def _post_once(
    client: httpx.Client, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, content_type: str
) -> _Reply:
    started_ns = perf_counter_ns()
    try:
        with client.stream(
            "POST",
            endpoint.predict_url,
            content=body,
            headers={"content-type": content_type, **TEST_HEADERS, **headers},
            timeout=endpoint.timeout_s,
        ) as response:
            return _Reply(response.status_code, read_body(response, MAX_ANSWER_BYTES, started_ns, endpoint.timeout_s))
    except EXCHANGE_ERRORS as error:
        return _Reply(failure=exchange_failure(error))
    except Exception:  # for example an address that httpx rejects: a failure of this endpoint only
        return _Reply(failure=Failure.UNREACHABLE)
