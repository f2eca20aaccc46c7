"""The smallest difference that this machine can resolve, from one server measured against itself several times.

One such run says how surely it saw no difference, which is a matter of how long it was. Several say by how much runs on
this machine differ though nothing does: a difference that is no larger is not evidence, and such claims are refused.
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
"""Fewer runs say almost nothing about a spread."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The result of runs of one server against itself: `differences_ms` are their paired medians."""

    differences_ms: tuple[float, ...]

    @property
    def ms(self) -> float | None:
        """The difference that one more such run exceeds in 5% of cases; None if there are too few runs.

        Which of the two comes first is chance, so the true mean is 0, and the spread about it has as many degrees of
        freedom as there are runs: Student's prediction interval for a known mean.
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
    """What the last self-tests of this machine found; None if there was none. Raises StoreError.

    The one against a server that does nothing always counts, one against an endpoint for that endpoint alone.
    """
    found = []
    for against in {None, *urls}:
        tests: dict[str, list[Run]] = {}
        for run in store.runs(with_imported=False):  # the newest first
            if _counts(run, host) and run.manifest.get("against") == against and (test := run.manifest.get("selftest")):
                tests.setdefault(str(test), []).append(run)
        # One that measured nothing, or was cut off before there was a spread, leaves the one before it in force.
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
