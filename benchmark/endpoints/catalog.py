"""The model that each endpoint serves: its card, read from /model-info and cached."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from time import monotonic, perf_counter_ns
from typing import Any

import httpx

from benchmark.endpoints.answer import NotJson, TooLarge, decode
from benchmark.endpoints.bounded import read_body
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.identity import TokenError
from benchmark.endpoints.protocols import DEFAULT, EXAMPLE
from benchmark.endpoints.traffic import TEST_HEADERS
from inference.card import CardError, ModelCard

INFO_TIMEOUT_S = 5.0
_MAX_CARD_BYTES = 4 * 1024 * 1024
_KNOWN_FOR_S = 60.0
_UNKNOWN_FOR_S = 5.0

NO_ANSWER = "did not answer"
"""The problem of an endpoint that is not there."""


@dataclass(frozen=True, slots=True)
class Served:
    """An endpoint's own report: its model, and how it is served.

    Without a card, `problem` says why as a clause.
    """

    card: ModelCard | None = None
    problem: str | None = None
    serving: Mapping[str, Any] = field(default_factory=dict, compare=False)
    took_ms: float | None = field(default=None, compare=False)
    """duration of the request for the card or the metadata; None if there is neither"""

    @property
    def example(self) -> Mapping[str, Any]:
        """An input that the endpoint takes, by its own description; empty if unknown."""
        found = self.serving.get(EXAMPLE)
        return found if isinstance(found, dict) else {}


class Catalog:
    """Cached cards by endpoint. Safe to share between threads; fetches in the background."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._entries: dict[Endpoint, tuple[float, Future[Served]]] = {}

    def served(self, endpoints: Sequence[Endpoint], *, wait_s: float) -> list[Served | None]:
        """What each endpoint serves, in their order; None if it has not answered within `wait_s`.

        Cards are refreshed after a minute, failures after five seconds.
        """
        futures = [self._future(endpoint) for endpoint in endpoints]
        wait(futures, wait_s)
        return [future.result() if future.done() else None for future in futures]

    def known(self, endpoints: Sequence[Endpoint]) -> list[Served | None]:
        """The cached answer of each endpoint, in their order; sends nothing."""
        with self._lock:
            futures = [self._entries[one][1] if one in self._entries else None for one in endpoints]
        return [future.result() if future is not None and future.done() else None for future in futures]

    def forget(self, endpoint: Endpoint) -> None:
        """Refresh next time, because the endpoint answered with another model than its card says."""
        with self._lock:
            self._entries.pop(endpoint, None)

    def _future(self, endpoint: Endpoint) -> Future[Served]:
        with self._lock:
            entry = self._entries.get(endpoint)
            if entry is not None:
                asked, future = entry
                if not future.done():
                    return future
                if monotonic() - asked < (_UNKNOWN_FOR_S if future.result().took_ms is None else _KNOWN_FOR_S):
                    return future
            future = Future()
            self._entries[endpoint] = (monotonic(), future)
        threading.Thread(target=self._fetch, args=(endpoint, future), name="model-info", daemon=True).start()
        return future

    def _fetch(self, endpoint: Endpoint, future: Future[Served]) -> None:
        try:
            future.set_result(fetch(self._client, endpoint))
        except Exception as error:  # any error: a caller waits for this future
            future.set_result(Served(problem=f"could not be asked ({type(error).__name__})"))


def fetch(client: httpx.Client, endpoint: Endpoint) -> Served:
    """Ask `endpoint` once for its card."""
    problem = "gives no model card"
    try:
        headers = {**TEST_HEADERS, **endpoint.headers}
    except TokenError as error:
        return Served(problem=f"cannot be asked: {error}")
    for url in endpoint.info_urls:
        started_ns = perf_counter_ns()
        try:
            with client.stream("GET", url, headers=headers, timeout=INFO_TIMEOUT_S) as response:
                if response.status_code in (401, 403):
                    return Served(problem=f"does not let this program in (HTTP {response.status_code})")
                if response.status_code != 200:
                    continue
                body = read_body(response, _MAX_CARD_BYTES, started_ns, INFO_TIMEOUT_S)
        except TooLarge:
            return Served(problem="gives a model card that is too large")
        except (httpx.TransportError, TimeoutError):
            return Served(problem=NO_ANSWER)
        took_ms = (perf_counter_ns() - started_ns) / 1e6
        try:
            card, serving = endpoint.spoken.read_info(decode(body))
            return Served(card, None if card else problem, serving=serving, took_ms=took_ms)
        except (NotJson, CardError):
            what = "a model card" if endpoint.speaks == DEFAULT else "a description"
            problem = f"gives {what} that cannot be read"
    return Served(problem=problem)
