"""What this machine can tell apart at all: the same server measured against itself.

A difference smaller than what a server shows against itself is not evidence; such claims are refused.
"""

from collections.abc import Collection

from benchmark.record.plan import ComparePlan
from benchmark.record.recording import load_samples
from benchmark.record.run import Run, RunState
from benchmark.record.store import Store
from benchmark.summary.summarise import Summary, summarise

KIND = "selftest"


def resolution_ms(summary: Summary) -> float | None:
    """The largest difference that the interval of an A/A run still allows, in ms; None where there is no interval."""
    effect = summary.verdict.effect if summary.verdict else None
    if effect is None or effect.low is None or effect.high is None:
        return None
    return max(abs(effect.low), abs(effect.high))


def known_resolution_ms(store: Store, host: str, urls: Collection[str]) -> float | None:
    """What the last self-tests of this machine found; None where there was none. Raises StoreError.

    The one against a server that does nothing always counts, one against an endpoint for that endpoint alone.
    """
    found = []
    wanted = {None, *urls}
    for run in store.runs(with_imported=False):
        if wanted and _counts(run, host) and (against := run.manifest.get("against")) in wanted:
            resolution = _resolution_of(store, run)
            if resolution is not None:  # one that measured nothing leaves the one before it in force
                wanted.discard(against)
                found.append(resolution)
    return max(found, default=None)


def _resolution_of(store: Store, run: Run) -> float | None:
    try:
        samples, _ = load_samples(store, run.id)
        return resolution_ms(summarise(run, samples))
    except (ValueError, KeyError):  # damaged, or of a version that this one cannot read
        return None


def _counts(run: Run, host: str) -> bool:
    return (
        run.kind == KIND
        and run.state is RunState.FINISHED
        and run.manifest.get("client", {}).get("host") == host
        and run.manifest.get("plan", {}).get("kind") == ComparePlan.kind
    )
