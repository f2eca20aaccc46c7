"""A run leaves the record whole and comes back the same; what is damaged does not come in."""

import base64
import csv
import io
import json
import re
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.endpoints.sample import Failure, Temperature
from benchmark.record.plan import AbortRule, ComparePlan, LoadPlan, OpenLoopPlan, Stage, StagedPlan
from benchmark.record.run import RunState
from benchmark.record.samples import ROW, Samples, from_rows, pack
from benchmark.reports import export
from benchmark.reports.export import (
    RUN_FORMAT,
    histogram_log,
    percentile_log,
    run_from_bytes,
    run_from_document,
    run_to_document,
    samples_to_csv,
)
from benchmark.reports.imported import ImportFault
from benchmark.summary.summarise import summarise, to_document
from benchmark.synthetic.demo import DEMO, simulate_run
from tests.benchmark.runs import make_run, pairs, row

# --- CSV


def lines(samples: Samples, **outcome: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(samples_to_csv(replace(make_run(), outcome=outcome), samples))))


def test_a_line_is_a_request_and_codes_are_words() -> None:
    usual = row(0, 7, 12.5, scheduled_ms=100.0, sent_ms=101.5, temperature=Temperature.COLD, instance=2)
    failed = row(1, 7, 500.0, failure=Failure.TIMEOUT, status=0, instance=0, server_ms=nan, prediction=nan, warmup=True)
    first, second = lines(from_rows([usual, failed]), instances=["one", "two"])
    assert first == {
        "run": "0123abcd",
        "endpoint": "api",
        "warmup": "False",
        "temperature": "cold",
        "failure": "",
        "status": "200",
        "instance": "two",
        "group": "7",
        "scheduled_ms": "100.0",
        "sent_ms": "101.5",
        "service_ms": "12.5",
        "server_ms": "2.0",
        "dns_ms": "",
        "connect_ms": "",
        "tls_ms": "",
        "wait_ms": "11.5",
        "receive_ms": "1.0",
        "prediction": "1.0",
        "request_count": "",
        "instance_age_ms": "",
        "response_ms": "14.0",
    }
    assert (second["endpoint"], second["failure"], second["warmup"]) == ("function", "timeout", "True")
    assert second["instance"] == second["server_ms"] == second["prediction"] == ""


def test_the_columns_are_those_of_the_samples() -> None:
    columns = ["run", *(name for name in ROW.names or () if name != "worker"), "response_ms"]
    assert samples_to_csv(make_run(), pairs([], [])).strip() == ",".join(columns)


def test_an_instance_that_is_not_listed_is_unknown() -> None:
    assert [line["instance"] for line in lines(pairs([1.0], [2.0]))] == ["", ""]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_an_instance_that_a_spreadsheet_would_run_is_text(formula: str) -> None:
    assert lines(pairs([1.0], [2.0]), instances=[formula])[0]["instance"] == "'" + formula


def test_a_negative_prediction_stays_a_number() -> None:
    assert lines(from_rows([row(0, 0, prediction=-1.5)]))[0]["prediction"] == "-1.5"


# --- JSON, and back


STAGED = StagedPlan((Stage(3, 20), Stage(1, 100)), "gamma", 0.5, goodput_ms=60.0, abort=(AbortRule("p95_ms", 800),))


@pytest.mark.parametrize("plan", [ComparePlan(pairs=100), OpenLoopPlan(rate=50, duration_s=5), STAGED])
def test_a_run_that_went_out_and_came_back_has_the_same_summary(plan: ComparePlan | LoadPlan) -> None:
    run, samples = simulate_run(DEMO, plan)
    run = replace(run, outcome=make_run().outcome)
    found, read = run_from_document(json.loads(json.dumps(run_to_document(run, samples), allow_nan=False)))
    assert read.tobytes() == samples.tobytes()
    assert found.is_imported
    run = replace(run, is_imported=True)
    before, after = (json.dumps(to_document(summarise(*each))) for each in ((run, samples), (found, read)))
    assert before == after


def test_an_aborted_run_keeps_its_reason_and_its_counts_of_changed_answers() -> None:
    run, samples = simulate_run(DEMO, STAGED)
    counted = {"bodies": 3, "unstable": 0, "instances": [{"id": None, "compared": 9, "changed": 1}]}
    outcome = {**make_run().outcome, "reason": "p95_ms>800: First had 900", "correctness": {"first": counted}}
    run = replace(run, state=RunState.ABORTED, outcome=outcome)
    document = json.loads(json.dumps(run_to_document(run, samples), allow_nan=False))
    found, read = run_from_document(document)
    assert (found.state, found.outcome) == (run.state, run.outcome)
    assert summarise(found, read).endpoints[0].correctness == summarise(run, samples).endpoints[0].correctness
    document["outcome"]["correctness"]["first"]["instances"][0]["changed"] = "<b>"
    with pytest.raises(
        ImportFault, match=r"outcome\.correctness\.first\.instances\[0\]\.changed must be a whole number"
    ):
        run_from_document(document)


