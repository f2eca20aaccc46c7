"""What this machine can tell apart at all: the same server measured against itself.

A difference smaller than what a server shows against itself is not evidence; such claims are refused.
"""

from collections.abc import Collection

from benchmark.plan import ComparePlan
from benchmark.recording import load_samples
from benchmark.run import Run, RunState
from benchmark.store import Store
from benchmark.summary import Summary, summarise

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
    for run in store.runs():
        if wanted and _counts(run, host) and (against := run.manifest.get("against")) in wanted:
            wanted.discard(against)
            samples, _ = load_samples(store, run.id)
            found.append(resolution_ms(summarise(run, samples)))
    return max((value for value in found if value is not None), default=None)


def _counts(run: Run, host: str) -> bool:
    return (
        run.kind == KIND
        and run.state is RunState.FINISHED
        and run.manifest["client"]["host"] == host
        and isinstance(run.plan, ComparePlan)
    )
