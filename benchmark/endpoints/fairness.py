"""Compare the conditions of endpoints: most differences between platforms come from configuration.

Facts come from `/model-info`; missing facts are unknown, and unknown facts are never equal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.endpoints.catalog import Served
from benchmark.endpoints.readable import readable

Facts = Mapping[str, str | None]
"""Facts by name, in display order; None is unknown."""

LOCAL_REGION = "local"
"""The reported region of a program outside a platform."""
SIMULATED = "simulated"
"""The value of every fact of a simulated endpoint."""
_LABELS = {
    "cpu": "vCPU",
    "memory": "memory",
    "concurrency": "concurrency",
    "min_instances": "min instances",
    "region": "region",
}
_FILES = {"linear": "model.linear.json", "onnx": "model.onnx", "sklearn": "model.joblib"}
"""What each runtime serves from."""
ALWAYS_SHOWN = (*_LABELS.values(), "machine", "Python", "runtime", "model version", "model sha256")


@dataclass(frozen=True, slots=True)
class Condition:
    """One fact of all endpoints, in their order."""

    name: str
    values: tuple[str | None, ...]

    @property
    def is_known(self) -> bool:
        return None not in self.values

    @property
    def is_equal(self) -> bool:
        """Whether it is known and equal for all endpoints."""
        return self.is_known and len(set(self.values)) == 1

    @property
    def comparison(self) -> str:
        """Whether it is equal, in a word."""
        return "equal" if self.is_equal else "differs" if self.is_known else "unknown"

    def describe(self) -> str:
        """The unknown or different values as a clause."""
        if not self.is_known:
            return f"{self.name} unknown"
        return f"{self.name} {' against '.join(value or '' for value in self.values)}"


def facts(served: Served) -> dict[str, str | None]:
    """An endpoint's report of how it is served."""
    serving = served.serving
    deployment, libraries = _mapping(serving.get("deployment")), _mapping(serving.get("libraries"))
    runtime = _text(serving.get("runtime"))
    found: dict[str, str | None] = {label: _text(deployment.get(name)) for name, label in _LABELS.items()}
    found["machine"] = _text(serving.get("machine"))
    found["Python"] = _text(serving.get("python"))
    found["runtime"] = runtime
    card = served.card
    found["model version"] = card.version if card else None
    found["model sha256"] = card.sha256.get(_FILES.get(runtime or "", "")) if card else None
    # A library with the name of one of these facts does not replace it.
    return {readable(str(name)[:80]): _text(version) for name, version in sorted(libraries.items())} | found


def revision(served: Served) -> str | None:
    """The platform's revision of the service. Not a fact, because revisions of different services always differ."""
    return _text(_mapping(served.serving.get("platform")).get("revision"))


def region(known: Facts) -> str | None:
    """The platform region that an endpoint reports; None if unknown or outside a platform."""
    said = (known.get("region") or "").strip().lower()
    return said if said and said not in (LOCAL_REGION, SIMULATED) else None


def conditions(known: Sequence[Facts]) -> list[Condition]:
    """All facts by endpoint. Libraries of only one endpoint belong to its framework and are omitted."""
    names = [
        *ALWAYS_SHOWN,
        *(name for name in known[0] if name not in ALWAYS_SHOWN and all(name in one for one in known)),
    ]
    return [Condition(name, tuple(one.get(name) for one in known)) for name in names]


def mismatches(known: Sequence[Facts]) -> list[Condition]:
    """Conditions that are not known to be equal; with any of these, deployments are compared, not platforms."""
    return [condition for condition in conditions(known) if not condition.is_equal]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    """A short readable text, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return readable(str(value)[:80]) or None
