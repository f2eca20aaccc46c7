"""The whole check over real HTTP servers, good and bad, and `python -m benchmark agree` around it."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import Any

import httpx
import pytest

from benchmark.__main__ import main
from benchmark.agreement import text
from benchmark.agreement.audit import Audit, audit, survey, to_document
from benchmark.agreement.compare import Kind, Tally
from benchmark.agreement.inputs import invalid_inputs
from benchmark.agreement.outcomes import Refusal
from benchmark.agreement.score import Scorer, probe, refuse, score
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.rows import Row
from benchmark.endpoints.sample import Failure
from benchmark.engine.execute import ask
from inference.card import ModelCard
from tests.benchmark.altered import (
    altered,
    call_itself,
    good,
    round_to_2,
    service,
    single_only,
    swap_first_two,
)
from tests.benchmark.cards import (
    FLAT_ROWS,
    TEA_ROWS,
    flat_document,
    flat_outputs_but_where_missing,
    make_card,
    make_service,
    tea_document,
    write_artifact,
)
from tests.benchmark.conftest import Serve, endpoint
from tests.benchmark.little_server import Conversation, LittleServer, answering, json_reply, reply, serving

ROWS = [Row(2, (3.0, 1.0, 2.0)), Row(3, (5.0, 2.0, 3.5)), Row(4, (7.0, 3.0, 5.0))]
GRID = 64
DRAWN = 40

Check = Callable[[Conversation, Conversation], Audit]


@pytest.fixture
def check(serve: Serve, client: httpx.Client, tea: ModelCard) -> Check:
    """A check of two servers with tea's rows and a small grid."""

    def check(one: Conversation, other: Conversation) -> Audit:
        endpoints = [endpoint(serve(one).url), endpoint(serve(other).url, "function")]
        return audit(client, endpoints, ask(endpoints), tea, ROWS, at_utc="now", grid_points=GRID, draws=DRAWN, seed=3)

    return check


def models_of(found: Audit) -> tuple[str, ...]:
    """In which ways the endpoints serve different models, as sentences."""
    return tuple(text.model_difference(one, found.endpoint_names) for one in found.model_differences)


def test_the_same_model_agrees_in_every_kind_of_input(check: Check, tea: ModelCard) -> None:
    found = check(good(tea), good(tea))
    assert found.agrees
    assert tuple(side.form for side in found.sides) == ("instances", "instances")
    assert found.agreement.differences == ()
    assert found.agreement.compared == len(found.inputs)
    assert {source: one.asked for source, one in found.by_source.items()} == {
        "rows": 3,
        "grid": 64,
        "limits": 6,
        "uniform": 40,
        "noise": 40,
        "boundary": 60,
    }
    assert len(found.invalid) == 25
    assert all(one.same and one.compared for one in found.invalid)


def test_only_what_was_drawn_at_random_bounds_the_share_of_disagreements(check: Check, tea: ModelCard) -> None:
    found = check(good(tea), good(tea))
    bound = pytest.approx(1 - 0.05 ** (1 / 40))
    assert {source: one.upper_bound for source, one in found.sampled.items()} == {"uniform": bound, "noise": bound}
    document = to_document(found)
    assert document["seed"] == 3
    assert {source: one["share_upper_95"] for source, one in document["by_source"].items()} == {
        "rows": None,
        "grid": None,
        "limits": None,
        "uniform": bound,
        "noise": bound,
        "boundary": None,
    }
    assert not {"share", "share_upper_95"} & document.keys()


def test_a_row_that_stands_twice_in_the_data_is_one_input(serve: Serve, client: httpx.Client, tea: ModelCard) -> None:
    endpoints = [endpoint(serve(good(tea)).url), endpoint(serve(good(tea)).url, "function")]
    rows = [*ROWS, Row(5, ROWS[0].values)]
    found = audit(client, endpoints, ask(endpoints), tea, rows, at_utc="now", grid_points=0, draws=0)
    assert found.by_source["rows"] == Tally(3, 3, 0)
    assert found.sampled == {}
    assert found.agreement.compared == found.total.compared == 3 + 6 + found.by_source["boundary"].compared


def test_points_beside_the_boundary_are_where_the_prediction_changes(check: Check, tea: ModelCard) -> None:
    found = check(good(tea), good(tea))
    near = [
        outcome.answer.probabilities
        for one, outcome in zip(found.inputs, found.outcomes[0], strict=True)
        if one.source == "boundary" and outcome.answer
    ]
    leads = [sorted(shares)[-1] - sorted(shares)[-2] for shares in near if shares]
    assert len(leads) == 60
    assert max(leads) < 1e-3


