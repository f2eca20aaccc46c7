"""What is read from real metrics, and what two readings say of the time between them."""

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.monitor.counts import (
    Bucket,
    Counts,
    NotMetrics,
    Snapshot,
    Succession,
    Traffic,
    between,
    bucket_quantile,
    last,
    parse,
    since_start,
    succession,
    training_prior,
)
from benchmark.monitor.history import stretches
from inference.service import Service
from tests.benchmark.metrics_text import post, tea_service, text

GREEN = (3.2, 1.1, 2.2)
BLACK = (6.9, 2.9, 4.9)
OUTSIDE = (9.0, 2.0, 3.0)


def read(service: Service, taken_s: float, age_s: float | None = None) -> Snapshot:
    """A reading at `taken_s`, of a process that is as old as the test says where it says so."""
    snapshot = parse(text(service), taken_s)
    return snapshot if age_s is None else replace(snapshot, age_s=age_s)


# --- Reading


def test_a_fresh_process_has_counted_nothing() -> None:
    counts = parse(text(tea_service()), 5.0).counts
    assert counts.request_count == counts.prediction_count == 0
    assert counts.latency == ()
    assert counts.out_of_range == {"leaf_length": 0, "leaf_width": 0, "steep_time": 0}
    assert counts.share_of_requests(5) is None


def test_predictions_are_read_by_class_and_refusals_by_status() -> None:
    service = tea_service()
    post(service, [GREEN, GREEN, BLACK, OUTSIDE, ()])
    snapshot = parse(text(service), 5.0)
    counts = snapshot.counts
    assert counts.requests == {200: 4, 422: 1}
    assert counts.predictions == {"green": 2, "oolong": 0, "black": 2}
    assert counts.out_of_range == {"leaf_length": 1, "leaf_width": 0, "steep_time": 0}
    assert counts.binned["leaf_length"] == (4,)
    assert counts.share_of_requests(4) == pytest.approx(0.2)
    assert counts.share_of_requests(5) == 0
    assert sum(bucket.count for bucket in counts.latency) == 5


def test_a_process_says_who_it_is() -> None:
    service = tea_service()
    snapshot = parse(text(service), 5.0)
    assert snapshot.instance_id == dict(service.respond("GET", "/health").headers)["x-instance-id"]
    assert (snapshot.model_version, snapshot.runtime) == (service.card.version, "onnx")
    assert snapshot.age_s is not None and snapshot.age_s >= 0
    assert snapshot.taken_s == 5.0


def test_reading_the_metrics_is_no_traffic() -> None:
    service = tea_service()
    for _ in range(3):
        text(service)
    service.metrics.count_request("/health", 200, 0.001)
    service.metrics.count_request("other", 404, 0.001)
    assert parse(text(service), 0.0).counts.request_count == 0
    assert parse(text(service), 0.0).counts.latency == ()


def test_tests_are_read_apart_from_users() -> None:
    service = tea_service()
    post(service, [GREEN, ()])
    post(service, [BLACK, OUTSIDE, ()], is_test=True)
    older = read(service, 5.0)
    users, tests = older.counts, older.of(Traffic.TEST).counts
    assert (users.requests, users.prediction_count) == ({200: 1, 422: 1}, 1)
    assert tests.requests == {200: 2, 422: 1}
    assert tests.predictions == {"green": 0, "oolong": 0, "black": 2}
    assert tests.out_of_range["leaf_length"] == 1
    assert (users.binned["leaf_length"], tests.binned["leaf_length"]) == ((1,), (2,))
    assert (sum(one.count for one in users.latency), sum(one.count for one in tests.latency)) == (2, 3)
    assert older.tells_tests

    post(service, [BLACK] * 4, is_test=True)
    found = between(older, read(service, 7.0))
    assert found and (found.requests_per_s, found.tests_per_s) == (0.0, 2.0)


def test_an_endpoint_that_does_not_know_tests_is_read_as_before() -> None:
    service = tea_service()
    post(service, [GREEN, BLACK, ()])
    before = re.sub(r',traffic="user"|traffic="user",?', "", text(service))
    assert "traffic" not in before
    snapshot = parse(before, 5.0)
    assert snapshot.counts == parse(text(service), 5.0).counts
    assert snapshot.counts.requests == {200: 2, 422: 1}
    assert not snapshot.tells_tests
    assert snapshot.of(Traffic.TEST).counts.request_count == 0


