"""The sending process: shared, replaced when it dies, never longer alive than its dashboard, and fair."""

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from math import sqrt
from pathlib import Path
from statistics import mean, median, stdev

import psutil
import pytest

from benchmark.endpoints.sample import Failure
from benchmark.observation import process
from benchmark.observation.messages import Reply, Request, read_batch, read_replies, write_batch, write_replies
from benchmark.observation.observe import observe
from benchmark.observation.process import Postman
from benchmark.observation.sender import Batch, Sender, SenderError
from inference.card import ModelCard
from tests.benchmark.conftest import Serve, endpoint
from tests.benchmark.little_server import Connection, always, json_reply
from tests.servers import ROOT

MINIMAL = json_reply({"prediction": 0})
INPUTS = (5.0, 2.0, 3.5)
SOON_S = 0.5
FAR_S = 20.0


@pytest.fixture
def own() -> Iterator[Sender]:
    """A sender of this test alone, which may kill its process."""
    sender = Sender()
    yield sender
    sender.close()


def post(url: str, timeout_s: float = FAR_S) -> Request:
    return Request(f"{url}/predict", {}, b"{}", timeout_s)


def holding(connection: Connection) -> None:
    connection.receive()
    connection.hold()


def wait_until_gone(process_id: int) -> None:
    """Fails by the test's timeout."""
    while psutil.pid_exists(process_id) and psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)


# --- Messages


def test_any_bytes_survive_a_line() -> None:
    requests = [Request("http://a/", {"x": "ü\n"}, bytes(range(256)), 1.5)]
    assert read_batch(write_batch(7, requests)) == (7, requests)
    replies = [
        Reply(0, "now", 1.25, True, status=200, headers={"a": "\xff"}, body=bytes(range(256))),
        Reply(1, "now", 2.5, False, Failure.TLS, "detail"),
    ]
    assert read_replies(write_replies(7, replies)) == (7, replies)
    assert write_replies(7, replies).count(b"\n") == 1


# --- Life and death


def test_nothing_is_started_before_the_first_request_and_all_share_one_process(own: Sender, serve: Serve) -> None:
    assert own.process_id is None
    url = serve(always(MINIMAL)).url
    used: set[int | None] = set()
    for _ in range(3):
        (reply,) = own.send([post(url)]).wait()
        assert (reply.failure, reply.status) == (None, 200)
        used.add(own.process_id)
    assert len(used) == 1
    assert used != {os.getpid()}


def test_a_process_that_has_died_is_replaced_and_the_next_request_is_answered(own: Sender, serve: Serve) -> None:
    url = serve(always(MINIMAL)).url
    own.send([post(url)]).wait()
    first = own.process_id
    assert first
    os.kill(first, signal.SIGKILL)
    while own.process_id:
        time.sleep(0.01)
    (reply,) = own.send([post(url)]).wait()
    assert reply.status == 200
    assert own.process_id != first


def test_requests_on_their_way_when_the_process_dies_fail_and_are_not_repeated(own: Sender, serve: Serve) -> None:
    server = serve(holding)
    batch = own.send([post(server.url)])
    while not server.requests:
        time.sleep(0.01)
    assert own.process_id
    os.kill(own.process_id, signal.SIGKILL)
    with pytest.raises(SenderError, match="has ended"):
        batch.wait()
    assert len(server.requests) == 1


