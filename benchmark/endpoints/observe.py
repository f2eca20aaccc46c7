"""One observation: the same input to all endpoints at the same moment, over a shared httpx client.

This is a single request from the current process, not a benchmark. A user wants its answer, so it is not marked as
test traffic.
"""

import secrets
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.util import find_spec
from time import perf_counter_ns
from typing import Any

import httpx

from benchmark.endpoints.answer import MAX_ANSWER_BYTES, TooLarge, judge
from benchmark.endpoints.bodies import request_body
from benchmark.endpoints.bounded import EXCHANGE_ERRORS, BoundedTransport, exchange_failure, read_body
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.evidence import read_evidence
from benchmark.endpoints.identity import TokenError
from benchmark.endpoints.protocols import NotEncodable
from benchmark.endpoints.sample import Failure, Sample, utc_now
from inference.card import ModelCard

_GRACE_S = 0.25
"""How long after its timeout an endpoint's thread may still report."""


def new_client() -> httpx.Client:
    """A client to share: pooled connections, no proxies from the environment, no redirects, no retries, no cookies.

    Cookies ignore ports, so a cookie of one local twin would also go to the other.
    """
    return httpx.Client(
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        trust_env=False,
        follow_redirects=False,
        headers={"user-agent": "faceoff", "accept": "application/json", "accept-encoding": "identity"},
        mounts=_grpc_mounts(),
        transport=BoundedTransport(httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=30)),
    )


def _grpc_mounts() -> dict[str, httpx.BaseTransport | None]:
    """Transports for gRPC addresses, if grpcio is installed."""
    if not find_spec("grpc") or not find_spec("google.protobuf"):
        return {}
    from benchmark.endpoints.grpc_lazily import LazyGrpcTransport

    return {"grpc://": LazyGrpcTransport(), "grpcs://": LazyGrpcTransport()}


def new_comparison_id() -> str:
    return secrets.token_hex(8)


def observe(
    client: httpx.Client, endpoints: Sequence[Endpoint], card: ModelCard, inputs: Sequence[float]
) -> Iterator[Sample]:
    """Send `inputs` to all `endpoints` at once and yield one sample each, in the order of arrival.

    Failures of an endpoint never raise. Its timeout bounds the whole exchange, even if it keeps sending single bytes.
    """
    body = request_body(card, inputs)
    ready: list[tuple[Endpoint, dict[str, str]]] = []
    for endpoint in endpoints:
        started_ns = perf_counter_ns()
        try:
            ready.append((endpoint, endpoint.headers))
        except TokenError as error:
            yield Sample(
                endpoint.key, utc_now(), _ms_since(started_ns), failure=Failure.NO_IDENTITY, failure_detail=str(error)
            )
    if not ready:
        return
    barrier = threading.Barrier(len(ready))
    pending: dict[Future[Sample], tuple[Endpoint, str, int]] = {}
    for endpoint, headers in ready:
        future: Future[Sample] = Future()
        pending[future] = (endpoint, utc_now(), perf_counter_ns())
        threading.Thread(
            target=_run,
            args=(future, barrier, client, endpoint, card, body, headers),
            name=f"observe-{endpoint.key}",
            daemon=True,
        ).start()
    while pending:
        left_s = min(_left_s(endpoint, started_ns) for endpoint, _, started_ns in pending.values())
        done, _ = wait(pending, max(0.0, left_s), FIRST_COMPLETED)
        for future in done:
            del pending[future]
            yield future.result()
        for future, (endpoint, sent_at_utc, started_ns) in list(pending.items()):
            if _left_s(endpoint, started_ns) <= 0:
                del pending[future]
                yield Sample(endpoint.key, sent_at_utc, _ms_since(started_ns), failure=Failure.TIMEOUT)


def _left_s(endpoint: Endpoint, started_ns: int) -> float:
    """The time left for this endpoint's thread to report."""
    return endpoint.timeout_s + _GRACE_S - _ms_since(started_ns) / 1000


def _run(
    future: Future[Sample],
    barrier: threading.Barrier,
    client: httpx.Client,
    endpoint: Endpoint,
    card: ModelCard,
    body: bytes,
    headers: dict[str, str],
) -> None:
    started_ns = perf_counter_ns()
    try:
        try:
            request = client.build_request(
                "POST",
                endpoint.predict_url,
                content=endpoint.spoken.encode(body),
                headers={"content-type": "application/json", **headers},
                timeout=endpoint.timeout_s,
            )
        finally:
            barrier.wait()  # even with nothing to send, because the other endpoints wait for this one
        started_ns = perf_counter_ns()
        sample = _exchange(client, endpoint, card, request)
    except NotEncodable as error:  # nothing was sent
        sample = Sample(
            endpoint.key,
            utc_now(),
            _ms_since(started_ns),
            failure=Failure.WRONG_SCHEMA,
            failure_detail=str(error),
        )
    except Exception as error:  # for example an address that httpx rejects: a failure of this endpoint only
        sample = Sample(
            endpoint.key,
            utc_now(),
            _ms_since(started_ns),
            failure=Failure.UNREACHABLE,
            failure_detail=type(error).__name__,
        )
    future.set_result(sample)


def _exchange(client: httpx.Client, endpoint: Endpoint, card: ModelCard, request: httpx.Request) -> Sample:
    sample = _send(client, endpoint, card, request)
    if sample.failure is Failure.RESET and sample.connection_reused:
        # The server closed an idle connection while the request was in transit. This says nothing about the
        # endpoint, so the request is sent once more, on a new connection.
        sample = _send(client, endpoint, card, request)
    return sample


def _send(client: httpx.Client, endpoint: Endpoint, card: ModelCard, request: httpx.Request) -> Sample:
    connected: list[str] = []
    request.extensions["trace"] = lambda event, _: connected.append(event) if event.startswith("connection.") else None
    sent_at_utc = utc_now()
    started_ns = perf_counter_ns()

    def sample(failure: Failure | None = None, **more: Any) -> Sample:
        return Sample(
            endpoint.key,
            sent_at_utc,
            latency_ms=more.pop("latency_ms", None) or _ms_since(started_ns),
            connection_reused=not connected,
            failure=failure,
            **more,
        )

    try:
        response = client.send(request, stream=True)
        try:
            body = read_body(response, MAX_ANSWER_BYTES, started_ns, endpoint.timeout_s)
        finally:
            response.close()
    except EXCHANGE_ERRORS as error:
        status = response.status_code if isinstance(error, TooLarge) else None
        return sample(exchange_failure(error), status=status)
    latency_ms = _ms_since(started_ns)
    evidence = read_evidence(response.headers)
    judged = judge(response.status_code, body, card, endpoint.spoken)
    return sample(
        judged.failure,
        latency_ms=latency_ms,
        status=response.status_code,
        failure_detail=judged.detail,
        answer=judged.answer,
        **asdict(evidence),
    )


def _ms_since(started_ns: int) -> float:
    return (perf_counter_ns() - started_ns) / 1e6
