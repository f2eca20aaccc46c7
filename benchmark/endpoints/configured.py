"""The endpoints that the operator configured: those of a file, or the two local twins with their variables."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

from benchmark.endpoints import readable
from benchmark.endpoints.endpoint import Endpoint, EndpointError, env_prefix
from benchmark.endpoints.identity import GoogleIdentity
from benchmark.endpoints.protocols import DEFAULT, PROTOCOLS

VARIABLE = "ENDPOINTS"
"""The environment variable that names the file."""
MOST = 6
MAX_TIMEOUT_S = 600.0
KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
"""What an endpoint may be called: it is part of file names and of the page's own names for its parts."""

_DEFAULT_TIMEOUT_S = 10.0
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
_ENVIRONMENT_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FIELDS = ("name", "url", "key", "protocol", "template", "sample", "token_variable", "timeout_s", "colour")
_MAX_TEMPLATE_BYTES = 64 * 1024
_MAX_SAMPLE_CHARACTERS = 64 * 1024
_SECRETS = ("token", "bearer", "password", "secret", "authorization", "api_key")

_LOCAL_TWINS = (
    ("api", "FastAPI", "http://127.0.0.1:8000"),
    ("function", "Cloud Function", "http://127.0.0.1:8080"),
)
"""Key, name and address."""


class ConfigurationError(ValueError):
    """The configuration is invalid; the message names the variable, or the file and its entry."""


def configured_endpoints(environ: Mapping[str, str]) -> tuple[Endpoint, ...]:
    """One to six endpoints: those of the file that `ENDPOINTS` names, or else the two local twins with their variables.

    Raises ConfigurationError.
    """
    path = environ.get(VARIABLE)
    return read_endpoints(Path(path), environ) if path else _local_twins(environ)


def is_in_a_file(environ: Mapping[str, str]) -> bool:
    """Whether a file configures the endpoints."""
    return bool(environ.get(VARIABLE))


def read_endpoints(path: Path, environ: Mapping[str, str]) -> tuple[Endpoint, ...]:
    """The endpoints of the TOML file at `path`, in its order, with tokens from the variables that it names.

    Raises ConfigurationError with a one-line message.
    """
    where = f"{VARIABLE}={path}"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{where}: cannot be read ({error.strerror or type(error).__name__})") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{where}: is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{where}: is not valid TOML: {error}") from error
    for unknown in document.keys() - {"endpoint"}:
        raise ConfigurationError(f"{where}: {_shown(unknown)} is unknown; define each endpoint as a table [[endpoint]]")
    entries = document.get("endpoint")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigurationError(f"{where}: needs a table [[endpoint]] for each endpoint")
    if not 1 <= len(entries) <= MOST:
        raise ConfigurationError(f"{where}: has {len(entries)} endpoints; the limit is {MOST}")
    found: list[Endpoint] = []
    for number, entry in enumerate(entries, 1):
        name = entry.get("name")
        here = f"{where}: endpoint {number}" + (f" ({_shown(name)})" if isinstance(name, str) and name.strip() else "")
        try:
            endpoint = _from_entry(entry, environ, path.parent)
            _require_distinct(endpoint, found)
        except _EntryError as error:
            raise ConfigurationError(f"{here}: {error}") from None
        found.append(endpoint)
    keys = _with_id_tokens(environ, [endpoint.key for endpoint in found])
    return _identified(found, keys, lambda endpoint: f"{where}: endpoint {endpoint.key}: url")


class TemplateError(ValueError):
    """A template cannot be used; the message is a clause that follows the word template."""


class _EntryError(Exception):
    """An entry of the file is invalid; the message is a clause, and never contains a value that could be a token."""


