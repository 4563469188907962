"""The app's storage opened as a managed identity, on an emulator that asks for its tokens."""

from __future__ import annotations

import datetime as dt
import http.server
import ipaddress
import json
import os
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.azure import storage
from shared.base import settings
from shared.store.outbox import Outbox
from shared.store.tables import Tables
from tests import azurite

pytestmark = pytest.mark.stack

CLIENT_ID = "00000000-0000-0000-0000-00000000c11e"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azurite.Account]:
    """An account of an emulator that speaks https and takes Entra tokens."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    make_certificate(certificate, key)
    with (
        azurite.running("--oauth", "basic", "--cert", str(certificate), "--key", str(key)) as all_,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        yield all_.account()


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The client ids for which the platform's identity endpoint was asked for a token."""
    seen: set[str] = set()
    with http.server.HTTPServer(("127.0.0.1", 0), identity_endpoint(seen)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_port}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "secret")
        yield seen
        server.shutdown()


@pytest.mark.parametrize(
    ("more", "identity"),
    [
        ({"AzureWebJobsStorage__clientId": CLIENT_ID}, CLIENT_ID),
        ({"AZURE_CLIENT_ID": CLIENT_ID}, CLIENT_ID),
        ({}, "system-assigned"),
    ],
    ids=["of the storage", "of the app", "system-assigned"],
)
def test_tables_queue_and_blobs_are_opened_as_the_identity(
    account: azurite.Account, asked_for: set[str], more: dict[str, str], identity: str
) -> None:
    """No key is needed, and the identity is that of the settings."""
    config = settings.load(
        {
            "AZURE_SUBSCRIPTION_ID": "s",
            "AzureWebJobsStorage__blobServiceUri": account.blobs,
            "AzureWebJobsStorage__queueServiceUri": account.queues,
            "AzureWebJobsStorage__tableServiceUri": account.tables,
            **more,
        }
    )
    Tables(storage.tables(config.storage)).put("things", "p", "r", {"Value": 1})
    outbox = Outbox(config)
    outbox.put_pool_request("{}")
    outbox.put_document("a", b"text")

    assert outbox.get_document("a") == b"text"
    assert asked_for == {identity}


def test_an_identity_signs_the_address_of_an_upload(
    account: azurite.Account, asked_for: set[str]
) -> None:
    """With a key that the storage gives it for that."""
    config = settings.load(
        {
            "AZURE_SUBSCRIPTION_ID": "s",
            "AzureWebJobsStorage__blobServiceUri": account.blobs,
            "AzureWebJobsStorage__queueServiceUri": account.queues,
            "AzureWebJobsStorage__tableServiceUri": account.tables,
        }
    )
    outbox = Outbox(config)
    outbox.put_context("contexts/1.tar.gz", b"one")
    address = outbox.context_url(
        "contexts/1.tar.gz", dt.datetime.now(dt.UTC) + dt.timedelta(hours=6)
    )

    assert "skoid=" in address  # the signature is an identity's
    trusting = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
    with urllib.request.urlopen(address, context=trusting) as answer:
        assert answer.read() == b"one"


def identity_endpoint(seen: set[str]) -> type[http.server.BaseHTTPRequestHandler]:
    """As App Service: https://learn.microsoft.com/azure/app-service/overview-managed-identity"""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            seen.add(query.get("client_id", ["system-assigned"])[0])
            body = json.dumps(token(query["resource"][0])).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Not to standard error."""

    return Handler


def token(audience: str) -> dict[str, str]:
    now = dt.datetime.now(dt.UTC)
    ends = now + dt.timedelta(hours=1)
    claims = {
        "aud": audience,
        "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000001/",
        "iat": now,
        "nbf": now,
        "exp": ends,
        "oid": "00000000-0000-0000-0000-000000000002",
        "tid": "00000000-0000-0000-0000-000000000001",
    }
    return {
        "access_token": jwt.encode(claims, "k" * 32, algorithm="HS256"),
        "expires_on": str(int(ends.timestamp())),
        "resource": audience,
        "token_type": "Bearer",
    }


def make_certificate(certificate: Path, key: Path) -> None:
    """For 127.0.0.1, signed by itself."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "emulator")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
