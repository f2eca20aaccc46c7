"""Google ID tokens: kept until shortly before they expire, meant for one service, never sent unencrypted."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import pytest

from benchmark.endpoints.bounded import new_client
from benchmark.endpoints.catalog import fetch
from benchmark.endpoints.configured import ConfigurationError
from benchmark.endpoints.endpoint import Endpoint, EndpointError
from benchmark.endpoints.identity import AccessToken, GoogleIdentity, TokenError, expiry
from benchmark.endpoints.sample import Failure
from benchmark.observation.observe import observe
from benchmark.observation.sender import Sender
from dashboard.components.sample_text import what_to_try
from dashboard.settings import Settings
from inference.card import ModelCard

ROOT = Path(__file__).resolve().parents[3]


def a_token(audience: str = "https://api.example", exp: float = 3600, number: int = 0) -> str:
    """An unsigned token with the claims that matter here."""
    claims = json.dumps({"aud": audience, "exp": exp, "number": number}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).rstrip(b'=').decode()}.c2ln"


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Google:
    """Gives tokens that live for `lifetime_s`, or the error that it is told to give."""

    def __init__(self, clock: Clock, lifetime_s: float = 3600) -> None:
        self._clock = clock
        self.lifetime_s = lifetime_s
        self.asked: list[str] = []
        self.error: TokenError | None = None

    def __call__(self, audience: str) -> str:
        self.asked.append(audience)
        if self.error:
            raise self.error
        return a_token(audience, self._clock.now + self.lifetime_s, len(self.asked))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def google(clock: Clock) -> Google:
    return Google(clock)


@pytest.fixture
def identity(google: Google, clock: Clock) -> GoogleIdentity:
    return GoogleIdentity(google, clock)


def test_a_token_is_kept_until_five_minutes_before_it_expires(
    identity: GoogleIdentity, google: Google, clock: Clock
) -> None:
    first = identity.token("https://api.example")
    clock.now = 3299
    assert identity.token("https://api.example") == first
    assert len(google.asked) == 1
    clock.now = 3300
    assert identity.token("https://api.example") != first
    assert len(google.asked) == 2


def test_every_audience_has_a_token_of_its_own(identity: GoogleIdentity, google: Google) -> None:
    tokens = [identity.token(audience) for audience in ("https://a.example", "https://b.example", "https://a.example")]
    assert [claims_of(token)["aud"] for token in tokens] == [
        "https://a.example",
        "https://b.example",
        "https://a.example",
    ]
    assert google.asked == ["https://a.example", "https://b.example"]


def test_a_token_that_comes_near_its_end_is_not_asked_for_at_every_request(
    identity: GoogleIdentity, google: Google, clock: Clock
) -> None:
    google.lifetime_s = 200
    identity.token("https://api.example")
    clock.now = 99
    identity.token("https://api.example")
    assert len(google.asked) == 1
    clock.now = 100
    identity.token("https://api.example")
    assert len(google.asked) == 2


def test_a_token_that_cannot_be_renewed_is_used_to_its_end(
    identity: GoogleIdentity, google: Google, clock: Clock
) -> None:
    first = identity.token("https://api.example")
    google.error = TokenError("away")
    for clock.now in (3300, 3400, 3599):
        assert identity.token("https://api.example") == first
    clock.now = 3600
    with pytest.raises(TokenError, match="away"):
        identity.token("https://api.example")


def test_a_failure_is_remembered_for_half_a_minute(identity: GoogleIdentity, google: Google, clock: Clock) -> None:
    google.error = TokenError("nobody there")
    for clock.now in (0, 29):
        with pytest.raises(TokenError, match="nobody there"):
            identity.token("https://api.example")
    assert len(google.asked) == 1
    google.error = None
    clock.now = 30
    assert identity.token("https://api.example")


def test_a_token_that_has_expired_when_it_comes_is_not_sent(
    identity: GoogleIdentity, google: Google, clock: Clock
) -> None:
    clock.now = 100
    google.lifetime_s = -1
    with pytest.raises(TokenError, match="already expired"):
        identity.token("https://api.example")


def test_many_threads_fetch_one_token() -> None:
    asked = []
    everybody = threading.Barrier(8)

    def slow(audience: str) -> str:
        asked.append(audience)
        return a_token(audience, 1e11)

    identity = GoogleIdentity(slow)

    def work() -> None:
        everybody.wait()
        identity.token("https://api.example")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == ["https://api.example"]


@pytest.mark.parametrize(
    "text", ["", "abc", "a.b.c", "e30.e30.x", "a.!!.c", "e30.W10.x", a_token(exp=-1), "e30." + "Ww" * 9000 + ".x"]
)
def test_what_is_no_token_is_an_error(text: str) -> None:
    with pytest.raises(TokenError, match="what came is not an ID token"):
        expiry(text)


# --- Where they are sent


@pytest.mark.parametrize(
    ("url", "audience"),
    [
        ("https://api-123.us-central1.run.app", "https://api-123.us-central1.run.app"),
        ("https://api.example/", "https://api.example"),
        ("https://api.example/predict", "https://api.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    ],
)
def test_a_token_is_meant_for_the_service_and_not_for_a_path(url: str, audience: str, identity: GoogleIdentity) -> None:
    (scheme, _, token) = Endpoint("api", "API", url, identity=identity).headers["authorization"].partition(" ")
    assert (scheme, claims_of(token)["aud"]) == ("Bearer", audience)


def test_no_token_goes_unencrypted_to_another_machine(identity: GoogleIdentity, google: Google) -> None:
    with pytest.raises(EndpointError, match="unencrypted"):
        Endpoint("api", "API", "http://api.example", identity=identity)
    assert not google.asked


def test_a_token_that_was_given_comes_first(identity: GoogleIdentity, google: Google) -> None:
    endpoint = Endpoint("api", "API", "https://api.example", token="mine", identity=identity)  # noqa: S106
    assert endpoint.headers == {"authorization": "Bearer mine"}
    assert not google.asked


def test_an_endpoint_without_an_identity_gets_no_token() -> None:
    assert Endpoint("api", "API", "https://api.example").headers == {}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        ("0", ""),
        ("1", "api function"),
        ("api", "api"),
        ("function", "function"),
        ("api,function", "api function"),
    ],
)
def test_the_environment_says_which_endpoints_get_tokens(text: str, wanted: str) -> None:
    sides = Settings.from_env(
        {"API_URL": "https://a.example", "FUNCTION_URL": "https://f.example", "GOOGLE_ID_TOKENS": text}
    ).endpoints
    assert [side.key for side in sides if side.identity] == wanted.split()


def test_a_choice_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^GOOGLE_ID_TOKENS "):
        Settings.from_env({"GOOGLE_ID_TOKENS": "yes"})
    with pytest.raises(ConfigurationError, match=r"^API_URL .*unencrypted"):
        Settings.from_env({"GOOGLE_ID_TOKENS": "1", "API_URL": "http://api.example"})


class LocalServer:
    """An HTTP server on the loopback: `answer` gets path and headers and gives status, headers and body."""

    def __init__(self, answer: Callable[[str, Any], tuple[int, dict[str, str], str]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                status, headers, body = answer(self.path, self.headers)
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def private(seen: list[str]) -> Callable[[str, Any], tuple[int, dict[str, str], str]]:
    """A private service: 401 without a token, 403 where it is meant for somebody else, else an answer."""

    def answer(_: str, headers: Any) -> tuple[int, dict[str, str], str]:
        scheme, _, token = (headers.get("authorization") or "").partition(" ")
        if scheme != "Bearer":
            return 401, {}, "{}"
        seen.append(token)
        return (200 if claims_of(token)["aud"] == f"http://{headers['host']}" else 403), {}, "{}"

    return answer


def test_a_private_service_lets_in_who_brings_its_token(
    identity: GoogleIdentity, sender: Sender, iris_card: ModelCard
) -> None:
    seen: list[str] = []
    with LocalServer(private(seen)) as server, new_client() as client:
        url = f"http://{server.address}"
        with_token, without = (Endpoint("api", "API", url, identity=who) for who in (identity, None))
        elsewhere = Endpoint("api", "API", url, token=a_token("https://somebody.else"))
        statuses = [
            next(iter(observe(sender, [endpoint], iris_card, iris_card.defaults))).status
            for endpoint in (with_token, without, elsewhere)
        ]
        assert statuses == [200, 401, 403]
        assert "lets" not in (fetch(client, with_token).problem or "")
        assert fetch(client, without).problem == "does not let this program in (HTTP 401)"
    assert seen[0] == seen[2]  # one token for both requests


@pytest.mark.parametrize("kind", ["identity", "token", "nothing"])
def test_a_refusal_says_what_to_grant(
    kind: str, identity: GoogleIdentity, sender: Sender, iris_card: ModelCard
) -> None:
    seen: list[str] = []

    def refuse(path: str, headers: Any) -> tuple[int, dict[str, str], str]:
        private(seen)(path, headers)
        return 403, {}, "{}"

    with LocalServer(refuse) as server:
        endpoint = Endpoint(
            "api",
            "API",
            f"http://{server.address}",
            token=a_token() if kind == "token" else None,
            identity=identity if kind == "identity" else None,
        )
        (sample,) = observe(sender, [endpoint], iris_card, iris_card.defaults)
        words = what_to_try(sample, endpoint, None, iris_card)
    assert "roles/run.invoker" in words and "403" in words
    assert {"identity": "account that the dashboard runs as", "token": "expired", "nothing": "GOOGLE_ID_TOKENS=1"}[
        kind
    ] in words
    assert not [token for token in seen if token in words]


def test_without_a_token_nothing_is_sent_and_the_other_endpoint_is_asked(
    identity: GoogleIdentity, sender: Sender, google: Google, iris_card: ModelCard
) -> None:
    seen: list[str] = []
    google.error = TokenError("no service account is available")
    with LocalServer(private(seen)) as server, new_client() as client:
        url = f"http://{server.address}"
        one = Endpoint("api", "API", url, identity=identity)
        other = Endpoint("function", "Function", url, token=a_token(url))
        samples = {sample.endpoint: sample for sample in observe(sender, [one, other], iris_card, iris_card.defaults)}
        assert fetch(client, one).problem == "cannot be asked: no service account is available"
    assert samples["api"].failure is Failure.NO_IDENTITY
    words = what_to_try(samples["api"], one, None, iris_card)
    assert "no service account is available" in words and "API_TOKEN" in words
    assert samples["function"].status == 200
    assert len(seen) == 1


# --- google-auth itself, in a process of its own: it reads where the metadata server is when it is imported


ASK = """
import sys
from benchmark.endpoints.identity import TokenError, fetch_google_token
try:
    print(fetch_google_token(sys.argv[1]))
