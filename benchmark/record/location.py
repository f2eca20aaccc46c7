"""Where a record is: in a SQLite file of a directory, or in a PostgreSQL database that several machines share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.endpoints import readable

if TYPE_CHECKING:
    from sqlalchemy import URL

FILE_NAME = "faceoff.sqlite3"
_SCHEME = "postgresql+psycopg"
_FORM = f"{_SCHEME}://USER:PASSWORD@HOST/DATABASE"


class LocationError(ValueError):
    """This is no address of a record; the message says what one looks like, and never repeats it."""


@dataclass(frozen=True, slots=True)
class Location:
    """The record in `directory`, or in the database at `url` with its local state in `directory`."""

    directory: Path
    """the SQLite file, or else what waits for the database; always the locks of this machine"""
    url: str | None = field(default=None, repr=False)
    """secret, because it may contain a password"""

    def __post_init__(self) -> None:
        if self.url is not None:
            _parse(self.url)

    @property
    def path(self) -> Path:
        """The SQLite file; unused with a URL."""
        return self.directory / FILE_NAME

    @property
    def database_url(self) -> "URL | None":
        """The parsed `url`."""
        return None if self.url is None else _parse(self.url)

    @property
    def has_password(self) -> bool:
        """Whether `url` contains a password."""
        url = self.database_url
        return url is not None and (url.password is not None or any("password" in name for name in url.query))

    @property
    def name(self) -> str:
        """The path or the address for people, without a password."""
        url = self.database_url
        if url is None:
            return str(self.path)
        return readable.name(url.set(query={}, drivername="postgresql").render_as_string(hide_password=True))


def location_in(environ: Mapping[str, str], default: Path) -> Location:
    """The record that RESULTS_URL and RESULTS_DIR name; RESULTS_DIR is `default` if unset. Raises LocationError."""
    try:
        return Location(Path(environ.get("RESULTS_DIR") or default), environ.get("RESULTS_URL") or None)
    except LocationError as error:
        raise LocationError(f"RESULTS_URL {error}") from None


def is_url(text: str) -> bool:
    """Whether `text` is meant as an address, not as a directory."""
    return "://" in text


def _parse(text: str) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):  # the cause may contain the password
        raise LocationError(f"must be an address such as {_FORM}") from None
    if url.drivername not in (_SCHEME, "postgresql", "postgres"):
        raise LocationError(f"must begin with {_SCHEME}://, as in {_FORM}")
    if not url.database:
        raise LocationError(f"must name a database, as in {_FORM}")
    return url.set(drivername=_SCHEME)