def test_more_bins_than_a_model_has_are_refused_before_they_fill_the_memory() -> None:
    lines = [f'faceoff_inputs_binned_total{{feature="{number}",bin="999"}} 1' for number in range(60)]
    with pytest.raises(NotMetrics, match="more bins"):
        parse(
            "\n".join(
                [
                    "# TYPE faceoff_requests_total counter",
                    'faceoff_requests_total{route="/predict",status="200"} 1',
                    "# TYPE faceoff_inputs_binned_total counter",
                    *lines,
                    "",
                ]
            ),
            0.0,
        )


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "<html>hello</html>",
        '{"status": "ok"}',
        "python_info 1\n",
        'faceoff_requests_total{route="/predict",status="200"} -1\n',
        'faceoff_requests_total{route="/predict",status="200"} NaN\n',
        'faceoff_requests_total{route="/predict",status="200"} many\n',
        'faceoff_requests_total{route="/predict\n',
    ],
)
def test_what_is_no_metrics_of_this_kind_is_said_to_be_none(damaged: str) -> None:
    with pytest.raises(NotMetrics):
        parse(damaged, 0.0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('le="0.0005"', 'le="never"'),
        ('le="0.0005"', 'le="-1"'),
        ('le="0.0005"', 'le="NaN"'),
        ('bin="0"', 'bin="first"'),
        ('bin="0"', 'bin="9999"'),
    ],
)
def test_metrics_with_a_senseless_part_are_refused_whole(before: str, after: str) -> None:
    service = tea_service()
    post(service, [GREEN])
    given_text = text(service)
    assert before in given_text
    with pytest.raises(NotMetrics):
        parse(given_text.replace(before, after), 0.0)


@given(noise=st.text(max_size=200), at=st.integers(0, 4000))
def test_noise_gives_a_snapshot_or_not_metrics(noise: str, at: int) -> None:
    whole = NOISE_BASE
    try:
        assert isinstance(parse(whole[:at] + noise + whole[at + len(noise) :], 0.0), Snapshot)
    except NotMetrics as error:
        assert str(error)


def _noise_base() -> str:
    service = tea_service()
    post(service, [GREEN])
    return text(service)


NOISE_BASE = _noise_base()


# --- Two readings


def test_between_two_readings_is_what_happened_in_between() -> None:
    service = tea_service()
    post(service, [GREEN] * 5)
    older = read(service, 10.0)
    post(service, [BLACK, OUTSIDE, ()])
    newer = read(service, 14.0)

    found = between(older, newer)

    assert found
    assert found.duration_s == 4.0
    assert found.counts.requests == {200: 2, 422: 1}
    assert found.requests_per_s == pytest.approx(0.75)
    assert found.counts.predictions == {"green": 0, "oolong": 0, "black": 2}
    assert found.counts.out_of_range["leaf_length"] == 1
    assert found.counts.binned["leaf_length"] == (2,)
    assert sum(bucket.count for bucket in found.counts.latency) == 3


COUNTED = Counts({200: 1}, (Bucket(0.0, math.inf, 1),), {"green": 1}, {"leaf_length": 1}, {"leaf_length": (1, 0)})


@pytest.mark.parametrize(
    "later",
    [
        replace(COUNTED, requests={}),
        replace(COUNTED, latency=()),
        replace(COUNTED, predictions={}),
        replace(COUNTED, out_of_range={}),
        replace(COUNTED, binned={}),
    ],
)
def test_a_process_that_no_longer_counts_what_it_counted_is_another(later: Counts) -> None:
    assert COUNTED.minus(Counts()) == COUNTED
    assert COUNTED.minus(COUNTED) is not None
    assert later.minus(COUNTED) is None


def test_since_its_start_is_all_that_the_process_has_counted() -> None:
    service = tea_service()
    post(service, [GREEN] * 3)
    found = since_start(read(service, 100.0, age_s=6.0))
    assert found
    assert (found.duration_s, found.requests_per_s) == (6.0, 0.5)
    assert since_start(replace(read(service, 100.0), age_s=None)) is None


def test_there_is_nothing_between_two_processes() -> None:
    one, other = tea_service(), tea_service()
    post(one, [GREEN])
    post(other, [GREEN] * 2)
    assert between(read(one, 1.0), read(other, 2.0)) is None


def test_counts_that_went_back_are_another_process_also_without_a_name() -> None:
    one, other = tea_service(), tea_service()
    post(one, [GREEN] * 3)
    post(other, [GREEN] * 2)
    older = replace(read(one, 1.0), instance_id=None)
    newer = replace(read(other, 2.0), instance_id=None)
    assert between(older, newer) is None
    assert succession(older, newer) is not Succession.SAME


