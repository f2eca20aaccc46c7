"""The record: nothing is lost, nothing is half written, and a file that cannot be used says so."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from benchmark.endpoints.sample import Answer, Comparison, Failure, Sample
from benchmark.record import schema
from benchmark.record.store import Store, StoreError
from benchmark.reports.export import comparisons_to_csv
from tests.benchmark.record.conftest import count_rows
from tests.benchmark.record.processes import as_arguments, start, write_at_once

ROOT = Path(__file__).resolve().parents[3]
UTC = "2026-01-02T03:04:05.678+00:00"

FULL = Sample(
    endpoint="api",
    sent_at_utc=UTC,
    latency_ms=12.345678901234567,
    status=200,
    server_ms=0.125,
    connection_reused=True,
    instance_id="abc123",
    instance_age_ms=4711.5,
    request_count=3,
    answer=Answer(1, "oolong", 0.7, (0.2, 0.7, 0.1), "v1"),
)
FAILED = Sample(
    "function", UTC, 500.0, status=200, failure=Failure.WRONG_SCHEMA, failure_detail="prediction is not a number"
)


def comparison(number: int = 0, model: str = "tea", samples: Sequence[Sample] = (FULL, FAILED)) -> Comparison:
    return Comparison(f"{model}-{number}", UTC, model, (5.0, 0.1 + 0.2, 3.5), tuple(samples))


# --- What goes in comes out


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 10**15)
answers = st.builds(
    Answer,
    prediction=finite,
    label=st.none() | texts,
    confidence=st.none() | st.floats(0, 1),
    probabilities=st.none() | st.lists(st.floats(0, 1), max_size=4).map(tuple),
    model_version=st.none() | texts,
)
samples = st.builds(
    Sample,
    endpoint=st.sampled_from(["api", "function"]),
    sent_at_utc=texts,
    latency_ms=st.floats(0, 1e9),
    status=st.none() | st.integers(100, 999),
    server_ms=st.none() | st.floats(0, 1e9),
    connection_reused=st.none() | st.booleans(),
    instance_id=st.none() | texts,
    instance_age_ms=st.none() | st.floats(0, 1e15),
    request_count=st.none() | counts,
    failure=st.none() | st.sampled_from(Failure),
    failure_detail=st.none() | texts,
    answer=st.none() | answers,
)


@given(st.lists(samples, max_size=3), st.lists(finite, max_size=4), texts)
def test_every_field_survives(shared_store: Store, recorded: list[Sample], inputs: list[float], at_utc: str) -> None:
    shared_store.clear("tea")
    written = Comparison("one", at_utc, "tea", tuple(inputs), tuple(recorded))
    shared_store.add(written)
    assert shared_store.latest("tea", 1) == [written]


def test_types_survive_not_only_values(store: Store) -> None:
    store.add(comparison())
    (read,) = store.latest("tea", 1)
    first, second = read.samples
    assert second.failure is Failure.WRONG_SCHEMA
    assert first.connection_reused is True
    assert isinstance(first.answer, Answer)
    assert isinstance(first.answer.probabilities, tuple)
    assert first.temperature is FULL.temperature


def test_a_new_record_is_empty(store: Store) -> None:
    assert store.latest("tea", 10) == []
    assert store.count("tea") == 0


def test_the_last_ones_come_oldest_first(store: Store) -> None:
    for number in range(5):
        store.add(comparison(number))
    assert [item.id for item in store.latest("tea", 3)] == ["tea-2", "tea-3", "tea-4"]
    assert [item.id for item in store.latest("tea", 100)] == [f"tea-{number}" for number in range(5)]
    assert store.latest("tea", 0) == []
    assert store.count("tea") == 5


def test_models_are_recorded_apart_also_where_they_take_turns(store: Store) -> None:
    for number in range(4):
        store.add(comparison(number, model=("tea", "mileage")[number % 2]))
    assert [item.id for item in store.latest("tea", 10)] == ["tea-0", "tea-2"]
    assert [item.id for item in store.latest("mileage", 1)] == ["mileage-3"]
    assert all(len(item.samples) == 2 for item in store.latest("mileage", 10))
    assert (store.count("tea"), store.count("mileage"), store.count("coffee")) == (2, 2, 0)


def test_clearing_one_model_leaves_the_other_one(store: Store) -> None:
    store.add(comparison(model="tea"))
    store.add(comparison(model="mileage"))
    store.clear("tea")
    assert store.latest("tea", 10) == []
    assert [len(item.samples) for item in store.latest("mileage", 10)] == [2]


def test_clearing_takes_the_samples_with_it(store: Store) -> None:
    store.add(comparison())
    store.clear("tea")
    assert count_rows(store, schema.sample) == 0


def test_what_is_recorded_after_clearing_stands_alone(store: Store) -> None:
    store.add(comparison(0))
    store.clear("tea")
    store.add(comparison(1, samples=[FULL]))
    assert [item.samples for item in store.latest("tea", 10)] == [(FULL,)]


def test_another_process_reads_what_this_one_wrote(store: Store) -> None:
    store.add(comparison())
    assert Store(store.location).latest("tea", 1) == [comparison()]


# --- Several writers, and those that die

WRITER = """
import sys
from pathlib import Path
from benchmark.endpoints.sample import Comparison, Sample
from benchmark.record.store import Location, Store

