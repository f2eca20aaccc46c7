"""Many rows to endpoints, as few requests as they allow; what each made of every row, and never an exception.

This asks what endpoints answer, not how fast: nothing here is timed.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from time import monotonic
from typing import Literal

import httpx

from benchmark.agreement.judge import Outcome, Refusal, read_outcome, read_outcomes, read_refusal
from benchmark.agreement.trials import Invalid
from benchmark.endpoints.answer import MAX_ANSWER_BYTES
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.identity import TokenError
from benchmark.endpoints.observe import transport_failure
from benchmark.endpoints.sample import Failure
from benchmark.endpoints.traffic import TEST_HEADERS
from inference.card import ModelCard
from inference.contract import MAX_BODY_BYTES

Form = Literal["instances", "named", "features"]
"""How rows are sent: many in one request, or each in one of its own, as named fields or as a list."""
_FORMS: tuple[Form, ...] = ("instances", "named", "features")
_AT_ONCE = 8
"""Requests in flight in all: enough to hide a network, few enough for a service with one instance."""
_CHUNK_ROWS = 200
_GIVE_UP_AFTER = 5
_JSON = "application/json"

Report = Callable[[int, int], None]
"""Told how many rows are done, of how many. Called from the thread that asked."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """An endpoint, and the form in which it takes rows; with a `problem`, the outcome of each, it is sent nothing."""

    endpoint: Endpoint
    form: Form
    headers: Mapping[str, str]
    problem: Outcome | None = None


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int | None = None
    body: bytes = b""
    failure: Failure | None = None


def probe(client: httpx.Client, endpoint: Endpoint, card: ModelCard) -> Scorer:
    """Find out with at most three requests which form `endpoint` takes, best first; `named` where it takes none."""
    try:
        headers = endpoint.headers
    except TokenError as error:
        return Scorer(endpoint, "named", {}, Outcome(failure=Failure.NO_IDENTITY, detail=str(error)))
    for form in _FORMS:
        rows = [card.defaults] * 2 if form == "instances" else [card.defaults]
        reply = _post(client, endpoint, headers, _body(card, form, rows))
        if reply.status is None:
            return Scorer(endpoint, "named", headers, Outcome(failure=reply.failure))
        outcomes = _read(reply, card, form, len(rows))
        if outcomes and outcomes[0].answer:
            return Scorer(endpoint, form, headers)
    return Scorer(endpoint, "named", headers)


def score(
    client: httpx.Client,
    scorers: Sequence[Scorer],
    card: ModelCard,
    rows: Sequence[Sequence[float]],
    report: Report = lambda _, __: None,
) -> list[list[Outcome]]:
    """What each endpoint makes of each row: a list an endpoint, in the rows' order.

    Where a request with many rows gives no answer, each of its rows is sent alone, so that one bad row is no more.
    An endpoint that five requests in a row got no HTTP answer from is sent no more, which could take hours of timeouts.
    """
    outcomes: list[list[Outcome]] = [[one.problem or Outcome()] * len(rows) for one in scorers]
    silent = [0] * len(scorers)
    given_up: list[Failure | None] = [None] * len(scorers)
    done, total = 0, len(rows) * len(scorers)
    report(done, total)
    with ThreadPoolExecutor(_AT_ONCE, "score") as pool:
        pending: dict[Future[list[Outcome]], tuple[int, range]] = {}
        for side, chunk in _interleaved(scorers, card, len(rows)):
            given = [rows[index] for index in chunk]
            pending[pool.submit(_score_chunk, client, scorers[side], card, given)] = (side, chunk)
        try:
            for future in as_completed(pending):
                side, chunk = pending[future]
                found = [Outcome(failure=given_up[side])] * len(chunk) if future.cancelled() else future.result()
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
    client: httpx.Client, scorers: Sequence[Scorer], invalid: Sequence[Invalid], report: Report = lambda _, __: None
) -> list[list[Refusal]]:
    """What each endpoint makes of each invalid input: a list an endpoint, in their order."""

    def ask(one: Scorer, what: Invalid) -> Refusal:
        if one.problem:
            return Refusal(None)
        reply = _post(client, one.endpoint, one.headers, what.body, what.content_type)
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
    """Chunks in turns, so that both endpoints are at work from beginning to end."""
    sizes = [_rows_in_one(card) if one.form == "instances" else 1 for one in scorers]
    chunks = [
        [range(start, min(start + size, count)) for start in range(0, count, size)] if not one.problem else []
        for one, size in zip(scorers, sizes, strict=True)
    ]
    for turn in range(max(map(len, chunks), default=0)):
        yield from ((side, several[turn]) for side, several in enumerate(chunks) if turn < len(several))


def _rows_in_one(card: ModelCard) -> int:
    """How many rows fit into a request and their answers into a reply, with room to spare."""
    row_bytes = 26 * len(card.features) + 4
    answer_bytes = 200 + sum(len(json.dumps(name)) + 26 for name in card.classes)
    return max(1, min(_CHUNK_ROWS, MAX_BODY_BYTES // 2 // row_bytes, MAX_ANSWER_BYTES // 2 // answer_bytes))


def _score_chunk(client: httpx.Client, one: Scorer, card: ModelCard, rows: Sequence[Sequence[float]]) -> list[Outcome]:
    if one.form != "instances":
        return [_alone(client, one, card, row, one.form) for row in rows]
    reply = _post(client, one.endpoint, one.headers, _body(card, one.form, rows))
    outcomes = _read(reply, card, one.form, len(rows))
    if outcomes is not None:
        return outcomes
    if reply.status is None:  # asking again for each row would only wait so many times longer
        return [Outcome(failure=reply.failure)] * len(rows)
    return [_alone(client, one, card, row, "named") for row in rows]


def _alone(client: httpx.Client, one: Scorer, card: ModelCard, row: Sequence[float], form: Form) -> Outcome:
    reply = _post(client, one.endpoint, one.headers, _body(card, form, [row]))
    outcomes = _read(reply, card, form, 1)
    return outcomes[0] if outcomes else Outcome(failure=reply.failure)


def _body(card: ModelCard, form: Form, rows: Sequence[Sequence[float]]) -> bytes:
    if form == "instances":
        return json.dumps({"instances": [list(row) for row in rows]}).encode()
    if form == "features":
        return json.dumps({"features": list(rows[0])}).encode()
    return json.dumps(dict(zip(card.feature_names, rows[0], strict=True))).encode()


def _read(reply: _Reply, card: ModelCard, form: Form, count: int) -> list[Outcome] | None:
    if reply.status is None:
        return None
    if form == "instances":
        return read_outcomes(reply.status, reply.body, card, count)
    return [read_outcome(reply.status, reply.body, card)]


def _post(
    client: httpx.Client, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, content_type: str = _JSON
) -> _Reply:
    """One request, and one more where it fell on a connection that the server was closing just then."""
    reply = _post_once(client, endpoint, headers, body, content_type)
    if reply.failure is Failure.RESET:
        reply = _post_once(client, endpoint, headers, body, content_type)
    return reply


def _post_once(
    client: httpx.Client, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, content_type: str
) -> _Reply:
    deadline_s = monotonic() + endpoint.timeout_s
    content = b""
    try:
        with client.stream(
            "POST",
            endpoint.predict_url,
            content=body,
            headers={"content-type": content_type, **TEST_HEADERS, **headers},
            timeout=endpoint.timeout_s,
        ) as response:
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    return _Reply(failure=Failure.TOO_LARGE)
                if monotonic() > deadline_s:
                    return _Reply(failure=Failure.TIMEOUT)
            return _Reply(response.status_code, content)
    except httpx.TimeoutException:
        return _Reply(failure=Failure.TIMEOUT)
    except httpx.TransportError as error:
        return _Reply(failure=transport_failure(error))
    except Exception:  # an address that httpx cannot use, for one: it is this endpoint's failure alone
        return _Reply(failure=Failure.UNREACHABLE)
