"""What the Monitor page says, in the states that readings can be in."""

import math

import pytest

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Failure
from benchmark.monitor.counts import Bucket, BucketQuantile, Counts, Snapshot, Traffic
from benchmark.monitor.drift import Drift, DriftLevel
from benchmark.monitor.history import Unread
from benchmark.monitor.sampler import When
from dashboard.components.markup import NOTHING, count
from dashboard.views.monitor import text as say
from dashboard.views.monitor.snapshot import EndpointSnapshot, Window, endpoint_snapshot
from tests.benchmark.cards import make_card, tea_document

API = Endpoint("api", "FastAPI", "http://127.0.0.1:8000")
TEA = make_card(tea_document())


def snapshot(taken_s: float, instance: str = "a" * 12, age_s: float | None = 100.0, requests: int = 0) -> Snapshot:
    return Snapshot(taken_s, Counts({200: requests} if requests else {}), instance, TEA.version, "onnx", age_s)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "\N{EN DASH}"),
        (0.4, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (252, "4 min 12 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (86399, "23 h 59 min"),
        (86400, "1 d 0 h"),
        (187200, "2 d 4 h"),
    ],
)
def test_an_age_has_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert say.age(seconds) == text


@pytest.mark.parametrize(
    ("per_s", "text"),
    [
        (None, "\N{EN DASH}"),
        (0.0, "0"),
        (0.004, "< 0.01"),
        (0.5, "0.50"),
        (74.6, "75"),
        (1234.0, count(1234)),
    ],
)
def test_a_rate_is_never_rounded_to_nothing(per_s: float | None, text: str) -> None:
    assert say.rate(per_s) == text


def test_a_quantile_beyond_the_last_bound_says_so() -> None:
    assert say.latency(BucketQuantile(5.0, 5.0, math.inf, 3)) == "> 5000".replace(
        "5000", "5\N{NARROW NO-BREAK SPACE}000"
    )
    assert say.latency(BucketQuantile(0.0002, 0.0001, 0.00025, 3)) == "0.20"
    assert say.latency(None) == NOTHING


def test_what_is_certain_of_a_quantile_is_its_bucket() -> None:
    latency = (Bucket(0.0, 0.001, 90), Bucket(0.001, 0.0025, 9), Bucket(0.0025, math.inf, 1))
    text = say.resolution(Counts({200: 100}, latency))
    assert text == "In the server: p50 is between 0 and 1 ms, p95 is between 1 and 2.5 ms"
    last = say.resolution(Counts({200: 1}, (Bucket(5.0, math.inf, 1),)))
    assert "p50 is above 5000 ms" in last
    assert say.resolution(Counts()) == ""


def test_traffic_counts_what_was_refused_and_what_failed() -> None:
    text = say.requests(Counts({200: 1000, 422: 3, 413: 1, 500: 2}, predictions={"green": 1200}))
    assert text == f"{count(1006)} requests · {count(1200)} predictions · 4 refused (4xx) · 2 failed (5xx)"
    assert say.requests(Counts({200: 1}, predictions={"green": 1})).startswith("1 request · 1 prediction ·")


def test_without_traffic_it_says_what_to_do() -> None:
    assert "send one on the Predict page" in say.requests(Counts())


@pytest.mark.parametrize("failure", Failure)
@pytest.mark.parametrize("status", [None, 200, 302, 401, 403, 404, 429, 500])
def test_every_failure_has_a_sentence_that_says_what_to_try(failure: Failure, status: int | None) -> None:
    text = say.what_to_try(Unread(0.0, failure, status, "is not text"), API)
    assert text.endswith(".")
    assert any(word in text for word in ("check", "start it", "log", "again", "roles/run.invoker", "API_TOKEN"))
    assert "predict" not in text.lower() or failure is not Failure.WRONG_SCHEMA


def test_no_metrics_is_not_called_no_prediction() -> None:
    assert "no metrics (HTTP 404)" in say.what_to_try(Unread(0.0, Failure.CLIENT_ERROR, 404), API)
    assert "No metrics within 2 s" in say.what_to_try(Unread(0.0, Failure.TIMEOUT), API)


def change(*snapshots: Snapshot) -> str | None:
    return say.change(endpoint_snapshot(API, 0, snapshots, Window.MINUTE, TEA), now_s=snapshots[-1].taken_s + 30)


def test_a_restart_is_said() -> None:
    assert change(snapshot(0, "a"), snapshot(2, "a")) is None
    assert change(snapshot(0, "a"), snapshot(2, "b", age_s=1)) == (
        "A new process answered 30 s ago (a restart or another instance). Its counts start at 0."
    )
    unnamed = (snapshot(0, "", requests=5), snapshot(2, "", age_s=None, requests=1))
    assert change(*unnamed) == "Another process answered 30 s ago. It has its own counts."


def test_several_instances_behind_one_address_are_said() -> None:
    text = change(snapshot(0, "a"), snapshot(2, "b", age_s=50), snapshot(4, "a"), snapshot(6, "b"))
    assert text and text.startswith("2 instances have answered in turn")


def test_drift_is_said_with_n() -> None:
    assert say.drift_state(Drift("x", 12, DriftLevel.TOO_FEW)) == "too few to tell (n = 12 of 100)"
    assert say.drift_state(Drift("x", 1200, DriftLevel.LARGE, 0.4, 0.1)) == f"large drift (n = {count(1200)})"


