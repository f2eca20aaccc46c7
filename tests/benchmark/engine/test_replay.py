"""A log of any known kind becomes a schedule, and whatever is wrong with it is said in a line."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.engine import replay
from benchmark.engine.replay import LogError, Recording, parse_log, read_log


def lines(*documents: Any) -> bytes:
    return "\n".join(map(json.dumps, documents)).encode()


def times(found: Recording) -> list[float]:
    assert found.times_s is not None
    return list(map(float, found.times_s))


def logged(time: str, method: str = "POST", log: str = "projects/p/logs/run.googleapis.com%2Fstdout") -> dict[str, Any]:
    request = {"requestMethod": method, "requestUrl": "https://x/predict", "status": 200, "latency": "0.01s"}
    return {"logName": log, "insertId": "1", "httpRequest": request, "timestamp": time}


EXPORT = [
    logged("2026-01-02T03:04:07.500000123Z"),  # newest first, as `gcloud logging read` writes them
    {"logName": "projects/p/logs/stderr", "textPayload": "started", "timestamp": "2026-01-02T03:04:06Z"},
    logged("2026-01-02T03:04:06Z", method="GET"),
    logged("2026-01-02T04:04:05.25+01:00"),
]


@pytest.mark.parametrize("data", [json.dumps(EXPORT).encode(), json.dumps(EXPORT, indent=2).encode(), lines(*EXPORT)])
def test_an_export_of_cloud_logging_is_its_predictions_in_order(data: bytes) -> None:
    found = parse_log(data, "log.json")
    assert times(found) == pytest.approx([0, 2.25])
    assert (found.total, found.bodies, found.left_out) == (2, None, 2)


def test_a_request_that_the_platform_and_the_program_both_logged_is_sent_once() -> None:
    platform = "projects/p/logs/run.googleapis.com%2Frequests"
    own = [logged("2026-01-02T03:04:05.1Z"), logged("2026-01-02T03:04:06.1Z")]
    found = parse_log(
        lines(*own, logged("2026-01-02T03:04:05Z", log=platform), logged("2026-01-02T03:04:06Z", log=platform)), ""
    )
    assert times(found) == pytest.approx([0, 1])


def test_results_of_vegeta_have_times_and_targets_have_bodies() -> None:
    result = {"attack": "", "seq": 0, "code": 200, "latency": 1000, "method": "POST", "url": "http://x"}
    results = [result | {"timestamp": f"2026-01-02T03:04:0{at}.5+02:00", "body": "e30="} for at in (5, 6, 9)]
    found = parse_log(lines(*results, result | {"method": "GET", "timestamp": ""}), "")
    assert (times(found), found.bodies, found.left_out) == ([0, 1, 4], None, 1)
    body = base64.b64encode(b'{"a": 1.5, "b": "red"}').decode()
    found = parse_log(lines({"method": "POST", "url": "http://x", "body": body}), "")
    assert (found.times_s, found.bodies) == (None, (b'{"a": 1.5, "b": "red"}',))


def test_lines_of_time_and_body_are_sorted_and_keep_their_bodies() -> None:
    bodies = [{"a": 1, "b": None}, {"features": [1, 2]}, '{"a": "x"}', {"instances": [[3, "y"]]}]
    found = parse_log(lines(*({"time": 10 - at, "body": body} for at, body in enumerate(bodies))), "")
    assert times(found) == [0, 1, 2, 3]
    assert found.bodies is not None
    assert [json.loads(body) for body in found.bodies] == [[3, "y"], {"a": "x"}, [1, 2], {"a": 1, "b": None}]


def test_a_mark_at_the_beginning_and_blank_lines_are_no_entries() -> None:
    assert parse_log(b"\xef\xbb\xbf\n\n" + lines({"time": 1}) + b"\n\n" + lines({"time": 3}) + b"\r\n", "").total == 2


def test_speed_divides_the_times_and_the_peak_is_of_the_fullest_second() -> None:
    found = parse_log(
        lines(*({"time": at / 4} for at in range(40)), *({"time": 20 + at / 100} for at in range(30))), ""
    )
    assert found.peak_rate == 30
    assert found.at_speed(10).times_s == pytest.approx(np.array(times(found)) / 10)
    assert found.at_speed(100).peak_rate == 70
    assert found.at_speed(0.1).peak_rate == 10


TIME = {"time": 1, "body": {"a": 1}}


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "has no requests"),
        (b"[]", "has no requests"),
        (b"hello", "line 1 is not JSON"),
        (b"\xff\xfe", r"is not UTF-8 text \(line 1\)"),
        (lines(TIME) + b"\n\xff", r"is not UTF-8 text \(line 2\)"),
        (b"\x1f\x8b\x08", "is compressed"),
        (lines(TIME) + b'\n{"time": 2,\n "body"', "line 3 is not JSON"),
        (b"[" + lines(TIME) + b",\n" + lines(TIME)[:9], "line 2 is not JSON"),
        (b"[" + lines(TIME) + b"\n" + lines(TIME) + b"]", "line 2 ends in the middle of a JSON array"),
        (lines(TIME, 3), "line 2 is not a JSON object"),
        (lines(TIME, {"when": 3}), "line 2 is no entry of Cloud Logging, of vegeta, or with time and body"),
        (lines({"time": "noon"}), "line 1 has a time that is neither seconds nor like"),
        (lines({"time": True}), "line 1 has a time"),
        (lines({"time": 1767323045123}), "line 1 has a time"),  # milliseconds
        (b'{"time": 1e999}', "line 1 has a time"),
        (b'{"time": NaN}', "line 1 holds a number that is too large"),
        (b'{"time": ' + b"9" * 5000 + b"}", "line 1 holds a number that is too large"),
        (b'{"time": ' + b"[" * 100_000, "line 1 holds a number that is too large, or is nested too deeply"),
        (lines(TIME, {"time": 2}), "line 2 has no body, though other entries do"),
        (lines({"method": "POST", "url": "http://x"}, TIME), "line 1 has no time, though other entries do"),
        (lines({"time": 1, "body": []}), "line 1 has a body that is not one input"),
        (lines({"time": 1, "body": {"a": [1]}}), "line 1 has a body that is not one input"),
        (lines({"time": 1, "body": {"a": True}}), "line 1 has a body that is not one input"),
        (b'{"time": 1, "body": {"a": 1e999}}', "line 1 has a body that is not one input"),
        (b'{"time": 1, "body": {"a": ' + b"9" * 400 + b"}}", "line 1 has a body that is not one input"),
        (lines({"time": 1, "body": {"instances": [[1], [2]]}}), "line 1 has a body with several inputs"),
        (lines({"time": 1, "body": "{"}), "line 1 has a body that is not JSON"),
        (lines({"time": 1, "body": {"a": "x" * 70_000}}), "line 1 has a body larger than 64 KiB"),
        (lines({"time": 1, "note": "x" * 2**20}), "line 1 begins an entry larger than 1 MiB"),
        (lines({"method": "POST", "url": "", "body": "%"}), "line 1 has a body that is not base64"),
        (lines({"method": "POST", "url": "", "body": "ü"}), "line 1 has a body that is not base64"),
        (lines({"method": "POST", "url": "", "body": [1]}), "line 1 has a body that is not base64"),
        (lines({"method": "POST", "url": "", "body": "e30="}), "line 1 has a body that is not one input"),
        (lines(logged("2026-01-02T03:04:05Z", method="GET")), "has no POST requests among its 1 entries"),
        (lines({"httpRequest": {"requestMethod": "POST"}}), "line 1 has no timestamp"),
    ],
)
def test_a_bad_log_is_refused_with_its_line(data: bytes, what: str) -> None:
    with pytest.raises(LogError, match=f"^{what}"):
        parse_log(data, "")


def test_large_logs_are_refused_before_they_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MAX_ENTRIES", 5)
    with pytest.raises(LogError, match=r"^has more than 5 entries"):
        parse_log(lines(*[TIME] * 6), "")
    monkeypatch.setattr(replay, "MAX_BYTES", 2**20)
    (tmp_path / "log").write_bytes(b" " * (2**20 + 1))
    with pytest.raises(LogError, match=r"^is larger than 1 MiB"):
        read_log(tmp_path / "log")
    for path in (tmp_path, tmp_path / "none", Path("/dev/zero")):
        with pytest.raises(LogError, match=r"^is not a file"):
            read_log(path)


@given(st.binary(max_size=200) | st.text('[]{}":,019.eE-timbody \n', max_size=80).map(str.encode))
def test_any_bytes_are_a_log_or_are_refused(data: bytes) -> None:
    try:
        assert parse_log(data, "").total >= 1
    except LogError as error:
        assert "\n" not in str(error)
