"""A service that signs callers in gets a token with each request, and no key."""

from __future__ import annotations

import time

import httpx
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from cli import errors
from cli.sign_in import SignIn
from cli.surroundings import Surroundings

SCOPE = "api://11111111-1111-1111-1111-111111111111/.default"


class Tokens:
    """A credential that is signed in, for as long as it has tokens."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        self.scopes += scopes
        if not self._tokens:
            raise ClientAuthenticationError("Please run az login.\nMore text follows.")
        return AccessToken(self._tokens.pop(0), int(time.time()) + 3600)


def test_each_request_has_the_token_of_its_moment() -> None:
    """A build takes longer than a token lives."""
    seen: list[str] = []

    def service(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200)

    credential = Tokens("one", "two")
    with httpx.Client(
        transport=httpx.MockTransport(service), auth=SignIn(credential, SCOPE)
    ) as client:
        client.get("https://example.org")
        client.get("https://example.org")

    assert seen == ["Bearer one", "Bearer two"]
    assert credential.scopes == [SCOPE, SCOPE]


def test_without_a_token_the_command_says_how_to_sign_in() -> None:
    """Nothing is sent."""
    client = httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(200)), auth=SignIn(Tokens(), SCOPE)
    )
    with client, pytest.raises(errors.Refused) as refused:
        client.get("https://example.org")

    assert str(refused.value.message) == (
        f"there is no token for {SCOPE} (BATCH_PREP_SCOPE): Please run az login.\n"
        "Sign in with `az login`, or set the variables of azure-identity."
    )


def test_the_scope_takes_the_place_of_the_key() -> None:
    """Both are the environment's."""
    around = Surroundings(
        environment={"BATCH_PREP_ENDPOINT": "https://example.org", "BATCH_PREP_SCOPE": SCOPE}
    )
    with around.connect(None) as client:
        assert isinstance(client.sign_in, SignIn)
