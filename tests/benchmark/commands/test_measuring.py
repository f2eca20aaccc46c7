"""`compare`, `load`, `selftest` and `simulate` as they are typed."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmark.__main__ import main
from benchmark.endpoints.endpoint import Endpoint
from benchmark.record.plan import PlanError, ReplayPlan
from benchmark.record.store import Store
from benchmark.runs import kind_named
from benchmark.runs.kind import Order
from inference.service import Service
from tests.benchmark.altered import good
from tests.benchmark.cards import flat_document, make_card
from tests.benchmark.commands.conftest import Command, document, endpoints
from tests.benchmark.conftest import Serve
from tests.benchmark.little_server import Connection, LittleServer, always, json_reply, reply

Twins = tuple[LittleServer, LittleServer]


def test_compare_prints_figures_with_intervals_and_one_sentence(
    benchmark: Command, twins: Twins, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    done = benchmark("compare", *endpoints(*twins), "--pairs", 80, "--warmup", 5, "--json", out)
    assert done.returncode == 0, done.stderr
    assert "service p50 (ms)" in done.stdout
    assert "170 requests to 127.0.0.1" in done.stderr  # said before it begins
    figures = document(out)
    assert figures["kind"] == "compare"
    assert figures["format_version"] == 1
    for key in ("api", "function"):
        side = figures["endpoints"][key]
        assert side["n"] == 80
        assert side["warmup"] == 5
        assert side["errors"] == {}
        p50 = side["service_ms"]["p50"]
        assert p50["low"] <= p50["value"] <= p50["high"]
        p95 = side["service_ms"]["p95"]
        assert p95["high"] is None or p95["high"] >= p95["value"]  # None: latency came in bursts
        assert side["service_ms"]["p99"]["high"] is None  # 80 requests cannot bound it
        assert side["server_ms"]["p50"]["value"] > 0
        assert side["phases_ms"]["wait"] > 0
    difference = figures["difference"]
    assert difference["low_ms"] <= difference["value_ms"] <= difference["high_ms"]
    assert figures["verdict"]["outcome"] in ("winner", "equivalent", "inconclusive")
    assert figures["verdict"]["sentence"] in " ".join(done.stdout.split())
    assert figures["manifest"]["plan"]["margin_ms"] == 0.2  # on this machine alone
    assert figures["generator"]["floor_ms"] > 0
    assert figures["generator"]["limited"] in (True, False)


@pytest.mark.slow
def test_a_slower_endpoint_loses_to_a_faster_one(
    benchmark: Command, serve: Serve, twins: Twins, tmp_path: Path
) -> None:
    good = json_reply({"prediction": 0})

    def slow(connection: Connection) -> None:
        while connection.receive() is not None:
            time.sleep(0.03)
            connection.send(good)

    out = tmp_path / "out.json"
    for _ in range(10):  # of a client that was held up meanwhile nothing is claimed
        benchmark("compare", *endpoints(twins[0], serve(slow)), "--pairs", 60, "--json", out)
        figures = document(out)
        if not figures["generator"]["limited"]:
            break
    assert figures["verdict"]["winner"] == "api"
    assert figures["verdict"]["outcome"] == "winner"
    assert figures["difference"]["value_ms"] < -20  # the first minus the second
    # The second says nothing of itself: unknown is shown, and changes the wording alone.
    assert "These two deployments differ" in figures["verdict"]["sentence"]
    assert {"name": "Python", "values": [f"{sys.version.split()[0]}", None]} in figures["fairness"]


def test_a_compare_with_one_endpoint_down_counts_its_failures(
    benchmark: Command, twins: Twins, nobody: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    done = benchmark("compare", *endpoints(twins[0]), "--endpoint", f"function={nobody}", "--pairs", 20, "--json", out)
    assert done.returncode == 0, done.stderr
    figures = document(out)
    assert figures["endpoints"]["function"]["errors"] == {"refused": 20}
    assert figures["endpoints"]["function"]["n"] == 0
    assert figures["endpoints"]["api"]["n"] == 20
    assert figures["verdict"]["winner"] is None
    assert "20 of 20 refused" in done.stdout


def test_nothing_measured_is_an_error(benchmark: Command, nobody: str, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b\n1,2\n")
    both = ("--endpoint", f"a={nobody}", "--endpoint", f"b={nobody}")
    done = benchmark("compare", *both, "--pairs", 6, "--body-from", rows)
    assert done.returncode == 2
    done = benchmark("compare", *both, "--pairs", 6)
    assert done.returncode == 2
    assert "no endpoint gives a model card" in done.stderr
    done = benchmark("compare", *both, "--body-from", tmp_path / "nowhere.csv")
    assert done.returncode == 2
    assert done.stderr.endswith("nowhere.csv: cannot be read (No such file or directory)\n")


def test_an_endpoint_of_which_nothing_is_known_is_measured_all_the_same(
    benchmark: Command, serve: Serve, twins: Twins, tmp_path: Path
) -> None:
    # No /model-info, no header of ours, and an address with a path of its own.
    strange = serve(always(json_reply({"prediction": 0})))
    out = tmp_path / "out.json"
    sides = (*endpoints(twins[0]), "--endpoint", f"other={strange.url}/v1/score")
    done = benchmark("compare", *sides, "--pairs", 10, "--warmup", 0, "--json", out)
    assert done.returncode == 0, done.stderr
    assert strange.paths("POST") == ["/v1/score"] * 10
    side = document(out)["endpoints"]["other"]
    assert side["n"] == 10
    assert side["server_ms"]["p50"]["value"] is None
    assert side["instances"] == 0
    assert "unknown" in done.stdout


def test_bodies_come_from_a_file_by_the_names_of_its_columns(benchmark: Command, twins: Twins, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("petal_width,sepal_length,sepal_width,petal_length,note\n0.2,5.1,3.5,1.4,7\n")
    done = benchmark("compare", *endpoints(*twins), "--pairs", 5, "--body-from", rows)
    assert done.returncode == 0, done.stderr
    sent = [json.loads(request.body) for request in twins[0].requests if request.method == "POST"]
    assert sent[0] == {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def test_bodies_of_a_file_may_have_categories_and_missing_values(
    benchmark: Command, serve: Serve, tmp_path: Path
) -> None:
    server = serve(good(make_card(flat_document())))
    rows = tmp_path / "rows.csv"
    rows.write_text("sea_view,area,city,heating,rooms\nTrue,,Bergen,NA,4\n")
    for command in (("compare", "--pairs", 5), ("load", "--rate", 20, "--duration", 1)):
        before = len(server.requests)
        done = benchmark(*command, *endpoints(server), "--body-from", rows)
        assert done.returncode == 0, done.stderr
        sent = [json.loads(request.body) for request in server.requests[before:] if request.method == "POST"]
        assert sent[0] == {"area": None, "rooms": 4.0, "city": "Bergen", "heating": None, "sea_view": "true"}
    rows.write_text("sea_view,area,city,heating,rooms\ntrue,1,Oslo,gas,4\n")
    done = benchmark("compare", *endpoints(server), "--pairs", 5, "--body-from", rows)
    assert done.returncode == 2
    assert done.stderr.endswith("rows.csv, line 2: heating must be one of 2, 1, 3, or null\n")


def test_an_open_loop_gives_response_times_and_its_rate(benchmark: Command, twins: Twins, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = benchmark("load", *endpoints(*twins), "--rate", 60, "--duration", 2, "--warmup", 5, "--json", out)
    assert done.returncode == 0, done.stderr
    figures = document(out)
    assert figures["kind"] == "load"
    side = figures["endpoints"]["api"]
    assert side["response_ms"]["p50"]["value"] >= side["service_ms"]["p50"]["value"]
    assert 30 < side["rate"] < 90
    assert figures["generator"]["late_ms"] is not None
    assert "open loop" in done.stdout


def test_a_closed_loop_is_labelled_so(benchmark: Command, twins: Twins, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = benchmark("load", *endpoints(twins[0]), "--concurrency", 4, "--requests", 100, "--json", out)
    assert done.returncode == 0, done.stderr
    assert "closed loop" in done.stdout
    side = document(out)["endpoints"]["api"]
    assert side["n"] + side["warmup"] == 100
    assert "response_ms" not in side
    assert document(out)["verdict"] is None


@pytest.mark.parametrize(
    "arguments",
    [("compare", "--pairs", 20, "--warmup", 0), ("load", "--concurrency", 1, "--requests", 20, "--warmup", 0)],
    ids=["compare", "load"],
)
@pytest.mark.parametrize("count", [1, 3, 6])
def test_one_to_six_endpoints_are_measured_in_one_run(
    benchmark: Command, twins: Twins, tmp_path: Path, arguments: tuple[str | int, ...], count: int
) -> None:
    out = tmp_path / "out.json"
    where = [f"--endpoint=e{at}={twins[at % 2].url}" for at in range(count)]
    done = benchmark(*arguments, *where, "--json", out)
    assert done.returncode == 0, done.stderr
    sides = document(out)["endpoints"]
    assert {key: side["n"] for key, side in sides.items()} == {f"e{at}": 20 for at in range(count)}


def test_a_short_load_is_not_all_warm_up(benchmark: Command, twins: Twins, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = benchmark("load", *endpoints(twins[0]), "--concurrency", 2, "--requests", 15, "--json", out)
    assert done.returncode == 0, done.stderr
    side = document(out)["endpoints"]["api"]
    assert (side["warmup"], side["n"]) == (1, 14)


def test_the_same_seed_sends_the_same(benchmark: Command, twins: Twins, results: Path) -> None:
    for seed in (3, 3, 4):
        benchmark("compare", *endpoints(*twins), "--pairs", 30, "--warmup", 0, "--seed", seed)
    posts = [request.body for request in twins[0].requests if request.method == "POST"]
    assert posts[:30] == posts[30:60] != posts[60:]


SEVEN = tuple(f"--endpoint=a{at}=http://127.0.0.1:9" for at in range(7))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("compare", *SEVEN), "7 endpoints exceed the maximum of 6"),
        (("load", *SEVEN), "7 endpoints exceed the maximum of 6"),
        (("coldstart", *SEVEN, "--idle", "1s"), "7 endpoints exceed the maximum of 6"),
        (("coldstart", *(f"--command=a{at}=true" for at in range(7))), "from 1 to 6 endpoints, not 7"),
        (("compare", "--endpoint", "a=ftp://x", "--endpoint", "b=http://127.0.0.1:9"), "is not an http"),
        (("compare", "--endpoint", "http://127.0.0.1:9", "--endpoint", "b=http://127.0.0.1:9"), "must be NAME=URL"),
        (("compare", "--endpoint", "a=http://a..b", "--endpoint", "b=http://127.0.0.1:9"), "is not an http"),
        (
            ("compare", "--endpoint", "a-b=http://127.0.0.1:9", "--endpoint", "A_B=http://127.0.0.1:8"),
            "A_B_TOKEN is also the token of a-b",
        ),
        (("simulate", "--base-ms", "nan"), "durations above 0 ms"),
        (("simulate", "--difference-pct", "nan"), "durations above 0 ms"),
        (("simulate", "--drift-pct", "nan"), "a drift from 0"),
        (("simulate", "--cold-ms", "inf"), "delays from 0 ms"),
        (("simulate", "--freeze", "nan:1"), "freezes"),
        (("load", "--endpoint", "a=http://127.0.0.1:9", "--rate", "0"), "a rate above 0"),
        (("load", "--endpoint", "a=http://127.0.0.1:9", "--rate", "5000"), "the maximum of 2000 (--max-rate)"),
        (("load", "--endpoint", "a=http://127.0.0.1:9", "--rate", "5", "--concurrency", "2"), "without a rate"),
        (("load", "--endpoint", "a=http://127.0.0.1:9", "--concurrency", "2"), "a number of requests"),
        (("load", "--endpoint", "a=http://203.0.113.9", "--rate", "5"), "is not an allowed host"),
        (("show", "nothing"), "there is no run nothing"),
        (("gate", "nothing"), "nothing to check"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(benchmark: Command, arguments: tuple[str, ...], reason: str) -> None:
    done = benchmark(*arguments)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_too_many_requests_are_refused_before_the_first(benchmark: Command, twins: Twins) -> None:
    done = benchmark("compare", *endpoints(*twins), "--pairs", 100, "--max-requests", 50)
    assert done.returncode == 2
    assert not twins[0].requests


def test_interrupting_keeps_what_was_measured(
    environ: Mapping[str, str], twins: Twins, results: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "benchmark", "load", *endpoints(*twins), "--rate", "40", "--duration", "60"]
    out = tmp_path / "out.json"
    process = subprocess.Popen(
        [*command, "--json", str(out)], env=dict(environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while len(twins[0].paths("POST")) < 25 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    sent = len(twins[0].paths("POST"))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert len(twins[0].paths("POST")) == sent  # a second later nothing more was sent
    figures = document(out)
    assert figures["state"] == "cancelled"
    assert figures["endpoints"]["api"]["attempts"] > 0
    (run,) = Store(results).runs()
    assert run.state == "cancelled"


def test_a_load_in_stages_is_summarised_by_stage(benchmark: Command, twins: Twins, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    stages = ("--stage", "500ms:40", "--stage", "1s:100", "--arrivals", "gamma:0.5", "--goodput-ms", 5000)
    done = benchmark("load", *endpoints(*twins), *stages, "--warmup", 0, "--json", out)
    assert done.returncode == 0, done.stderr
    figures = document(out)
    plan = figures["manifest"]["plan"]
    assert (plan["stages"], plan["arrivals"], plan["burstiness"]) == ([[0.5, 40], [1, 100]], "gamma", 0.5)
    for side in figures["endpoints"].values():
        assert sum(stage["attempts"] for stage in side["stages"]) == side["attempts"]
        assert side["goodput"]["limit_ms"] == 5000
    assert "stage 2: 100/s for 1 s" in done.stdout
    assert "gamma (burstiness 0.5) arrivals in 2 stages of 40 and 100/s" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_an_aborted_load_is_kept_with_its_reason_and_has_its_own_exit_status(
    benchmark: Command, serve: Serve, twins: Twins, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    broken = serve(always(reply(b"{}", status=503)))
    load = ("--rate", 100, "--duration", 600, "--max-requests", 10**6, "--abort", "error_rate>0.05")
    done = benchmark("load", *endpoints(twins[0], broken), *load, "--json", out)
    assert done.returncode == 3, done.stderr
    figures = document(out)
    assert figures["state"] == "aborted"
    assert figures["reason"].startswith("error_rate>0.05: function had 1 in the last 10 s")
    for text in (done.stdout, benchmark("show", figures["id"]).stdout, benchmark("runs").stdout):
        assert "error_rate>0.05: function had 1" in " ".join(text.split())
    (listed,) = json.loads(benchmark("runs", "--json").stdout)
    assert (listed["state"], listed["reason"]) == ("aborted", figures["reason"])
    assert benchmark("gate", figures["id"], "--slo", "api.error_rate<0.5").returncode == 1


@pytest.mark.slow
def test_a_log_is_replayed_at_its_speed_with_its_bodies(
    benchmark: Command, twins: Twins, tmp_path: Path, service: Service
) -> None:
    log, out, card = tmp_path / "traffic.ndjson", tmp_path / "out.json", service.card
    inputs = [[feature.default for feature in card.features], list(card.presets[0].values)]
    entries = [{"time": at / 2, "body": {"features": inputs[at % 2]}} for at in range(12)]
    log.write_text("\n".join(map(json.dumps, entries)))
    asked = ("load", *endpoints(*twins), "--replay", log, "--speed", 5, "--json", out)
    done = benchmark(*asked, "--correctness")
    assert done.returncode == 0, done.stderr
    figures = document(out)
    plan, bodies = figures["manifest"]["plan"], figures["manifest"]["bodies"]
    assert (plan["log"], plan["total"], plan["speed"]) == ("traffic.ndjson", 12, 5)
    assert plan["duration_s"] == pytest.approx(1.1)
    assert (bodies["source"], bodies["count"]) == ("log traffic.ndjson", 12)
    for side in figures["endpoints"].values():
        assert (side["attempts"], side["warmup"]) == (11, 1)
        assert (side["correctness"]["bodies"], side["correctness"]["compared"]) == (2, 11)
        assert side["correctness"]["changed"] == 0
    sent = {request.body for request in twins[0].requests if request.method == "POST"}
    assert sent == {json.dumps(dict(zip(card.feature_names, values, strict=True))).encode() for values in inputs}
    assert "a replay of traffic.ndjson at 5 times its speed" in " ".join(done.stdout.split())
    assert "changed answers" in done.stdout
    assert benchmark(*asked, "--body-from", "card").returncode == 0
    assert document(out)["manifest"]["bodies"]["source"] == f"card of {card.name}"
    refused = benchmark(*asked, "--correctness", "--max-requests", 31)
    assert refused.returncode == 2
    assert "32 requests, with those at rest, exceed the maximum of 31" in refused.stderr


@pytest.mark.slow
def test_an_export_of_cloud_logging_and_targets_of_vegeta_are_sent_with_what_they_lack(
    benchmark: Command, twins: Twins, tmp_path: Path, service: Service
) -> None:
    log, out, card = tmp_path / "log.json", tmp_path / "out.json", service.card
    request = {"requestMethod": "POST"}
    entries = [{"httpRequest": request, "timestamp": f"2026-01-02T03:04:0{at}Z"} for at in range(9, 1, -1)]
    log.write_text(json.dumps([*entries, {"logName": "x", "textPayload": "started"}]))
    done = benchmark("load", *endpoints(twins[0]), "--replay", log, "--speed", 50, "--json", out)
    assert done.returncode == 0, done.stderr
    assert "1 entries of log.json are not predictions and are left out" in done.stderr
    figures = document(out)
    assert figures["endpoints"]["api"]["attempts"] == 8
    assert figures["manifest"]["bodies"]["source"] == f"card of {card.name}"
    body = json.dumps(dict(zip(card.feature_names, card.presets[0].values, strict=True))).encode()
    target = {"method": "POST", "url": "http://x/predict", "body": base64.b64encode(body).decode()}
    log.write_text(json.dumps(target))
    asked = ("load", *endpoints(twins[0]), "--replay", log, "--json", out)
    assert "--replay log.json has no times: give --rate or --stage too" in benchmark(*asked).stderr
    assert benchmark(*asked, "--stage", "200ms:50").returncode == 0
    assert document(out)["manifest"]["bodies"] | {"sha256": ""} == {"source": "log log.json", "count": 1, "sha256": ""}


def test_a_log_that_cannot_be_replayed_is_refused_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    good = [{"time": at, "body": {"a": 1}} for at in (0, 100_000)]

    def refused(*arguments: str, entries: list[Any] = good) -> str:
        log.write_text("\n".join(map(json.dumps, entries)))
        asked = ["load", "--endpoint", "api=http://127.0.0.1:1", "--results", str(tmp_path), *arguments]
        assert main(asked) == 2
        assert not Store(tmp_path).runs()
        said = capsys.readouterr().err
        assert len(said.splitlines()) == 1
        return said

    replay = ("--replay", str(log))
    assert "line 2 is no entry" in refused(*replay, entries=[good[0], {}])
    assert "a log of at most 24 h at this speed, not 27.78 h" in refused(*replay)
    assert "requests/s in total exceed the maximum" in refused(*replay, "--max-rate", "0.5", "--speed", "100")
    assert "2 requests exceed the maximum of 1" in refused(*replay, "--max-requests", "1", "--speed", "10")
    assert "--speed 0.05: must be from 0.1 to 100" in refused(*replay, "--speed", "0.05")
    assert "--speed requires --replay" in refused("--speed", "2")
    assert "--replay has its own times" in refused(*replay, "--rate", "2")
    assert "--replay has its own times" in refused(*replay, "--stage", "1s:2")
    assert "--replay is an open loop" in refused(*replay, "--concurrency", "2")
    assert "is not a file" in refused("--replay", str(tmp_path / "none"))
    assert "its bodies have no names, and no endpoint gives a model card" in refused(
        *replay, entries=[{"time": 0, "body": {"features": [1]}}]
    )


def test_a_replay_without_its_log_is_refused(tmp_path: Path) -> None:
    order = Order(ReplayPlan("log", "", 10, 1.0, 10.0), (Endpoint("api", "API", "http://127.0.0.1:1"),), "abcd1234")
    with pytest.raises(PlanError, match="a replay needs its log, log"):
        kind_named("load").prepare(order, Store(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--stage", "30s"), "--stage 30s: must be like 30s:10"),
        (("--stage", "30d:10"), "--stage 30d:10: must be like 30s:10"),
        (("--stage", "1s:1", "--rate", "5"), "--stage has its own rate and duration"),
        (("--stage", "1s:1", "--concurrency", "5"), "--concurrency is a closed loop"),
        (("--arrivals", "gamma"), "--arrivals gamma: must be poisson, constant, or gamma with a burstiness"),
        (("--arrivals", "gamma:0"), "a burstiness from 0.01 to 100"),
        (("--arrivals", "weibull:1"), "--arrivals weibull:1: must be"),
        (("--abort", "p95>5"), "--abort p95>5: must be like error_rate>0.05"),
        (("--abort-window", "0"), "an abort window from 1 to 3600 s"),
        (("--goodput-ms", "-1"), "a goodput limit above 0 ms"),
    ],
)
def test_a_load_that_makes_no_sense_is_refused_in_a_line(
    arguments: tuple[str, ...], what: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = ["load", "--endpoint", "api=http://127.0.0.1:1", "--results", str(tmp_path), *arguments]
    assert main(asked) == 2
    assert what in capsys.readouterr().err
    assert not Store(tmp_path).runs()


def test_progress_can_be_read_by_a_program(benchmark: Command, twins: Twins) -> None:
    done = benchmark("load", *endpoints(twins[0]), "--rate", 30, "--duration", 2, "--progress", "json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    counted = [line["done"] for line in lines[:-1]]
    assert counted == sorted(counted)
    assert counted[-1] > 0
    assert lines[-1]["state"] == "finished"


def test_a_token_is_sent_and_never_recorded(benchmark: Command, twins: Twins, results: Path) -> None:
    done = benchmark("compare", *endpoints(*twins), "--pairs", 5, API_TOKEN="sesame-open")  # noqa: S106
    assert done.returncode == 0, done.stderr
    assert twins[0].requests[-1].headers["authorization"] == "Bearer sesame-open"
    assert "authorization" not in twins[1].requests[-1].headers
    assert "sesame" not in done.stdout + done.stderr
    assert b"sesame" not in b"".join(path.read_bytes() for path in results.rglob("*") if path.is_file())


def test_a_selftest_says_what_can_be_resolved_and_later_claims_are_held_to_it(
    benchmark: Command, twins: Twins, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    done = benchmark("selftest", "--runs", 3, "--pairs", 30, "--endpoint", f"api={twins[0].url}", "--json", out)
    assert done.returncode == 0, done.stderr
    found = document(out)
    assert found["resolution_ms"] > 0
    assert found["floor_ms"] > 0
    assert found["endpoints"]["api"]["resolution_ms"] > 0
    assert len(found["differences_ms"]) == len(found["endpoints"]["api"]["differences_ms"]) == 3
    assert found["pairs"] == [30] * 3
    assert "In 3 runs of 30 pairs it differed from itself by " in done.stdout
    benchmark("compare", *endpoints(*twins), "--pairs", 10, "--json", out)
    held_to = document(out)["manifest"]["resolution_ms"]
    assert held_to == max(found["resolution_ms"], found["endpoints"]["api"]["resolution_ms"])


def test_an_endpoint_may_be_called_like_a_figure(benchmark: Command, twins: Twins) -> None:
    done = benchmark(
        "selftest", "--runs", 3, "--pairs", 20, "--endpoint", f"resolution_ms={twins[0].url}", "--json", "-"
    )
    found = json.loads(done.stdout)  # and nothing else is there
    assert found["resolution_ms"] > 0
    assert found["endpoints"]["resolution_ms"]["resolution_ms"] > 0
    assert "Smaller differences" in done.stderr


def test_a_selftest_that_is_cancelled_is_no_result(
    environ: Mapping[str, str], twins: Twins, results: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    command = ["selftest", "--runs", "3", "--pairs", "30000", "--endpoint", f"api={twins[0].url}", "--json", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmark", *command], env=dict(environ), stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (
        (known := Store(results).runs()) and int(known[0].progress.get("done", 0)) > 50
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "it was cancelled before its end" in errors
    assert not out.exists()
    assert not twins[0].requests  # the next one was not begun


def test_a_selftest_without_an_answer_has_no_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nobody: str
) -> None:
    @contextmanager
    def null_server() -> Iterator[str]:
        yield nobody

    monkeypatch.setattr("benchmark.commands.selftest.null_server", null_server)
    out = tmp_path / "out.json"
    assert main(["selftest", "--runs", "3", "--pairs", "5", "--json", str(out), "--results", str(tmp_path)]) == 2
    found = document(out)
    assert found["floor_ms"] is found["resolution_ms"] is None


@pytest.mark.slow
def test_interrupting_what_measures_nothing_yet_is_no_traceback(environ: Mapping[str, str], serve: Serve) -> None:
    def conversation(connection: Connection) -> None:
        connection.receive()
        connection.hold()

    silent = serve(conversation)
    asked = ["compare", "--endpoint", f"a={silent.url}", "--endpoint", f"b={silent.url}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmark", *asked], env=dict(environ), stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not silent.requests and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")


def test_who_stops_reading_gets_no_traceback(environ: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "benchmark", "simulate", "--json", "-"]
    with subprocess.Popen(command, env=dict(environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (141, b"")


def test_json_on_standard_output_is_alone_there(benchmark: Command, twins: Twins) -> None:
    done = benchmark("compare", *endpoints(*twins), "--pairs", 10, "--json", "-")
    assert json.loads(done.stdout)["kind"] == "compare"


def test_a_simulation_finds_the_difference_that_is_there(benchmark: Command, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = benchmark("simulate", "--difference-pct", 20, "--record", "--json", out)
    assert done.returncode == 0, done.stderr
    figures = document(out)
    assert figures["verdict"]["winner"] == "first"
    assert figures["difference"]["low_ms"] <= -10 * 0.8
    shown = benchmark("show", figures["id"], "--json", "-")
    assert json.loads(shown.stdout) == figures


@pytest.mark.slow
def test_reading_the_record(benchmark: Command, tmp_path: Path, results: Path) -> None:
    for difference in (0, 30):
        benchmark("simulate", "--difference-pct", difference, "--pairs", 100, "--record")
    listed = json.loads(benchmark("runs", "--json").stdout)
    assert [run["kind"] for run in listed] == ["compare", "compare"]
    second, first = (run["id"] for run in listed)
    assert first in benchmark("runs").stdout
    assert "verdict" in benchmark("diff", first, second).stdout
    whole = tmp_path / "run.json"
    assert benchmark("export", second, "--format", "json", "--output", whole).returncode == 0
    elsewhere = {"RESULTS_DIR": os.fspath(tmp_path / "elsewhere")}
    assert benchmark("import", whole, **elsewhere).stdout.strip() == second
    here, there = (benchmark("show", second, "--json", "-", **where).stdout for where in ({}, elsewhere))
    assert json.loads(there) == json.loads(here) | {"imported": True}
    assert [run["imported"] for run in json.loads(benchmark("runs", "--json", **elsewhere).stdout)] == [True]
    assert f"Run {second} was imported" in benchmark("show", second, **elsewhere).stderr
    assert benchmark("import", whole, **elsewhere).returncode == 2  # it is there already
    junit, markdown = tmp_path / "junit.xml", tmp_path / "gate.md"
    kept = benchmark("gate", second, "--slo", "first.p95_ms<500", "--junit", junit, "--markdown", markdown)
    assert kept.returncode == 0
    assert "first.p95_ms" in junit.read_text()
    assert "| yes |" in markdown.read_text()
    broken = benchmark("gate", second, "--slo", "first.p50_ms<1", "--non-inferior", "second:first:10%")
    assert broken.returncode == 1
    assert broken.stdout.count("BROKEN") == 2


def test_help_lists_every_command_and_each_explains_itself(benchmark: Command) -> None:
    listed = benchmark("--help").stdout
    for command in ("compare", "load", "selftest", "simulate", "runs", "show", "diff", "export", "import", "gate"):
        assert f"\n    {command} " in listed
        assert benchmark(command, "--help").returncode == 0


def test_a_page_that_is_no_json_is_counted_and_not_an_exception(
    benchmark: Command, serve: Serve, twins: Twins, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    strange = serve(always(reply(b"<html>", content_type="text/html")))
    done = benchmark("compare", *endpoints(twins[0], strange), "--pairs", 6, "--json", out)
    assert done.returncode == 0, done.stderr
    assert document(out)["endpoints"]["function"]["errors"] == {"bad_json": 6}


def test_a_months_cost_is_computed_from_what_a_run_measured(benchmark: Command, tmp_path: Path) -> None:
    benchmark("simulate", "--base-ms", 40, "--record")
    (run,) = json.loads(benchmark("runs", "--json").stdout)
    out = tmp_path / "cost.json"
    asked = ("cost", "--requests-per-month", 10_000_000, "--concurrency", 1)
    assert benchmark(*asked, "--run", run["id"], "--endpoint", "first", "--json", out).returncode == 0
    measured = document(out)["gross_usd"]
    # All of it is below 100 ms, to which each request is rounded up at one request at a time.
    assert benchmark(*asked, "--service-ms", 100, "--json", out).returncode == 0
    assert measured == pytest.approx(document(out)["gross_usd"], rel=0.01)
    assert "no endpoint api" in benchmark(*asked, "--run", run["id"], "--endpoint", "api").stderr
