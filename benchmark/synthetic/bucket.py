"""A server of known capacity: a token bucket, which refuses or queues what exceeds it. Pure.

The bucket fills at the server's rate, up to the burst, while nothing is sent: the burst lets a short test pass far
above the rate. This is the generic cell rate algorithm (ITU-T I.371) in its form of virtual scheduling.
"""

from dataclasses import dataclass

import numpy as np

from benchmark.endpoints.sample import Failure
from benchmark.record.samples import FAILURES, TIMEOUT, UNKNOWN, Floats, Samples, empty, make_row

_REFUSED = 1 + FAILURES.index(Failure.SERVER_ERROR)


@dataclass(slots=True)
class TokenBucket:
    """A bucket that fills with `rate` tokens/s and holds `burst_s` seconds' worth of them, and at least one."""

    rate: float
    burst_s: float
    queues: bool
    """whether requests without a token wait, or are refused"""
    base_ms: float = 5.0
    """the latency of a request that has its token"""
    timeout_s: float = 10.0
    _due_s: float = -np.inf

    def serve(self, times_s: Floats, position: int, first: int, random: np.random.Generator) -> Samples:
        """The rows of requests that come at these times in s, ascending; `first` is the number of the first one."""
        if not len(times_s):
            return empty()
        period_s, due_s = 1 / self.rate, self._due_s
        saved_s = max(self.burst_s, period_s)
        waits_s: list[float] = []
        for now_s in times_s.tolist():
            next_s = max(due_s, now_s - saved_s) + period_s
            wait_s = next_s - now_s
            if wait_s > period_s * 1.000001 and not self.queues:
                waits_s.append(-1.0)
                continue
            due_s = next_s
            waits_s.append(max(0.0, wait_s - period_s))
        self._due_s = due_s
        waited_s = np.array(waits_s)
        samples = np.full(len(times_s), np.array(make_row(), dtype=empty().dtype))
        samples["endpoint"] = position
        samples["temperature"] = UNKNOWN
        samples["group"] = first + np.arange(len(times_s))
        samples["scheduled_ms"] = samples["sent_ms"] = times_s * 1000
        samples["service_ms"] = np.maximum(waited_s, 0) * 1000 + self.base_ms * random.lognormal(
            sigma=0.3, size=len(times_s)
        )
        samples["failure"] = np.where(waited_s < 0, _REFUSED, 0)
        late = samples["service_ms"] > self.timeout_s * 1000
        samples["failure"][late] = TIMEOUT
        samples["service_ms"][late] = self.timeout_s * 1000
        return samples
