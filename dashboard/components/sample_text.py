"""Text about one request and the endpoint that answered it: pure functions from records to sentences."""

from collections.abc import Sequence

from benchmark.endpoints.catalog import Served
from benchmark.endpoints.endpoint import Endpoint, env_prefix
from benchmark.endpoints.protocols import DEFAULT
from benchmark.endpoints.sample import Failure, Sample, Temperature
from benchmark.statistics.text import listed
from dashboard.components import markup
from inference.card import ModelCard


def latency_split(sample: Sample) -> str:
    """How the latency divides, as far as the server reports it."""
    if sample.server_ms is None:
        return "the server does not report its time"
    assert sample.rest_ms is not None  # noqa: S101
    return f"server {markup.duration(sample.server_ms)} ms + network and HTTP {markup.duration(sample.rest_ms)} ms"


def conditions(sample: Sample) -> str:
    """The instance, state and connection of one sample."""
    parts = [
        {
            Temperature.COLD: "cold start",
            Temperature.WARM: "warm",
            Temperature.FIRST_ON_WARM: "warm, first request",
            Temperature.UNKNOWN: "cold or warm: unknown",
            Temperature.QUEUED: "queued for a cold start",
        }[sample.temperature]
    ]
    parts.append(f"instance {sample.instance_id[:8]}" if sample.instance_id else "instance unknown")
    if sample.request_count and sample.temperature is not Temperature.FIRST_ON_WARM:
        parts.append(f"request {sample.request_count}")
    parts.append("connection reused" if sample.connection_reused else "new connection")
    return " · ".join(parts)


def what_to_try(
    sample: Sample, endpoint: Endpoint, served: Served | None, card: ModelCard | None, *, in_file: bool = False
) -> str:
    """One sentence on why this endpoint gave no usable answer and what to do.

    `in_file`: the endpoint is configured in the ENDPOINTS file, not by variables.
    """
    if card and served and served.card and served.card.version != card.version and sample.status is not None:
        return (
            f"It serves a different model ({served.card.title}, version {served.card.version}) from the one on this "
            "page: give all endpoints the same artifact."
        )
    at = endpoint.address
    url, token, timeout = _settings(endpoint, in_file)
    status = sample.status
    if status in (401, 403):
        return _what_to_grant(status, endpoint, url, token)
    if status == 404:
        return f"There is no prediction at {at} (HTTP 404): check {url}."
    if status == 422:
        return (
            "It does not accept these inputs (HTTP 422): it probably serves a different model from the one on this "
            "page."
        )
    if status == 429:
        return "It is out of capacity (HTTP 429): raise its instance limit, or try again later."
    return {
        Failure.NO_IDENTITY: f"Nothing was sent: {sample.failure_detail or 'there is no ID token for it'}; or set "
        f"{token}.",
        Failure.TIMEOUT: f"No answer within {endpoint.timeout_s:g} s: it may be starting, so try again, "
        f"or raise {timeout}.",
        Failure.REFUSED: f"Nothing listens at {at}: start it, or check {url}.",
        Failure.UNREACHABLE: f"{at} cannot be reached: check {url} and the network.",
        Failure.RESET: f"{at} closed the connection without a complete answer: look at its log.",
        Failure.TLS: f"No secure connection to {at}: check its certificate, or use http for a local address.",
        Failure.CLIENT_ERROR: f"It rejected the request (HTTP {status}): check that {at} {_what(endpoint)}.",
        Failure.SERVER_ERROR: f"It failed to answer (HTTP {status}): look at its log.",
        Failure.UNEXPECTED_STATUS: f"It answered HTTP {status} instead of 200: check {url}.",
        Failure.TOO_LARGE: f"Its answer is too large to be a prediction: check {url}.",
        Failure.BAD_JSON: f"Its answer is not JSON: check that {url} is a prediction endpoint.",
        Failure.WRONG_SCHEMA: f"Its answer does not fit this model ({sample.failure_detail}): "
        "check that all endpoints serve the same artifact.",
    }[sample.failure or Failure.UNREACHABLE]


def _what(endpoint: Endpoint) -> str:
    """What an endpoint should be, by its protocol."""
    return "is a Faceoff endpoint" if endpoint.speaks == DEFAULT else f"speaks {endpoint.speaks}"


def _settings(endpoint: Endpoint, in_file: bool) -> tuple[str, str, str]:
    """The names of the settings for the address, token and timeout of `endpoint`."""
    if in_file:
        return "its url in the ENDPOINTS file", "its token_variable in the ENDPOINTS file", "its timeout_s in the file"
    prefix = env_prefix(endpoint.key)
    return f"{prefix}_URL", f"{prefix}_TOKEN", f"{prefix}_TIMEOUT_S"


def _what_to_grant(status: int, endpoint: Endpoint, url: str, token: str) -> str:
    """What a private service needs, depending on the token that was sent."""
    if endpoint.token:
        return (
            f"It refused the token from {token} (HTTP {status}): the token may have expired, or its account "
            "needs roles/run.invoker on this service."
        )
    if endpoint.identity:
        return (
            f"It refused this dashboard's ID token (HTTP {status}): grant roles/run.invoker on this service to the "
            f"account that the dashboard runs as, and check that {url} is the service's own run.app address."
        )
    return (
        f"It is private (HTTP {status}): set {token}, or GOOGLE_ID_TOKENS=1 if this runs on Google Cloud, and "
        "grant roles/run.invoker on this service to that account."
    )


def artifact_warning(endpoints: Sequence[Endpoint], served: Sequence[Served | None]) -> str | None:
    """A warning if the endpoints do not all serve the same artifact, else None."""
    known = [(endpoint, entry.card) for endpoint, entry in zip(endpoints, served, strict=True) if entry and entry.card]
    if all(dict(card.sha256) == dict(known[0][1].sha256) for _, card in known):
        return None
    versions = listed(f"{endpoint.name} {card.title} {card.version}" for endpoint, card in known)
    return (
        f"The endpoints serve different artifacts ({versions}): differences below may come from the models, "
        "not from the platforms."
    )
