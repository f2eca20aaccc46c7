"""What a run's record says of its conditions and of its end, typed: JSON on the outside, names with types inside.

Both keep every member that they were read with, also those of other versions, so that nothing is lost when a run is
exported again. A member is read when it is first asked for: a damaged run can be listed, and whoever needs what is
damaged gets a KeyError, TypeError or ValueError.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

D = TypeVar("D", bound=dict[str, Any])


@dataclass(frozen=True, slots=True)
class RecordedEndpoint:
    """An endpoint of a run. Its address and command are for people to read: nothing in a record is asked or started."""

    key: str
    name: str
    url: str | None
    """None for a program that is started anew for each sample"""


@dataclass(frozen=True, slots=True)
class RecordedClient:
    """The machine that measured."""

    host: str
    machine: str
    cpus: int | None

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.host} ({self.machine}, {self.cpus} CPUs)"


class Manifest(dict[str, Any]):
    """The conditions of a run, fixed when it starts."""

    @cached_property
    def plan(self) -> Any:
        """The document of the plan, which its kind reads; None where there is none."""
        return self.get("plan")

    @cached_property
    def endpoints(self) -> tuple[RecordedEndpoint, ...]:
        """In the order of the samples' `endpoint`."""
        return tuple(RecordedEndpoint(one["key"], one["name"], one.get("url")) for one in self["endpoints"])

    @cached_property
    def facts(self) -> tuple[Mapping[str, str | None], ...]:
        """What each endpoint says of its deployment, in the order of the endpoints."""
        return tuple(self["facts"].get(endpoint.key, {}) for endpoint in self.endpoints)

    @cached_property
    def client(self) -> RecordedClient:
        """Where it was measured from."""
        known = self["client"]
        return RecordedClient(known["host"], known["machine"], known["cpus"])

    @cached_property
    def body_sha256(self) -> str:
        """Of all that was sent."""
        return str(self["bodies"]["sha256"])

    @cached_property
    def resolution_ms(self) -> float | None:
        """The smallest difference that self-tests of the client could tell; None where there was none."""
        return self.get("resolution_ms")

    @cached_property
    def is_simulated(self) -> bool:
        """Whether nothing was sent."""
        return "truth" in self


class Ending(dict[str, Any]):
    """What is said of a run when it ends; empty while it goes on."""

    @cached_property
    def instances(self) -> tuple[str, ...]:
        """The instances that answered, by the number that samples give them, from 1."""
        return tuple(self.get("instances", ()))

    @cached_property
    def failure_details(self) -> Mapping[str, Mapping[str, str]]:
        """An example of each failure, by endpoint and kind."""
        found: Mapping[str, Mapping[str, str]] = self.get("failure_details", {})
        return found

    @cached_property
    def generator(self) -> Mapping[str, Any]:
        """What the client was worth; empty where that was not judged."""
        found: Mapping[str, Any] = self.get("generator", {})
        return found

    @cached_property
    def probes(self) -> tuple[Mapping[str, Any], ...] | None:
        """What is known of each cold-start probe; None for a run of another kind."""
        found = self.get("probes")
        return None if found is None else tuple(found)

    @cached_property
    def reason(self) -> str | None:
        """Why it ended early."""
        return self.get("reason")


class Typed(Generic[D]):
    """A field that is given as any mapping and kept as a `D`, so that it is typed wherever it comes from."""

    def __init__(self, kind: Callable[[Mapping[str, Any]], D]) -> None:
        self._kind = kind

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object | None, owner: type) -> D:
        if instance is None:  # a dataclass asks for the default so, and takes none that is mutable
            return cast(D, ())
        found: D = instance.__dict__[self._name]
        return found

    def __set__(self, instance: object, value: Mapping[str, Any]) -> None:
        instance.__dict__[self._name] = self._kind(value if isinstance(value, Mapping) else {})
