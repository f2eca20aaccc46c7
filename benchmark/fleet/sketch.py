"""The latencies of one second in a few hundred numbers: what the live view needs, whatever the rate.

A DDSketch (C. Masson, J. E. Rim and H. K. Lee, DDSketch: A Fast and Fully-Mergeable Quantile Sketch with
Relative-Error Guarantees, VLDB 2019) counts values in bins of a constant ratio, so that each quantile is within
`ACCURACY` of the true one, also after merging. Final figures never come from sketches, but from the rows.
"""

from collections.abc import Iterable, Mapping
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.record.samples import Samples, latency_ms

if TYPE_CHECKING:
    from ddsketch import DDSketch

ACCURACY = 0.01
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_LEAST_MS = 1e-3
_SECONDS = 30
"""How many seconds the live view has."""
Bins = list[tuple[float, int]]
"""Values in ms, each the middle of a bin, and how many latencies are in it."""


def bins(latencies_ms: "np.ndarray[Any, Any]") -> Bins:
    """The bins of these latencies, ascending."""
    keys = np.ceil(np.log(np.maximum(latencies_ms, _LEAST_MS)) / log(_GAMMA)).astype(np.int64)
    found, counts = np.unique(keys, return_counts=True)
    middles = 2 * _GAMMA ** found.astype(np.float64) / (1 + _GAMMA)
    return list(zip(middles.tolist(), counts.tolist(), strict=True))


def by_second(samples: Samples, *, open_loop: bool) -> list[tuple[int, int, int, Bins]]:
    """The answers in `samples`: the second in which they ended, the endpoint, how many failed, and the bins of the
    others."""
    if not len(samples):
        return []
    seconds = ((samples["sent_ms"] + samples["service_ms"]) // 1000).astype(np.int64)
    latencies_ms = latency_ms(samples, open_loop)
    keys, which = np.unique(seconds << 8 | samples["endpoint"], return_inverse=True)
    failed = samples["failure"] != 0
    return [
        (
            int(key >> 8),
            int(key & 0xFF),
            int(np.count_nonzero(failed[which == at])),
            bins(latencies_ms[(which == at) & ~failed]),
        )
        for at, key in enumerate(keys)
    ]


class LiveView:
    """The last seconds of a run on several workers, by endpoint."""

    def __init__(self, endpoints: int) -> None:
        self._endpoints = endpoints
        self._seconds: dict[int, list[tuple[DDSketch, list[int]]]] = {}

    def add(self, found: Iterable[tuple[int, int, int, Iterable[tuple[float, int]]]]) -> None:
        """Take what `by_second` found on one worker into account."""
        from ddsketch import DDSketch  # optional, and only several workers need it

        for second, position, failures, counted in found:
            if not (0 <= position < self._endpoints and second >= max(self._seconds, default=0) - _SECONDS):
                continue
            sides = self._seconds.setdefault(second, [(DDSketch(ACCURACY), [0]) for _ in range(self._endpoints)])
            sketch, failed = sides[position]
            failed[0] += failures
            for middle_ms, count in counted:
                sketch.add(middle_ms, count)
        for second in sorted(self._seconds)[:-_SECONDS]:
            del self._seconds[second]

    @property
    def document(self) -> list[Mapping[str, Any]]:
        """For each of the last seconds, oldest first: its number and, for each endpoint, answers, failures, and p50
        and p95 in ms, null without answers."""
        return [
            {"second": second, "endpoints": [_figures(sketch, failed[0]) for sketch, failed in sides]}
            for second, sides in sorted(self._seconds.items())
        ]


def _figures(sketch: "DDSketch", failed: int) -> dict[str, Any]:
    known = [sketch.get_quantile_value(share) for share in (0.5, 0.95)]
    p50_ms, p95_ms = (None if value is None else round(value, 3) for value in known)
    return {"n": int(sketch.count), "failed": failed, "p50_ms": p50_ms, "p95_ms": p95_ms}