def _from_entry(entry: Mapping[str, Any], environ: Mapping[str, str], directory: Path) -> Endpoint:
    """The endpoint of an entry; `directory` is that of its file."""
    for field in entry:
        if field.lower() in _SECRETS:
            raise _EntryError(f"{field} may not be in the file: name the variable that holds it with token_variable")
        if field == "color":
            raise _EntryError("color is unknown: write colour")
        if field not in _FIELDS:
            raise _EntryError(f"{_shown(field)} is unknown; the fields are {', '.join(_FIELDS)}")
    name, url = _text(entry, "name"), _text(entry, "url")
    if name is None:
        raise _EntryError("name is missing")
    if url is None:
        raise _EntryError("url is missing")
    key = _text(entry, "key") or _key_of(name)
    if not KEY.fullmatch(key):
        raise _EntryError("key must begin with a letter and have at most 32 letters, digits, - and _")
    protocol, form = split_protocol(_text(entry, "protocol") or DEFAULT)
    if protocol not in PROTOCOLS:
        raise _EntryError(f"protocol must be one of {', '.join(PROTOCOLS)}")
    try:
        template = _template(entry.get("template"), directory)
    except TemplateError as error:
        raise _EntryError(f"template {error}") from error
    colour = _text(entry, "colour")
    if colour is not None and not _COLOUR.fullmatch(colour):
        raise _EntryError('colour must be six hexadecimal digits after #, such as "#2563eb"')
    try:
        return Endpoint(
            key=key,
            name=readable.name(name, 60),
            url=url,
            timeout_s=_timeout_s(entry.get("timeout_s", _DEFAULT_TIMEOUT_S)),
            token=_token(_text(entry, "token_variable"), environ),
            protocol=protocol,
            colour=colour.lower() if colour else None,
            form=form,
            template=template,
            sample=_sample(entry.get("sample")),
        )
    except EndpointError as error:
        raise _EntryError(f"{'' if error.is_about_options else 'url '}{error}") from error


def split_protocol(text: str) -> tuple[str, str | None]:
    """The protocol in `PROTOCOL` or `PROTOCOL:OPTION`, and the option."""
    name, _, option = text.partition(":")
    return name.strip(), option.strip() or None


def read_template(path: Path) -> str:
    """The JSON text of the template in a TOML file. Raises TemplateError."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_TEMPLATE_BYTES + 1)
        if len(data) > _MAX_TEMPLATE_BYTES:
            raise TemplateError(f"{path} is larger than {_MAX_TEMPLATE_BYTES // 1024} KiB")
        return _as_json(tomllib.loads(data.decode()))
    except OSError as error:
        raise TemplateError(f"{path} cannot be read ({error.strerror or type(error).__name__})") from error
    except UnicodeDecodeError as error:
        raise TemplateError(f"{path} is not UTF-8 text") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise TemplateError(f"{path} is not valid TOML: {error}") from error


def _template(value: Any, directory: Path) -> str | None:
    """The JSON text of a template: a table, or the path of a file from `directory`. Raises TemplateError."""
    if value is None:
        return None
    if isinstance(value, dict):
        return _as_json(value)
    if not isinstance(value, str) or not value.strip():
        raise TemplateError("must be a table, or the path of a file")
    return read_template(directory / value.strip())


def _as_json(template: Mapping[str, Any]) -> str:
    try:
        return json.dumps(template, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        raise TemplateError("has a value that JSON does not have") from None


def _sample(value: Any) -> str | None:
    """The JSON text of a sample input: a table of feature names with numbers, texts and truth values."""
    if value is None:
        return None
    if not isinstance(value, dict) or not value:
        raise _EntryError("sample must be a table of feature names and values")
    if not all(isinstance(one, int | float | str) and one == one and abs(_size(one)) < inf for one in value.values()):
        raise _EntryError("sample must have a number, a text or a truth value for each feature")
    text = json.dumps(value)
    if len(text) > _MAX_SAMPLE_CHARACTERS:
        raise _EntryError(f"sample is longer than {_MAX_SAMPLE_CHARACTERS} characters")
    return text


def _size(value: float | str) -> float:
    return len(value) if isinstance(value, str) else value


def _text(entry: Mapping[str, Any], field: str) -> str | None:
    """The value of `field`, or None if the entry does not have it."""
    value = entry.get(field)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise _EntryError(f"{field} must be a text")
    return value.strip()


def _key_of(name: str) -> str:
    """A key for `name`: `Cloud Run (EU)` gives `cloud-run-eu`. The result may be invalid."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32].rstrip("-")


