"""The log: one JSON object a line, in Cloud Logging's field names."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from inference.request_log import RequestLog, Trace, log_failures_as_json, read_trace

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def written(status: int = 200, *, level: str = "INFO", path: str = "/predict", **more: Any) -> Any:
    """The line of one request, or None where none was written."""
    environ = more.pop("environ", {})
    stream = io.StringIO()
    arguments: dict[str, Any] = {"method": "POST", "duration_s": 0.0012, "sizes_bytes": (30, 200), **more}
    RequestLog(level, environ, stream).write(path=path, status=status, **arguments)
    text = stream.getvalue()
    assert text.count("\n") == bool(text)
    return json.loads(text) if text else None


def test_a_line_has_the_fields_that_cloud_logging_reads() -> None:
    assert written() == {
        "severity": "INFO",
        "message": "POST /predict 200",
        "httpRequest": {
            "requestMethod": "POST",
            "requestUrl": "/predict",
            "status": 200,
            "requestSize": "30",
            "responseSize": "200",
            "latency": "0.001200s",
        },
    }


@pytest.mark.parametrize("path", ['/"', "/\\", "/\n\r\0", "/\N{SNOWMAN}", "/\udcff", '","severity":"EMERGENCY'])
def test_no_path_breaks_a_line_or_adds_a_field(path: str) -> None:
    line = written(404, path=path)
    assert line["httpRequest"]["requestUrl"] == path
    assert line["severity"] == "WARNING"


class Counted(io.StringIO):
    """A stream that counts how often it is flushed: each time is a system call."""

    flushes = 0

    def flush(self) -> None:
        self.flushes += 1


def test_the_lines_of_one_turn_of_the_event_loop_are_written_together_and_in_order() -> None:
    stream = Counted()
    log = RequestLog("INFO", {}, stream)

    async def turns() -> list[tuple[int, int]]:
        seen = []
        for count in (3, 1):
            for number in range(count):
                log.write("GET", f"/{number}", 200, 0.001, (0, 0))
            await asyncio.sleep(0)
            seen.append((stream.getvalue().count("\n"), stream.flushes))
        log.write("GET", "/last", 200, 0.001, (0, 0))
        return seen

    assert asyncio.run(turns()) == [(3, 1), (4, 2)]
    paths = [json.loads(line)["httpRequest"]["requestUrl"] for line in stream.getvalue().splitlines()]
    assert paths == ["/0", "/1", "/2", "/0", "/last"]


def test_a_long_path_is_cut() -> None:
    assert len(written(404, path="/" + "a" * 5000)["httpRequest"]["requestUrl"]) == 200


def test_a_request_that_could_not_be_read_is_a_line_without_what_is_not_known() -> None:
    line = written(400, method="", path="", duration_s=None)
    assert line["message"] == "- - 400"
    assert set(line["httpRequest"]) == {"status", "requestSize", "responseSize"}


@pytest.mark.parametrize(
    ("level", "statuses"),
    [
        ("DEBUG", {200, 404, 500}),
        ("INFO", {200, 404, 500}),
        ("WARNING", {404, 500}),
        ("ERROR", {500}),
        ("CRITICAL", set()),
    ],
)
def test_the_level_decides_which_requests_are_logged(level: str, statuses: set[int]) -> None:
    assert {status for status in (200, 404, 500) if written(status, level=level)} == statuses


def test_severity_follows_the_status() -> None:
    assert [written(status)["severity"] for status in (204, 408, 500)] == ["INFO", "WARNING", "ERROR"]


def test_a_trace_is_named_with_its_project_where_that_is_known() -> None:
    trace = Trace(TRACE_ID, "00f067aa0ba902b7")
    line = written(trace=trace, environ={"GOOGLE_CLOUD_PROJECT": "my-project"})
    assert line["logging.googleapis.com/trace"] == f"projects/my-project/traces/{TRACE_ID}"
    assert line["logging.googleapis.com/spanId"] == "00f067aa0ba902b7"
    assert written(trace=trace)["logging.googleapis.com/trace"] == TRACE_ID


def test_the_execution_id_is_a_label_where_it_is_asked_for_and_is_one() -> None:
    environ = {"LOG_EXECUTION_ID": "true"}
    line = written(environ=environ, execution_id=b"abc-123")
    assert line["logging.googleapis.com/labels"] == {"execution_id": "abc-123"}
    for more in ({"execution_id": b"abc-123"}, {"environ": environ, "execution_id": b'"}'}, {"environ": environ}):
        assert "logging.googleapis.com/labels" not in written(**more)


@pytest.mark.parametrize(
    ("traceparent", "cloud_trace"),
    [
        (f"00-{TRACE_ID}-00f067aa0ba902b7-01", ""),
        ("", TRACE_ID),
        ("", f"{TRACE_ID}/123;o=1"),
        ("", f"{TRACE_ID.upper()}/123"),
        ("nonsense", f"{TRACE_ID}/123;o=1"),
        (f"00-{TRACE_ID}-00f067aa0ba902b7-01", "0" * 31 + "1/2"),
    ],
)
def test_the_callers_trace_goes_on_with_a_span_of_our_own(traceparent: str, cloud_trace: str) -> None:
    first, second = (read_trace(traceparent.encode(), cloud_trace.encode()) for _ in range(2))
    assert first and second
    assert first.trace_id == second.trace_id == TRACE_ID
    assert first.span_id != second.span_id
    assert first.traceparent == f"00-{TRACE_ID}-{first.span_id}-01"


@pytest.mark.parametrize("header", ["", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", f"00-{TRACE_ID}", "x" * 55])
def test_what_is_no_trace_is_none(header: str) -> None:
    assert read_trace(header.encode(), b"") is None


@pytest.fixture
def own_logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("faceoff-test")
    yield logger
    logger.handlers, logger.propagate = [], True


def test_a_failure_of_our_own_is_one_line_with_its_traceback(own_logger: logging.Logger) -> None:
    stream = io.StringIO()
    log_failures_as_json([own_logger.name], stream)
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        own_logger.exception("a request could not be answered")
    (text,) = stream.getvalue().splitlines()
    line = json.loads(text)
    assert line["severity"] == "ERROR"
    assert line["message"].startswith("a request could not be answered\nTraceback")
    assert line["message"].endswith("ZeroDivisionError")
