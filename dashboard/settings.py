"""What the dashboard reads from its environment, once, at start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.endpoints.configured import ConfigurationError, configured_endpoints, is_in_a_file
from benchmark.endpoints.endpoint import Endpoint
from benchmark.monitor.sampler import When, default_when
from benchmark.record.location import Location, LocationError, location_in

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Settings:
    """The endpoints, the places of the record and the local artifact, and the address of the dashboard."""

    endpoints: tuple[Endpoint, ...]
    """one to six"""
    results: Location
    """of the record"""
    model_dir: Path
    host: str
    port: int
    force_command: str | None = field(default=None, repr=False)
    """the operator's command that forces a new instance; visitors cannot set it"""
    read_only: bool = False
    """visitors can see the record but not change it, and can send single predictions only"""
    monitor: When = When.OPEN
    """when `/metrics` is read, unless changed on the Monitor page"""
    user_header: str | None = None
    """the header in which the proxy in front of the dashboard names who uses it; nobody else may reach the dashboard"""
    in_file: bool = False
    """the endpoints come from a file, not from variables"""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the endpoints (`configured_endpoints`) and all other settings.

        Raises ConfigurationError.
        """
        endpoints = configured_endpoints(environ)
        port = environ.get("PORT") or "8501"
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ConfigurationError("PORT must be a number from 1 to 65535")
        return cls(
            endpoints=endpoints,
            results=_results(environ),
            model_dir=Path(environ.get("MODEL_DIR") or ROOT / "artifacts" / "iris"),
            host=environ.get("HOST") or "127.0.0.1",
            port=int(port),
            force_command=environ.get("FORCE_COMMAND") or None,
            read_only=_is_on(environ, "READ_ONLY"),
            monitor=_when(environ.get("MONITOR_READINGS") or default_when(endpoints)),
            user_header=_header(environ.get("USER_HEADER")),
            in_file=is_in_a_file(environ),
        )


def _results(environ: Mapping[str, str]) -> Location:
    try:
        return location_in(environ, ROOT / "results")
    except LocationError as error:
        raise ConfigurationError(str(error)) from None


def _is_on(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name) or "0"
    if value not in ("0", "1"):  # a wrong guess could open a dashboard that was meant to be closed
        raise ConfigurationError(f"{name} must be 1 or 0")
    return value == "1"


def _header(name: str | None) -> str | None:
    if name and not re.fullmatch(r"[A-Za-z0-9-]{1,100}", name):
        raise ConfigurationError("USER_HEADER must be the name of a header")
    return name or None


def _when(text: str) -> When:
    try:
        return When(text)
    except ValueError:
        raise ConfigurationError(f"MONITOR_READINGS must be {', '.join(When)}") from None
