"""What the dashboard reads from its environment, once, at start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.endpoints.endpoint import Endpoint, EndpointError
from benchmark.endpoints.identity import GoogleIdentity
from benchmark.monitor.sampler import When, default_when

ROOT = Path(__file__).resolve().parents[1]

# key, name, local twin
_ENDPOINTS = (
    ("api", "FastAPI", "http://127.0.0.1:8000"),
    ("function", "Cloud Function", "http://127.0.0.1:8080"),
)


class SettingsError(ValueError):
    """A variable has a value that cannot be used; the message names the variable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The two endpoints, where the record is kept, where the local artifact is, and where the page is served."""

    endpoints: tuple[Endpoint, ...]
    """one to six"""
    results_dir: Path
    model_dir: Path
    host: str
    port: int
    force_command: str | None = field(default=None, repr=False)
    """what forces a new instance of an endpoint; the operator's own, never a visitor's"""
    read_only: bool = False
    """the record is shown and never changed, and single predictions are all that visitors can send"""
    monitor: When = When.OPEN
    """when `/metrics` is read, until somebody chooses otherwise on the Monitor page"""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read API_* and FUNCTION_* (URL, NAME, TOKEN, TIMEOUT_S) and what is not for one endpoint alone.

        Raises SettingsError.
        """
        wanted = _with_id_tokens(environ.get("GOOGLE_ID_TOKENS") or "")
        identity = GoogleIdentity()
        api, function = (
            _endpoint(environ, *default, identity if default[0] in wanted else None) for default in _ENDPOINTS
        )
        port = environ.get("PORT") or "8501"
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise SettingsError("PORT must be a number from 1 to 65535")
        return cls(
            endpoints=(api, function),
            results_dir=Path(environ.get("RESULTS_DIR") or ROOT / "results"),
            model_dir=Path(environ.get("MODEL_DIR") or ROOT / "artifacts" / "iris"),
            host=environ.get("HOST") or "127.0.0.1",
            port=int(port),
            force_command=environ.get("FORCE_COMMAND") or None,
            read_only=_is_on(environ, "READ_ONLY"),
            monitor=_when(environ.get("MONITOR_READINGS") or default_when((api, function))),
        )


def _is_on(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name) or "0"
    if value not in ("0", "1"):  # guessing would leave open what was meant to be closed
        raise SettingsError(f"{name} must be 1 or 0")
    return value == "1"


def _when(text: str) -> When:
    try:
        return When(text)
    except ValueError:
        raise SettingsError(f"MONITOR_READINGS must be {', '.join(When)}") from None


def _with_id_tokens(text: str) -> frozenset[str]:
    """The keys of the endpoints that get Google ID tokens: `1` means both, `api` or `function` one, `0` none."""
    keys = frozenset(key for key, _, _ in _ENDPOINTS)
    if text in ("", "0"):
        return frozenset()
    wanted = keys if text == "1" else frozenset(text.replace(",", " ").split())
    if not wanted <= keys:
        raise SettingsError("GOOGLE_ID_TOKENS must be 1, 0, api or function")
    return wanted


def _endpoint(environ: Mapping[str, str], key: str, name: str, url: str, identity: GoogleIdentity | None) -> Endpoint:
    prefix = key.upper()
    timeout = environ.get(f"{prefix}_TIMEOUT_S") or "10"
    try:
        timeout_s = float(timeout)
    except ValueError:
        raise SettingsError(f"{prefix}_TIMEOUT_S must be a number of seconds") from None
    if not 0 < timeout_s <= 600:
        raise SettingsError(f"{prefix}_TIMEOUT_S must be above 0 and at most 600")
    try:
        return Endpoint(
            key=key,
            name=environ.get(f"{prefix}_NAME") or name,
            url=(environ.get(f"{prefix}_URL") or url).strip(),
            timeout_s=timeout_s,
            token=environ.get(f"{prefix}_TOKEN") or None,
            identity=identity,
        )
    except EndpointError as error:
        raise SettingsError(f"{prefix}_URL {error}") from error
