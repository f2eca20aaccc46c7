"""Every command works on every protocol as far as that tells, beside an endpoint of ours that serves the same model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmark.__main__ import main
from benchmark.agreement.audit import audit
from benchmark.endpoints.bodies import card_for
from benchmark.endpoints.catalog import fetch
from benchmark.endpoints.configured import split_protocol
from benchmark.endpoints.endpoint import Endpoint, EndpointError
from benchmark.endpoints.fairness import conditions, facts
from benchmark.endpoints.sample import Failure, utc_now
from benchmark.monitor.history import Unread
from benchmark.monitor.scrape import scrape
from benchmark.observation.observe import observe
from benchmark.observation.sender import Sender
from benchmark.record.store import Store
from inference.card import ModelCard
from inference.model import Model
from inference.service import Service
from tests.benchmark.conftest import Serve
from tests.benchmark.foreign import FOREIGN, Foreign, changing, url_of
from tests.benchmark.little_server import LittleServer, always, json_reply, serving

ROWS = [(5.1, 3.5, 1.4, 0.2), (5.9, 3.0, 4.2, 1.5), (6.3, 2.5, 5.0, 1.9)]
"""One of each class."""

every_protocol = pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)


def endpoint(server: LittleServer, foreign: Foreign, **options: Any) -> Endpoint:
    protocol, form = split_protocol(foreign.protocol)
    return Endpoint("theirs", "Theirs", url_of(server, foreign), protocol=protocol, form=form, **options)


def arguments(theirs: LittleServer, foreign: Foreign, ours: LittleServer | None, *more: object) -> list[str]:
    named = ["--endpoint", f"theirs={url_of(theirs, foreign)}", "--protocol", f"theirs={foreign.protocol}"]
    if ours:
        named += ["--endpoint", f"ours={ours.url}"]
    return [*named, *map(str, more)]


@every_protocol
def test_each_class_is_read(
    sender: Sender, client: httpx.Client, serve: Serve, iris_model: Model, foreign: Foreign
) -> None:
    theirs = endpoint(serve(foreign.conversation(iris_model)), foreign)
    known = fetch(client, theirs)
    assert known.card is None
    assert known.problem == "gives no model card"
    assert {one.comparison for one in conditions([facts(known), facts(known)])} == {"unknown"}
    for index, row in enumerate(ROWS):
        (sample,) = observe(sender, [theirs], iris_model.card, row)
        assert sample.failure is None, sample.failure_detail
        assert sample.answer
        assert (sample.answer.prediction, sample.answer.label) == (index, iris_model.card.classes[index])
        if foreign.tells_probabilities:
            assert sample.answer.probabilities == pytest.approx(next(iter(iris_model.predict([row]))), abs=1e-9)
        else:
            assert sample.answer.probabilities is None
            assert sample.answer.confidence is None
        assert sample.server_ms is None
        assert sample.instance_id is None
    reading = scrape(client, theirs)
    assert isinstance(reading, Unread)


@every_protocol
def test_it_agrees_with_ours(
    client: httpx.Client, serve: Serve, iris_model: Model, service: Service, foreign: Foreign
) -> None:
    theirs = endpoint(serve(foreign.conversation(iris_model)), foreign)
    ours = Endpoint("ours", "Ours", serve(serving(service)).url)
    served = [fetch(client, theirs), fetch(client, ours)]
    found = audit(client, [theirs, ours], served, iris_model.card, [], at_utc=utc_now(), grid_points=8, draws=8)
    assert found.total.compared == found.total.asked > 8
    assert not found.agreement.differences, found.agreement.differences[0]
    assert not found.model_differences
    assert [one.invalid.name for one in found.invalid if not one.same] == []
    assert len(found.invalid) == 4
    assert found.agrees
    alone = audit(client, [theirs], served[:1], iris_model.card, [], at_utc=utc_now())
    assert alone.agrees
    assert alone.total.compared == len(iris_model.card.known_answers)


@every_protocol
def test_it_is_measured_beside_ours(
    serve: Serve, iris_model: Model, service: Service, tmp_path: Path, foreign: Foreign
) -> None:
    theirs, ours = serve(foreign.conversation(iris_model)), serve(serving(service))
    out = tmp_path / "out.json"
    both = arguments(theirs, foreign, ours, "--json", out, "--results", tmp_path, "--progress", "none")
    assert main(["compare", *both, "--pairs", "6", "--warmup", "1"]) == 0
    figures = json.loads(out.read_text())
    assert {key: (one["n"], one["errors"]) for key, one in figures["endpoints"].items()} == {
        "theirs": (6, {}),
        "ours": (6, {}),
    }
    (run,) = Store(tmp_path).runs()
    name = foreign.protocol.partition(":")[0]
    assert [one.get("protocol") for one in run.manifest["endpoints"]] == [name, None]
    slos = ["--slo", "theirs.error_rate<0.01", "--results", str(tmp_path)]
    assert main(["gate", run.id, *slos]) in (0, 1)  # a busy machine may limit the generator
    assert main(["load", *both, "--concurrency", "2", "--requests", "8", "--warmup", "1"]) == 0
    assert json.loads(out.read_text())["endpoints"]["theirs"]["errors"] == {}


@every_protocol
def test_without_ours_the_inputs_come_from_the_artifact_on_this_machine(
    serve: Serve, iris_model: Model, iris_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, foreign: Foreign
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(iris_dir))
    alone = arguments(serve(foreign.conversation(iris_model)), foreign, None, "--results", tmp_path)
    out = tmp_path / "out.json"
    assert main(["compare", *alone, "--pairs", "4", "--warmup", "0", "--json", str(out), "--progress", "none"]) == 0
    figures = json.loads(out.read_text())
    assert figures["endpoints"]["theirs"]["errors"] == {}
    assert figures["manifest"]["bodies"]["source"] == "card of iris"
    assert main(["agree", *alone[:-2], "--json", str(out)]) == 0
    assert main(["coldstart", *alone, "--idle", "10ms", "--repeats", "1", "--warm", "1", "--json", str(out)]) == 0
    side = json.loads(out.read_text())["endpoints"]["theirs"]
    assert (side["probes"], side["failed"]) == (1, 0)


@every_protocol
def test_another_protocol_is_a_failure_with_a_reason_and_the_run_goes_on(
    serve: Serve, iris_model: Model, service: Service, tmp_path: Path, foreign: Foreign
) -> None:
    theirs, ours = serve(always(json_reply({"weather": "fine"}))), serve(serving(service))
    out = tmp_path / "out.json"
    both = arguments(theirs, foreign, ours, "--json", out, "--results", tmp_path, "--progress", "none")
    assert main(["compare", *both, "--pairs", "5", "--warmup", "0"]) == 0
    figures = json.loads(out.read_text())
    assert figures["endpoints"]["theirs"]["errors"] == {"wrong_schema": 5}
    assert figures["endpoints"]["ours"]["errors"] == {}


@every_protocol
def test_an_answer_whose_form_changes_in_the_middle_fails_from_then_on(
    serve: Serve, iris_model: Model, service: Service, tmp_path: Path, foreign: Foreign
) -> None:
    other = FOREIGN["oip" if "oip" not in foreign.protocol else "kserve-v1"]
    broken = always(json_reply({"predictions": "soon"} if other.protocol == "oip" else {"outputs": [{"name": "x"}]}))
    theirs = serve(changing(foreign.conversation(iris_model), broken, after=4))
    ours = serve(serving(service))
    out = tmp_path / "out.json"
    both = arguments(theirs, foreign, ours, "--json", out, "--results", tmp_path, "--progress", "none")
    assert main(["compare", *both, "--pairs", "10", "--warmup", "0"]) == 0
    figures = json.loads(out.read_text())
    assert figures["endpoints"]["theirs"]["errors"] == {"wrong_schema": 6}
    assert figures["endpoints"]["ours"]["n"] == 10


def test_another_model_is_not_sent_what_the_metadata_excludes(
    sender: Sender, client: httpx.Client, serve: Serve, iris_model: Model, tea: ModelCard
) -> None:
    foreign = FOREIGN["oip"]
    theirs = endpoint(serve(foreign.conversation(iris_model)), foreign)
    known = fetch(client, theirs)
    (sample,) = observe(sender, [theirs], tea, tea.defaults)
    assert (sample.failure, sample.failure_detail) == (
        Failure.WRONG_SCHEMA,
        "takes 4 values, not the 3 of this input",
    )
    assert card_for([theirs], [known], environ={"MODEL_DIR": "nowhere"}) is None
    assert list(known.example) == ["X_0", "X_1", "X_2", "X_3"]


def test_names_in_metadata_are_cleaned_before_they_are_said(
    sender: Sender, client: httpx.Client, serve: Serve, tea: ModelCard
) -> None:
    inputs = [{"name": f"{at}\x1b[2J" + "x" * 99, "datatype": "FP64", "shape": [-1]} for at in range(2)]
    theirs = Endpoint("a", "A", serve(always(json_reply({"name": "m", "inputs": inputs}))).url, protocol="oip")
    fetch(client, theirs)
    (sample,) = observe(sender, [theirs], tea, tea.defaults)
    detail = sample.failure_detail or ""
    assert detail.startswith("takes other inputs than this model's: 0\N{REPLACEMENT CHARACTER}[2Jxxx")
    assert len(detail) < 150
    assert detail.isprintable()


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"name": "m", "inputs": 3},
        {"name": "m", "inputs": [3]},
        {"name": "m", "inputs": [{"shape": [1.5]}]},
        {"name": "m", "inputs": [{"shape": [1], "name": 3, "datatype": "FP64"}]},
        {"name": "m", "inputs": [{}] * 1001},
    ],
)
def test_metadata_that_is_none_is_said_and_the_endpoint_is_asked_all_the_same(
    client: httpx.Client, serve: Serve, document: Any
) -> None:
    theirs = Endpoint("a", "A", serve(always(json_reply(document))).url, protocol="oip")
    assert fetch(client, theirs).problem == "gives a description that cannot be read"
    assert b'"input-0"' in theirs.spoken.encode(b'{"x": 1.0}')


def test_without_any_card_inputs_come_from_the_metadata_or_from_a_sample(
    serve: Serve, iris_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))  # no artifact
    out = tmp_path / "out.json"
    options = ["--results", str(tmp_path), "--progress", "none", "--pairs", "4", "--warmup", "0", "--json", str(out)]
    foreign = FOREIGN["oip-features"]
    server = serve(foreign.conversation(iris_model))
    assert main(["compare", *arguments(server, foreign, None), *options]) == 0
    figures = json.loads(out.read_text())
    assert figures["manifest"]["bodies"]["source"] == "metadata of theirs"
    assert figures["endpoints"]["theirs"]["errors"] == {}

    foreign = FOREIGN["kserve-v1"]
    server = serve(foreign.conversation(iris_model))
    assert main(["compare", *arguments(server, foreign, None), *options]) == 2  # nobody says what to send
    path = tmp_path / "endpoints.toml"
    path.write_text(
        f'[[endpoint]]\nname = "KServe"\nurl = "{url_of(server, foreign)}"\nprotocol = "kserve-v1"\n'
        "sample = { a = 5.1, b = 3.5, c = 1.4, d = 0.2 }\n"
    )
    monkeypatch.setenv("ENDPOINTS", str(path))
    assert main(["compare", *options]) == 0
    figures = json.loads(out.read_text())
    assert figures["manifest"]["bodies"]["source"] == "sample of kserve"
    assert figures["endpoints"]["kserve"]["errors"] == {}
    assert json.loads(server.requests[-1].body) == {"instances": [[5.1, 3.5, 1.4, 0.2]]}


def test_a_csv_is_sent_whole_to_an_endpoint_without_a_card(
    serve: Serve, iris_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MODEL_DIR", raising=False)
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b,c,d\n5.1,3.5,1.4,0.2\n")
    foreign = FOREIGN["mlflow-inputs"]
    server = serve(foreign.conversation(iris_model))
    out = tmp_path / "out.json"
    command = ["compare", *arguments(server, foreign, None, "--body-from", rows, "--results", tmp_path)]
    assert main([*command, "--pairs", "3", "--warmup", "0", "--progress", "none", "--json", str(out)]) == 0
    assert json.loads(out.read_text())["endpoints"]["theirs"]["errors"] == {}


@pytest.mark.parametrize(
    ("protocol", "form", "problem"),
    [
        ("mlflow", "frames", "speaks mlflow, which has no form frames: choose one of dataframe_split"),
        ("faceoff", "named", "speaks faceoff, which has no options"),
        ("template", None, "speaks template, which needs a template"),
    ],
)
def test_options_that_a_protocol_lacks_are_refused(protocol: str, form: str | None, problem: str) -> None:
    with pytest.raises(EndpointError, match=problem):
        Endpoint("a", "A", "http://127.0.0.1:1", protocol=protocol, form=form)


def test_a_server_that_answers_many_rows_with_too_few_is_asked_row_by_row(
    client: httpx.Client, serve: Serve, iris_model: Model
) -> None:
    def first_only(rows: Sequence[Sequence[float]]) -> list[list[float]]:
        return [list(shares) for shares in iris_model.predict(rows)][:1]

    lazy = Model(iris_model.card, iris_model.runtime, first_only)
    foreign = FOREIGN["tf-serving"]
    server = serve(foreign.conversation(lazy))
    theirs = endpoint(server, foreign)
    found = audit(client, [theirs], [None], iris_model.card, [], at_utc=utc_now())
    assert found.agrees
    assert found.endpoints[0].form == "rows-single"


@pytest.mark.parametrize("name", ["kserve-v1", "oip", "mlflow", "tf-serving", "bare-features"])
def test_a_protocol_is_found_by_asking_and_recorded(
    serve: Serve,
    iris_model: Model,
    service: Service,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    foreign = FOREIGN[name]
    theirs, ours = serve(foreign.conversation(iris_model)), serve(serving(service))
    given = ["--endpoint", f"theirs={url_of(theirs, foreign)}", "--endpoint", f"ours={ours.url}"]
    both = [*given, "--protocol", "theirs=auto", "--protocol", "ours=auto", "--results", str(tmp_path)]
    out = tmp_path / "out.json"
    assert main(["compare", *both, "--pairs", "3", "--warmup", "0", "--json", str(out)]) == 0
    assert f"; theirs speaks {name.removesuffix('-features')} and ours speaks faceoff" in capsys.readouterr().err
    figures = json.loads(out.read_text())
    assert [one.get("protocol") for one in figures["manifest"]["endpoints"]] == [name.removesuffix("-features"), None]
    assert figures["endpoints"]["theirs"]["errors"] == {}


def test_one_that_describes_itself_in_no_protocol_is_taken_for_one_of_ours(client: httpx.Client, serve: Serve) -> None:
    plain = Endpoint("a", "A", serve(always(json_reply({"prediction": 1}))).url, protocol="auto")
    assert fetch(client, plain).card is None
    assert plain.speaks == "auto"
    assert plain.predict_url.endswith("/predict")
    with pytest.raises(EndpointError, match="speaks auto, which has no options"):
        Endpoint("a", "A", "http://127.0.0.1:1", protocol="auto", form="named")
