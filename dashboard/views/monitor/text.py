"""The text of the Monitor page: pure functions from readings to figures and sentences."""

import math
from collections.abc import Mapping, Sequence

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Failure, Sample
from benchmark.monitor.categories import OddValues
from benchmark.monitor.counts import BucketQuantile, Counts, Snapshot, Succession, Traffic, bucket_quantile
from benchmark.monitor.drift import ENOUGH, LARGE, MODERATE, Drift, DriftLevel
from benchmark.monitor.history import Unread
from benchmark.monitor.sampler import OPEN_S, SELDOM_S, When
from benchmark.monitor.scrape import TIMEOUT_S
from dashboard.components import markup, sample_text
from dashboard.views.monitor.snapshot import EndpointSnapshot

_MOST_DRIFTED = 4


def what_to_try(unread: Unread, endpoint: Endpoint, *, in_file: bool = False) -> str:
    """One sentence on why the metrics of this endpoint could not be read and what to do."""
    if unread.failure is Failure.TIMEOUT:
        return f"No metrics within {TIMEOUT_S:g} s: it may be starting or overloaded. It is read again automatically."
    if unread.status == 404:
        return f"It has no metrics (HTTP 404): check that {endpoint.address} is a Faceoff endpoint."
    if unread.failure is Failure.TOO_LARGE:
        return f"Its metrics are too long: check that {endpoint.address} is a Faceoff endpoint."
    if unread.failure is Failure.WRONG_SCHEMA:
        return f"What it returns as metrics {unread.detail}: check that {endpoint.address} is a Faceoff endpoint."
    # All other failures are connection problems, as for a prediction.
    sample = Sample(endpoint.key, "", 0.0, status=unread.status, failure=unread.failure, failure_detail=unread.detail)
    return sample_text.what_to_try(sample, endpoint, None, None, in_file=in_file)


def no_metrics(endpoint: Endpoint) -> str:
    """What an endpoint without metrics, which is nevertheless measured, would need to be shown here."""
    return (
        f"{endpoint.address} has no metrics (HTTP 404), so what it counts is unknown. Only Faceoff's own endpoints "
        "count their requests, at GET /metrics."
    )


def age(seconds: float | None) -> str:
    """A duration with its two largest units: `8 s`, `4 min 12 s`, `3 h 5 min`, `2 d 4 h`."""
    if seconds is None:
        return markup.NOTHING
    minutes, s = divmod(int(seconds), 60)
    hours, min_ = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days} d {h} h"
    if hours:
        return f"{hours} h {min_} min"
    return f"{minutes} min {s} s" if minutes else f"{s} s"


def rate(per_s: float | None) -> str:
    """Requests per second with at most three digits."""
    if per_s is None:
        return markup.NOTHING
    return "0" if per_s == 0 else "< 0.01" if per_s < 0.01 else f"{per_s:.2f}" if per_s < 10 else markup.count(per_s)


def share(value: float | None) -> str:
    """A share in percent, without the unit: the label has it."""
    return markup.NOTHING if value is None else markup.percent(value)


def memory_mib(snapshot: Snapshot) -> str:
    """Resident memory in MiB, where the system reports it (Linux)."""
    return markup.NOTHING if snapshot.memory_bytes is None else f"{snapshot.memory_bytes / 2**20:.0f}"


def latency(estimate: BucketQuantile | None) -> str:
    """A quantile in ms, without the unit; beyond the last bound, only that it is above it."""
    if estimate is None:
        return markup.NOTHING
    value = markup.duration(estimate.value_s * 1000)
    return f"> {value}" if estimate.upto_s == math.inf else value


def resolution(counts: Counts) -> str:
    """What is certain about p50 and p95: the buckets that hold them."""
    found = [(name, bucket_quantile(counts.latency, at)) for name, at in (("p50", 0.5), ("p95", 0.95))]
    parts = [f"{name} is {_within(estimate)}" for name, estimate in found if estimate]
    return f"In the server: {', '.join(parts)}" if parts else ""


