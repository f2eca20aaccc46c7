"""Abort a run on a broken limit: what each endpoint answered in the last seconds, judged once a second.

The clock is that of the rows, so a simulated run is judged like a real one.
"""

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from benchmark.record.plan import AbortRule
from benchmark.record.samples import ROW, TIMEOUT, Row
from benchmark.statistics.estimates import quantile
from benchmark.statistics.percentiles import PERCENTILES

FEWEST = 20
"""With fewer requests in the window, nothing is judged. A percentile also needs one beyond it: 100 for p99."""
_EVERY_MS = 1000.0
_FIELDS = ROW.names or ()
_ENDPOINT, _WARMUP, _FAILURE = map(_FIELDS.index, ("endpoint", "warmup", "failure"))
_SCHEDULED, _SENT, _SERVICE = map(_FIELDS.index, ("scheduled_ms", "sent_ms", "service_ms"))


class Watchdog:
    """Watches the rows of a run in the order in which they end, and calls `stop` once, at the first broken limit."""

    def __init__(
        self,
        rules: Sequence[AbortRule],
        window_s: float,
        names: Sequence[str],
        *,
        open_loop: bool,
        stop: Callable[[], None],
    ) -> None:
        """`names` are those of the endpoints; latency is response time if the loop is open, else service time."""
        self.reason: str | None = None
        """why the run was aborted, in a clause"""
        self._rules = rules
        self._window_ms = window_s * 1000
        self._names = names
        self._from = _SCHEDULED if open_loop else _SENT
        self._stop = stop
        self._recent: list[deque[tuple[float, float]]] = [deque() for _ in names]  # ended, and latency or NaN, in ms
        self._judged_ms = 0.0

    def add(self, row: Row) -> None:
        """Take one row into account. Warm-up requests are not judged."""
        ended_ms = row[_SENT] + row[_SERVICE]
        if not row[_WARMUP]:
            failure = row[_FAILURE]
            latency_ms = np.inf if failure == TIMEOUT else np.nan if failure else ended_ms - row[self._from]
            self._recent[row[_ENDPOINT]].append((ended_ms, latency_ms))
        if self.reason is None and ended_ms >= self._judged_ms + _EVERY_MS:
            self._judged_ms = ended_ms
            self.reason = self._judge(ended_ms)
            if self.reason is not None:
                self._stop()

    def _judge(self, now_ms: float) -> str | None:
        for name, recent in zip(self._names, self._recent, strict=True):
            while recent and recent[0][0] < now_ms - self._window_ms:
                recent.popleft()
            latencies_ms = np.array([latency_ms for _, latency_ms in recent])
            for rule in self._rules:
                value, n = _value(rule.metric, latencies_ms)
                if value is not None and value > rule.limit:
                    found = "beyond the timeout" if value == np.inf else f"{value:.4g}"
                    span_s = self._window_ms / 1000
                    return f"{rule.text}: {name} had {found} in the last {span_s:g} s (n = {n})"
        return None


def _value(metric: str, latencies_ms: np.ndarray) -> tuple[float | None, int]:
    """The metric of the requests with these latencies, infinite for timeouts and NaN for other failures, and its n.

    None if there are too few requests.
    """
    if metric == "error_rate":
        n = len(latencies_ms)
        return (None if n < FEWEST else float(np.count_nonzero(~np.isfinite(latencies_ms))) / n), n
    share = PERCENTILES[metric.removesuffix("_ms")]
    known = latencies_ms[~np.isnan(latencies_ms)]
    n = len(known)
    return (None if n < max(FEWEST, round(1 / (1 - share))) else quantile(known, share).value), n