store, writer, count = Store(Location(Path(sys.argv[1]), sys.argv[2] or None)), sys.argv[3], int(sys.argv[4])
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    samples = tuple(Sample(key, "now", float(number)) for key in ("api", "function"))
    store.add(Comparison(f"{writer}-{number}", "now", "tea", (float(number),), samples))
"""

DIES = """
import os, sys
from pathlib import Path
from benchmark.endpoints.sample import Comparison, Sample
from benchmark.record.store import Location, Store

class DiesWhenRead(tuple):
    def __iter__(self):
        yield Sample("api", "now", 1.0)
        os._exit(9)

Store(Location(Path(sys.argv[1]), sys.argv[2] or None)).add(Comparison("dying", "now", "tea", (1.0,), DiesWhenRead()))
"""


@pytest.mark.slow
def test_eight_processes_write_at_once_and_nothing_is_lost(store: Store) -> None:
    write_at_once(WRITER, store.location)
    found = store.latest("tea", 1000)
    assert len(found) == store.count("tea") == 400
    assert {item.id for item in found} == {f"{writer}-{number}" for writer in range(8) for number in range(50)}
    assert all(len(item.samples) == 2 for item in found)


def test_a_process_that_dies_while_it_writes_leaves_nothing_half_written(store: Store) -> None:
    store.add(comparison(0))
    dying = start(DIES, *as_arguments(store.location))
    _, errors = dying.communicate(timeout=60)
    assert dying.returncode == 9, errors
    store.add(comparison(1))
    assert [item.id for item in store.latest("tea", 10)] == ["tea-0", "tea-1"]
    assert count_rows(store, schema.sample) == 4


def test_a_sample_that_cannot_be_written_takes_its_comparison_back(store: Store) -> None:
    store.add(comparison(0))
    unwritable = replace(FULL, latency_ms="slow")  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        store.add(comparison(1, samples=[FULL, unwritable]))
    assert [item.id for item in store.latest("tea", 10)] == ["tea-0"]
    store.add(comparison(2))
    assert store.count("tea") == 2


def test_the_same_comparison_is_not_recorded_twice(store: Store) -> None:
    store.add(comparison())
    with pytest.raises(StoreError):
        store.add(comparison())
    assert store.count("tea") == 1


def test_a_row_that_this_version_cannot_read_is_a_store_error(store: Store) -> None:
    store.add(comparison())
    with store.database.write() as connection:
        connection.execute(update(schema.sample).values(failure="eaten by a dog"))
    with pytest.raises(StoreError, match=re.escape(store.location.name)):
        store.latest("tea", 1)


# --- Export


def exported(*comparisons: Comparison) -> list[dict[str, str]]:
    text = comparisons_to_csv(comparisons, ["leaf_length", "leaf_width", "steep_time"], ["green", "oolong", "black"])
    return list(csv.DictReader(io.StringIO(text)))


def test_a_line_of_the_export_is_a_sample_with_inputs_and_answer_in_columns_of_their_own() -> None:
    answered, failed = exported(comparison())
    assert answered == {
        "comparison": "tea-0",
        "at_utc": UTC,
        "model": "tea",
        "leaf_length": "5.0",
        "leaf_width": "0.30000000000000004",
        "steep_time": "3.5",
        "endpoint": "api",
        "sent_at_utc": UTC,
        "latency_ms": "12.345678901234567",
        "status": "200",
        "server_ms": "0.125",
        "connection_reused": "True",
        "instance_id": "abc123",
        "instance_age_ms": "4711.5",
        "request_count": "3",
        "failure": "",
        "failure_detail": "",
        "temperature": "warm",
        "prediction": "1",
        "label": "oolong",
        "confidence": "0.7",
        "model_version": "v1",
        "probability_green": "0.2",
        "probability_oolong": "0.7",
        "probability_black": "0.1",
    }
    assert (failed["endpoint"], failed["failure"], failed["failure_detail"]) == (
        "function",
        "wrong_schema",
        "prediction is not a number",
    )
    assert failed["prediction"] == failed["label"] == failed["probability_black"] == ""


def test_an_empty_export_has_its_header() -> None:
    text = comparisons_to_csv([], ["leaf_length"], ["green"])
    assert text.splitlines()[0].startswith("comparison,at_utc,model,leaf_length,endpoint,")
    assert len(text.splitlines()) == 1


def test_a_regressors_export_has_no_probabilities() -> None:
    answered = replace(FULL, answer=Answer(7.25, model_version="v1"))
    text = comparisons_to_csv([comparison(samples=[answered])], ["leaf_length", "leaf_width", "steep_time"], [])
    (line,) = csv.DictReader(io.StringIO(text))
    assert line["prediction"] == "7.25"
    assert not [name for name in line if name is None or name.startswith("probability_")]


@pytest.mark.parametrize("prefix", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_run_is_exported_as_text(prefix: str) -> None:
    formula = prefix + 'HYPERLINK("http://127.0.0.1")'
    hostile = replace(FULL, instance_id=formula, answer=Answer(1, "oolong", model_version=formula))
    (line,) = exported(comparison(samples=[hostile]))
    assert line["instance_id"] == line["model_version"] == "'" + formula


def test_a_negative_number_stays_a_number() -> None:
    negative = replace(FULL, answer=Answer(-1.5))
    (line,) = exported(replace(comparison(samples=[negative]), inputs=(-5.0, 1.0, 1.0)))
    assert (line["leaf_length"], line["prediction"]) == ("-5.0", "-1.5")


def test_commas_quotes_and_line_ends_stay_in_their_cell() -> None:
    awkward = replace(FULL, instance_id='a,"b"\nc')
    (line,) = exported(comparison(samples=[awkward]))
    assert line["instance_id"] == 'a,"b"\nc'


def test_a_former_model_of_the_same_name_does_not_move_the_columns() -> None:
    two_classes = replace(FULL, answer=Answer(1, "oolong", 0.7, (0.3, 0.7), "v0"))
    four_classes = replace(FULL, answer=Answer(1, "oolong", 0.7, (0.1, 0.7, 0.1, 0.1), "v2"))
    two_inputs = replace(comparison(samples=[two_classes, four_classes]), inputs=(5.0, 2.0))
    current, former, later = exported(comparison(samples=[FULL]), two_inputs)
    assert None not in {*current, *former, *later}  # a cell without a column
    assert (current["leaf_length"], current["probability_black"]) == ("5.0", "0.1")
    for line in (former, later):
        assert (line["endpoint"], line["label"], line["model_version"][:1]) == ("api", "oolong", "v")
        assert line["probability_green"] == line["probability_black"] == ""