except TokenError as error:
    sys.exit(f"TokenError: {error}")
"""


def ask_google(audience: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    dropped = ("GOOGLE_", "GCE_", "CLOUDSDK_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    proxies = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    return subprocess.run(
        [sys.executable, "-c", ASK, audience],
        env={**environ, **proxies, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def metadata(tokens: list[str]) -> Callable[[str, Any], tuple[int, dict[str, str], str]]:
    """What Cloud Run's metadata server answers."""

    def answer(path: str, headers: Any) -> tuple[int, dict[str, str], str]:
        assert headers["metadata-flavor"] == "Google"
        parts = urlsplit(path)
        if "recursive=true" in parts.query:
            account = json.dumps({"email": "dashboard@my-project.iam.gserviceaccount.com", "scopes": []})
            return 200, {"Metadata-Flavor": "Google", "content-type": "application/json"}, account
        if not parts.path.endswith("/instance/service-accounts/default/identity"):
            return 200, {"Metadata-Flavor": "Google", "content-type": "text/plain"}, "ok"
        tokens.append(a_token(parse_qs(parts.query)["audience"][0], 1e11))
        return 200, {"Metadata-Flavor": "Google", "content-type": "text/html"}, tokens[-1]

    return answer


needs_google_auth = pytest.mark.skipif(
    not find_spec("google") or not find_spec("google.auth"), reason="google-auth is not installed"
)


