"""Servers that are closed after the test, and a client and a sender as the dashboard has."""

import datetime
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmark.endpoints.bounded import new_client
from benchmark.endpoints.endpoint import Endpoint
from benchmark.observation.sender import Sender
from tests.benchmark.little_server import Conversation, LittleServer

Serve = Callable[[Conversation], LittleServer]
"""Start a server that lives as long as the test."""


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with new_client() as client:
        yield client


@pytest.fixture(scope="session")
def sender() -> Iterator[Sender]:
    """Shared, as the dashboard's sessions share it: its process is started once."""
    sender = Sender()
    yield sender
    sender.close()


@pytest.fixture
def serve(client: httpx.Client) -> Iterator[Serve]:
    # After `client`, so that the servers end first and no request is left when the client is closed.
    with ExitStack() as servers:
        yield lambda conversation: servers.enter_context(LittleServer(conversation))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for this machine, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def endpoint(url: str, key: str = "api", timeout_s: float = 10.0, token: str | None = None) -> Endpoint:
    return Endpoint(key, {"api": "FastAPI", "function": "Cloud Function"}[key], url, timeout_s, token)