def _token(variable: str | None, environ: Mapping[str, str]) -> str | None:
    if variable is None:
        return None
    if not _ENVIRONMENT_VARIABLE.fullmatch(variable):  # may be the token itself, so it is not repeated
        raise _EntryError("token_variable must be the name of an environment variable, not a token")
    token = environ.get(variable)
    if not token:
        # A token of only letters and digits looks like a name too.
        shown = variable if len(variable) <= 40 else "the variable"
        raise _EntryError(f"token_variable names {shown}, which is not set")
    return token


def _timeout_s(value: Any) -> float:
    if type(value) not in (int, float) or not 0 < value <= MAX_TIMEOUT_S:
        raise _EntryError(f"timeout_s must be a number of seconds above 0 and at most {MAX_TIMEOUT_S:g}")
    return float(value)


def _require_distinct(endpoint: Endpoint, others: Sequence[Endpoint]) -> None:
    """Check that keys, names and colours are unique, because they identify endpoints in records and on pages."""
    for number, other in enumerate(others, 1):
        if env_prefix(other.key) == env_prefix(endpoint.key):
            raise _EntryError(f"key {endpoint.key} is also used by endpoint {number}: give each endpoint a unique key")
        if other.name == endpoint.name:
            raise _EntryError(f"name is also used by endpoint {number}")
        if endpoint.colour and other.colour == endpoint.colour:
            raise _EntryError(f"colour is also used by endpoint {number}")


def _shown(text: str) -> str:
    return readable.name(text, 40)


# --- Without a file


def _local_twins(environ: Mapping[str, str]) -> tuple[Endpoint, ...]:
    """The API and the function at API_URL and FUNCTION_URL, each with its NAME, TOKEN and TIMEOUT_S."""
    endpoints = [_twin(environ, *twin) for twin in _LOCAL_TWINS]
    keys = _with_id_tokens(environ, [endpoint.key for endpoint in endpoints])
    return _identified(endpoints, keys, lambda endpoint: f"{env_prefix(endpoint.key)}_URL")


def _twin(environ: Mapping[str, str], key: str, name: str, url: str) -> Endpoint:
    prefix = env_prefix(key)
    try:
        timeout_s = float(environ.get(f"{prefix}_TIMEOUT_S") or _DEFAULT_TIMEOUT_S)
    except ValueError:
        raise ConfigurationError(f"{prefix}_TIMEOUT_S must be a number of seconds") from None
    if not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise ConfigurationError(f"{prefix}_TIMEOUT_S must be above 0 and at most {MAX_TIMEOUT_S:g}")
    try:
        return Endpoint(
            key=key,
            name=environ.get(f"{prefix}_NAME") or name,
            url=(environ.get(f"{prefix}_URL") or url).strip(),
            timeout_s=timeout_s,
            token=environ.get(f"{prefix}_TOKEN") or None,
        )
    except EndpointError as error:
        raise ConfigurationError(f"{prefix}_URL {error}") from error


# --- Google ID tokens


def _with_id_tokens(environ: Mapping[str, str], keys: Sequence[str]) -> frozenset[str]:
    """The `keys` with Google ID tokens: `1` means all, `0` none, a list of keys only those."""
    text = environ.get("GOOGLE_ID_TOKENS") or "0"
    if text == "0":
        return frozenset()
    wanted = frozenset(keys) if text == "1" else frozenset(text.replace(",", " ").split())
    if not wanted <= set(keys):
        raise ConfigurationError(f"GOOGLE_ID_TOKENS must be {', '.join(('1', '0', *keys)[:-1])} or {keys[-1]}")
    return wanted


def _identified(
    endpoints: Sequence[Endpoint], keys: frozenset[str], where: Callable[[Endpoint], str]
) -> tuple[Endpoint, ...]:
    """`endpoints` with a shared source of ID tokens for `keys`; `where` begins the message about an address."""
    identity = GoogleIdentity()
    found = []
    for endpoint in endpoints:
        try:
            found.append(replace(endpoint, identity=identity) if endpoint.key in keys else endpoint)
        except EndpointError as error:
            raise ConfigurationError(f"{where(endpoint)} {error}") from error
    return tuple(found)
