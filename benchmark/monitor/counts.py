"""What an endpoint counts about itself, read from its `/metrics`, and what happened between two readings.

Counts belong to one process. Several processes may share an address, and a scrape reaches one of them: only readings of
the same process are compared, and a change of process is reported, never drawn as a negative rate.

Requests from users and test requests (`traffic="test"`, from benchmarks and audits) are counted separately.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from typing import Any, TypeVar

PREDICT_ROUTES = frozenset({"/predict", "/"})
"""The routes that count as traffic; health checks and scrapes do not."""

_MAX_LABEL = 200
_MAX_BINS = 50_000
"""Maximum number of bins of all features: an index takes a few bytes of text, but all bins below it take memory."""
_Key = TypeVar("_Key")


class Traffic(StrEnum):
    """The source of the counted requests."""

    USER = "user"
    TEST = "test"


class NotMetrics(ValueError):
    """The text is not in Prometheus' text format, or not that of a Faceoff endpoint."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """The number of requests of more than `above_s` and at most `upto_s` seconds; infinity in the last bucket."""

    above_s: float
    upto_s: float
    count: int


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of one process's predictions, since its start or in a part of its life."""

    requests: Mapping[int, int] = field(default_factory=dict)
    """prediction requests by HTTP status"""
    latency: tuple[Bucket, ...] = ()
    """prediction requests by the server's own duration, ascending"""
    predictions: Mapping[str, int] = field(default_factory=dict)
    """by predicted class; under the target's name for a regressor"""
    out_of_range: Mapping[str, int] = field(default_factory=dict)
    """values outside the training range, by feature"""
    binned: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """values by feature and by bin of its histogram in the model card"""

    @property
    def request_count(self) -> int:
        return sum(self.requests.values())

    @property
    def prediction_count(self) -> int:
        """Predicted rows: a batch has many."""
        return sum(self.predictions.values())

    def count_of_requests(self, *hundreds: int) -> int:
        """Requests whose status is in these hundreds (`5` is 500 to 599)."""
        return sum(count for status, count in self.requests.items() if status // 100 in hundreds)

    def share_of_requests(self, *hundreds: int) -> float | None:
        """The share of requests whose status is in these hundreds (`5` is 500 to 599); None without requests."""
        return self.count_of_requests(*hundreds) / self.request_count if self.request_count else None

    def minus(self, earlier: "Counts") -> "Counts | None":
        """What happened since `earlier`; None if any count decreased or is missing, as in another process."""
        try:
            return Counts(
                _less(self.requests, earlier.requests),
                _less_latency(self.latency, earlier.latency),
                _less(self.predictions, earlier.predictions),
                _less(self.out_of_range, earlier.out_of_range),
                _less_binned(self.binned, earlier.binned),
            )
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading of one process. `taken_s` is on the reader's monotonic clock; the process reports everything else."""

    taken_s: float
    counts: Counts
    """requests from users; all traffic if the endpoint does not separate them"""
    instance_id: str | None = None
    model_version: str | None = None
    runtime: str | None = None
    age_s: float | None = None
    memory_bytes: float | None = None
    cpu_s: float | None = None
    """processor time that the process has used since its start"""
    test_counts: Counts = field(default_factory=Counts)
    """test requests"""
    tells_tests: bool = True
    """whether the endpoint counts tests separately; earlier versions do not"""

    def of(self, traffic: Traffic) -> "Snapshot":
        """The reading with the counts of this traffic; those of users keep the test counts too."""
        return self if traffic is Traffic.USER else replace(self, counts=self.test_counts, test_counts=Counts())

    def continues(self, older: "Snapshot") -> bool:
        """Whether this can be the process of `older`, by its name and age; `between` also compares every count."""
        if self.instance_id != older.instance_id:
            return False
        return self.age_s is None or older.age_s is None or self.age_s >= older.age_s


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of one process's life: its length, and what the process counted in it."""

    duration_s: float
    counts: Counts
    cpu_s: float | None = None
    test_counts: Counts = field(default_factory=Counts)

    @property
    def requests_per_s(self) -> float | None:
        return self.counts.request_count / self.duration_s if self.duration_s > 0 else None

    @property
    def tests_per_s(self) -> float | None:
        return self.test_counts.request_count / self.duration_s if self.duration_s > 0 else None

    @property
    def cpu_share(self) -> float | None:
        """Of one core."""
        return self.cpu_s / self.duration_s if self.cpu_s is not None and self.duration_s > 0 else None


@dataclass(frozen=True, slots=True)
class BucketQuantile:
    """A quantile estimated from buckets, with bounds that are certain: `above_s` < true value <= `upto_s`."""

    value_s: float
    above_s: float
    upto_s: float
    count: int


class Succession(StrEnum):
    """How a reading relates to the one before it."""

    SAME = "same"
    """the same process"""
    STARTED = "started"
    """a process that started in between"""
    OTHER = "other"
    """another process that was already running"""
    UNKNOWN = "unknown"
    """another process, of unknown age"""


# --- Reading


def parse(text: str, taken_s: float) -> Snapshot:
    """Read the text of `GET /metrics`. Missing metrics are None or zero; raises NotMetrics for other text."""
    families = _families(text)
    if "faceoff_requests" not in families:
        raise NotMetrics("does not count requests as a Faceoff endpoint does")
    # Prometheus' text format has no info metrics: this one is a gauge.
    model = next((labels for labels, _ in families.get("faceoff_model_info", {}).get("faceoff_model_info", ())), {})
    return Snapshot(
        taken_s=taken_s,
        counts=_counts(families, Traffic.USER),
        instance_id=model.get("instance_id") or None,
        model_version=model.get("version") or None,
        runtime=model.get("runtime") or None,
        age_s=_value(families, "faceoff_instance_age_seconds"),
        memory_bytes=_value(families, "process_resident_memory_bytes"),
        cpu_s=_value(families, "process_cpu_seconds", "process_cpu_seconds_total"),
        test_counts=_counts(families, Traffic.TEST),
        tells_tests=any(
            "traffic" in labels
            for family in ("faceoff_requests", "faceoff_predictions")
            for labels, _ in families.get(family, {}).get(f"{family}_total", ())
        ),
    )


_Samples = list[tuple[dict[str, str], float]]


_Families = Mapping[str, Mapping[str, _Samples]]


def _counts(families: _Families, traffic: Traffic) -> Counts:
    """The counts of one kind of traffic; unmarked requests come from users."""

    def samples(family: str, suffix: str = "_total") -> _Samples:
        return [
            (labels, value)
            for labels, value in families.get(family, {}).get(family + suffix, ())
            if (labels.get("traffic") == Traffic.TEST) == (traffic is Traffic.TEST)
        ]

    requests: Counter[int] = Counter()
    for labels, value in samples("faceoff_requests"):
        if labels.get("route") in PREDICT_ROUTES and labels.get("status", "").isdecimal():
            requests[int(labels["status"][:4])] += _whole(value)
    return Counts(
        requests=dict(requests),
        latency=_latency(samples("faceoff_request_duration_seconds", "_bucket")),
        predictions=_by_label(samples("faceoff_predictions"), "class"),
        out_of_range=_by_label(samples("faceoff_inputs_out_of_range"), "feature"),
        binned=_binned(samples("faceoff_inputs_binned")),
    )


def _families(text: str) -> dict[str, dict[str, _Samples]]:
    """Family name -> sample name -> labels and value of each sample."""
    # Imported by the first reading, so that programs that only send predictions do not pay for it.
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, dict[str, _Samples]] = {}
    try:
        for family in text_string_to_metric_families(text):
            samples = found.setdefault(family.name, {})
            for sample in family.samples:
                labels = {name[:_MAX_LABEL]: value[:_MAX_LABEL] for name, value in sample.labels.items()}
                samples.setdefault(sample.name, []).append((labels, float(sample.value)))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        # The parser trusts its text: malformed text can raise any of these.
        raise NotMetrics("is not in Prometheus' text format") from error
    return found


