"""Where the API listens."""

from collections.abc import Mapping
from dataclasses import dataclass

from inference.settings import SettingsError


@dataclass(frozen=True, slots=True)
class ListenSettings:
    host: str
    port: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "ListenSettings":
        """Read HOST (default 0.0.0.0, as Cloud Run's container contract asks) and PORT (default 8080).

        Raises SettingsError if PORT is not a port number.
        """
        text = environ.get("PORT") or "8080"
        if not text.isdecimal() or len(text) > 5 or not 0 < int(text) < 65536:
            raise SettingsError("PORT must be a number from 1 to 65535")
        return cls(host=environ.get("HOST") or "0.0.0.0", port=int(text))  # noqa: S104  a container's only interface
