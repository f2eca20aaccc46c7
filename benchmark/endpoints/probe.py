"""One request to one endpoint with everything about it: what was sent, what came back, and what was read in it."""

from dataclasses import dataclass, field
from time import perf_counter_ns

import httpx

from benchmark.endpoints.answer import MAX_ANSWER_BYTES, Judged, judge
from benchmark.endpoints.bounded import EXCHANGE_ERRORS, exchange_failure, read_body
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.evidence import Evidence, read_evidence
from benchmark.endpoints.identity import TokenError
from benchmark.endpoints.protocols import NotEncodable
from benchmark.endpoints.sample import Failure
from benchmark.endpoints.traffic import TEST_HEADERS
from inference.card import ModelCard


@dataclass(frozen=True, slots=True)
class Probe:
    """The request and its reply; without a `status` there was no reply, and `judged` says why."""

    sent: bytes
    judged: Judged
    status: int | None = None
    received: bytes = b""
    latency_ms: float | None = None
    evidence: Evidence = field(default_factory=Evidence)


def probe(client: httpx.Client, endpoint: Endpoint, named: bytes, card: ModelCard | None) -> Probe:
    """Send the input in `named`, a JSON object of names and values, once. Failures of the endpoint never raise."""
    try:
        body, headers = endpoint.spoken.encode(named), endpoint.headers
    except NotEncodable as error:
        return Probe(b"", Judged(failure=Failure.WRONG_SCHEMA, detail=str(error)))
    except TokenError as error:
        return Probe(body, Judged(failure=Failure.NO_IDENTITY, detail=str(error)))
    started_ns = perf_counter_ns()
    try:
        with client.stream(
            "POST",
            endpoint.predict_url,
            content=body,
            headers={"content-type": "application/json", **TEST_HEADERS, **headers},
            timeout=endpoint.timeout_s,
        ) as response:
            received = read_body(response, MAX_ANSWER_BYTES, started_ns, endpoint.timeout_s)
    except NotEncodable as error:
        return Probe(body, Judged(failure=Failure.WRONG_SCHEMA, detail=str(error)))
    except EXCHANGE_ERRORS as error:
        return Probe(body, Judged(failure=exchange_failure(error)))
    latency_ms = (perf_counter_ns() - started_ns) / 1e6
    judged = judge(response.status_code, received, card, endpoint.spoken)
    return Probe(body, judged, response.status_code, received, latency_ms, read_evidence(response.headers))
