"""Google's tokens for endpoints that are not public: fetched when needed, kept until shortly before they expire.

Services of one's own take ID tokens; Google's own APIs, such as Vertex AI, take access tokens.
They belong to the measurement engine, not to the dashboard, because every request needs one. A token is fetched before
a request's clock starts, so that fetching it does not count as latency of the endpoint.
"""

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from typing import Self
from urllib.parse import urlsplit

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
RENEW_BEFORE_S = 300.0
"""A token is valid for an hour. Renewing it this early prevents expiry in transit."""
_FAILED_FOR_S = 30.0
"""Without a source of tokens, a failed fetch takes seconds, so it is not repeated for every request."""


class TokenError(Exception):
    """No token could be fetched; the message says why and what to do, in one clause."""


@dataclass(slots=True)
class _Entry:
    """The state of one audience. The lock lets one thread fetch while the others wait."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    token: str = ""
    renew_at: float = 0.0
    expires_at: float = 0.0
    failure: TokenError | None = None
    retry_at: float = 0.0


class AccessToken(str):
    """An access token. Only its issuer can read it, so its expiry is kept beside it, in Unix time."""

    expires_at: float

    def __new__(cls, token: str, expires_at: float) -> Self:
        made = super().__new__(cls, token)
        made.expires_at = expires_at
        return made


def fetch_google_token(audience: str) -> str:
    """Fetch a token for `audience`: an access token for Google's own APIs, and an ID token for any other service.

    Raises TokenError.
    """
    if (urlsplit(audience).hostname or "").endswith(".googleapis.com"):
        return _fetch_access_token()
    return _fetch_id_token(audience)


def _fetch_access_token() -> str:
    """An access token from the application default credentials. Raises TokenError."""
    try:
        import urllib3
        from google.auth import default
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
        from google.auth.transport.urllib3 import Request
    except ImportError as error:
        raise TokenError("google-auth is not installed") from error
    try:
        with urllib3.PoolManager() as pool:
            credentials, _ = default(scopes=[_SCOPE], request=Request(pool))
            credentials.refresh(Request(pool))
    except DefaultCredentialsError as error:
        raise TokenError("no credentials are available for an access token") from error
    except (GoogleAuthError, OSError, ValueError, LookupError, TypeError) as error:
        raise TokenError(f"Google returned no access token ({type(error).__name__})") from error
    if not isinstance(credentials.token, str) or not credentials.token or credentials.expiry is None:
        raise TokenError("Google returned no access token")
    return AccessToken(credentials.token, credentials.expiry.replace(tzinfo=UTC).timestamp())


def _fetch_id_token(audience: str) -> str:
    """An ID token for `audience` from the metadata server or a service account key. Raises TokenError."""
    try:
        import urllib3
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
        from google.auth.transport.urllib3 import Request
        from google.oauth2.id_token import fetch_id_token
    except ImportError as error:
        raise TokenError("google-auth is not installed") from error
    try:
        # A separate pool without proxies from the environment, like all requests of the engine.
        with urllib3.PoolManager() as pool:
            token = fetch_id_token(Request(pool), audience)
    except DefaultCredentialsError as error:
        raise TokenError("no service account is available for an ID token") from error
    except (GoogleAuthError, OSError, ValueError, LookupError, TypeError) as error:  # the last two: an invalid answer
        raise TokenError(f"Google returned no ID token ({type(error).__name__})") from error
    if not isinstance(token, str) or not token:
        raise TokenError("Google returned no ID token")
    return token


class GoogleIdentity:
    """ID tokens by audience. Safe to share between threads; fetches at most one token per audience at a time."""

    def __init__(self, fetch: Callable[[str], str] = fetch_google_token, now: Callable[[], float] = time.time) -> None:
        """`fetch` returns a new token for an audience or raises TokenError; `now` returns Unix time in seconds."""
        self._fetch = fetch
        self._now = now
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    def token(self, audience: str) -> str:
        """A token that does not expire soon. Raises TokenError."""
        with self._lock:
            entry = self._entries.setdefault(audience, _Entry())
        with entry.lock:
            now = self._now()
            if now < entry.renew_at:
                return entry.token
            if now >= entry.retry_at:
                try:
                    self._renew(entry, audience, now)
                except TokenError as error:
                    entry.failure, entry.retry_at = error, now + _FAILED_FOR_S
            if now < entry.expires_at:  # also if it could not be renewed in time
                return entry.token
            raise entry.failure or TokenError("the ID token was already expired: check the clock of this machine")

    def _renew(self, entry: _Entry, audience: str, now: float) -> None:
        token = self._fetch(audience)
        expires_at = expiry(token)
        early = expires_at - RENEW_BEFORE_S
        entry.token = token
        entry.expires_at = expires_at
        # The metadata server also caches tokens and may return one that expires soon.
        entry.renew_at = early if early > now else now + (expires_at - now) / 2
        entry.failure = None


def expiry(token: str) -> float:
    """The expiry of `token` in Unix time: for an ID token an unverified claim, because the receiver verifies it.

    Raises TokenError if `token` is neither an ID token nor an `AccessToken`.
    """
    if isinstance(token, AccessToken):
        return token.expires_at
    try:
        _, claims, _ = token.split(".")
        exp = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
    except (ValueError, binascii.Error, KeyError, TypeError, RecursionError) as error:
        raise TokenError("what came is not an ID token") from error
    if type(exp) not in (int, float) or not 0 < exp < 1e12:
        raise TokenError("what came is not an ID token")
    return float(exp)
