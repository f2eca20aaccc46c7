"""What an operator sees of both programs: metrics, log lines, traces; and what a page of another origin may read."""

import json
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmark.endpoints.traffic import TEST_HEADERS
from tests.contract.cases import ACCEPTED
from tests.servers import api_program, function_program, serve
from tools.processes import Program, Server

ORIGIN = "https://example.org"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
BODY = ACCEPTED[0].body
INSTANCE_HEADERS = {"server-timing", "x-instance-id", "x-instance-age-ms", "x-request-count"}


@dataclass(frozen=True, slots=True)
class Observed:
    """A program with its log in reach."""

    server: Server
    client: httpx.Client

    def ask(
        self, method: str, path: str, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The answer; a body is sent as JSON."""
        given = {**(headers or {}), **({"content-type": "application/json"} if content else {})}
        return self.client.request(method, self.server.url + path, content=content or None, headers=given)

    def send(self, raw: bytes) -> bytes:
        """The answer to these bytes, up to the end of the connection."""
        host, _, port = self.server.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(raw)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def lines(self) -> list[dict[str, Any]]:
        """The whole log, which must be JSON from its first line to its last."""
        return [json.loads(line) for line in self._complete_lines()]

    def lines_with(self, text: str) -> list[dict[str, Any]]:
        """The lines that hold `text`, as soon as there is one: a line is written after its answer is sent."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if found := [json.loads(line) for line in self._complete_lines() if text in line]:
                return found
            time.sleep(0.01)
        return []

    def _complete_lines(self) -> list[str]:
        return [line for line in self.server.log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def counted(self, route: str, status: int, traffic: str = "user") -> float:
        text = self.ask("GET", "/metrics").text
        wanted = {"route": route, "status": str(status), "traffic": traffic}
        families = [family for family in text_string_to_metric_families(text) if family.name == "faceoff_requests"]
        return sum(sample.value for family in families for sample in family.samples if sample.labels == wanted)


@pytest.fixture(scope="module", params=["api", "function"])
def observed(request: pytest.FixtureRequest, staged_dir: Path, iris_dir: Path, logs: Path) -> Iterator[Observed]:
    """Both programs, with an origin that is allowed, as the platform runs a function."""
    variables = {"CORS_ORIGINS": ORIGIN, "LOG_EXECUTION_ID": "true", "GOOGLE_CLOUD_PROJECT": "my-project"}
    programs: dict[str, Program] = {"api": api_program(), "function": function_program(staged_dir)}
    program = programs[request.param].with_environ(MODEL_DIR=str(iris_dir), **variables)
    with serve(program, logs) as server, httpx.Client(trust_env=False, timeout=30) as client:
        yield Observed(server, client)


def test_metrics_are_prometheus_text(observed: Observed) -> None:
    before = observed.counted("/predict", 200)
    assert observed.ask("POST", "/predict", BODY).status_code == 200
    assert observed.counted("/predict", 200) == before + 1
    answer = observed.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert names >= {
        "faceoff_requests",
        "faceoff_request_duration_seconds",
        "faceoff_requests_in_flight",
        "faceoff_predictions",
        "faceoff_inputs_out_of_range",
        "faceoff_model_info",
        "faceoff_instance_age_seconds",
    }


def test_what_measures_is_counted_apart_and_answered_alike(observed: Observed) -> None:
    before = observed.counted("/predict", 200), observed.counted("/predict", 200, "test")
    answers = [observed.ask("POST", "/predict", BODY, headers) for headers in ({}, TEST_HEADERS, {"x-traffic": "mine"})]
    assert len({answer.content for answer in answers}) == 1
    assert observed.counted("/predict", 200) == before[0] + 2
    assert observed.counted("/predict", 200, "test") == before[1] + 1
    assert "mine" not in observed.ask("GET", "/metrics").text


def test_a_request_is_one_line_without_its_query(observed: Observed) -> None:
    observed.ask("POST", "/predict?token=secret", BODY, {"function-execution-id": "run-1"})
    (line,) = observed.lines_with('"run-1"')
    assert (line["severity"], line["message"]) == ("INFO", "POST /predict 200")
    assert line["httpRequest"]["requestSize"] == str(len(BODY))
    assert line["logging.googleapis.com/labels"] == {"execution_id": "run-1"}
    assert "secret" not in observed.server.log.read_text()


@pytest.mark.parametrize(
    "headers",
    [{"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}, {"x-cloud-trace-context": f"{TRACE_ID}/1;o=1"}],
    ids=["traceparent", "x-cloud-trace-context"],
)
def test_a_trace_is_logged_and_answered(headers: dict[str, str], observed: Observed) -> None:
    answer = observed.ask("GET", "/health", headers=headers)
    line = observed.lines_with(answer.headers["traceparent"].split("-")[2])[-1]
    assert line["logging.googleapis.com/trace"] == f"projects/my-project/traces/{TRACE_ID}"
    assert answer.headers["traceparent"] == f"00-{TRACE_ID}-{line['logging.googleapis.com/spanId']}-01"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("raw", "route", "status"),
    [
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\r\n\r\n", "other", 400),
        (b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "/predict", 400),
        (b"GET /health HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\nConnection: close\r\n\r\n", "/health", 431),
        (b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{", "/predict", 408),
    ],
    ids=["no HTTP", "a bad chunk", "long headers", "half a body"],
)
def test_what_the_server_refuses_is_counted_and_logged_as_everything_else(
    raw: bytes, route: str, status: int, observed: Observed
) -> None:
    counted = observed.counted(route, status)
    answer = observed.send(raw)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert observed.counted(route, status) == counted + 1
    observed.lines_with(f'"status":{status}')
    found = [line for line in observed.lines() if line["httpRequest"]["status"] == status]
    assert found[-1]["severity"] == "WARNING"
    assert found[-1]["httpRequest"].get("requestUrl", "other") == route


def test_a_prediction_request_counts_when_it_is_answered_or_refused(observed: Observed) -> None:
    def count() -> int:
        return int(observed.ask("GET", "/health").headers["x-request-count"])

    before = count()
    endings = (
        observed.ask("POST", "/predict", b"x" * 70_000).headers,
        observed.ask("POST", "/predict", BODY, {"x-long": "a" * 65_000}).headers,
        observed.ask("POST", "/", b"{").headers,
    )
    assert [int(headers["x-request-count"]) for headers in endings] == [before + 1, before + 2, before + 3]
    observed.send(b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
    observed.send(b"nonsense\r\n\r\n")
    assert count() == before + 4


def test_a_preflight_of_the_named_origin_is_answered(observed: Observed) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    answer = observed.ask("OPTIONS", "/predict", headers={**asked, "origin": ORIGIN})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "content-type" in answer.headers["access-control-allow-headers"].lower()
    assert set(answer.headers) >= INSTANCE_HEADERS
    stranger = observed.ask("OPTIONS", "/predict", headers={**asked, "origin": "https://example.com"})
    assert not [name for name in stranger.headers if name.startswith("access-control-")]
    assert set(stranger.headers) >= INSTANCE_HEADERS


def test_an_answer_may_be_read_by_the_named_origin_alone(observed: Observed) -> None:
    allowed = observed.ask("POST", "/predict", BODY, {"origin": ORIGIN})
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    exposed = {name.strip().lower() for name in allowed.headers["access-control-expose-headers"].split(",")}
    assert exposed >= INSTANCE_HEADERS
    for origin in ("https://example.org.evil.example", "http://example.org", "null", f"{ORIGIN}:8443"):
        answer = observed.ask("POST", "/predict", BODY, {"origin": origin})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["vary"] == "Origin"