@needs_google_auth
def test_on_google_the_metadata_server_gives_the_token() -> None:
    tokens: list[str] = []
    with LocalServer(metadata(tokens)) as server:
        done = ask_google("https://api.example", GCE_METADATA_HOST=server.address, GCE_METADATA_IP=server.address)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == tokens[-1]
    assert claims_of(tokens[-1])["aud"] == "https://api.example"


VERTEX = "https://europe-west1-aiplatform.googleapis.com"


@needs_google_auth
def test_apis_of_google_get_an_access_token(tmp_path: Path) -> None:
    tokens: list[str] = []
    inner = metadata(tokens)

    def answer(path: str, headers: Any) -> tuple[int, dict[str, str], str]:
        if not urlsplit(path).path.endswith("/instance/service-accounts/default/token"):
            return inner(path, headers)
        document = {"access_token": "ya29.opaque", "expires_in": 3599, "token_type": "Bearer"}
        return 200, {"Metadata-Flavor": "Google", "content-type": "application/json"}, json.dumps(document)

    with LocalServer(answer) as server:
        at = {"GCE_METADATA_HOST": server.address, "GCE_METADATA_IP": server.address}
        done = ask_google(VERTEX, CLOUDSDK_CONFIG=str(tmp_path), GOOGLE_CLOUD_PROJECT="p", **at)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "ya29.opaque"
    assert tokens == []