def test_a_process_younger_than_the_time_between_was_started_meanwhile_an_older_one_ran_beside() -> None:
    before = read(tea_service(), 10.0, age_s=500.0)
    after = tea_service()
    assert succession(before, read(after, 12.0, age_s=1.9)) is Succession.STARTED
    assert succession(before, read(after, 12.0, age_s=2.1)) is Succession.OTHER
    assert succession(before, replace(read(after, 12.0), age_s=None)) is Succession.UNKNOWN
    assert succession(before, replace(before, taken_s=12.0, age_s=502.0)) is Succession.SAME


def test_of_two_instances_that_answer_in_turn_each_is_compared_with_itself() -> None:
    one, other = tea_service(), tea_service()
    readings = []
    for turn in range(3):
        post(one, [GREEN])
        readings.append(read(one, 4.0 * turn))
        post(other, [GREEN] * 10)
        readings.append(read(other, 4.0 * turn + 2))

    lines, _ = stretches(readings)
    found = [[(snapshot.taken_s, step.counts.request_count) for snapshot, step in line.steps] for line in lines]

    assert found == [[(4.0, 1), (8.0, 1)], [(6.0, 10), (10.0, 10)]]
    whole = last(readings, 60.0)
    assert whole and (whole.duration_s, whole.counts.request_count) == (8.0, 20)


def test_the_last_so_many_seconds_leave_out_what_was_before() -> None:
    service = tea_service()
    readings = []
    for second in range(0, 100, 10):
        post(service, [GREEN])
        readings.append(read(service, float(second)))
    found = last(readings, 30.0)
    assert found and (found.duration_s, found.counts.request_count) == (30.0, 3)
    assert last(readings[:1], 30.0) is None
    assert last([], 30.0) is None


# --- Quantiles


def test_a_quantile_is_somewhere_in_its_bucket_and_the_bucket_is_certain() -> None:
    service = tea_service()
    for duration_s in (0.0002, 0.0002, 0.0004, 0.003):
        post(service, [GREEN], duration_s)
    latency = parse(text(service), 0.0).counts.latency

    middle, high = bucket_quantile(latency, 0.5), bucket_quantile(latency, 0.99)

    assert middle and (middle.above_s, middle.upto_s, middle.count) == (0.0001, 0.00025, 4)
    assert middle.value_s == pytest.approx(0.00025)  # the second of the two in this bucket: its upper end
    assert high and (high.above_s, high.upto_s) == (0.0025, 0.005)


def test_beyond_the_last_bound_only_the_bound_is_known() -> None:
    service = tea_service()
    post(service, [GREEN], 60.0)
    found = bucket_quantile(parse(text(service), 0.0).counts.latency, 0.5)
    assert found and (found.value_s, found.above_s, found.upto_s) == (5.0, 5.0, math.inf)


def test_without_requests_there_is_no_quantile() -> None:
    assert bucket_quantile((), 0.5) is None
    assert bucket_quantile((Bucket(0.0, 1.0, 0),), 0.5) is None


@given(
    counts=st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_quantiles_ascend_and_stay_in_their_bucket(counts: list[int], shares: tuple[float, float]) -> None:
    latency = [Bucket(float(index), float(index + 1), count) for index, count in enumerate(counts)]
    low, high = (bucket_quantile(latency, share) for share in sorted(shares))
    assert low and high
    assert low.value_s <= high.value_s
    for one in (low, high):
        assert one.above_s <= one.value_s <= one.upto_s
        assert counts[int(one.above_s)] > 0


# --- The prior


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"training_data": []},
        {"training_data": {"class_counts": {"a": 1}}},
        {"training_data": {"class_counts": {"a": 1, "b": -1}}},
        {"training_data": {"class_counts": {"a": 1, "b": True}}},
        {"training_data": {"class_counts": {"a": 0, "b": 0}}},
    ],
)
def test_a_card_that_does_not_count_its_classes_has_no_prior(document: dict[str, object]) -> None:
    assert training_prior(document, ("a", "b")) is None


def test_the_prior_is_the_training_rows_by_class() -> None:
    document = {"training_data": {"class_counts": {"b": 2, "a": 1, "c": 9}}}
    assert training_prior(document, ("a", "b")) == {"a": 1, "b": 2}
    assert training_prior(document, ()) is None
