"""`python -m benchmark coldstart` as it is run: real processes, a record that survives, and statuses that say it."""

import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmark.__main__ import main
from benchmark.coldstart.measure import drop_page_cache
from benchmark.coldstart.plan import KIND
from benchmark.coldstart.summary import ColdSummary, summarise
from benchmark.endpoints.catalog import Served
from benchmark.endpoints.sample import Failure
from benchmark.record.recording import load_samples
from benchmark.record.run import RunState
from benchmark.record.samples import Samples
from benchmark.record.store import Store, StoreError, UnknownRun
from deploy.stage_function import stage
from inference.card import ModelCard
from inference.settings import ServingSettings
from tests.benchmark.coldstart.conftest import Platform
from tests.benchmark.conftest import Serve
from tests.benchmark.little_server import always, closed_port, json_reply, serving
from tests.benchmark.metrics_text import tea_service
from tests.servers import PYTHON, ROOT
from tools.processes import bare_environ

TINY = f"{PYTHON} -S -E {Path(__file__).parents[1] / 'tiny_server.py'}"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def rows(tmp_path: Path) -> str:
    """What is sent to a server that has no model card."""
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n1,2\n")
    return str(file)


@pytest.fixture
def coldstart(results: Path, rows: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the command; gives its status and what it said on stderr."""

    def coldstart(*arguments: str) -> tuple[int, str]:
        status = main(["coldstart", "--results", str(results), "--body-from", rows, "--progress", "none", *arguments])
        return status, capsys.readouterr().err

    return coldstart


def last(results: Path) -> tuple[ColdSummary, Samples]:
    store = Store(results)
    run = store.runs(1)[0]
    samples, _ = load_samples(store, run.id)
    return summarise(run, samples), samples


# --- The ladder, on a platform whose threshold is known


def test_the_ladder_recovers_the_known_threshold(
    coldstart: Callable[..., tuple[int, str]], platform: Platform, results: Path
) -> None:
    idle_s = 0.5
    url, _ = platform(idle_s)
    status, said = coldstart("--endpoint", f"api={url}", "--idle", "20ms,100ms,0.9s", "--repeats", "2", "--warm", "2")
    assert status == 0, said
    summary, samples = last(results)
    (side,) = summary.endpoints
    assert side.has_evidence
    assert side.threshold is not None
    assert side.threshold.sharp
    assert side.threshold.low_s < idle_s < side.threshold.high_s
    assert [gap.cold for gap in side.gaps] == [0, 0, 2]
    assert all((probe.idle_s or 0) >= (probe.planned_idle_s or 0) for probe in side.probes)
    assert samples["warmup"].sum() == 1  # the request that made sure that an instance was there
    assert summary.verdict is None


@pytest.mark.slow
def test_without_evidence_a_cold_start_is_suspected(
    coldstart: Callable[..., tuple[int, str]], platform: Platform, results: Path
) -> None:
    url, _ = platform(0.5, SAYS="nothing", SLEEP_S="0.4")
    status, said = coldstart("--endpoint", f"api={url}", "--idle", "20ms,0.9s", "--repeats", "2", "--warm", "3")
    assert status == 0, said
    (side,) = last(results)[0].endpoints
    assert side.cold_word == "suspected cold"
    assert [gap.cold for gap in side.gaps] == [0, 2]


# --- Spawned programs


def test_spawned_programs_are_split_and_compared(
    coldstart: Callable[..., tuple[int, str]],
    results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tea: ModelCard,
) -> None:
    monkeypatch.setenv("CARD", json.dumps(dict(tea.document)))
    slow = f"/bin/sh -c 'SLEEP_S=0.3 exec {TINY}'"
    figures = tmp_path / "figures.json"
    status, said = coldstart(
        *("--command", f"api={TINY}", "--command", f"function={slow}", "--body-from", "card"),
        *("--repeats", "6", "--warm", "1", "--json", str(figures)),
    )
    assert status == 0, said
    document = json.loads(figures.read_text())
    api, function = document["endpoints"]["api"], document["endpoints"]["function"]
    assert api["cold_ms"]["p50"]["n"] == function["cold_ms"]["p50"]["n"] == 6
    assert api["split_ms"]["model"] == 2
    assert function["split_ms"]["imports"] > 298
    assert document["verdict"]["winner"] == "api"
    assert document["verdict"]["state"] == "cold"
    assert last(results)[0].run.manifest["endpoints"][0]["command"] == TINY.split()
    assert main(["show", last(results)[0].run.id, "--results", str(results)]) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("wanted", "runtime"), [("auto", "linear"), ("sklearn", "sklearn")])
def test_the_two_programs_as_they_are_deployed(
    results: Path, tmp_path: Path, iris_dir: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, runtime: str
) -> None:
    monkeypatch.setenv("MODEL_RUNTIME", wanted)
    stage(tmp_path / "function", ServingSettings.from_env({}, default_model_dir=iris_dir))
    monkeypatch.setenv("MODEL_DIR", str(iris_dir))
    arguments = ["--repeats", "1", "--warm", "1", "--directory", f"function={tmp_path / 'function'}"]
    assert main(["coldstart", "--results", str(results), "--progress", "none", *arguments]) == 0
    summary, _ = last(results)
    for side in summary.endpoints:
        assert side.runtime == runtime
        assert side.has_evidence
        assert len(side.cold_values_ms) == 1
        assert side.split is not None
        assert side.split.model_ms < side.split.imports_ms < side.cold_values_ms[0]
    assert summary.mismatches == ()
    assert "page cache warm" in " ".join(summary.conditions)


def test_a_program_that_cannot_start_is_not_measured(coldstart: Callable[..., tuple[int, str]], results: Path) -> None:
    status, said = coldstart("--command", f"api={sys.executable} -c 'import sys; sys.exit(\"no model\")'")
    assert status == 2
    assert "api ended with status 1 before its port was open: no model" in said
    assert Store(results).runs() == []


def test_where_the_page_cache_may_not_be_emptied_the_reason_is_given(tmp_path: Path) -> None:
    switch = tmp_path / "drop_caches"
    assert drop_page_cache(tmp_path / "nowhere" / "drop_caches") == "No such file or directory"
    assert drop_page_cache(switch) is None
    assert switch.read_text() == "3\n"


def test_a_page_cache_that_stays_warm_is_said_in_the_conditions(
    coldstart: Callable[..., tuple[int, str]], results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.runs.coldstart.drop_page_cache", lambda: "Permission denied")
    status, said = coldstart("--command", f"api={TINY}", "--repeats", "1", "--drop-caches")
    assert status == 0
    assert "could not be emptied (Permission denied)" in said
    assert any(
        "page cache warm: it could not be emptied (Permission denied)" in one for one in last(results)[0].conditions
    )


def test_a_start_that_takes_too_long_is_a_timeout_and_one_that_ends_is_not(
    coldstart: Callable[..., tuple[int, str]], results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.runs.coldstart.served_by", lambda targets, _: [Served() for _ in targets])
    programs = ("--command", "hangs=sleep 60", "--command", "ends=false")
    assert coldstart(*programs, "--repeats", "2", "--timeout", "0.3")[0] == 2
    hangs, ends = last(results)[0].endpoints
    assert [probe.failure for probe in hangs.probes] == [Failure.TIMEOUT] * 2
    assert hangs.failure_details == {"timeout": "had no open port after 0.3 s"}
    assert [probe.failure for probe in ends.probes] == [Failure.REFUSED] * 2


# --- What ends it at any moment


def children() -> list[psutil.Process]:
    """The programs of this process, among them what other tests share."""
    return psutil.Process().children()


@pytest.mark.parametrize(
    ("moment", "state"),
    [
        ("benchmark.coldstart.measure.Store.create_run", RunState.CANCELLED),
        ("benchmark.coldstart.measure.load_samples", RunState.CANCELLED),
        ("benchmark.coldstart.program.subprocess.Popen", RunState.CANCELLED),
        ("benchmark.coldstart.measure.Client.send", RunState.CANCELLED),
        ("benchmark.coldstart.measure.utc_now", RunState.CANCELLED),  # all is measured, and the outcome is put together
        ("benchmark.coldstart.measure.Store.finish", RunState.FINISHED),  # too late
    ],
)
def test_a_signal_at_any_moment_leaves_a_run_that_is_over_and_no_program(
    coldstart: Callable[..., tuple[int, str]],
    results: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    state: RunState,
) -> None:
    before = children()
    place, _, name = moment.rpartition(".")
    found = getattr(pkgutil.resolve_name(place), name)

    def interrupted(*arguments: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return found(*arguments, **options)

    monkeypatch.setattr("benchmark.runs.coldstart.served_by", lambda targets, _: [Served() for _ in targets])
    monkeypatch.setattr(moment, interrupted)
    try:
        coldstart("--command", f"api={TINY}", "--repeats", "2")
    except KeyboardInterrupt:
        pytest.fail("the signal ended the program")
    assert Store(results).runs()[0].state is state
    assert children() == before


def test_a_program_that_is_started_at_the_moment_of_a_signal_is_not_left_behind(
    coldstart: Callable[..., tuple[int, str]], results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = children()
    start = subprocess.Popen

    def interrupted(*arguments: Any, **options: Any) -> Any:
        process = start(*arguments, **options)
        signal.raise_signal(signal.SIGTERM)
        return process

    monkeypatch.setattr("benchmark.coldstart.program.subprocess.Popen", interrupted)
    status, said = coldstart("--command", f"api={TINY}")
    assert status == 2
    assert said.endswith("it was cancelled before it started\n")
    assert children() == before
    assert Store(results).runs() == []


def test_a_run_that_cannot_be_closed_at_first_is_not_left_running(
    coldstart: Callable[..., tuple[int, str]], results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Store.finish

    def busy(*_: Any) -> None:
        monkeypatch.setattr(Store, "finish", finish)
        raise StoreError("database is locked")

    monkeypatch.setattr(Store, "finish", busy)
    status, said = coldstart("--command", f"api={TINY}", "--repeats", "1", "--warm", "1")
    assert (status, "database is locked" in said) == (2, True)
    (run,) = Store(results).runs()
    assert run.state is RunState.FINISHED  # written at the second attempt
    assert "nothing to resume" in coldstart("--resume", run.id, "--command", f"api={TINY}")[1]


def test_a_record_that_cannot_be_written_for_a_while_ends_no_ladder(
    coldstart: Callable[..., tuple[int, str]], platform: Platform, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, refused = Store.append, list[str]()

    def busy(store: Store, run_id: str, chunk: bytes | None, progress: Mapping[str, Any], position: int) -> bool:
        # The first heartbeat, the first probe, and some of those after them.
        if len(refused) < 8:
            refused.append("probe" if chunk else "heartbeat")
            raise StoreError("database is locked")
        return append(store, run_id, chunk, progress, position)

    monkeypatch.setattr(Store, "append", busy)
    monkeypatch.setattr("benchmark.record.journal.RETRY_S", 0.0)
    monkeypatch.setattr("benchmark.coldstart.measure._HEARTBEAT_S", 0.05)
    url, _ = platform(30)
    status, said = coldstart("--endpoint", f"api={url}", "--idle", "100ms,300ms", "--repeats", "2", "--warm", "1")
    assert status == 0, said
    assert len(refused) == 8
    assert "probe" in refused
    summary, samples = last(results)
    assert summary.run.state is RunState.FINISHED
    assert [probe.step for probe in summary.endpoints[0].probes] == [0, 1, 2, 3]
    assert (len(samples), samples["warmup"].sum()) == (1 + 4 * 2, 1)  # each request once, whatever was tried again
    assert all(probe.idle_s is not None for probe in summary.endpoints[0].probes)


def test_a_record_that_can_never_be_written_is_said_in_the_end(
    coldstart: Callable[..., tuple[int, str]], results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise StoreError("disk is full")

    for writing in ("append", "add_chunks"):
        monkeypatch.setattr(Store, writing, full)
    status, said = coldstart("--command", f"api={TINY}", "--repeats", "1", "--warm", "1")
    assert (status, "disk is full" in said) == (2, True)
    assert Store(results).runs()[0].state is RunState.FAILED


def test_a_run_that_was_deleted_meanwhile_is_not_gone_on_with(
    coldstart: Callable[..., tuple[int, str]], platform: Platform, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Store.append

    def deleted(store: Store, *arguments: Any) -> bool:
        with suppress(UnknownRun):
            store.delete_run(arguments[0])
        return append(store, *arguments)

    monkeypatch.setattr(Store, "append", deleted)
    status, said = coldstart("--endpoint", f"api={platform(30)[0]}", "--idle", "1h", "--repeats", "1")
    assert (status, "there is no run" in said) == (2, True)


# --- What is cut off goes on


def started(results: Path, rows: str, *arguments: str) -> "subprocess.Popen[bytes]":
    command = [
        str(PYTHON),
        "-m",
        "benchmark",
        "coldstart",
        "--results",
        str(results),
        "--body-from",
        rows,
        "--progress",
        "none",
    ]
    return subprocess.Popen(
        [*command, "--run-id", "abcd1234", *arguments], cwd=ROOT, env=bare_environ(), stderr=subprocess.DEVNULL
    )


def await_probes(store: Store, count: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if store.run("abcd1234").progress.get("done", 0) >= count:
                return
        except StoreError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_cut_off_is_resumed_without_a_gap_or_a_double(
    coldstart: Callable[..., tuple[int, str]], platform: Platform, results: Path, rows: str, sign: signal.Signals
) -> None:
    url, _ = platform(30)
    process = started(
        results, rows, "--endpoint", f"api={url}", "--idle", "150ms,300ms", "--repeats", "3", "--warm", "1"
    )
    store = Store(results)
    await_probes(store, 2)
    process.send_signal(sign)
    assert process.wait(20) == (0 if sign == signal.SIGTERM else -sign)
    before = store.run("abcd1234")
    assert before.state is (RunState.CANCELLED if sign == signal.SIGTERM else RunState.RUNNING)

    status, said = coldstart("--resume", "abcd1234", "--endpoint", f"api={url}")

    assert status == 0, said
    summary, samples = last(results)
    assert (summary.run.state, summary.run.kind) == (RunState.FINISHED, KIND)
    assert [probe.step for probe in summary.endpoints[0].probes] == list(range(6))
    assert [gap.share.n for gap in summary.endpoints[0].gaps] == [3, 3]
    assert len(samples[~samples["warmup"]]) == 12
    assert samples["warmup"].sum() == 2  # each part made sure that an instance was there
    assert list(samples["sent_ms"]) == sorted(samples["sent_ms"])
    assert "nothing to resume" in coldstart("--resume", "abcd1234", "--endpoint", f"api={url}")[1]


def test_a_run_that_waits_says_that_it_goes_on_and_cannot_be_resumed(
    coldstart: Callable[..., tuple[int, str]], platform: Platform, results: Path, rows: str
) -> None:
    endpoint = ("--endpoint", f"api={platform(30)[0]}")
    process = started(results, rows, *endpoint, "--idle", "20s", "--repeats", "1")
    store = Store(results)
    try:
        await_probes(store, 0)
        deadline = time.monotonic() + 20
        while store.run("abcd1234").progress.get("elapsed_s", 0) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert store.run("abcd1234").progress["phase"] == "waiting: 20 s without a request"
        assert store.process("abcd1234") == process.pid != os.getpid()
        status, said = coldstart("--resume", "abcd1234", *endpoint)
        assert status == 2
        assert "is running, so there is nothing to resume" in said
    finally:
        process.terminate()
        process.wait(20)


# --- Forced


def test_a_forced_instance_has_its_own_command_each_time(
    coldstart: Callable[..., tuple[int, str]], serve: Serve, results: Path, tmp_path: Path
) -> None:
    server = serve(serving(tea_service()))
    noted = tmp_path / "noted"
    force = f'echo "$FORCE_ENDPOINT $FORCE_ID" >> {noted}'
    endpoint = ("--endpoint", f"api={server.url}", "--endpoint", f"function={server.url}")
    status, said = coldstart(*endpoint, "--force", force, "--repeats", "3", "--body-from", "card")
    assert status == 0, said
    lines = [line.split() for line in noted.read_text().splitlines()]
    assert sorted(key for key, _ in lines) == ["api"] * 3 + ["function"] * 3
    assert len({unique for _, unique in lines}) == 6
    summary, _ = last(results)
    assert any("not scaling from zero" in clause for clause in summary.conditions)
    assert "echo" not in json.dumps(dict(summary.run.manifest))  # a command may hold a secret


def test_a_command_that_fails_ends_the_run_which_can_be_resumed(
    coldstart: Callable[..., tuple[int, str]], serve: Serve, results: Path, tmp_path: Path
) -> None:
    server = serve(serving(tea_service()))
    broken = tmp_path / "broken"
    force = f"test ! -e {broken} && test $(wc -l < {tmp_path}/n) -lt 2 && echo x >> {tmp_path}/n"
    (tmp_path / "n").write_text("")
    again = ("--endpoint", f"api={server.url}", "--body-from", "card")
    status, said = coldstart(*again, "--force", force, "--repeats", "4")
    assert status == 2
    assert "forces a new instance of api ended with status 1" in said
    assert "--resume" in said
    summary, _ = last(results)
    assert summary.run.state is RunState.FAILED
    assert len(summary.endpoints[0].probes) == 2

    status, said = coldstart("--resume", summary.run.id, *again)
    assert (status, "give --force again" in said) == (2, True)
    assert coldstart("--resume", summary.run.id, *again, "--force", "true")[0] == 0
    assert len(last(results)[0].endpoints[0].probes) == 4


# --- What is not asked for properly


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--endpoint", "api=http://127.0.0.1:1"], "how --endpoint gets a new instance"),
        (["--idle", "1m"], "need --endpoint"),
        (["--endpoint", "api=http://127.0.0.1:1", "--idle", "soon"], "idle gaps are like"),
        (["--endpoint", "api=http://127.0.0.1:1", "--idle", "1s", "--force", "true"], "cannot be combined"),
        (["--endpoint", "api=http://127.0.0.1:1", "--force"], "--force needs a command"),
        (["--endpoint", "api=https://example.org", "--idle", "1s"], "--allow-host"),
        (["--endpoint", "api=http://127.0.0.1:1", "--idle", "1s", "--drop-caches"], "leave out --endpoint"),
        (["--command", "api"], "must be NAME=VALUE"),
        (["--command", "api='"], "No closing quotation"),
        (["--directory", "other=/tmp", "--command", f"api={TINY}"], "no command has this name"),
        (["--directory", "function=/nowhere"], "make stage-function"),
        (["--repeats", "0", "--command", f"api={TINY}"], "from 1 to 1000 repeats"),
        (["--resume", "ffff"], "there is no run"),
        (["--resume", "ffff", "--idle", "1s"], "leave out --idle"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    coldstart: Callable[..., tuple[int, str]],
    results: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    reason: str,
) -> None:
    monkeypatch.delenv("FORCE_COMMAND", raising=False)
    status, said = coldstart(*arguments)
    assert (status, Store(results).runs()) == (2, [])
    assert reason in said


def test_where_nobody_answers_nothing_was_measured(coldstart: Callable[..., tuple[int, str]], results: Path) -> None:
    with closed_port() as url:
        status, _ = coldstart("--endpoint", f"api={url}", "--idle", "10ms", "--repeats", "2")
    assert status == 2
    assert last(results)[0].endpoints[0].failed == 2


def test_an_answer_that_is_none_is_a_failure(
    coldstart: Callable[..., tuple[int, str]], serve: Serve, results: Path
) -> None:
    server = serve(always(json_reply({"sorry": True}, 503)))
    status, _ = coldstart("--endpoint", f"api={server.url}", "--idle", "10ms", "--repeats", "2", "--warm", "0")
    assert status == 2
    side: Any = last(results)[0].endpoints[0]
    assert {probe.failure.value for probe in side.probes} == {"5xx"}
