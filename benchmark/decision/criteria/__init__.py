"""The criteria of a decision: each module in this package defines one as `CRITERION` and is discovered.

`register` adds one from elsewhere.
"""

import importlib
import pkgutil

from benchmark.decision.criterion import Criterion
from benchmark.decision.needs import NeedsError


class UnknownCriterionError(NeedsError):
    """No criterion has this name; the message lists the available ones."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is not a criterion: choose among {', '.join(names())}")


def register(criterion: Criterion) -> None:
    """Add a criterion. Raises ValueError if the name is taken."""
    if criterion.name in _known:
        raise ValueError(f"the criterion {criterion.name} already exists")
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
    """All criteria in display order."""
    return tuple(sorted(_known.values(), key=lambda one: (one.order, one.name)))


def names() -> tuple[str, ...]:
    """Their names, in the same order."""
    return tuple(one.name for one in everyone())


_known: dict[str, Criterion] = {}
for _module in pkgutil.iter_modules(__path__):
    register(importlib.import_module(f"{__name__}.{_module.name}").CRITERION)