def test_an_endpoint_that_rounds_is_named(check: Check, tea: ModelCard) -> None:
    found = check(good(tea), altered(tea, round_to_2))
    assert not found.agrees
    assert Kind.ROUNDED in found.agreement.by_kind
    assert Kind.VALUE not in found.agreement.by_kind
    assert "Cloud Function: probabilities rounded to 2 digits." in text.findings(found.agreement, found.names)
    assert models_of(found) == ()


def test_an_endpoint_that_mixes_up_its_classes_is_named(check: Check, tea: ModelCard) -> None:
    found = check(altered(tea, swap_first_two), good(tea))
    assert Kind.CLASS_ORDER in found.agreement.by_kind
    assert "another order" in text.findings(found.agreement, found.names)[0]


def test_another_version_is_said_first_and_is_no_difference_of_answers(check: Check, tea: ModelCard) -> None:
    found = check(good(tea), altered(tea, call_itself("other")))
    assert models_of(found) == (
        f"The answers name different model versions: FastAPI {tea.version}, Cloud Function other.",
    )
    assert found.agreement.differences == ()
    assert not found.agrees


def test_another_artifact_is_said_with_its_files(check: Check, tea: ModelCard) -> None:
    other = make_card(tea_document(files={**tea_document()["files"], "model.onnx": {"sha256": "1" * 64}}))
    found = check(good(tea), good(other))
    assert models_of(found)[0].startswith("FastAPI serves Kinds of tea")
    assert models_of(found)[1] == "Files with different sha256: model.onnx."


def test_a_card_with_its_classes_in_another_order_is_said_first(check: Check, tea: ModelCard) -> None:
    other = make_card(tea_document(classes=["oolong", "green", "black"]))
    found = check(good(tea), good(other))
    assert (
        "The model cards list the classes in different orders: green, oolong, black; oolong, green, black."
        in models_of(found)
    )
    # Its answers fit no card but its own: the index of a class and its name are not those of the first.
    assert Kind.CLASS_ORDER in found.agreement.by_kind


def test_an_endpoint_without_batches_is_asked_one_by_one_and_its_500s_are_counted(check: Check, tea: ModelCard) -> None:
    found = check(good(tea), single_only(tea, fails=lambda body: body.get("leaf_length") == 7.0))
    assert tuple(side.form for side in found.sides) == ("instances", "named")
    failing = [index for index, one in enumerate(found.inputs) if one.values[0] == 7.0]
    assert failing
    assert [one.index for one in found.agreement.differences] == failing
    assert set(found.agreement.by_kind) == {Kind.STATUS}
    assert found.failures == {"api": {}, "function": {"HTTP 500": len(failing)}}


def test_a_batch_that_fails_is_taken_apart(serve: Serve, client: httpx.Client, tea: ModelCard) -> None:
    inner = service(tea)

    def answer(request: Any) -> bytes:
        if request.body.count(b"[") > 3 or b"3.25" in request.body:  # more than two rows, or the bad one
            return json_reply({"error": {"code": "internal"}}, 500)
        made = inner.respond(request.method, request.path, request.body, "application/json")
        return reply(made.body, made.status)

    server = serve(answering(answer))
    scorer = probe(client, endpoint(server.url), tea)
    assert scorer.form == "instances"
    ((one, bad, other),) = score(client, [scorer], tea, [(3.0, 1.0, 2.0), (3.25, 1.0, 2.0), (7.0, 3.0, 5.0)])
    assert one.answer and other.answer
    assert (bad.status, bad.answer) == (500, None)


def test_an_endpoint_that_takes_only_lists_gets_lists(serve: Serve, client: httpx.Client, tea: ModelCard) -> None:
    def answer(request: Any) -> bytes:
        body = json.loads(request.body)
        return json_reply({"prediction": 2}) if "features" in body else json_reply({}, 422)

    scorer = probe(client, endpoint(serve(answering(answer)).url), tea)
    assert scorer.form == "features"
    ((found,),) = score(client, [scorer], tea, [(7.0, 3.0, 5.0)])
    assert found.answer and found.answer.prediction == 2
    assert found.fields == ("prediction",)


