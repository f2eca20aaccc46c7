"""The record of one request, including any failure; never edited."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from inference.card import Value


class Failure(StrEnum):
    """Why a request gave no usable answer. Failures are counted, never dropped."""

    NO_IDENTITY = "no_identity"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    RESET = "reset"
    TLS = "tls"
    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"
    UNEXPECTED_STATUS = "status"
    TOO_LARGE = "too_large"
    BAD_JSON = "bad_json"
    WRONG_SCHEMA = "wrong_schema"


class Temperature(StrEnum):
    """The state of the answering instance, by the server's evidence."""

    COLD = "cold"
    WARM = "warm"
    FIRST_ON_WARM = "first request, instance already up"
    UNKNOWN = "unknown"
    QUEUED = "queued for a start"
    """another request was the instance's first, and this one waited for the same start"""


def utc_now() -> str:
    """A label for people; durations never come from it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def temperature(request_count: int | None, instance_age_ms: float | None, waited_ms: float) -> Temperature:
    """Classify the instance that answered a request after `waited_ms`, by its own report.

    If the instance is not older than the wait, it was started during the wait: its first prediction is the cold start,
    the others queued.
    """
    if request_count is None or instance_age_ms is None:
        return Temperature.UNKNOWN
    if instance_age_ms <= waited_ms:
        return Temperature.QUEUED if request_count > 1 else Temperature.COLD
    return Temperature.WARM if request_count > 1 else Temperature.FIRST_ON_WARM


@dataclass(frozen=True, slots=True)
class Answer:
    """A checked answer. `probabilities` are in the card's class order; a regressor has only a prediction."""

    prediction: float
    label: str | None = None
    confidence: float | None = None
    probabilities: tuple[float, ...] | None = None
    model_version: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One request as the client saw it.

    `latency_ms` runs from the send to the last byte of the body, on one clock; `server_ms` is the server's own
    duration from Server-Timing. The two clocks are never compared.
    """

    endpoint: str
    sent_at_utc: str
    latency_ms: float
    status: int | None = None
    server_ms: float | None = None
    connection_reused: bool | None = None
    instance_id: str | None = None
    instance_age_ms: float | None = None
    request_count: int | None = None
    failure: Failure | None = None
    failure_detail: str | None = None
    answer: Answer | None = None

    @property
    def rest_ms(self) -> float | None:
        """Latency outside the server's own duration: network, TLS, queues and both HTTP stacks."""
        return None if self.server_ms is None else max(0.0, self.latency_ms - self.server_ms)

    @property
    def temperature(self) -> Temperature:
        """The state of the instance, by its evidence."""
        return temperature(self.request_count, self.instance_age_ms, self.latency_ms)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One input sent to all endpoints at once; `samples` has one entry per endpoint, in their order.

    `inputs` are in the order of the card of the model called `model`.
    """

    id: str
    at_utc: str
    model: str
    inputs: tuple[Value, ...]
    samples: tuple[Sample, ...]