def test_where_no_drift_can_be_shown_the_reason_is_said() -> None:
    few = [Drift("x", 12, DriftLevel.TOO_FEW), Drift("y", 0, DriftLevel.ONE_BIN)]
    assert say.no_drift(few).startswith("Too few to tell: 12 of 100 values")
    assert say.no_drift([]).startswith("Too few to tell: 0 of 100 values")
    assert say.no_drift([Drift("x", 120, DriftLevel.UNREADABLE)]) == "Not counted by this endpoint (n = 120)."


def test_a_psi_is_said_in_words_the_most_drifted_first() -> None:
    found = [
        Drift("x", 500, DriftLevel.CHANCE, 0.01, 0.1),
        Drift("y", 500, DriftLevel.MODERATE, 0.2, 0.1),
        Drift("z", 500, DriftLevel.LARGE, 1.234, 0.1),
        Drift("w", 500, DriftLevel.ONE_BIN),
    ]
    labels = {"x": "Sepal width", "y": "Petal length", "z": "Petal width", "w": "Sort"}
    assert say.drift_sentence("FastAPI", found, labels) == (
        "FastAPI: large drift of petal width (PSI 1.23), moderate drift of petal length (PSI 0.20), no drift seen in "
        "1 feature, 1 feature not estimable: nearly all training values are alike (n = 500)."
    )
    few = [Drift("x", 12, DriftLevel.TOO_FEW)]
    assert say.drift_sentence("FastAPI", few, labels) == "FastAPI: 1 feature too few to tell (n = 12)."


def test_the_usual_thresholds_of_psi_are_said_with_their_source() -> None:
    for part in ("below 0.1", "0.1 to 0.25", "above 0.25", "Siddiqi", "Fewer than 100 values are too few to tell"):
        assert part in say.PSI_METHOD


# --- Tests apart, and holes


def test_tests_are_said_beside_the_figures_of_users() -> None:
    tests = Counts({200: 40}, predictions={"green": 400})
    one = endpoint_snapshot(
        API, 0, [Snapshot(0.0, Counts({200: 3}), "a", age_s=9.0, test_counts=tests)], Window.START, None
    )
    assert say.tests(one) == "Not in these figures: 40 test requests with 400 predictions"
    assert say.tests(endpoint_snapshot(API, 0, [snapshot(0)], Window.START, None)) == ""
    old = Snapshot(0.0, Counts({200: 3}), "a", age_s=9.0, tells_tests=False)
    assert "does not count test traffic separately" in say.tests(endpoint_snapshot(API, 0, [old], Window.START, None))


def test_asked_about_tests_an_endpoint_is_what_its_tests_were() -> None:
    reading = Snapshot(0.0, Counts({200: 3}), "a", age_s=9.0, test_counts=Counts({200: 40}))
    one = endpoint_snapshot(API, 0, [reading], Window.START, None, Traffic.TEST)
    assert one.interval and one.interval.counts.request_count == 40
    assert say.tests(one) == ""


def test_what_came_while_nobody_read_is_said() -> None:
    one = endpoint_snapshot(
        API, 0, [snapshot(0), snapshot(2, requests=4), snapshot(302, requests=1004)], Window.START, None
    )
    assert say.unplaced([one]) == (
        "Shaded: the metrics were not read during this time. Only the totals include "
        f"FastAPI {count(1000)} requests in 5 min 0 s."
    )
    assert say.unplaced([endpoint_snapshot(API, 0, [snapshot(0), snapshot(302)], Window.START, None)]) == ""


@pytest.mark.parametrize("when", When)
def test_what_readings_cost_is_said_where_they_may_cost(when: When) -> None:
    assert "billed" in say.readings(when, is_paused=False, are_local=False)
    assert "billed" not in say.readings(when, is_paused=False, are_local=True)
    assert "paused" in say.readings(when, is_paused=True, are_local=False)


# --- An endpoint as it is watched


def test_a_failure_is_shown_until_the_next_reading_that_works() -> None:
    failed = Unread(2.0, Failure.REFUSED)
    assert endpoint_snapshot(API, 0, [snapshot(0), failed], Window.MINUTE, TEA).failure is failed
    assert endpoint_snapshot(API, 0, [snapshot(0), failed, snapshot(4)], Window.MINUTE, TEA).failure is None
    assert endpoint_snapshot(API, 0, [failed], Window.MINUTE, TEA).newest is None


def test_the_window_decides_what_is_counted() -> None:
    readings = [snapshot(float(second), age_s=1000.0 + second, requests=second) for second in range(1, 100)]

    def one(window: Window) -> EndpointSnapshot:
        return endpoint_snapshot(API, 0, readings, window, TEA)

    whole, minute, ten = (one(window).interval for window in (Window.START, Window.MINUTE, Window.TEN_MINUTES))
    assert whole and (whole.duration_s, whole.counts.request_count) == (1099.0, 99)
    assert minute and (minute.duration_s, minute.counts.request_count) == (60.0, 60)
    assert ten and (ten.duration_s, ten.counts.request_count) == (98.0, 98)


def test_the_card_of_another_model_is_not_used() -> None:
    other = make_card(tea_document(title="Other teas"))
    assert endpoint_snapshot(API, 0, [snapshot(0)], Window.START, TEA).card is TEA
    assert endpoint_snapshot(API, 0, [snapshot(0)], Window.START, other).card is None