def test_an_endpoint_that_is_not_there_is_not_waited_for(
    serve: Serve, nobody: str, client: httpx.Client, tea: ModelCard
) -> None:
    endpoints = [endpoint(serve(good(tea)).url), endpoint(nobody, "function")]
    found = audit(client, endpoints, ask(endpoints), tea, ROWS, at_utc="now", grid_points=GRID)
    assert found.agreement.compared == 0
    assert not found.agrees
    assert found.failures["function"] == {"no answer (refused)": len(found.inputs)}
    assert not any(one.compared for one in found.invalid)


def test_failures_are_told_apart_where_both_endpoints_have_one_name(
    nobody: str, client: httpx.Client, tea: ModelCard
) -> None:
    endpoints = [endpoint(nobody), replace(endpoint(nobody, "function"), name=endpoint(nobody).name)]
    found = audit(client, endpoints, [None, None], tea, ROWS, at_utc="now", grid_points=0)
    lost = {"no answer (refused)": len(found.inputs)}
    assert found.failures == {"api": lost, "function": lost}


def test_an_endpoint_that_falls_silent_is_given_up(nobody: str, tea: ModelCard) -> None:
    sent: list[httpx.Request] = []

    def count(request: httpx.Request) -> None:
        sent.append(request)
        sleep(0.01)  # so that the next are not sent before the first have come back

    scorer = Scorer(endpoint(nobody), "named", {})
    with httpx.Client(event_hooks={"request": [count]}) as client:
        (found,) = score(client, [scorer], tea, [(3.0, 1.0, 2.0)] * 400)
    assert [one.failure for one in found] == [Failure.REFUSED] * 400
    # Five were not answered when no more were sent; eight are under way at a time.
    assert 5 <= len(sent) < 100


def test_invalid_inputs_that_are_refused_in_another_way_are_a_result_of_their_own(
    check: Check, serve: Serve, tea: ModelCard
) -> None:
    inner = service(tea)

    def lenient(request: Any) -> bytes:
        made = inner.respond(request.method, request.path, request.body, request.headers.get("content-type"))
        return json_reply({"error": "no"}, 400) if made.status == 422 else reply(made.body, made.status)

    found = check(good(tea), answering(lenient))
    assert found.agreement.differences == ()
    assert not found.agrees
    different = {one.invalid.name: one.refusals for one in found.invalid if not one.same}
    assert different["a feature is missing"] == (Refusal(422, "invalid_input"), Refusal(400))
    assert "not JSON" not in different


def test_an_invalid_input_that_both_accept_is_not_refused_alike(check: Check, tea: ModelCard) -> None:
    inner = service(tea)

    def careless(request: Any) -> bytes:
        made = inner.respond(request.method, request.path, request.body, request.headers.get("content-type"))
        return json_reply({"prediction": 0}) if made.status == 422 else reply(made.body, made.status)

    found = check(answering(careless), answering(careless))
    accepted = [one.refusals for one in found.invalid if not one.same]
    assert accepted
    assert set(accepted) == {(Refusal(200), Refusal(200))}
    assert not found.agrees


def test_progress_reaches_its_end_and_may_end_the_work(serve: Serve, client: httpx.Client, tea: ModelCard) -> None:
    scorer = probe(client, endpoint(serve(good(tea)).url), tea)
    seen: list[tuple[int, int]] = []
    score(client, [scorer], tea, [tea.defaults] * 450, lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 450)
    assert seen[-1] == (450, 450)
    assert len(seen) == 4
    refuse(client, [scorer], invalid_inputs(tea), lambda done, total: seen.append((done, total)))
    assert seen[-1] == (25, 25)

    def stop(done: int, _: int) -> None:
        if done:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        score(client, [scorer], tea, [tea.defaults] * 450, stop)


def test_a_surface_is_the_same_plane_at_both(serve: Serve, client: httpx.Client, tea: ModelCard) -> None:
    endpoints = [endpoint(serve(good(tea)).url), endpoint(serve(single_only(tea)).url, "function")]
    found = survey(client, endpoints, tea, 0, 1)
    assert len(found.across) == len(found.up) == 15  # one by one: coarsely
    assert found.agreement.compared == 225
    assert found.agreement.differences == ()


# --- One, three and six endpoints


@pytest.fixture
def check_all(serve: Serve, client: httpx.Client, tea: ModelCard) -> Callable[..., Audit]:
    """A check of any number of servers, called A, B and so on."""

    def check(*several: Conversation) -> Audit:
        endpoints = [Endpoint(key, key.upper(), serve(one).url) for one, key in zip(several, "abcdef", strict=False)]
        return audit(client, endpoints, ask(endpoints), tea, ROWS, at_utc="now", grid_points=8, draws=10, seed=3)

    return check


