"""One observation: the same input to all endpoints at the same moment.

This is a single request to each endpoint, not a benchmark. A user wants its answer, so it is not marked as test
traffic.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from random import SystemRandom
from time import perf_counter_ns

from benchmark.endpoints.answer import judge
from benchmark.endpoints.bodies import request_body
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.evidence import read_evidence
from benchmark.endpoints.identity import TokenError
from benchmark.endpoints.protocols import NotEncodable
from benchmark.endpoints.sample import Failure, Sample, utc_now
from benchmark.observation.messages import Reply, Request
from benchmark.observation.sender import Batch, Sender
from inference.card import ModelCard

_RANDOM = SystemRandom()


def new_comparison_id() -> str:
    return secrets.token_hex(8)


class Observation:
    """The samples of one comparison as they arrive. Iterate over it for all of them."""

    def __init__(
        self, unsent: Sequence[Sample], batch: Batch | None, endpoints: Sequence[Endpoint], card: ModelCard
    ) -> None:
        """`unsent` are the samples of what could not be sent; `endpoints` are those of `batch`, in its order."""
        self._unsent = list(unsent)
        self._batch = batch
        self._endpoints = endpoints
        self._card = card

    @property
    def is_complete(self) -> bool:
        """Whether all samples have been returned."""
        return not self._unsent and (self._batch is None or not self._batch.pending)

    def wait(self, within_s: float | None = None) -> list[Sample]:
        """The samples that come next: all that are left, or after a second those that are there. None if none
        comes `within_s`.

        Raises SenderError.
        """
        samples, self._unsent = self._unsent, []
        if self._batch and self._batch.pending:
            samples += [self._sample(reply) for reply in self._batch.wait(within_s)]
        return samples

    def __iter__(self) -> Iterator[Sample]:
        while not self.is_complete:
            yield from self.wait()

    def _sample(self, reply: Reply) -> Sample:
        endpoint = self._endpoints[reply.position]
        sample = Sample(
            endpoint.key,
            reply.sent_at_utc,
            reply.latency_ms,
            status=reply.status,
            connection_reused=reply.connection_reused,
            failure=reply.failure,
            failure_detail=reply.failure_detail,
        )
        if reply.failure or reply.status is None:
            return sample
        judged = judge(reply.status, reply.body, self._card, endpoint.spoken)
        evidence = read_evidence(reply.headers or {})
        return replace(
            sample, failure=judged.failure, failure_detail=judged.detail, answer=judged.answer, **asdict(evidence)
        )


def observe(sender: Sender, endpoints: Sequence[Endpoint], card: ModelCard, inputs: Sequence[float]) -> Observation:
    """Send `inputs` to all `endpoints` at once.

    Failures of an endpoint never raise. Its timeout bounds the whole exchange, even if it keeps sending single bytes.
    Who leaves first is drawn anew each time: the first to leave finds the machine idle, and the others do not.
    Raises SenderError if nothing could be sent.
    """
    body = request_body(card, inputs)
    ready: list[tuple[Endpoint, Request]] = []
    unsent: list[Sample] = []
    for endpoint in _RANDOM.sample(endpoints, len(endpoints)):
        started_ns = perf_counter_ns()
        try:
            request = Request(endpoint.predict_url, endpoint.headers, endpoint.spoken.encode(body), endpoint.timeout_s)
            ready.append((endpoint, request))
        except TokenError as error:
            unsent.append(_unsent(endpoint, started_ns, Failure.NO_IDENTITY, str(error)))
        except NotEncodable as error:
            unsent.append(_unsent(endpoint, started_ns, Failure.WRONG_SCHEMA, str(error)))
        except Exception as error:  # for example of its protocol: a failure of this endpoint only
            unsent.append(_unsent(endpoint, started_ns, Failure.UNREACHABLE, type(error).__name__))
    batch = sender.send([request for _, request in ready]) if ready else None
    return Observation(unsent, batch, [endpoint for endpoint, _ in ready], card)


def _unsent(endpoint: Endpoint, started_ns: int, failure: Failure, detail: str) -> Sample:
    took_ms = (perf_counter_ns() - started_ns) / 1e6
    return Sample(endpoint.key, utc_now(), took_ms, failure=failure, failure_detail=detail)
