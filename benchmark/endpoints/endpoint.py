"""An endpoint: its address, name, credentials and timeout."""

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from benchmark.endpoints.identity import GoogleIdentity
from benchmark.endpoints.protocols import DEFAULT, OptionError, Protocol, UnknownProtocol, protocol_of


class EndpointError(ValueError):
    """The address, credentials or options of an endpoint are invalid; the message says why in one clause."""

    is_about_options = False
    """whether the protocol's options are invalid, not the address"""


class _InvalidOptions(EndpointError):
    is_about_options = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. `key` is stable (`api`, `function`); `name` is for display."""

    key: str
    name: str
    url: str
    timeout_s: float = 10.0
    token: str | None = field(default=None, repr=False)
    identity: GoogleIdentity | None = field(default=None, repr=False, compare=False)
    """source of tokens, unless `token` is given"""
    protocol: str = DEFAULT
    """name of its protocol"""
    colour: str | None = None
    """CSS hex, such as `#2563eb`; None for the default colour of its position"""
    form: str | None = None
    """name of the request format to use; None for the protocol's first"""
    template: str | None = None
    """JSON text of the template, for the protocol of that name"""
    sample: str | None = None
    """JSON object of feature names and values that it takes, for want of a card"""

    def __post_init__(self) -> None:
        try:
            spoken = self.spoken
        except UnknownProtocol as error:
            raise EndpointError(str(error)) from error
        except OptionError as error:
            raise _InvalidOptions(str(error)) from error
        schemes: tuple[str, ...] = getattr(spoken, "schemes", ("http", "https"))
        if "://" not in self.url and schemes[0] not in ("http", "https"):
            object.__setattr__(self, "url", f"{schemes[0]}://{self.url}")
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:  # a truncated IPv6 address, or an invalid port
            usable = False
        if not usable or not _can_be_asked(spoken.predict_url(self.url)):
            raise EndpointError(f"is not {'an' if schemes[0] == 'http' else 'a'} {' or '.join(schemes)} address")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise EndpointError("must not contain credentials, a query or a fragment")
        if not self.timeout_s > 0:  # NaN too
            raise EndpointError("needs a timeout above 0 s")
        if self.token and not (self.token.isascii() and self.token.isprintable()):
            raise EndpointError("has a token with characters that are invalid in a header")
        if (
            (self.token or self.identity)
            and parts.scheme in ("http", "grpc")
            and not _is_loopback(parts.hostname or "")
        ):
            raise EndpointError("would send its token unencrypted: use https")

    @property
    def address(self) -> str:
        """The URL for display, without the scheme."""
        return self.url.partition("://")[2].rstrip("/")

    @property
    def host(self) -> str:
        """The name or address of the host, in lower case."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine."""
        return is_on_this_machine(self.url)

    @property
    def spoken(self) -> Protocol:
        """Its protocol, with what that has learned from the endpoint."""
        return protocol_of(self.protocol, self.url, self.form, self.template)

    @property
    def speaks(self) -> str:
        """The name of its protocol: the one that was found by asking, if that was wanted and has been done."""
        return getattr(self.spoken, "found", None) or self.protocol

    @property
    def predict_url(self) -> str:
        """The URL for predictions."""
        return self.spoken.predict_url(self.url)

    @property
    def info_urls(self) -> tuple[str, ...]:
        """Possible URLs of the model card, most likely first."""
        return self.spoken.info_urls(self.url)

    @property
    def audience(self) -> str:
        """The audience of an ID token: the address of the service, without a path."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request to this endpoint. May fetch a token, so call it before starting a clock.

        Raises TokenError.
        """
        token = self.token or (self.identity.token(self.audience) if self.identity else None)
        return {"authorization": f"Bearer {token}"} if token else {}


def is_on_this_machine(url: str) -> bool:
    """Whether `url` is an address of this machine; False for invalid addresses."""
    try:
        return _is_loopback(urlsplit(url).hostname or "")
    except ValueError:  # a truncated IPv6 address
        return False


def env_prefix(key: str) -> str:
    """The prefix of the variables of the endpoint `key`, such as `API` in `API_TOKEN`."""
    return key.upper().replace("-", "_")


def _can_be_asked(url: str) -> bool:
    """Whether an HTTP client accepts this address and a resolver accepts its host."""
    import httpx  # slow to import, and most users of endpoints do not need it

    try:
        httpx.URL(url).host.encode("idna")
    except (httpx.InvalidURL, UnicodeError):
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
