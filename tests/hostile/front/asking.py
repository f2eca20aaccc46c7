"""The command line against hostile endpoints: every command that reads what an endpoint answers."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from inference.card import ModelCard
from tests.benchmark.altered import good
from tests.benchmark.little_server import Connection, Conversation, LittleServer, Request
from tests.hostile.front.command_line import OURS, Terminal
from tests.hostile.front.figures import Problem, Problems

_TIMEOUT = "0.5"
MOST_BYTES = 16 * 2**20
"""What sockets and kernel hold of an answer before its sender waits; a reader that keeps 100 MB takes all of it."""
_LIMIT_S = 60.0
MEASURED = ("answers ", "everything ", "every ", "sends ", "never ", "resets", "redirects ")
"""What is hostile in how it answers is also measured, which takes a second; the others differ in texts alone."""
_NULL_SERVER = (sys.executable, "-m", "benchmark.engine.null_server")
"""Against which the client's own share of a latency is measured."""
_ROWS = "leaf_length,leaf_width,steep_time\n3.0,1.0,2.0\n5.0,2.0,3.5\n"


def run_servers(terminal: Terminal, found: Mapping[str, Conversation], card: ModelCard) -> Problems:
    """The problems with each endpoint by the name of its case; a good one is beside it."""
    rows = terminal.directory / "rows.csv"
    rows.write_text(_ROWS)
    terminal.may_run = (_NULL_SERVER,)
    problems = {}
    with LittleServer(good(card)) as other:
        for name, conversation in found.items():
            counted, most = counting(conversation)
            with LittleServer(counted) as hostile:
                both = ("--endpoint", f"api={hostile.url}", "--endpoint", f"function={other.url}")
                _ask(terminal, both, rows, measured=name.startswith(MEASURED))
            found_here = terminal.taken_problems()
            if most() > MOST_BYTES:
                found_here.append(Problem("unbounded", f"took {most() / 2**20:.0f} MB of one answer"))
            problems[f"endpoint: {name}"] = found_here
    return problems


def run_tables(terminal: Terminal, tables: Mapping[str, bytes], card: ModelCard) -> Problems:
    """The problems of each CSV file with the commands that read one, by the name of its case."""
    terminal.may_run = (_NULL_SERVER,)
    file = terminal.directory / "rows.csv"
    problems = {}
    with LittleServer(good(card)) as one, LittleServer(good(card)) as other:
        both = ("--endpoint", f"api={one.url}", "--endpoint", f"function={other.url}")
        for name, data in tables.items():
            file.write_bytes(data)
            answers = file.with_name("answers.csv")
            terminal.type("agree", *both, "--rows", str(file), "--grid", "0", "--csv", str(answers), limit_s=_LIMIT_S)
            sent = ("--body-from", str(file), "--results", str(terminal.results))
            terminal.type("coldstart", *both, *sent, "--idle", "1ms", "--repeats", "1", "--warm", "0")
            terminal.type("cost", "--shape", str(file), "--service-ms", "5")
            problems[f"table: {name}"] = terminal.taken_problems()
    return problems


def _ask(terminal: Terminal, both: tuple[str, ...], rows: Path, *, measured: bool) -> None:
    common = (*both, "--timeout", _TIMEOUT)
    results = ("--results", str(terminal.results), "--progress", "auto")
    body = ("--body-from", str(rows))

    def type_(*arguments: str) -> None:
        terminal.type(*arguments, limit_s=_LIMIT_S)

    type_("agree", *common, "--rows", str(rows), "--grid", "4", "--json", str(rows.with_name("agree.json")))
    if measured:
        type_("compare", *common, *results, *body, "--pairs", "2", "--warmup", "0")
    type_("coldstart", *common, *results, *body, "--idle", "5ms", "--repeats", "1", "--warm", "1")
    out = rows.with_name("r.html")
    for run in terminal.store.runs():
        if run.id != OURS:
            type_("show", run.id, *results[:2])
            type_("report", run.id, "--out", str(out), *results[:2])
            terminal.store.delete_run(run.id)


def counting(conversation: Conversation) -> tuple[Conversation, Callable[[], int]]:
    """The same conversation, and the most bytes that went out in answer to one request."""
    sent: list[int] = [0]

    def counted(connection: Connection) -> None:
        total = 0
        receive, send = connection.receive, connection.send

        def receive_next() -> Request | None:
            nonlocal total
            total = 0
            return receive()

        def counting_send(data: bytes) -> None:
            nonlocal total
            send(data)
            total += len(data)
            sent[0] = max(sent[0], total)

        connection.receive = receive_next  # type: ignore[method-assign]
        connection.send = counting_send  # type: ignore[method-assign]
        conversation(connection)

    return counted, lambda: sent[0]
