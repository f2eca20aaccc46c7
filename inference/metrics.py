"""What the process counts about its requests, and the Prometheus text that `GET /metrics` makes of it.

Counting is plain arithmetic on the hot path. prometheus_client is expensive to import in a cold start, so the first
reader imports it.

Test traffic (`X-Traffic: test`) is counted in separate series, so that the others show what users send.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import inf, nextafter
from typing import Any, cast

from inference.card import CategoryFeature, ModelCard, NumberFeature, Value
from inference.instance import Instance

LATENCY_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

TRAFFIC = ("user", "test")
"""The values of the label `traffic`, in the order of `is_test`. No text of a client becomes a label."""


class Metrics:
    """The counts of one process. Used from one thread."""

    def __init__(self, card: ModelCard, instance: Instance, runtime: str) -> None:
        self._card = card
        self._is_classifier, self._is_numeric = card.is_classifier, card.is_numeric
        self._instance = instance
        self._runtime = runtime
        self._tallies = (_Tally(card), _Tally(card))
        self.in_flight = 0

    def count_request(self, route: str, status: int, duration_s: float | None, is_test: bool = False) -> None:
        """One answered request: its route (a known path, or `other`), its status and how long it took.

        None if it was refused before it was complete: it waited for its client, which is not the server's latency.
        """
        routes = self._tallies[is_test].routes
        requests = routes.get(route)
        if requests is None:
            requests = routes[route] = _Requests()
        statuses = requests.statuses
        statuses[status] = statuses.get(status, 0) + 1
        if duration_s is not None:
            requests.bucket_counts[bisect_left(LATENCY_BUCKETS_S, duration_s)] += 1
            requests.sum_s += duration_s

    def count_predictions(
        self, rows: Sequence[Sequence[Any]], outputs: Sequence[Sequence[float]], is_test: bool = False
    ) -> None:
        """The rows of one answered request and what the model gave for them."""
        tally = self._tallies[is_test]
        if self._is_classifier:
            for output in outputs:
                tally.predictions[output.index(max(output))] += 1
        else:
            tally.predictions[0] += len(outputs)
        if not self._is_numeric:
            for row in rows:
                for value, cells in zip(row, tally.cells, strict=True):
                    cells.count(value)
        elif len(rows) == 1:
            for value, (edges, counts) in zip(rows[0], tally.columns):  # noqa: B905  strict costs a tenth of it
                counts[bisect_right(edges, value)] += 1
        else:  # a sorted column is counted by its edges, which are far fewer than its values
            for column, cells in zip(zip(*rows, strict=True), tally.cells, strict=True):
                cells.add(sorted(column))

    def text(self) -> bytes:
        """All counts in Prometheus' text format, with memory and age of the process as they are now."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.process_collector import ProcessCollector

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(self))
        ProcessCollector(registry=registry)
        return generate_latest(registry)

    def families(self) -> Iterator[Any]:
        """The counts as prometheus_client's metric families."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        tallies = list(zip(TRAFFIC, self._tallies, strict=True))

        requests = CounterMetricFamily(
            "faceoff_requests", "Answered requests by route and status.", labels=("route", "status", "traffic")
        )
        for kind, tally in tallies:
            for route, counted in sorted(tally.routes.items()):
                for status, count in sorted(counted.statuses.items()):
                    requests.add_metric((route, str(status), kind), count)
        yield requests

        latency = HistogramMetricFamily(
            "faceoff_request_duration_seconds",
            "From the request's headers to its answer, by route.",
            labels=("route", "traffic"),
        )
        bounds = (*map(str, LATENCY_BUCKETS_S), "+Inf")
        for kind, tally in tallies:
            for route, counted in sorted(tally.routes.items()):
                if any(counted.bucket_counts):
                    cumulative = accumulate(counted.bucket_counts)
                    latency.add_metric((route, kind), list(zip(bounds, cumulative, strict=True)), counted.sum_s)
        yield latency

        yield GaugeMetricFamily("faceoff_requests_in_flight", "Requests being answered now.", value=self.in_flight)

        predictions = CounterMetricFamily(
            "faceoff_predictions", "Predictions by predicted class.", labels=("class", "traffic")
        )
        outside = CounterMetricFamily(
            "faceoff_inputs_out_of_range",
            "Values outside the training data's range or categories, by feature.",
            labels=("feature", "traffic"),
        )
        binned = CounterMetricFamily(
            "faceoff_inputs_binned",
            "Values by the bin of the feature's histogram in the model card; the first and the last are open.",
            labels=("feature", "bin", "traffic"),
        )
        names = self._card.classes or (self._card.target_label,)
        for kind, tally in tallies:
            if kind == "test" and not any(tally.predictions):  # as on most instances: half of the text
                continue
            for name, count in zip(names, tally.predictions, strict=True):
                predictions.add_metric((name, kind), count)
            for name, cells in zip(self._card.feature_names, tally.cells, strict=True):
                outside.add_metric((name, kind), cells.outside())
                for index, count in enumerate(cells.bins()):
                    binned.add_metric((name, str(index), kind), count)
        yield predictions
        yield outside
        yield binned

        model = InfoMetricFamily("faceoff_model", "The served model.")
        model.add_metric(
            (),
            {
                "name": self._card.name,
                "version": self._card.version,
                "model_type": self._card.model_type,
                "task": self._card.task,
                "runtime": self._runtime,
                "instance_id": self._instance.id,
            },
        )
        yield model
        yield GaugeMetricFamily(
            "faceoff_instance_age_seconds", "Age of the process.", value=self._instance.age_ms() / 1000
        )


class _Tally:
    """The counts of one kind of traffic."""

    __slots__ = ("cells", "columns", "predictions", "routes")

    def __init__(self, card: ModelCard) -> None:
        self.routes: dict[str, _Requests] = {}
        self.predictions = [0] * max(1, len(card.classes))
        self.cells = [
            _CategoryCells(feature) if isinstance(feature, CategoryFeature) else _Cells(feature)
            for feature in card.features
        ]
        self.columns = tuple((cells.edges, cells.counts) for cells in self.cells)
        """The same, as the hot path reads it."""


class _Cells:
    """The values of one feature by the bins of its histogram, with a cell below them and one above."""

    __slots__ = ("accepts_missing", "counts", "edges", "missing")

    def __init__(self, feature: NumberFeature) -> None:
        training = feature.training
        # As in the card's histogram a bin has its lower edge, and the last one both: 'up to' becomes 'below'.
        inner = training.histogram_edges[1:-1]
        self.edges: tuple[float, ...] = (training.minimum, *inner, nextafter(training.maximum, inf))
        self.counts = [0] * (len(self.edges) + 1)
        self.accepts_missing = feature.accepts_missing
        self.missing = 0

    def count(self, value: Value) -> None:
        """Count one value, which may be missing."""
        if value is None:
            self.missing += 1
        else:
            self.counts[bisect_right(self.edges, cast(float, value))] += 1

    def add(self, ordered: Sequence[float]) -> None:
        """Count values that are in order."""
        before = 0
        for cell, edge in enumerate(self.edges):
            below = bisect_left(ordered, edge)
            self.counts[cell] += below - before
            before = below
        self.counts[-1] += len(ordered) - before

    def outside(self) -> int:
        """How many values were outside the training data."""
        return self.counts[0] + self.counts[-1]

    def bins(self) -> list[int]:
        """As `bin_counts` of the feature; the first and the last bin include values outside the training data."""
        counts = self.counts[1:-1]
        counts[0] += self.counts[0]
        counts[-1] += self.counts[-1]
        return [*counts, self.missing] if self.accepts_missing else counts


class _CategoryCells(_Cells):
    """The values of one feature by category, with a cell for unknown ones."""

    __slots__ = ("accepts_unknown", "index_of")

    def __init__(self, feature: CategoryFeature) -> None:
        self.edges = ()
        self.index_of = feature.index_of
        self.counts = [0] * (len(feature.categories) + 1)
        self.accepts_missing, self.accepts_unknown = feature.accepts_missing, feature.accepts_unknown
        self.missing = 0

    def count(self, value: Value) -> None:
        if value is None:
            self.missing += 1
        else:
            self.counts[self.index_of.get(cast(str, value), -1)] += 1

    def outside(self) -> int:
        return self.counts[-1]

    def bins(self) -> list[int]:
        missing = [self.missing] if self.accepts_missing else []
        return self.counts[:-1] + missing + (self.counts[-1:] if self.accepts_unknown else [])


class _Requests:
    """The requests of one route: by status, and how long they took (counts by bucket, the last one open; the sum)."""

    __slots__ = ("bucket_counts", "statuses", "sum_s")

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.bucket_counts = [0] * (len(LATENCY_BUCKETS_S) + 1)
        self.sum_s = 0.0


class _Collector:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Any]:
        return self._metrics.families()