def _whole(value: float) -> int:
    if not 0 <= value < 2**53:  # NaN too
        raise NotMetrics("has a count that is not a whole number")
    return int(value)


def _value(families: _Families, family: str, sample: str | None = None) -> float | None:
    for _, value in families.get(family, {}).get(sample or family, ()):
        return value if 0 <= value < math.inf else None
    return None


def _by_label(samples: _Samples, label: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for labels, value in samples:
        counts[labels.get(label, "")] += _whole(value)
    return dict(counts)


def _binned(samples: _Samples) -> dict[str, tuple[int, ...]]:
    found: dict[str, dict[int, int]] = {}
    for labels, value in samples:
        index = labels.get("bin", "")
        if not (index.isdecimal() and len(index) <= 3):
            raise NotMetrics("has a bin without a valid index")
        found.setdefault(labels.get("feature", ""), {})[int(index)] = _whole(value)
    if sum(max(bins) + 1 for bins in found.values()) > _MAX_BINS:
        raise NotMetrics("has more bins than a model")
    return {name: tuple(bins.get(index, 0) for index in range(max(bins) + 1)) for name, bins in found.items()}


def _latency(samples: _Samples) -> tuple[Bucket, ...]:
    """The buckets of all prediction routes combined, converted from cumulative counts."""
    cumulative: Counter[float] = Counter()
    for labels, value in samples:
        # Without a route it is a histogram of all routes, which is better than none.
        if labels.get("route", "/predict") in PREDICT_ROUTES:
            try:
                bound_s = float(labels.get("le", ""))
            except ValueError:
                raise NotMetrics("has a bucket without a valid bound") from None
            cumulative[bound_s] += _whole(value)
    ordered = sorted(cumulative.items())
    if any(not bound_s > 0 for bound_s, _ in ordered):
        raise NotMetrics("has a bucket without a valid bound")
    return tuple(
        Bucket(above_s, upto_s, _grown(count, before, NotMetrics))
        for (above_s, before), (upto_s, count) in pairwise([(0.0, 0), *ordered])
    )


# --- Two readings


def _grown(now: int, before: int, error: type[ValueError] = ValueError) -> int:
    if now < before:
        raise error("has a count that decreased")
    return now - before


def _none_gone(now: Mapping[_Key, Any], before: Mapping[_Key, Any]) -> None:
    if not before.keys() <= now.keys():
        raise ValueError("a count is missing")


def _less(now: Mapping[_Key, int], before: Mapping[_Key, int]) -> dict[_Key, int]:
    _none_gone(now, before)
    return {key: _grown(count, before.get(key, 0)) for key, count in now.items()}


def _less_binned(
    now: Mapping[str, tuple[int, ...]], before: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    _none_gone(now, before)
    return {
        name: tuple(_grown(count, old) for count, old in zip(bins, before.get(name, (0,) * len(bins)), strict=True))
        for name, bins in now.items()
    }


def _less_latency(now: Sequence[Bucket], before: Sequence[Bucket]) -> tuple[Bucket, ...]:
    if not before:  # no request yet
        return tuple(now)
    return tuple(
        Bucket(one.above_s, one.upto_s, _grown(one.count, other.count)) for one, other in zip(now, before, strict=True)
    )


def between(older: Snapshot, newer: Snapshot) -> Interval | None:
    """What the process did between two readings; None if they are of two processes, or not in order of time."""
    if not newer.continues(older) or newer.taken_s <= older.taken_s:
        return None
    counts, test_counts = newer.counts.minus(older.counts), newer.test_counts.minus(older.test_counts)
    if counts is None or test_counts is None:
        return None
    cpu_s = None
    if newer.cpu_s is not None and older.cpu_s is not None:
        cpu_s = max(0.0, newer.cpu_s - older.cpu_s)
    return Interval(newer.taken_s - older.taken_s, counts, cpu_s, test_counts)


def since_start(snapshot: Snapshot) -> Interval | None:
    """What the process did in its whole life; None if it does not report its age."""
    if snapshot.age_s is None:
        return None
    return Interval(snapshot.age_s, snapshot.counts, snapshot.cpu_s, snapshot.test_counts)


def last(snapshots: Sequence[Snapshot], window_s: float) -> Interval | None:
    """What the process of the last reading did in the last `window_s` seconds, as far as it was read in that time.

    `snapshots` are in order of time and may be of several processes. None until there are two readings of that one.
    """
    if not snapshots:
        return None
    newest = snapshots[-1]
    for older in snapshots:
        if newest.taken_s - older.taken_s <= window_s and (interval := between(older, newest)):
            return interval
    return None


def succession(older: Snapshot, newer: Snapshot) -> Succession:
    """Whether two consecutive readings are of one process and, if not, whether the second process is new."""
    if newer.continues(older) and newer.counts.minus(older.counts) is not None:
        return Succession.SAME
    if newer.age_s is None:
        return Succession.UNKNOWN
    return Succession.STARTED if newer.age_s <= newer.taken_s - older.taken_s else Succession.OTHER


def bucket_quantile(latency: Sequence[Bucket], share: float) -> BucketQuantile | None:
    """The time within which `share` (0 to 1) of the requests were answered; None without requests.

    Linear within the bucket, as Prometheus' histogram_quantile() does it
    (https://prometheus.io/docs/practices/histograms/#errors-of-quantile-estimation): the bucket is certain, the value
    in it is not. In the last bucket, which has no upper bound, the value is its lower bound.
    """
    total = sum(bucket.count for bucket in latency)
    if not total:
        return None
    rank, below = share * total, 0
    for bucket in latency:
        if bucket.count and below + bucket.count >= rank:
            value_s = bucket.above_s
            if bucket.upto_s < math.inf:
                value_s += (bucket.upto_s - bucket.above_s) * max(0.0, rank - below) / bucket.count
            return BucketQuantile(value_s, bucket.above_s, bucket.upto_s, total)
        below += bucket.count
    raise AssertionError("a share must be from 0 to 1")


def training_prior(document: Mapping[str, Any], classes: Sequence[str]) -> dict[str, int] | None:
    """The training rows by class, from a card's document; None if it does not count every class."""
    data = document.get("training_data")
    counts = data.get("class_counts") if isinstance(data, Mapping) else None
    if not classes or not isinstance(counts, Mapping):
        return None
    if any(type(counts.get(name)) is not int or counts[name] < 0 for name in classes):
        return None
    found = {name: int(counts[name]) for name in classes}
    return found if sum(found.values()) else None