def _within(estimate: BucketQuantile) -> str:
    if estimate.upto_s == math.inf:
        return f"above {estimate.above_s * 1000:g} ms"
    return f"between {estimate.above_s * 1000:g} and {estimate.upto_s * 1000:g} ms"


def nothing_asked(traffic: Traffic) -> str:
    """What to do if no request of this traffic was counted."""
    if traffic is Traffic.TEST:
        return "No test requests in this time: start a run on the Benchmark page."
    return "No user requests in this time: send one on the Predict page."


def requests(counts: Counts, traffic: Traffic = Traffic.USER) -> str:
    """Requests, predictions, refusals and failures in numbers."""
    if not counts.request_count:
        return nothing_asked(traffic)
    parts = [
        markup.counted(counts.request_count, "request"),
        markup.counted(counts.prediction_count, "prediction"),
        f"{markup.count(counts.count_of_requests(4))} refused (4xx)",
        f"{markup.count(counts.count_of_requests(5))} failed (5xx)",
    ]
    return " · ".join(parts)


def tests(one: EndpointSnapshot) -> str:
    """A note on the test traffic that the figures leave out or include; empty if there was none."""
    if one.newest and not one.newest.tells_tests:
        return "This endpoint does not count test traffic separately: these figures include benchmarks and audits."
    if not one.tests or not one.tests.request_count:
        return ""
    return (
        f"Not in these figures: {markup.counted(one.tests.request_count, 'test request')} with "
        f"{markup.counted(one.tests.prediction_count, 'prediction')}"
    )


def unplaced(data: Sequence[EndpointSnapshot]) -> str:
    """A note on the requests in shaded gaps between readings; empty if there are none."""
    parts = []
    for one in data:
        holes = one.timeline.counted_holes
        count = sum(hole.interval.counts.request_count + hole.interval.test_counts.request_count for hole in holes)
        if count:
            length = age(sum(hole.interval.duration_s for hole in holes))
            parts.append(f"{one.endpoint.name} {markup.counted(count, 'request')} in {length}")
    if not parts:
        return ""
    return f"Shaded: the metrics were not read during this time. Only the totals include {'; '.join(parts)}."


_LEVELS: Mapping[DriftLevel, str] = {
    DriftLevel.TOO_FEW: "too few to tell",
    DriftLevel.ONE_BIN: "not estimable: nearly all training values are alike",
    DriftLevel.UNREADABLE: "not counted by this endpoint",
    DriftLevel.CHANCE: "no drift seen",
    DriftLevel.SMALL: "small drift",
    DriftLevel.MODERATE: "moderate drift",
    DriftLevel.LARGE: "large drift",
}

READINGS: Mapping[When, tuple[str, str]] = {
    When.OFF: ("Off", "Read only when you press Read now. No cost in between."),
    When.OPEN: ("While open", f"Read every {OPEN_S:g} s while this page is open in any browser."),
    When.ALWAYS: (
        "Always",
        f"Also read every {SELDOM_S:g} s while this page is closed. The history has no gaps.",
    ),
}
"""When endpoints are read: the label of each choice, and what it does."""


def readings(when: When, is_paused: bool, are_local: bool) -> str:
    """When the endpoints are read, and what that costs."""
    if is_paused:
        return "Readings are paused until the run in progress ends, because they would affect its results."
    text = {
        When.OFF: "Readings are off.",
        When.OPEN: f"Read from /metrics every {OPEN_S:g} s while this page is open.",
        When.ALWAYS: f"Read from /metrics every {OPEN_S:g} s while this page is open, else every {SELDOM_S:g} s.",
    }[when]
    if are_local:
        return text
    if when is When.OFF:
        return f"{text} Each reading is a request: it may be billed, and repeated readings keep an instance running."
    return f"{text} Each reading is a request: it may be billed, and keeps an instance running."


def process(snapshot: Snapshot, cpu_share: float | None) -> str:
    """Which process answered."""
    parts = [f"instance {snapshot.instance_id[:8]}" if snapshot.instance_id else "instance unknown"]
    if cpu_share is not None:
        parts.append(f"{markup.percent(cpu_share)} % of a core")
    if snapshot.model_version:
        parts.append(f"model {snapshot.model_version}")
    if snapshot.runtime:
        parts.append(snapshot.runtime)
    return " · ".join(parts)


