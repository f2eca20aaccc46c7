"""The smallest difference that this machine can resolve, from one server measured against itself several times.

A single run only shows how precisely it measured, which depends on its length. Several runs show how much results
differ on this machine without a real difference. Smaller differences are not evidence and are not claimed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import sqrt

from scipy.special import stdtrit

from benchmark.record.plan import ComparePlan
from benchmark.record.recording import load_samples
from benchmark.record.run import Run, RunState
from benchmark.record.store import Store
from benchmark.statistics.estimates import CONFIDENCE
from benchmark.summary.summarise import Summary, summarise

KIND = "selftest"
FEWEST_RUNS = 3
"""Fewer runs show almost nothing about the spread."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The result of runs of one server against itself: `differences_ms` are their paired medians."""

    differences_ms: tuple[float, ...]

    @property
    def ms(self) -> float | None:
        """The difference that one more such run exceeds in 5% of cases; None if there are too few runs.

        The order of the two is random, so the true mean is 0, and the spread around it has as many degrees of freedom
        as there are runs: Student's prediction interval for a known mean.
        """
        count = len(self.differences_ms)
        if count < FEWEST_RUNS:
            return None
        spread_ms = sqrt(sum(difference_ms**2 for difference_ms in self.differences_ms) / count)
        return float(stdtrit(count, (1 + CONFIDENCE) / 2)) * spread_ms


def resolution(summaries: Sequence[Summary]) -> Resolution:
    """From A/A runs; those without an interval do not count."""
    effects = [one.verdict.pairs[0].effect for one in summaries if one.verdict]
    return Resolution(tuple(effect.value for effect in effects if effect.estimable))


def known_resolution_ms(store: Store, host: str, urls: Collection[str]) -> float | None:
    """The resolution from the last self-tests of this machine; None if there was none. Raises StoreError.

    A self-test of a server that does nothing always counts; one of an endpoint counts only for that endpoint.
    """
    found = []
    for against in {None, *urls}:
        tests: dict[str, list[Run]] = {}
        for run in store.runs(with_imported=False):  # the newest first
            if _counts(run, host) and run.manifest.get("against") == against and (test := run.manifest.get("selftest")):
                tests.setdefault(str(test), []).append(run)
        # If it measured nothing, or was interrupted before it had a spread, the previous one applies.
        known = (resolution([one for run in runs if (one := _summary(store, run))]).ms for runs in tests.values())
        found.append(next((ms for ms in known if ms is not None), None))
    return max((ms for ms in found if ms is not None), default=None)


def _summary(store: Store, run: Run) -> Summary | None:
    try:
        samples, _ = load_samples(store, run.id)
        return summarise(run, samples)
    except (ValueError, KeyError):  # damaged, or of a version that this one cannot read
        return None


def _counts(run: Run, host: str) -> bool:
    return (
        run.kind == KIND
        and run.state is RunState.FINISHED
        and run.manifest.get("client", {}).get("host") == host
        and run.manifest.get("plan", {}).get("kind") == ComparePlan.kind
    )