def test_a_process_that_hangs_is_replaced(own: Sender, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    url = serve(always(MINIMAL)).url
    own.send([post(url)]).wait()
    first = own.process_id
    assert first
    os.kill(first, signal.SIGSTOP)
    monkeypatch.setattr("benchmark.observation.sender._OVERDUE_S", 0.0)
    with pytest.raises(SenderError, match="did not reply"):
        own.send([post(url, timeout_s=SOON_S)]).wait()
    monkeypatch.undo()
    assert own.process_id is None
    (reply,) = own.send([post(url)]).wait()
    assert reply.status == 200


def test_a_program_that_cannot_start_says_so() -> None:
    for command in (["/nowhere/python"], [sys.executable, "-c", "raise SystemExit(3)"]):
        sender = Sender(command)
        with pytest.raises(SenderError, match="sending process"):
            sender.send([post("http://127.0.0.1:9")]).wait()
        sender.close()


DASHBOARD = """
import sys
from benchmark.observation.messages import Request
from benchmark.observation.sender import Sender

sender = Sender()
batch = sender.send([Request(sys.argv[1] + "/predict", {}, b"{}", 60.0)])
print(sender.process_id, flush=True)
batch.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_process_ends_with_the_dashboard_however_that_ends(serve: Serve, number: signal.Signals) -> None:
    server = serve(holding)
    command = [sys.executable, "-c", DASHBOARD, server.url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as dashboard:
        assert dashboard.stdout
        process_id = int(dashboard.stdout.readline())
        while not server.requests:
            time.sleep(0.01)
        assert psutil.pid_exists(process_id)
        dashboard.send_signal(number)
    wait_until_gone(process_id)


def test_the_process_imports_nothing_heavy() -> None:
    heavy = ("streamlit", "pandas", "numpy", "plotly", "scipy")
    script = f"import sys, benchmark.observation.process; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- TLS


def asked_over_tls(certificate: Path) -> tuple[Reply, int]:
    """The reply to a request to a server with this certificate, and how many requests reached it."""
    reached = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal reached
        with suppress(asyncio.IncompleteReadError, OSError):  # who does not trust the certificate goes away
            await reader.readuntil(b"\r\n\r\n")
            reached += 1
            writer.write(MINIMAL)
            await writer.drain()
        writer.close()

    async def run() -> list[Reply]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        replies: list[Reply] = []
        async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
            port = server.sockets[0].getsockname()[1]
            await Postman().send([post(f"https://localhost:{port}")], replies.extend)
        return replies

    (reply,) = asyncio.run(run())
    return reply, reached


def test_nothing_is_sent_to_a_server_whose_certificate_nobody_vouches_for(certificate: Path) -> None:
    reply, reached = asked_over_tls(certificate)
    assert (reply.failure, reply.status, reached) == (Failure.TLS, None, 0)


def test_a_trusted_server_answers_over_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusting = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(process, "_tls_context", lambda: trusting)
    reply, reached = asked_over_tls(certificate)
    assert (reply.failure, reply.status, reached) == (None, 200, 1)


# --- Many at once


def test_an_endpoint_that_hangs_keeps_nobody_else_waiting(own: Sender, serve: Serve) -> None:
    hung, healthy = serve(holding), serve(always(MINIMAL))
    stuck = [own.send([post(hung.url)]) for _ in range(50)]
    for _ in range(20):
        (reply,) = own.send([post(healthy.url)]).wait()
        assert (reply.failure, reply.status) == (None, 200)
    assert all(one.wait(0) == [] for one in stuck)


def test_hundreds_of_sessions_share_it(own: Sender, serve: Serve) -> None:
    urls = [serve(always(MINIMAL)).url for _ in range(2)]
    failures: list[Failure | None] = []

    def session() -> None:
        batch = own.send([post(url) for url in urls])
        while batch.pending:
            failures.extend(reply.failure for reply in batch.wait())

    threads = [threading.Thread(target=session) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [None] * 400


# --- Fairness


def test_replies_come_together_except_of_who_keeps_the_others_waiting(own: Sender, serve: Serve) -> None:
    quick = [serve(always(MINIMAL)).url for _ in range(2)]
    batch = own.send([post(url) for url in quick])
    assert len(batch.wait()) == 2
    slow = serve(holding).url
    batch = own.send([post(slow, timeout_s=2.0), *(post(url) for url in quick)])
    assert {reply.position for reply in batch.wait()} == {1, 2}
    (last,) = batch.wait()
    assert (last.position, last.failure) == (0, Failure.TIMEOUT)


class Noting(Sender):
    """Notes who leaves first instead of sending."""

    def __init__(self) -> None:
        super().__init__()
        self.first: list[str] = []

    def send(self, requests: Sequence[Request]) -> Batch:
        self.first.append(requests[0].url)
        raise SenderError("not sent")


def test_each_endpoint_leaves_first_in_half_of_the_comparisons(tea: ModelCard) -> None:
    sender, sides = Noting(), [endpoint(f"http://127.0.0.1:{port}", key) for port, key in ((1, "api"), (2, "function"))]
    for _ in range(400):
        with pytest.raises(SenderError):
            observe(sender, sides, tea, INPUTS)
    # Binomial with p = 1/2: 6.5 standard deviations on either side, once in 10 billion runs of this test.
    assert 135 < sender.first.count(sides[0].predict_url) < 265


def test_no_position_is_favoured_where_both_are_the_same_address(sender: Sender, serve: Serve, tea: ModelCard) -> None:
    url = serve(always(MINIMAL)).url
    sides = [endpoint(url, "api"), endpoint(url, "function")]
    differences: list[float] = []
    latencies: list[float] = []
    for _ in range(400):
        taken = {sample.endpoint: sample.latency_ms for sample in observe(sender, sides, tea, INPUTS)}
        differences.append(taken["api"] - taken["function"])
        latencies += taken.values()
    # Both threads of the server run in this process, so single requests wait for each other: extremes are cut off.
    kept = sorted(differences)[20:-20]
    margin = 1.96 * stdev(kept) / sqrt(len(kept))
    # One in twenty intervals misses 0 by chance, but by little.
    assert abs(mean(kept)) <= margin + 0.1 * median(latencies)
