"""`probe` as it is typed: what was sent, what came back, what was read, and the protocol that was found by asking."""

from pathlib import Path

import pytest

from benchmark.__main__ import main
from inference.model import Model
from inference.service import Service
from tests.benchmark.conftest import Serve
from tests.benchmark.foreign import FOREIGN, Foreign, url_of
from tests.benchmark.little_server import always, json_reply, reply, serving

UNDESCRIBED = ("bare-features-unsaid", "mlflow-inputs", "vertex")
"""These say nothing about themselves that tells their protocol or form."""


@pytest.fixture(autouse=True)
def model_dir(iris_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_DIR", str(iris_dir))


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_a_named_protocol_is_spoken(
    serve: Serve, iris_model: Model, capsys: pytest.CaptureFixture[str], foreign: Foreign
) -> None:
    server = serve(foreign.conversation(iris_model))
    given = ["--endpoint", f"a={url_of(server, foreign)}", "--protocol", f"a={foreign.protocol}"]
    assert main(["probe", *given]) == 0
    said = capsys.readouterr().out
    assert server.requests[-1].body.decode() in said
    assert "class:         versicolor (position 1)" in said
    assert ("probabilities: unknown" in said) != foreign.tells_probabilities
    assert "unknown:       server duration (ms), instance" in said
    assert "found by asking" not in said
    assert len(server.paths("POST")) == 1


@pytest.mark.parametrize("name", [name for name in FOREIGN if name not in UNDESCRIBED])
def test_a_protocol_is_found_by_asking(
    serve: Serve, iris_model: Model, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    foreign = FOREIGN[name]
    server = serve(foreign.conversation(iris_model))
    assert main(["probe", "--endpoint", f"a={url_of(server, foreign)}"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"a ({foreign.protocol}, found by asking)\n")
    assert f'--protocol a={foreign.protocol}, or protocol = "{foreign.protocol}"' in said
    assert len(server.paths("POST")) == 1


def test_our_own_is_found_with_its_card(serve: Serve, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "--endpoint", f"a={serve(serving(service)).url}"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("a (faceoff, found by asking)\n  model card:    Iris species, version ")
    assert "told:          server duration (ms)" in said


def test_another_form_is_suggested_where_one_is_refused(
    serve: Serve, iris_model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(FOREIGN["bare-features-unsaid"].conversation(iris_model))
    assert main(["probe", "--endpoint", f"a={server.url}", "--protocol", "a=bare"]) == 1
    said = capsys.readouterr().out
    assert "not read:      HTTP 422" in said
    assert "to try:        --protocol a=bare:FORM with one of named, features, instances" in said


def test_one_that_is_not_understood_does_not_keep_the_others_from_being_probed(
    serve: Serve, iris_model: Model, nobody: str, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = serve(always(json_reply({"weather": "fine\x1b[2J"})))
    foreign = FOREIGN["kserve-v1"]
    good = url_of(serve(foreign.conversation(iris_model)), foreign)
    given = [
        word
        for name, url in (("a", strange.url), ("b", nobody), ("c", good))
        for word in ("--endpoint", f"{name}={url}")
    ]
    assert main(["probe", *given]) == 1
    said = capsys.readouterr().out
    assert "a (faceoff, because none was found by asking)" in said
    assert "not read:      prediction is not a number" in said
    assert "with one of faceoff, kserve-v1, oip" in said
    assert "not read:      refused" in said
    assert "class:         versicolor" in said
    assert "\x1b" not in said


def test_a_long_answer_is_cut(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    server = serve(always(reply(b'{"prediction": "' + b"x" * 9000 + b'"}')))
    assert main(["probe", "--endpoint", f"a={server.url}", "--protocol", "a=bare"]) == 1
    said = capsys.readouterr().out
    assert "9018 bytes" in said
    assert len(said) < 4000
    assert "not read:      the prediction is neither a number nor a short text" in said


def test_a_host_that_is_not_allowed_is_not_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "--endpoint", "a=http://example.invalid"]) == 2
    assert "--allow-host" in capsys.readouterr().err


def test_the_first_row_of_a_file_is_sent(serve: Serve, iris_model: Model, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n1,1,1,1\n")
    foreign = FOREIGN["mlflow"]
    server = serve(foreign.conversation(iris_model))
    assert main(["probe", "--endpoint", f"a={server.url}", "--protocol", "a=mlflow", "--body-from", str(rows)]) == 0
    assert b"[[5.1, 3.5, 1.4, 0.2]]" in server.requests[-1].body


def test_without_any_card_one_endpoints_description_serves_the_others(
    serve: Serve, iris_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    given: list[str] = []
    for name in ("kserve-v1", "oip"):
        foreign = FOREIGN[name]
        url = url_of(serve(foreign.conversation(iris_model)), foreign)
        given += ["--endpoint", f"{name}={url}", "--protocol", f"{name}={name}"]
    assert main(["probe", *given]) == 0
    said = capsys.readouterr().out
    assert said.count("input:         metadata of oip") == 2
    assert "value:         0" in said