def exported(**changes: Any) -> dict[str, Any]:
    document = run_to_document(make_run(), pairs([10.0] * 20, [20.0] * 20))
    return json.loads(json.dumps(document | changes))  # type: ignore[no-any-return]


def packed(samples: Samples) -> dict[str, Any]:
    return {"count": len(samples), "packed": base64.b64encode(pack(samples)).decode()}


@pytest.mark.parametrize("document", [None, [], 5, "run", {}, {"endpoints": {}}])
def test_another_file_is_no_run(document: Any) -> None:
    with pytest.raises(ValueError, match=r"^this file is JSON, but not an exported run$"):
        run_from_document(document)


@pytest.mark.parametrize("version", [0, -1, "1", None, True, 1.0, [1]])
def test_a_file_that_names_no_version_is_refused(version: Any) -> None:
    with pytest.raises(ValueError, match=r"^this file does not say which version exported it$"):
        run_from_document(exported(faceoff_run=version))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "this file is empty"),
        (b" \n", "this file is empty"),
        (b"run,endpoint\n1,2\n", "this file is not JSON (line 1): export the run again"),
        (b"\xff\xfe\xff\xff\xff", "this file is not text: a run is exported as JSON"),
        (b"PK\x03\x04\xff\x80", "this file is not text: a run is exported as JSON"),
        (
            json.dumps({"faceoff_run": 1, "id": "ab"}, indent=1).encode()[:-8],
            "this file ends in the middle of a run (line",
        ),
        (b"[" * 100_000, "this file is not a run: its numbers are too large, or it is nested too deeply"),
        (b'{"faceoff_run": ' + b"1" * 5000 + b"}", "this file is not a run: its numbers are too large"),
        (b'{"faceoff_run": 1}', "this file is damaged: id is missing"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_without_the_parser_s_words(data: bytes, fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(fault)}") as raised:
        run_from_bytes(data)
    assert not re.search("Expecting|delimiter|codec|char |recursion|integer string", str(raised.value))


def test_a_run_that_was_cut_off_anywhere_is_named_so() -> None:
    whole = json.dumps(exported()).encode()
    for end in range(1, len(whole), 97):
        with pytest.raises(ValueError, match=r"^this file ends in the middle of a run"):
            run_from_bytes(whole[:end])
    assert run_from_bytes(whole)[0].id == make_run().id


@pytest.mark.parametrize("version", [RUN_FORMAT + 1, 10**9])
def test_a_file_of_a_later_version_is_refused_by_that_name(version: int) -> None:
    with pytest.raises(ValueError, match=r"^this file was written by a later version$"):
        run_from_document({"faceoff_run": version})


def test_a_file_whose_samples_a_later_version_packed_is_not_called_damaged() -> None:
    packed = bytearray(base64.b64decode(exported()["samples"]["packed"]))
    packed[4] += 1  # the version, which stands after "rows"
    later = exported(samples={"count": 40, "packed": base64.b64encode(packed).decode()})
    with pytest.raises(ValueError, match="later version"):
        run_from_document(later)


@pytest.mark.parametrize("name", ["id", "kind", "name", "state", "started_at_utc", "manifest", "outcome", "samples"])
@pytest.mark.parametrize("value", [None, [], "", {}, -1, 1e300])
def test_a_file_with_an_odd_entry_comes_in_whole_or_not_at_all(name: str, value: Any) -> None:
    try:
        run, samples = run_from_document(exported(**{name: value}))
    except ValueError as error:
        assert str(error).startswith("this file is damaged: ")
    else:
        assert name in ("name", "kind", "outcome"), "nothing could be made of it"
        json.dumps(to_document(summarise(run, samples)), allow_nan=False)


@pytest.mark.parametrize("name", ["id", "state", "manifest", "samples", "outcome", "started_at_utc"])
def test_a_file_with_an_entry_missing_is_damaged(name: str) -> None:
    document = exported()
    del document[name]
    with pytest.raises(ValueError, match=r"^this file is damaged: "):
        run_from_document(document)


def _endpoint(position: int) -> Samples:
    samples = pairs([10.0] * 20, [20.0] * 20)
    samples["endpoint"][0] = position
    return samples


def _manifest(**changes: Any) -> dict[str, Any]:
    return {**make_run().manifest, **changes}


GOOD = exported()["samples"]


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "../../etc/passwd"},
        {"id": "0123ABCD"},
        {"id": "abc"},
        {"started_at_utc": "[bold]yesterday[/nothing]"},
        {"samples": GOOD | {"count": 39}},
        {"samples": GOOD | {"packed": GOOD["packed"][:-8]}},
        {"samples": GOOD | {"packed": "not base64!"}},
        {"samples": GOOD | {"packed": ""}},
        {"samples": packed(_endpoint(2))},
        {"samples": packed(from_rows([row(0, 0, nan)]))},
        {"manifest": _manifest(plan={"kind": "marathon"})},
        {"manifest": _manifest(plan={"kind": "compare", "seed": 1.5})},
        {"manifest": _manifest(endpoints=[{"key": "api"}])},
        {"manifest": _manifest(endpoints=[{"key": "api", "name": 5}, {"key": "function", "name": "b"}])},
        {"manifest": _manifest(facts={})},
        {"manifest": _manifest(facts={"api": {"vCPU": 1}, "function": {"vCPU": 2}})},
        {"manifest": _manifest(client={})},
        {"manifest": _manifest(resolution_ms="small")},
        {"manifest": _manifest(note=nan)},
        {"outcome": {"generator": {"floor_ms": "fast"}}},
        {"outcome": {"failure_details": 5}},
    ],
)
def test_a_damaged_file_says_so_in_a_sentence(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^this file is damaged: "):
        run_from_document(exported(**changes))


def test_a_small_file_with_more_requests_than_there_is_memory_for_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MAX_IMPORTED", 39)
    with pytest.raises(ValueError, match=r"^this file is damaged: "):
        run_from_document(exported())
    monkeypatch.setattr(export, "MAX_IMPORTED", 40)
    run_from_document(exported())


def test_a_run_that_names_itself_in_markup_is_text() -> None:
    run, _ = run_from_document(exported(name="[/bold][red]\\"))
    assert run.name == "[/bold][red]\\"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(make_run().manifest)), json_values)
