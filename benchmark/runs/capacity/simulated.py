"""Capacity runs against simulated servers of known capacity, to calibrate the intervals."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmark.record.plan import AbortRule
from benchmark.record.samples import Floats, Samples, join
from benchmark.runs.capacity.plan import SETTLING_S, CapacityPlan
from benchmark.runs.capacity.search import Search, Try
from benchmark.runs.capacity.step import Bounds, Step, judge
from benchmark.runs.capacity.turns import PRIMER_ERRORS, arrival_times_s, measured_s, most_s, pause_s, turns
from benchmark.synthetic.bucket import TokenBucket

_CHUNK_S = 0.5


class Simulated(NamedTuple):
    """A simulated run: its steps, the searches of the endpoints, how long it would have taken, and its requests."""

    steps: list[Step]
    searches: list[Search]
    elapsed_s: float
    samples: Samples


def simulate(plan: CapacityPlan, servers: Sequence[TokenBucket], seed: int, *, wander: float = 0.0) -> Simulated:
    """Carry out a run of `plan` against `servers`.

    The rate of a server wanders from step to step: the standard deviation of its logarithm is `wander`.
    """
    simulation = _Simulation(plan, servers, np.random.default_rng(seed), wander)
    searches = [Search(plan.start_rate, plan.max_rate) for _ in servers]
    steps = []
    for position, proposed in turns(plan, searches):
        if simulation.now_s + most_s(plan, proposed) > plan.limit_s:
            break
        steps.append(simulation.step(position, proposed))
        searches[position].tell(steps[-1].told)
    return Simulated(steps, searches, simulation.now_s, join(simulation.parts))


class _Simulation:
    def __init__(
        self, plan: CapacityPlan, servers: Sequence[TokenBucket], random: np.random.Generator, wander: float
    ) -> None:
        self.now_s = 0.0
        self._plan = plan
        self._servers = servers
        self._random = random
        self._wander = wander
        self.parts: list[Samples] = []
        self._sent = 0

    def step(self, position: int, proposed: Try) -> Step:
        factor = float(np.exp(self._wander * self._random.normal()))
        server = replace(self._servers[position], rate=self._servers[position].rate * factor)  # its bucket is full
        spent = True
        if proposed.primer_rate is not None:
            overload = [*_limits(self._plan), AbortRule("error_rate", PRIMER_ERRORS)]
            spent = self._send(server, position, proposed.primer_rate, proposed.primer_s, overload)[1] is not None
            self.parts[-1]["warmup"] = True
            self.now_s += pause_s(proposed)
        first = self._sent
        planned_s = measured_s(self._plan, proposed)
        samples, stopped = self._send(server, position, proposed.rate, planned_s + SETTLING_S, self._plan.abort)
        samples["warmup"] = samples["scheduled_ms"] < samples["scheduled_ms"][0] + SETTLING_S * 1000
        return judge(
            samples,
            Bounds(position, proposed.rate, proposed.primer_rate, first, self._sent, planned_s, stopped, spent=spent),
            self._plan,
        )

    def _send(
        self, server: TokenBucket, position: int, rate: float, duration_s: float, limits: Sequence[AbortRule]
    ) -> tuple[Samples, str | None]:
        """Send until a limit is broken in a chunk, and wait for the last answer. Returns the rows, and what broke."""
        times_s = self.now_s + arrival_times_s(rate, duration_s)
        parts, stopped = [], None
        for chunk in _chunks(times_s):
            parts.append(server.serve(chunk, position, self._sent, self._random))
            self._sent += len(chunk)
            if stopped := next((rule.text for rule in limits if _is_over(parts[-1], rule)), None):
                break
        samples = join(parts)
        self.parts.append(samples)
        self.now_s = float((samples["sent_ms"] + samples["service_ms"]).max()) / 1000
        return samples, stopped


def _limits(plan: CapacityPlan) -> list[AbortRule]:
    return [AbortRule(slo.metric, slo.limit) for slo in plan.slos if slo.share is not None]


def _chunks(times_s: Floats) -> list[Floats]:
    size = max(20, round(len(times_s) / max(float(np.ptp(times_s)), _CHUNK_S) * _CHUNK_S))
    return [times_s[at : at + size] for at in range(0, len(times_s), size)]


def _is_over(samples: Samples, rule: AbortRule) -> bool:
    failed = samples["failure"] != 0
    if rule.metric == "error_rate":
        return bool(failed.mean() > rule.limit)
    return bool(np.quantile(np.where(failed, np.inf, samples["service_ms"]), 0.5, method="lower") > rule.limit)
