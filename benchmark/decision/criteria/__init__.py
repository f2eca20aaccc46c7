"""The criteria of a decision: each module here defines one as `CRITERION`, and is found by being here.

`register` adds one from elsewhere.
"""

import importlib
import pkgutil

from benchmark.decision.criterion import Criterion
from benchmark.decision.needs import NeedsError


class UnknownCriterionError(NeedsError):
    """There is no criterion of this name; the message names those that there are."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is not a criterion: choose among {', '.join(names())}")


def register(criterion: Criterion) -> None:
    """Add a criterion. Raises ValueError where there is one of the same name."""
    if criterion.name in _known:
        raise ValueError(f"there already is a criterion {criterion.name}")
    _known[criterion.name] = criterion


def unregister(name: str) -> None:
    """Remove a criterion. Raises UnknownCriterionError."""
    named(name)
    del _known[name]


def named(name: str) -> Criterion:
    """The criterion of this name. Raises UnknownCriterionError."""
    if name not in _known:
        raise UnknownCriterionError(name)
    return _known[name]


def everyone() -> tuple[Criterion, ...]:
    """All criteria in the order of lists."""
    return tuple(sorted(_known.values(), key=lambda one: (one.order, one.name)))


def names() -> tuple[str, ...]:
    """Their names, in the same order."""
    return tuple(one.name for one in everyone())


_known: dict[str, Criterion] = {}
for _module in pkgutil.iter_modules(__path__):
    register(importlib.import_module(f"{__name__}.{_module.name}").CRITERION)