def test_whatever_a_manifest_says_it_is_shown_or_refused(name: str, value: Any) -> None:
    try:
        run, samples = run_from_document(exported(manifest=_manifest(**{name: value})))
    except ValueError as error:
        assert str(error).startswith("this file is damaged: ")
    else:
        json.dumps(to_document(summarise(run, samples)), allow_nan=False)


# --- HdrHistogram's percentile log


def ticks(text: str) -> list[tuple[float, float, int]]:
    """Value, share and count of each line."""
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    assert lines[0] == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    for tick in lines[1:-1]:
        assert float(tick[3]) == pytest.approx(1 / (1 - float(tick[1])), abs=0.0051, rel=1e-6)
    return [(float(tick[0]), float(tick[1]), int(tick[2])) for tick in lines[1:]]


@given(st.lists(st.integers(0, 10_000).map(lambda tick: tick / 8), min_size=1, max_size=400))
def test_the_values_of_a_histogram_log_are_numpys(values: list[float]) -> None:
    values_ms = np.array(values)
    found = ticks(histogram_log(values_ms, "api"))
    for value, share, count in found:
        # Of a share that is a whole number of values numpy may round to the next one: hence a hair less.
        expected = np.quantile(values_ms, max(0, share - 1e-9), method="inverted_cdf")
        assert value == pytest.approx(expected, abs=0.0005)
        assert count == np.count_nonzero(values_ms <= value + 0.0005)
    assert found[-1] == pytest.approx((max(values), 1.0, len(values)), abs=0.0005)
    assert [share for _, share, _ in found] == sorted({share for _, share, _ in found})


def test_ticks_grow_twice_as_dense_with_every_halving() -> None:
    shares = [share for _, share, _ in ticks(histogram_log(np.arange(10_000.0), "api"))]
    assert shares[:11] == pytest.approx([0.1 * tick for tick in range(5)] + [0.5 + 0.05 * tick for tick in range(6)])
    assert shares[-2] > 1 - 2 / 10_000


def test_a_histogram_log_ends_with_its_moments() -> None:
    values_ms = np.array([1.0, 2.0, 3.0, 6.0])
    text = histogram_log(values_ms, "api of run 0123abcd, ms")
    assert text.splitlines()[0] == "#[api of run 0123abcd, ms]"
    mean, extremes = text.splitlines()[-2:]
    assert mean == f"#[Mean    = {3:12.3f}, StdDeviation   = {values_ms.std():12.3f}]"
    assert extremes == f"#[Max     = {6:12.3f}, Total count    = {4:12d}]"


def test_nothing_measured_is_an_empty_histogram_log() -> None:
    assert ticks(histogram_log(np.empty(0), "api")) == []


def test_the_percentiles_of_a_run_are_of_what_its_summary_is_of() -> None:
    cold = row(0, 4, 5000.0, temperature=Temperature.COLD)
    samples = from_rows([row(0, 0, 900.0, warmup=True), *(row(0, group, 10.0 + group) for group in (1, 2, 3)), cold])
    run = make_run(OpenLoopPlan(warmup=1))
    assert max(value for value, _, _ in ticks(percentile_log(run, samples, 0))) == 13.0
    assert summarise(run, samples).endpoints[0].n == 3
