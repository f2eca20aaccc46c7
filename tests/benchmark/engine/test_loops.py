"""The loops that send: in which order, when, how many at once, and how they end."""

import asyncio
import json
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import pytest

from benchmark.endpoints.bodies import Bodies, from_card
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import utc_now
from benchmark.engine.client import Client
from benchmark.engine.execute import ask, execute, make_manifest
from benchmark.engine.generator import Watch
from benchmark.engine.overhead import NullServerError
from benchmark.engine.pace import Pace
from benchmark.record.database import BUSY_TIMEOUT_S
from benchmark.record.plan import (
    AbortRule,
    ClosedLoopPlan,
    ComparePlan,
    LoadPlan,
    OpenLoopPlan,
    Plan,
    PlanError,
    ReplayPlan,
    Stage,
    StagedPlan,
    to_document,
)
from benchmark.record.recording import HEARTBEAT_S, load_samples
from benchmark.record.run import Run, RunState, new_run_id
from benchmark.record.runs import LOST_AFTER_S
from benchmark.record.samples import Row, Samples, response_ms
from benchmark.record.store import Store, StoreError
from benchmark.summary.summarise import summarise
from inference.card import ModelCard
from tests.benchmark.conftest import Serve
from tests.benchmark.little_server import Connection, LittleServer, Request, always, answering, json_reply

GOOD = json_reply({"prediction": 1})

