"""A protocol is one module and one line: here is one that no file of the product knows."""

import json
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.endpoints.bounded import new_client
from benchmark.endpoints.catalog import fetch
from benchmark.endpoints.endpoint import Endpoint, EndpointError
from benchmark.endpoints.protocols import PROTOCOLS, UnknownProtocol, protocol_named
from benchmark.endpoints.sample import Failure
from benchmark.observation.observe import observe
from benchmark.observation.sender import Sender
from benchmark.record.store import Store
from inference.card import ModelCard
from tests.benchmark.altered import good
from tests.benchmark.conftest import Serve
from tests.benchmark.little_server import Connection, LittleServer, json_reply


def rows_server(connection: Connection) -> None:
    """Answers only what the toy protocol sends, and everything else with a wrong document."""
    while (request := connection.receive()) is not None:
        try:
            document = json.loads(request.body)
        except ValueError:
            document = None
        spoken = request.path == "/rows" and isinstance(document, dict) and set(document) == {"rows"}
        connection.send(json_reply({"labels": ["oolong"]} if spoken else {"error": "not the toy protocol"}))


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROTOCOLS, "rows", "tests.benchmark.endpoints.rows_protocol")


def test_an_endpoint_of_another_protocol_is_observed_beside_one_of_ours(
    serve: Serve, sender: Sender, tea: ModelCard
) -> None:
    endpoints = [
        Endpoint("rows", "Rows", serve(rows_server).url, protocol="rows"),
        Endpoint("ours", "Ours", serve(good(tea)).url),
    ]
    samples = {one.endpoint: one for one in observe(sender, endpoints, tea, tea.defaults)}
    with new_client() as client:
        assert fetch(client, endpoints[0]).problem == "gives no model card"
    assert samples["rows"].answer is not None and samples["rows"].answer.label == "oolong"
    assert samples["ours"].answer is not None


def test_it_is_compared_and_loaded(tea: ModelCard, tmp_path: Path) -> None:
    with LittleServer(rows_server) as rows, LittleServer(good(tea)) as ours:
        out = tmp_path / "out.json"
        arguments = ["--endpoint", f"rows={rows.url}", "--endpoint", f"ours={ours.url}", "--protocol", "rows=rows"]
        arguments += ["--json", str(out), "--results", str(tmp_path), "--progress", "none"]
        assert main(["compare", *arguments, "--pairs", "5", "--warmup", "1"]) == 0
        assert json.loads(out.read_text())["endpoints"]["rows"]["n"] == 5
        recorded = Store(tmp_path).runs()[0].manifest["endpoints"]
        assert [one.get("protocol") for one in recorded] == ["rows", None]
        assert main(["load", *arguments, "--concurrency", "2", "--requests", "10", "--warmup", "1"]) == 0
        assert json.loads(out.read_text())["endpoints"]["rows"]["errors"] == {}
        assert main(["agree", *arguments[:-4], "--grid", "4", "--json", str(out)]) in (0, 1)
        assert json.loads(out.read_text())["compared"] > 0


def test_an_answer_of_another_protocol_is_a_wrong_schema(serve: Serve, sender: Sender, tea: ModelCard) -> None:
    endpoint = Endpoint("rows", "Rows", serve(rows_server).url)
    (sample,) = observe(sender, [endpoint], tea, tea.defaults)
    assert sample.failure is Failure.WRONG_SCHEMA


def test_an_unknown_protocol_is_refused_with_the_known_ones_named() -> None:
    with pytest.raises(UnknownProtocol, match="faceoff"):
        protocol_named("soap")
    with pytest.raises(EndpointError, match=r"unknown protocol \(soap\): choose one of faceoff, .*, rows$"):
        Endpoint("one", "One", "http://127.0.0.1:1", protocol="soap")