def change(one: EndpointSnapshot, now_s: float) -> str | None:
    """The last change of process and what it means for the figures; None if there was none."""
    changes = one.changes
    if not changes:
        return None
    at_s, kind = changes[-1]
    ago = age(max(0.0, now_s - at_s))
    if any(found is Succession.OTHER for _, found in changes):
        return (
            f"{one.instance_count} instances have answered in turn. Each reading reaches one of them; the figures are "
            "those of the last one only."
        )
    if kind is Succession.STARTED:
        return f"A new process answered {ago} ago (a restart or another instance). Its counts start at 0."
    return f"Another process answered {ago} ago. It has its own counts."


def drift_state(found: Drift) -> str:
    """The drift of one feature in words, with n."""
    enough = f"{found.count} of {ENOUGH}" if found.level is DriftLevel.TOO_FEW else markup.count(found.count)
    return f"{drift_level(found)} (n = {enough})"


def drift_level(found: Drift) -> str:
    """The drift of one feature in words."""
    return _LEVELS[found.level]


PSI_METHOD = (
    "PSI (population stability index) compares the inputs with the training data. It is usually read as little change "
    f"below {MODERATE:g}, moderate change from {MODERATE:g} to {LARGE:g} and large change above {LARGE:g}: a rule of "
    f"thumb from credit scoring (Lewis 1994, Siddiqi 2006). Fewer than {ENOUGH} values are too few to tell. Chance "
    "alone explains a PSI up to the tick."
)


def drift_sentence(name: str, found: Sequence[Drift], labels: Mapping[str, str]) -> str:
    """The drift of one endpoint's inputs in one sentence, the most drifted first; `labels` are by feature."""
    drifted = sorted((one for one in found if one.psi is not None and one.level is not DriftLevel.CHANCE), key=_by_psi)
    parts = [
        f"{drift_level(one)} of {labels[one.feature].lower()} (PSI {one.psi:.2f})" for one in drifted[:_MOST_DRIFTED]
    ]
    if len(drifted) > _MOST_DRIFTED:
        parts.append(f"{len(drifted) - _MOST_DRIFTED} more have drifted")
    steady = sum(one.level is DriftLevel.CHANCE for one in found)
    if steady:
        parts.append(f"no drift seen in {markup.counted(steady, 'feature')}")
    for level in (DriftLevel.TOO_FEW, DriftLevel.ONE_BIN, DriftLevel.UNREADABLE):
        count = sum(one.level is level for one in found)
        if count:
            parts.append(f"{markup.counted(count, 'feature')} {_LEVELS[level]}")
    most = max((one.count for one in found), default=0)
    return f"{name}: {', '.join(parts)} (n = {markup.count(most)})."


def _by_psi(found: Drift) -> float:
    return -(found.psi or 0.0)


def odd_values(name: str, found: Sequence[OddValues], labels: Mapping[str, str]) -> str:
    """The missing and unknown values that one endpoint counted, in one sentence; empty if there are none."""
    parts = []
    for one in found:
        if one.missing:
            share = (
                f"{markup.percent(one.missing / one.count)} %, in training {markup.percent(one.missing_in_training)} %"
            )
            parts.append(f"{markup.count(one.missing)} of {labels[one.feature].lower()} missing ({share})")
        if one.unknown:
            share = f"{markup.percent(one.unknown / one.count)} %"
            parts.append(f"{markup.count(one.unknown)} of {labels[one.feature].lower()} unknown ({share})")
    return f"{name}: {', '.join(parts)}." if parts else ""


def no_drift(found: Sequence[Drift]) -> str:
    """Why there is no drift to show for any feature, and what it takes."""
    most = max((one.count for one in found), default=0)
    if most < ENOUGH:
        return f"Too few to tell: {most} of {ENOUGH} values of each feature. Every prediction adds one."
    reasons = sorted({drift_level(one) for one in found})
    return f"{'; '.join(reasons).capitalize()} (n = {markup.count(most)})."