Measure = Callable[..., tuple[Run, Samples]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def measure(store: Store, tea: ModelCard) -> Measure:
    """Carry out a plan against these servers, in this process."""

    def measure(
        plan: Plan, servers: Sequence[LittleServer], bodies: Bodies | None = None, **more: Any
    ) -> tuple[Run, Samples]:
        bodies = bodies or from_card(tea)
        endpoints = [
            Endpoint(key, key.upper(), server.url) for key, server in zip(("api", "function"), servers, strict=False)
        ]
        manifest = make_manifest(endpoints, ask(endpoints), to_document(plan), bodies, tea)
        for server in servers:
            server.requests.clear()  # what was asked about the card is not measured
        run = Run(new_run_id(), plan.kind, "", RunState.RUNNING, utc_now(), manifest)
        ended = execute(run, endpoints, bodies, tea, store, **more)
        return ended, load_samples(store, run.id)[0]

    return measure


# --- Pairs


def test_pairs_send_the_same_body_to_both_and_wait_for_each_answer(measure: Measure, serve: Serve) -> None:
    servers = [serve(always(GOOD)), serve(always(GOOD))]
    run, samples = measure(ComparePlan(pairs=40, warmup=5), servers)
    assert run.state is RunState.FINISHED
    assert len(samples) == 90
    assert samples["warmup"].sum() == 10
    assert [request.body for request in servers[0].requests] == [request.body for request in servers[1].requests]
    # One request in flight: none is sent before the one before it has ended.
    ended = samples["sent_ms"] + samples["service_ms"]
    assert (samples["sent_ms"][1:] >= ended[:-1] - 1e-3).all()


def test_the_order_within_a_pair_is_drawn_anew_each_time(measure: Measure, serve: Serve) -> None:
    _, samples = measure(ComparePlan(pairs=60, warmup=0), [serve(always(GOOD)), serve(always(GOOD))])
    leaders = samples["endpoint"][::2]
    assert 15 < leaders.sum() < 45
    assert (np.diff(leaders.astype(int)) != 0).sum() > 15  # neither blocks nor one side first


def test_several_bodies_take_turns_by_chance(measure: Measure, serve: Serve) -> None:
    server = serve(always(GOOD))
    bodies = Bodies("test", (b'{"features": [1, 2, 3]}', b'{"features": [3, 2, 1]}'))
    measure(ComparePlan(pairs=40, warmup=0), [server, serve(always(GOOD))], bodies)
    sent = [request.body for request in server.requests]
    assert {*sent} == {*bodies.bodies}


def test_one_endpoint_down_is_counted_and_the_other_is_measured(measure: Measure, serve: Serve, store: Store) -> None:
    def conversation(connection: Connection) -> None:
        connection.receive()
        connection.reset()

    run, samples = measure(ComparePlan(pairs=20, warmup=0), [serve(conversation), serve(always(GOOD))])
    assert run.state is RunState.FINISHED
    failed = samples["failure"] != 0
    assert failed[samples["endpoint"] == 0].all()
    assert not failed[samples["endpoint"] == 1].any()
    assert run.outcome["failure_details"]["api"]["reset"]


def test_the_generator_is_judged_in_the_same_run(measure: Measure, serve: Serve) -> None:
    run, _ = measure(ComparePlan(pairs=20, warmup=0), [serve(always(GOOD)), serve(always(GOOD))])
    generator = run.outcome["generator"]
    assert generator["floor_ms"] > 0
    assert generator["loop_lag_ms"] >= 0
    assert generator["cpu"] > 0
    assert generator["late_ms"] is None  # a closed loop has no schedule


# --- Arrivals


def test_an_open_loop_goes_on_sending_while_the_server_stalls(measure: Measure, serve: Serve) -> None:
    over = threading.Event()
    count = began_ns = ended_ns = 0

    def end() -> None:
        nonlocal ended_ns
        ended_ns = perf_counter_ns()
        over.set()

    def answer(_: object) -> bytes:
        nonlocal count, began_ns
        count += 1
        if count == 20:
            # From here on for half a second nothing is answered, on whatever connection.
            began_ns = perf_counter_ns()
            threading.Timer(0.5, end).start()
        if count >= 20:
            over.wait()
        return GOOD

    plan = OpenLoopPlan(rate=100, duration_s=1.5, arrivals="constant", warmup=0)
    _, samples = measure(plan, [serve(answering(answer))])
    assert len(samples) == 150
    order = np.argsort(samples["scheduled_ms"])
    scheduled = samples["scheduled_ms"][order]
    assert np.allclose(np.diff(scheduled), 10, atol=0.01)
    # Those that were due in the first half of the stall waited for the other half at least, and most did not wait.
    stall_ms = (ended_ns - began_ns) / 1e6
    response = response_ms(samples)[order]
    assert (response > stall_ms / 2).sum() >= stall_ms / 2 / 10 - 3
    assert np.median(response) < stall_ms / 2


def test_a_closed_loop_hides_the_same_stall(measure: Measure, serve: Serve) -> None:
    count, stall_ms = 0, 0.0

    def answer(_: object) -> bytes:
        nonlocal count, stall_ms
        count += 1
        if count == 20:
            began_ns = perf_counter_ns()
            time.sleep(0.5)
            stall_ms = (perf_counter_ns() - began_ns) / 1e6
        return GOOD

    _, samples = measure(ClosedLoopPlan(concurrency=1, total=150, warmup=0), [serve(answering(answer))])
    assert len(samples) == 150
    assert (samples["service_ms"] >= stall_ms).sum() == 1


def test_constant_arrivals_go_to_both_endpoints_in_turn_so_that_neither_leads(measure: Measure, serve: Serve) -> None:
    plan = OpenLoopPlan(rate=50, duration_s=0.6, arrivals="constant", warmup=0)
    _, samples = measure(plan, [serve(always(GOOD)), serve(always(GOOD))])
    due = np.sort(samples, order="scheduled_ms")
    assert due["endpoint"].tolist() == [0, 1] * 30
    assert np.diff(due["scheduled_ms"]) == pytest.approx(10, abs=0.01)


def test_response_time_counts_from_the_schedule(measure: Measure, serve: Serve) -> None:
    _, samples = measure(OpenLoopPlan(rate=200, duration_s=0.5, warmup=0), [serve(always(GOOD))])
    assert (response_ms(samples) >= samples["service_ms"] - 1e-3).all()
    assert (samples["sent_ms"] >= samples["scheduled_ms"]).all()


def test_the_first_requests_of_a_load_are_its_warm_up(measure: Measure, serve: Serve) -> None:
    _, samples = measure(OpenLoopPlan(rate=100, duration_s=0.5, warmup=7), [serve(always(GOOD)), serve(always(GOOD))])
    for position in (0, 1):
        mine = samples[samples["endpoint"] == position]
        assert sorted(mine["group"][mine["warmup"]].tolist()) == list(range(7))


def test_callers_keep_their_number_in_flight(measure: Measure, serve: Serve) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def answer(_: object) -> bytes:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return GOOD

    _, samples = measure(ClosedLoopPlan(concurrency=4, total=40, warmup=0), [serve(answering(answer))])
    assert len(samples) == 40
    assert most == 4


@pytest.fixture
def few_files() -> Iterator[None]:
    """This process may open 150 files for now, and as many as usual once it asks for them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (150, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_files")
def test_many_callers_do_not_run_out_of_files(measure: Measure, serve: Serve) -> None:
    def answer(_: object) -> bytes:
        time.sleep(0.1)
        return GOOD

    _, samples = measure(ClosedLoopPlan(concurrency=200, total=200, warmup=0), [serve(answering(answer))])
    assert len(samples) == 200
    assert not samples["failure"].any()


def test_more_callers_than_there_can_be_files_are_refused_before_the_run(
    measure: Measure, serve: Serve, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    with pytest.raises(PlanError, match="3 callers need more than the 1 connections allowed"):
        measure(ClosedLoopPlan(concurrency=3, total=10, warmup=0), [serve(always(GOOD))])
    assert store.runs() == []
    _, samples = measure(OpenLoopPlan(rate=100, duration_s=0.1, warmup=0), [serve(always(GOOD))])
    assert not samples["failure"].any()  # one after the other, as there are files for no more


def test_a_replay_sends_each_request_of_the_log_to_every_endpoint_when_it_was_due(
    measure: Measure, serve: Serve
) -> None:
    servers = [serve(always(GOOD)), serve(always(GOOD))]
    times_s = np.sort(np.random.default_rng(1).uniform(0, 1, 40))
    bodies = Bodies("log", tuple(json.dumps({"a": at}).encode() for at in range(40)))
    plan = ReplayPlan("log", "", 40, 1.0, 40.0, speed=3.0, warmup=4)
    run, samples = measure(plan, servers, bodies, times_s=times_s)
    assert run.state is RunState.FINISHED
    for position, server in enumerate(servers):
        mine = np.sort(samples[samples["endpoint"] == position], order="group")
        assert mine["scheduled_ms"] == pytest.approx(times_s * 1000, abs=1e-3)
        assert mine["warmup"].tolist() == [True] * 4 + [False] * 36
        assert {request.body for request in server.requests} == set(bodies.bodies)
    first = samples[np.argsort(samples["sent_ms"])]["endpoint"][::2]
    assert 8 < first.sum() < 32  # neither endpoint always comes first


def test_answers_under_load_are_compared_with_those_at_rest(measure: Measure, serve: Serve, store: Store) -> None:
    count = 0

    def answer(_: Request) -> bytes:
        nonlocal count
        count += 1
        changed = count > 4 and count % 10 == 0  # the card has two inputs, each asked twice
        headers = [("X-Instance-Id", "bad" if changed else "good")]
        return json_reply({"prediction": 2 if changed else 1}, headers=headers)

    servers = [serve(always(GOOD)), serve(answering(answer))]
    bodies = Bodies("test", (b'{"a": 1}', b'{"a": 2}', b'{"a": 1}'))
    run, samples = measure(OpenLoopPlan(rate=100, duration_s=0.6, warmup=0, correctness=True), servers, bodies)
    sound, broken = summarise(store.run(run.id), samples).endpoints
    assert sound.correctness and broken.correctness
    assert (sound.correctness.bodies, sound.correctness.changed) == (2, 0)
    assert sound.correctness.compared == sound.attempts == len(servers[0].requests) - 4
    assert broken.correctness.changed == count // 10
    by_id = {instance: (compared, changed) for instance, compared, changed in broken.correctness.by_instance}
    assert by_id["good"][1] == 0 and by_id["bad"] == (count // 10, count // 10)


def test_a_run_that_asks_at_rest_says_that_it_goes_on(
    measure: Measure, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.engine.execute.HEARTBEAT_S", 0.05)
    phases = []
    append = Store.append

    def note(store: Store, run_id: str, chunk: bytes | None, progress: Any, position: int | None) -> bool:
        phases.append(progress["phase"])
        return append(store, run_id, chunk, progress, position)

    monkeypatch.setattr(Store, "append", note)

    def answer(_: Request) -> bytes:
        time.sleep(0.1)
        return GOOD

    measure(ClosedLoopPlan(1, 2, warmup=0, correctness=True), [serve(answering(answer))])
    assert "asking at rest" in phases and phases[-1] == "measuring"


# --- Ending


def test_a_signal_stops_sends_at_once_and_keeps_what_was_measured(measure: Measure, serve: Serve) -> None:
    server = serve(always(GOOD))
    stopped_ns = 0

    def stop() -> None:
        nonlocal stopped_ns
        deadline = time.monotonic() + 30
        while len(server.requests) < 30 and time.monotonic() < deadline:
            time.sleep(0.01)
        stopped_ns = perf_counter_ns()
        os.kill(os.getpid(), signal.SIGTERM)

    stopper = threading.Thread(target=stop)
    stopper.start()
    run, samples = measure(OpenLoopPlan(rate=50, duration_s=60, warmup=0), [server])
    took_s = (perf_counter_ns() - stopped_ns) / 1e9
    stopper.join()
    assert run.state is RunState.CANCELLED
    assert 25 <= len(samples) <= len(server.requests) <= 90
    assert took_s < 10


def test_a_request_that_hangs_does_not_delay_the_end(measure: Measure, serve: Serve) -> None:
    def conversation(connection: Connection) -> None:
        request = connection.receive()
        if request and request.method == "POST":
            os.kill(os.getpid(), signal.SIGINT)
            connection.hold()

    started = time.monotonic()
    plan = ComparePlan(pairs=5, warmup=0, timeout_s=100)
    run, samples = measure(plan, [serve(always(GOOD)), serve(conversation)])
    assert run.state is RunState.CANCELLED
    assert time.monotonic() - started < plan.timeout_s
    assert len(samples) <= 1


@pytest.mark.parametrize(
    "plan",
    [
        OpenLoopPlan(rate=100, duration_s=600, warmup=0, abort=(AbortRule("error_rate", 0.05),)),
        StagedPlan((Stage(0.5, 100), Stage(600, 0.01)), "constant", warmup=0, abort=(AbortRule("error_rate", 0.05),)),
        ClosedLoopPlan(concurrency=2, total=10**6, warmup=0, abort=(AbortRule("error_rate", 0.05),)),
    ],
    ids=["arrivals", "between two arrivals", "callers"],
)
def test_a_broken_limit_of_one_endpoint_stops_all_and_keeps_what_was_measured(
    measure: Measure, serve: Serve, store: Store, plan: LoadPlan
) -> None:
    count = 0

    def fail(_: Request) -> bytes:
        nonlocal count
        count += 1
        time.sleep(0.9 if count == 40 else 0.01)  # one is in flight when the others have exceeded the limit
        return json_reply({"detail": "no"}, status=500)

    servers = [serve(always(GOOD)), serve(answering(fail))]
    started = time.monotonic()
    run, samples = measure(plan, servers)
    assert time.monotonic() - started < 300
    assert run.state is store.run(run.id).state is RunState.ABORTED
    reason = store.run(run.id).outcome.reason
    assert reason and reason.startswith("error_rate>0.05: FUNCTION had 1 in the last 10 s (n = ")
    for position, server in enumerate(servers):  # everything that was sent was also waited for
        assert np.count_nonzero(samples["endpoint"] == position) == len(server.requests) > 0
    assert run.outcome.generator["floor_ms"] > 0


@pytest.mark.parametrize(
    "plan",
    [
        ComparePlan(pairs=20, warmup=0),
        OpenLoopPlan(rate=200, duration_s=0.2, warmup=0),
        ClosedLoopPlan(concurrency=4, total=20, warmup=0),
    ],
    ids=["pairs", "arrivals", "callers"],
)
def test_a_defect_of_ours_is_no_finished_run(
    measure: Measure, serve: Serve, store: Store, monkeypatch: pytest.MonkeyPatch, plan: Plan
) -> None:
    sent = Client.send

    async def send(client: Client, body: bytes, group: int, **how: Any) -> Row:
        if group == 5 and client.endpoint.key == "api":
            raise AssertionError("a defect")
        return await sent(client, body, group, **how)

    monkeypatch.setattr(Client, "send", send)
    with pytest.raises(AssertionError, match="a defect"):
        measure(plan, [serve(always(GOOD)), serve(always(GOOD))])
    (run,) = store.runs()
    assert run.state is RunState.FAILED
    assert len(load_samples(store, run.id)[0]) > 0


def test_a_failed_run_says_what_it_knows_though_its_last_samples_cannot_be_recorded(
    measure: Measure, serve: Serve, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    for writing in ("append", "add_chunks"):
        monkeypatch.setattr(Store, writing, full)
    named = json_reply({"prediction": 1}, headers=[("X-Instance-Id", "abc")])
    with pytest.raises(StoreError, match="full"):
        measure(ComparePlan(pairs=3, warmup=0), [serve(always(named)), serve(always(GOOD))])
    (run,) = store.runs()
    assert run.state is RunState.FAILED
    assert run.outcome["instances"] == ["abc"]


def test_a_signal_before_the_loop_is_up_cancels(
    measure: Measure, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def null_server() -> Iterator[str]:
        os.kill(os.getpid(), signal.SIGINT)
        raise NullServerError
        yield ""

    monkeypatch.setattr("benchmark.engine.overhead.null_server", null_server)
    before = signal.getsignal(signal.SIGINT)
    server = serve(always(GOOD))
    run, samples = measure(OpenLoopPlan(rate=50, duration_s=60, warmup=0), [server])
    assert run.state is RunState.CANCELLED
    assert len(samples) == len(server.requests) == 0
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_when_all_is_measured_does_not_keep_a_run_from_being_closed(
    measure: Measure, serve: Serve, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return load_samples(*arguments)

    monkeypatch.setattr("benchmark.engine.execute.load_samples", load)
    run, _ = measure(ComparePlan(pairs=3, warmup=0), [serve(always(GOOD)), serve(always(GOOD))])
    assert run.state is store.run(run.id).state is RunState.FINISHED


# --- The record meanwhile


def test_a_run_says_that_it_goes_on_while_it_waits_for_an_answer(
    measure: Measure, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.engine.loops.HEARTBEAT_S", 0.1)
    written = threading.Event()
    append = Store.append

    def note(store: Store, *arguments: Any) -> bool:
        wanted = append(store, *arguments)
        written.set()
        return wanted

    monkeypatch.setattr(Store, "append", note)

    def answer(request: Request) -> bytes:
        if request.method == "POST":
            assert written.wait(30)
        return GOOD

    _, samples = measure(
        ComparePlan(pairs=1, warmup=0, timeout_s=20), [serve(answering(answer)), serve(answering(answer))]
    )
    assert not samples["failure"].any()


def test_a_run_is_not_taken_for_lost_between_two_signs_of_life() -> None:
    assert HEARTBEAT_S + BUSY_TIMEOUT_S < LOST_AFTER_S


@pytest.mark.slow
def test_the_record_of_pairs_is_written_aside_and_is_no_lag(
    measure: Measure, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_s = 0.3
    monkeypatch.setattr("benchmark.engine.loops.FLUSH_EVERY_S", 0.05)
    append = Store.append

    def slowly(store: Store, *arguments: Any) -> bool:
        time.sleep(write_s)
        return append(store, *arguments)

    monkeypatch.setattr(Store, "append", slowly)

    def answer(_: object) -> bytes:
        time.sleep(0.01)
        return GOOD

    run, samples = measure(ComparePlan(pairs=25, warmup=0), [serve(answering(answer)), serve(answering(answer))])
    assert run.outcome["generator"]["loop_lag_ms"] < write_s * 1000 / 2
    ended = samples["sent_ms"] + samples["service_ms"]
    gaps_s = (samples["sent_ms"][1:] - ended[:-1]) / 1000
    assert (gaps_s > write_s * 0.9).sum() >= 3  # and nothing is in flight meanwhile


# --- Pace and watch


def test_nothing_is_sent_before_it_is_due() -> None:
    async def run() -> list[int]:
        late_ns = []
        with Pace() as pace:
            began_ns = perf_counter_ns()
            for number in range(60):
                due_ns = began_ns + number * 1_700_000
                await pace.until(due_ns)
                late_ns.append(perf_counter_ns() - due_ns)
        return late_ns

    assert min(asyncio.run(run())) >= 0


def test_a_blocked_loop_shows_as_lag() -> None:
    async def run(block_s: float) -> float:
        watch = Watch()
        for _ in range(8):
            await asyncio.sleep(0.02)
            time.sleep(block_s)
        return watch.stop().lag_ms

    assert asyncio.run(run(0.15)) > 50