def test_six_that_agree_are_compared_pair_by_pair(check_all: Callable[..., Audit], tea: ModelCard) -> None:
    found = check_all(*[good(tea)] * 6)
    assert found.agrees
    document = to_document(found)
    assert document["headline"] == f"All six give the same answers on {found.total.compared} inputs."
    assert document["reference"] == "a"
    assert [(pair["first"], pair["second"]) for pair in document["pairs"]][:6] == [
        ("a", "b"),
        ("a", "c"),
        ("a", "d"),
        ("a", "e"),
        ("a", "f"),
        ("b", "c"),
    ]
    assert {(pair["compared"], pair["disagreements"]) for pair in document["pairs"]} == {(found.total.compared, 0)}
    assert [len(one.refusals) for one in found.invalid] == [6] * 25


def test_of_three_the_one_that_rounds_is_named_with_its_pairs(check_all: Callable[..., Audit], tea: ModelCard) -> None:
    found = check_all(good(tea), altered(tea, round_to_2), good(tea))
    differing = found.total.disagreements
    document = to_document(found)
    assert document["headline"] == f"B differs from A and C on {differing} of {found.total.compared} inputs."
    assert document["findings"][0] == "B: probabilities rounded to 2 digits."
    assert [pair["disagreements"] for pair in document["pairs"]] == [differing, 0, differing]
    assert document["pairs"][0]["by_kind"] == {"rounded": differing}
    worst = document["worst"][0]
    assert "b" in (worst["first"], worst["second"])
    assert len(worst["answers"]) == 3
    # The bound is one for any disagreement among all three.
    uniform = document["by_source"]["uniform"]
    assert uniform["disagreements"] == 10 and uniform["share_upper_95"] == 1.0


def test_of_three_another_version_is_said_with_all_of_them(check_all: Callable[..., Audit], tea: ModelCard) -> None:
    found = check_all(good(tea), altered(tea, call_itself("v9")), good(tea))
    assert models_of(found) == (f"The answers name different model versions: A {tea.version}, B v9, C {tea.version}.",)
    assert not found.agrees and not found.agreement.differing


def test_one_endpoint_is_held_to_the_known_answers_and_has_to_refuse(
    check_all: Callable[..., Audit], tea: ModelCard
) -> None:
    found = check_all(good(tea))
    document = to_document(found)
    assert found.agrees
    assert document["headline"] == "A gives the known answers of the model card on its one input."
    assert (document["reference"], document["compared"]) == ("known answers", 1)
    assert [one["key"] for one in document["endpoints"]] == ["a"]
    assert list(document["by_source"]) == ["known"]
    assert document["by_source"]["known"]["share_upper_95"] is None
    assert all(one.same and len(one.refusals) == 1 for one in found.invalid)


def test_one_endpoint_with_another_answer_than_the_known_one_is_no_agreement(
    check_all: Callable[..., Audit], tea: ModelCard
) -> None:
    found = check_all(altered(tea, round_to_2))
    assert not found.agrees
    assert to_document(found)["headline"] == ("A differs from the known answers of the model card on 1 of 1 input.")
    assert Kind.SCHEMA not in found.agreement.by_kind  # a card has no names of fields


def test_one_endpoint_of_a_regressor_is_held_to_its_known_answers(
    serve: Serve, client: httpx.Client, mileage: ModelCard
) -> None:
    endpoints = [endpoint(serve(good(mileage)).url)]
    assert audit(client, endpoints, ask(endpoints), mileage, [], at_utc="now").agrees


def test_the_surface_of_one_endpoint_has_no_differences_to_show(
    serve: Serve, client: httpx.Client, tea: ModelCard
) -> None:
    found = survey(client, [endpoint(serve(good(tea)).url)], tea, 0, 1)
    assert len(found.outcomes) == 1 and found.agreement.pairs == ()


# --- The command


Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("MODEL_DIR", str(write_artifact(tmp_path / "tea", tea_document(), TEA_ROWS)))
    monkeypatch.delenv("BENCHMARK_HOSTS", raising=False)

    def run(one: str, other: str, *more: str) -> int:
        return main(
            ["agree", "--endpoint", f"a={one}", "--endpoint", f"b={other}", "--grid", "27", "--random", "50", *more]
        )

    return run


