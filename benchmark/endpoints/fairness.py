"""Under which conditions each endpoint ran, side by side: most differences between platforms are configuration.

Facts come from `/model-info`; what an endpoint does not say is unknown, and unknown is never called equal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.endpoints.catalog import Served
from benchmark.endpoints.readable import readable

Facts = Mapping[str, str | None]
"""By name, in the order in which they are shown; None is unknown."""

LOCAL_REGION = "local"
"""What a program says for its region that runs on no platform."""
SIMULATED = "simulated"
"""What every fact of an endpoint is that exists in a simulation alone."""
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
        """Known of all, and the same."""
        return self.is_known and len(set(self.values)) == 1

    @property
    def comparison(self) -> str:
        """Whether it is equal, in a word."""
        return "equal" if self.is_equal else "differs" if self.is_known else "unknown"

    def describe(self) -> str:
        """What is wrong with it, in a clause."""
        if not self.is_known:
            return f"{self.name} unknown"
        return f"{self.name} {' against '.join(value or '' for value in self.values)}"


def facts(served: Served) -> dict[str, str | None]:
    """What one endpoint says about how it is served."""
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
    # A library that is called like one of these facts does not take its place.
    return {readable(str(name)[:80]): _text(version) for name, version in sorted(libraries.items())} | found


def revision(served: Served) -> str | None:
    """Which revision of its service the platform says that this is. No fact: that of another service is another."""
    return _text(_mapping(served.serving.get("platform")).get("revision"))


def region(known: Facts) -> str | None:
    """The platform's region that an endpoint says it is in; None where it says none, or is on no platform."""
    said = (known.get("region") or "").strip().lower()
    return said if said and said not in (LOCAL_REGION, SIMULATED) else None


def conditions(known: Sequence[Facts]) -> list[Condition]:
    """All facts side by side. A library that only one endpoint has is its framework's own, and is left out."""
    names = [
        *ALWAYS_SHOWN,
        *(name for name in known[0] if name not in ALWAYS_SHOWN and all(name in one for one in known)),
    ]
    return [Condition(name, tuple(one.get(name) for one in known)) for name in names]


def mismatches(known: Sequence[Facts]) -> list[Condition]:
    """What is not known to be equal: with any of these, two deployments differ, and not two platforms."""
    return [condition for condition in conditions(known) if not condition.is_equal]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    """A short text for people; anything else is unknown."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return readable(str(value)[:80]) or None