@needs_google_auth
def test_without_credentials_there_is_no_access_token(tmp_path: Path) -> None:
    with LocalServer(lambda path, headers: (404, {}, "")) as server:
        at = {"GCE_METADATA_HOST": server.address, "GCE_METADATA_IP": server.address}
        done = ask_google(VERTEX, CLOUDSDK_CONFIG=str(tmp_path), **at)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("TokenError: ")


def test_an_access_token_is_renewed_five_minutes_before_its_issuer_said(clock: Clock) -> None:
    issued: list[str] = []

    def fetch(audience: str) -> str:
        issued.append(AccessToken(f"ya29.{len(issued)}", clock.now + 3600))
        return issued[-1]

    identity = GoogleIdentity(fetch, clock)
    endpoint = Endpoint(
        "a", "A", f"{VERTEX}/v1/projects/p/locations/l/endpoints/1", identity=identity, protocol="vertex"
    )
    assert endpoint.headers == {"authorization": "Bearer ya29.0"}
    clock.now = 3299
    assert endpoint.headers == {"authorization": "Bearer ya29.0"}
    clock.now = 3301
    assert endpoint.headers == {"authorization": "Bearer ya29.1"}


@needs_google_auth
def test_elsewhere_there_is_no_token() -> None:
    with LocalServer(lambda path, headers: (404, {}, "")) as server:
        done = ask_google("https://api.example", GCE_METADATA_HOST=server.address, GCE_METADATA_IP=server.address)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("TokenError: no service account is available")


@needs_google_auth
def test_a_metadata_server_that_gives_no_token_is_an_error() -> None:
    def answer(path: str, headers: Any) -> tuple[int, dict[str, str], str]:
        return 200, {"Metadata-Flavor": "Google", "content-type": "text/plain"}, "no"

    with LocalServer(answer) as server:
        done = ask_google("https://api.example", GCE_METADATA_HOST=server.address, GCE_METADATA_IP=server.address)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("TokenError: Google returned no ID token")