@pytest.fixture
def twins(serve: Serve, tea: ModelCard) -> tuple[LittleServer, LittleServer]:
    return serve(good(tea)), serve(good(tea))


def test_the_command_says_that_they_agree(
    run: Run, twins: tuple[LittleServer, LittleServer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(twins[0].url, twins[1].url, "--json", str(tmp_path / "out.json")) == 0
    out = capsys.readouterr().out
    assert "0 disagreements in 195 inputs.\n" in out
    assert "at most 5.9% of inputs drawn uniformly over the ranges disagree (0 of 50 do)" in out
    assert "at most 5.9% of rows drawn at random with noise disagree (0 of 50 do); seed 0." in out
    assert "rows 5 (5 compared, 0 differ)" in out
    assert "Invalid inputs: 25 of 25 refused alike." in out
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["agree"] is True
    assert document["failures"] == {"a": {}, "b": {}}
    assert document["by_source"]["uniform"]["share_upper_95"] == pytest.approx(1 - 0.05 ** (1 / 50))
    assert document["by_source"]["grid"]["share_upper_95"] is None


def test_the_command_fails_where_they_disagree_and_shows_the_worst(
    run: Run, serve: Serve, tea: ModelCard, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(serve(good(tea)).url, serve(altered(tea, round_to_2)).url, "--json", "-") == 1
    document = json.loads(capsys.readouterr().out)
    assert "b: probabilities rounded to 2 digits." in document["findings"]
    assert document["worst"][0]["kinds"] == ["rounded"]
    assert document["by_kind"] == {"rounded": document["disagreements"]}
    assert run(serve(good(tea)).url, serve(altered(tea, call_itself("2"))).url) == 1
    assert capsys.readouterr().out.startswith("DIFFERENT MODELS: The answers name different model versions: a ")


def test_rows_of_a_file_are_scored_and_the_bad_ones_named(
    run: Run, twins: tuple[LittleServer, LittleServer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, results = tmp_path / "rows.csv", tmp_path / "results.csv"
    rows.write_text("steep_time,leaf_width,leaf_length\n2,1,3\n2,one,3\n5,3,-7\n5,3,7\n2,1,3\n")
    assert run(twins[0].url, twins[1].url, "--rows", str(rows), "--csv", str(results)) == 1
    said = capsys.readouterr()
    assert "2 rows could not be used." in said.out
    assert said.err.splitlines() == [
        "line 3: leaf_width is not a finite number; not sent",
        "line 4: leaf_length must be above 0 and at most 3000; not sent",
    ]
    with results.open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [(row["line"], row["a prediction"], row["b prediction"], row["agree"]) for row in found] == [
        ("2", "green", "green", "yes"),
        ("5", "black", "black", "yes"),
        ("6", "green", "green", "yes"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_a_file_with_decimal_commas_is_read_in_any_encoding_of_a_spreadsheet(
    run: Run, twins: tuple[LittleServer, LittleServer], tmp_path: Path, encoding: str
) -> None:
    rows, results = tmp_path / "rows.csv", tmp_path / "results.csv"
    rows.write_bytes("steep_time;Größe;leaf_width;leaf_length\r\n2,5;ä;1;3,25\r\n".encode(encoding))
    assert run(twins[0].url, twins[1].url, "--rows", str(rows), "--csv", str(results)) == 0
    with results.open(newline="") as file:
        (found,) = csv.DictReader(file)
    assert (found["leaf_length"], found["leaf_width"], found["steep_time"]) == ("3.25", "1.0", "2.5")


def test_a_file_that_is_no_text_is_named_for_what_it_is(
    run: Run, twins: tuple[LittleServer, LittleServer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_bytes(b"PK\x03\x04" + bytes(2000))
    assert run(twins[0].url, twins[1].url, "--rows", str(rows)) == 2
    assert "is a workbook or another ZIP archive: save it as CSV" in capsys.readouterr().err


def test_the_answers_are_written_in_utf_8_whatever_the_system_s_encoding_is(
    run: Run, twins: tuple[LittleServer, LittleServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encodings: list[str | None] = []
    original = Path.write_text

    def write_text(path: Path, data: str, encoding: str | None = None, *rest: Any) -> int:
        encodings.append(encoding)
        return original(path, data, encoding, *rest)

    monkeypatch.setattr(Path, "write_text", write_text)
    assert run(twins[0].url, twins[1].url, "--csv", str(tmp_path / "results.csv")) == 0
    assert encodings == ["utf-8"]


def test_the_command_compares_three_and_writes_each_answer(
    run: Run, serve: Serve, tea: ModelCard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.csv"
    urls = [serve(one).url for one in (good(tea), altered(tea, round_to_2), good(tea))]
    assert run(urls[0], urls[1], "--endpoint", f"c={urls[2]}", "--csv", str(results)) == 1
    out = capsys.readouterr().out
    assert "b differs from a and c on " in out
    pairs = [line.split() for line in out.splitlines() if " and " in line and line.startswith(" ")]
    assert [(line[0], line[2], line[4] == "0") for line in pairs if len(line[0]) == 1][:3] == [
        ("a", "b", False),
        ("a", "c", True),  # of the pairs that agree, only those with the reference are listed
        ("b", "c", False),
    ]
    with results.open(newline="") as file:
        (row, *_) = csv.DictReader(file)
    assert [row[f"{key} prediction"] for key in "abc"] == ["green"] * 3


def test_the_command_holds_one_endpoint_to_the_known_answers(
    serve: Serve, tea: ModelCard, capsys: pytest.CaptureFixture[str]
) -> None:
    url = serve(good(tea)).url
    assert main(["agree", "--endpoint", f"a={url}"]) == 0
    out = capsys.readouterr().out
    assert "a gives the known answers of the model card on its one input.\n" in out
    assert "Add another endpoint to compare answers between endpoints." in out
    assert "Invalid inputs: 25 of 25 refused.\n" in out
    assert main(["agree", "--endpoint", f"a={url}", "--csv", "out.csv"]) == 2
    assert "at least twice" in capsys.readouterr().err


def test_nothing_compared_is_no_agreement(run: Run, twins: tuple[LittleServer, LittleServer], nobody: str) -> None:
    assert run(twins[0].url, nobody) == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([part for key in "cdefg" for part in ("--endpoint", f"{key}=http://127.0.0.1:1")], "exceed the maximum of 6"),
        (["--grid", "-1"], "--grid -1: must be from 0 to"),
        (["--random", "-1"], "--random -1: must be from 0 to"),
        (["--tolerance", "nan"], "must be 0 or more"),
        (["--rows", "no-such-file.csv"], "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_refused(
    run: Run,
    twins: tuple[LittleServer, LittleServer],
    more: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(twins[0].url, twins[1].url, *more) == 2
    assert message in capsys.readouterr().err


def test_strange_hosts_are_not_asked(
    run: Run, twins: tuple[LittleServer, LittleServer], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(twins[0].url, "http://example.com") == 2
    assert "example.com is not an allowed host" in capsys.readouterr().err
    assert twins[0].requests == []


# --- Categories and missing values


def test_the_command_checks_and_writes_categories_and_missing_values(
    run: Run, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flat, results = make_card(flat_document()), tmp_path / "results.csv"
    monkeypatch.setenv("MODEL_DIR", str(write_artifact(tmp_path / "flat", flat_document(), FLAT_ROWS)))
    assert run(serve(good(flat)).url, serve(good(flat)).url, "--csv", str(results)) == 0
    assert "rows 4 (4 compared, 0 differ)" in capsys.readouterr().out
    with results.open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [(row["area"], row["city"], row["heating"], row["agree"]) for row in found[:3]] == [
        ("50.0", "Oslo", "1", "yes"),
        ("", "Bergen", "2", "yes"),
        ("80.0", "", "1", "yes"),
    ]

    other = serve(serving(make_service(flat, flat_outputs_but_where_missing))).url
    assert run(serve(good(flat)).url, other) == 1
    assert "missing, " in capsys.readouterr().out
    assert run(serve(good(flat)).url, other, "--json", "-") == 1
    inputs = [one["inputs"] for one in json.loads(capsys.readouterr().out)["worst"]]
    assert inputs
    assert all(one["area"] is None and one["sea_view"] in ("true", "false") for one in inputs)


def test_two_dead_endpoints_are_one_line(
    nobody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(write_artifact(tmp_path / "tea", tea_document(), TEA_ROWS)))
    given = ["agree", "--endpoint", f"a={nobody}", "--endpoint", f"b={nobody}", "--json", str(tmp_path / "found.json")]
    assert main(given) == 2
    assert capsys.readouterr().out == "Nothing was compared: a no answer (refused), b no answer (refused).\n"
    assert json.loads((tmp_path / "found.json").read_text())["compared"] == 0
