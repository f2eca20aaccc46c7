"""Google ID tokens for endpoints that are not public: fetched when needed, kept until shortly before they expire.

They belong to the measurement engine and not to the dashboard, because every request needs one, whoever sends it. A
token is taken before a request's clock is started: what fetching it costs is no latency of the endpoint.
"""

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

RENEW_BEFORE_S = 300.0
"""A token lives for an hour. Renewed this early, none expires on its way."""
_FAILED_FOR_S = 30.0
"""Where there is nothing to get a token from, finding out takes seconds: not again for every request."""


class TokenError(Exception):
    """There is no token to send; the message says why and what to do, in one clause."""


@dataclass(slots=True)
class _Entry:
    """What is known for one audience. The lock makes one thread fetch while the others wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    token: str = ""
    renew_at: float = 0.0
    expires_at: float = 0.0
    failure: TokenError | None = None
    retry_at: float = 0.0


def fetch_google_token(audience: str) -> str:
    """A new ID token for `audience` from where this runs: the metadata server, or a service account's key.

    Raises TokenError.
    """
    try:
        import urllib3
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
        from google.auth.transport.urllib3 import Request
        from google.oauth2.id_token import fetch_id_token
    except ImportError as error:
        raise TokenError("google-auth is not installed") from error
    try:
        # A pool of its own: like every other request of the engine it takes no proxy from the environment.
        with urllib3.PoolManager() as pool:
            token = fetch_id_token(Request(pool), audience)
    except DefaultCredentialsError as error:
        raise TokenError("there is no service account here to get an ID token from") from error
    except (GoogleAuthError, OSError, ValueError, LookupError, TypeError) as error:  # the last two: an odd answer
        raise TokenError(f"Google gave no ID token ({type(error).__name__})") from error
    if not isinstance(token, str) or not token:
        raise TokenError("Google gave no ID token")
    return token


class GoogleIdentity:
    """ID tokens by audience. Safe to share between threads; fetches at most one token an audience at a time."""

    def __init__(self, fetch: Callable[[str], str] = fetch_google_token, now: Callable[[], float] = time.time) -> None:
        """`fetch` gives a new token for an audience or raises TokenError; `now` is the time of day in seconds."""
        self._fetch = fetch
        self._now = now
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    def token(self, audience: str) -> str:
        """A token that is valid for a while yet. Raises TokenError."""
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
            if now < entry.expires_at:  # also where it could not be renewed in time
                return entry.token
            raise entry.failure or TokenError("the ID token had already expired when it came: check this clock")

    def _renew(self, entry: _Entry, audience: str, now: float) -> None:
        token = self._fetch(audience)
        expires_at = expiry(token)
        early = expires_at - RENEW_BEFORE_S
        entry.token = token
        entry.expires_at = expires_at
        # The metadata server keeps tokens too and may hand out one near its end.
        entry.renew_at = early if early > now else now + (expires_at - now) / 2
        entry.failure = None


def expiry(token: str) -> float:
    """When `token` expires, in seconds of Unix time: its own claim, unverified, as verifying is the receiver's task.

    Raises TokenError where `token` is no ID token.
    """
    try:
        _, claims, _ = token.split(".")
        exp = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
    except (ValueError, binascii.Error, KeyError, TypeError, RecursionError) as error:
        raise TokenError("what came is no ID token") from error
    if type(exp) not in (int, float) or not 0 < exp < 1e12:
        raise TokenError("what came is no ID token")
    return float(exp)
