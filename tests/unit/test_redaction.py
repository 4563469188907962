"""What leaves the app as text has no secret in it, and stays readable."""

from __future__ import annotations

import logging

import pytest

from shared.base import logs
from shared.base.redaction import place_of, redacted

SECRET = "s3cr3tv4lue0000000000"

HOLDING = [
    f"https://user:{SECRET}@git.example.org/app.git#main",
    f"https://{SECRET}@git.example.org/app.git",
    f"GET https://x.blob.core.windows.net/c/b?sv=2024&sig={SECRET} failed",
    f"https://app.azurewebsites.net/api/builds?code={SECRET}",
    f"https://example.org/#{SECRET}",
    f"AccountName=x;AccountKey={SECRET}==;EndpointSuffix=core.windows.net",
    f"BlobEndpoint=https://x/;SharedAccessSignature=sv=1&sig={SECRET}",
    f"InstrumentationKey={SECRET};IngestionEndpoint=https://x/",
    f"x-functions-key: {SECRET}",
    f"X-IDENTITY-HEADER: {SECRET}",
    f"Authorization: Bearer {SECRET}",
    f"sent with bearer {SECRET}",
    f'{{"password": "{SECRET} with blanks"}}',
    f"{{'client_secret': '{SECRET}'}}",
    f"mount -o username=x,password={SECRET} //host/share",
    f"export DB_PASSWORD={SECRET}",
    f"HF_TOKEN={SECRET}",
    f"hf_{SECRET}",
    f"ghp_{SECRET}",
    f"eyJhbGciOiJSUzI1NiJ9.eyJzdWIi{SECRET}.{SECRET}",
    f"sig={SECRET}%3D",
    f"redirect=https%3A%2F%2Fx%2Fc%3Fsig%3D{SECRET}",
    f"api_key={SECRET}",
    f"ACCOUNT_KEY={SECRET}",
    f"private_key: {SECRET}",
    f"SSH_PASSPHRASE={SECRET}",
    f'{{"message": "{{\\"password\\": \\"{SECRET} with blanks\\"}}"}}',
    f'{{"password": "a\\"{SECRET}"}}',
    f'cut off: {{"password": "with blanks {SECRET}',
    f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n{SECRET}\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
    f"docker login --password {SECRET} x.azurecr.io",
    f"az acr login --registry-token '{SECRET}'",
    f"['--password', '{SECRET}']",
    f'["--client-secret","{SECRET}"]',
    f"<Password>{SECRET}</Password>",
    f'<ns:AccountKey kind="1">{SECRET}</ns:AccountKey>',
    f'{{"tokens": ["{SECRET}", "{SECRET}"]}}',
    f"{{'passwords': ['a', '{SECRET}'",
    f"Endpoint=https://x/;Key={SECRET};Name=y",
    f"Authorization: Negotiate {SECRET}",
    f'Authorization: Digest username="a", nonce="b", response="{SECRET}"',
    f'-H \'Proxy-Authorization: digest username="a", qop=auth, response="{SECRET}"\'',
    f"Ocp-Apim-Subscription-Key: {SECRET}",
    f"Cookie: {SECRET}",
    f"docker login x.azurecr.io -u me -p {SECRET}",
    f"curl -fsS -u me:{SECRET} x.example.org",
    f"password: |\n  {SECRET}\n",
    f"DB_PASSWORD=$'{SECRET}'",
    f"passcode={SECRET}",
    f"secretValue={SECRET}",
    f"npm_{SECRET}",
    f"nvapi-{SECRET}",
    f"sk-{SECRET}",
    f"SharedAccessKeyName=root;SharedAccessKey={SECRET}=",
]
PLAIN = [
    "mkdir -p /opt/team; curl -fsSL https://example.org/a.tgz | tar -x; the disk-size is 3",
    "could not create the builder VM: Azure answered SkuNotAvailable (409)",
    "/subscriptions/s/resourceGroups/images/providers/Microsoft.Compute/virtualMachines/b-1",
    "https://management.azure.com/subscriptions/s?api-version=2025-04-01",
    "the token has expired; sign in again",
    "docker login --password-stdin x.azurecr.io",
    "<Code>AuthenticationFailed</Code><Message>no token was sent</Message>",
    "--tokens-of are unknown; keys: a, b",
    "build=b21e2df1ee5fd step=seal seal_builder wait",
    "mcr.microsoft.com/azurelinux/busybox:1.36",
]


@pytest.mark.parametrize("text", HOLDING)
def test_a_secret_is_replaced(text: str) -> None:
    """Wherever people and services put one."""
    assert SECRET not in redacted(text)


@pytest.mark.parametrize("text", PLAIN)
def test_what_helps_stays(text: str) -> None:
    """Names, codes, ids, and the version of an API."""
    assert redacted(text) == text


def test_of_a_url_the_host_and_the_path_are_known() -> None:
    """They say what was asked of whom; the rest may be a signature."""
    url = f"https://user:{SECRET}@x.blob.core.windows.net/logs/b.log?sig={SECRET}"
    assert place_of(url) == ("x.blob.core.windows.net", "/logs/b.log")


def test_a_line_names_its_build_and_holds_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Also in the traceback of an exception."""
    log = logs.get("test")
    caplog.set_level(logging.INFO)
    with logs.about(build="b1"), logs.about(step="vm", pool=None):
        log.info("asked %s", f"https://x/?sig={SECRET}")
        try:
            raise ValueError(f"password={SECRET}")
        except ValueError:
            log.exception("it broke")
    log.debug("not written")
    log.warning("100%")

    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "build=b1 step=vm asked https://x/"
    assert lines[1].startswith("build=b1 step=vm it broke\nTraceback")
    assert lines[2:] == ["100%"]
    assert [getattr(record, "build", None) for record in caplog.records] == ["b1", "b1", None]
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "text", ["-" * 20_000, "a-" * 10_000, "curl " * 5_000, "password: |\n" * 5_000]
)
def test_a_long_line_costs_no_more_than_its_length(text: str) -> None:
    """A pattern that tries each beginning anew would take minutes for it."""
    assert redacted(text)
