"""Sign-in with Microsoft Entra ID: a token in each request, where the service has no key."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import httpx

from cli import errors

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


class SignIn(httpx.Auth):
    """The token of a credential, renewed by it when it is about to expire."""

    def __init__(self, credential: TokenCredential, scope: str) -> None:
        """`scope` is such as `api://CLIENT_ID/.default`."""
        self._credential = credential
        self._scope = scope

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Raises Refused without a token."""
        from azure.core.exceptions import ClientAuthenticationError

        try:
            token = self._credential.get_token(self._scope).token
        except ClientAuthenticationError as error:
            first = str(error.message).strip().partition("\n")[0]
            raise errors.Refused(
                f"there is no token for {self._scope} (BATCH_PREP_SCOPE): {first}\n"
                "Sign in with `az login`, or set the variables of azure-identity."
            ) from error
        request.headers["authorization"] = f"Bearer {token}"
        yield request


def default(scope: str) -> SignIn:
    """As the Azure CLI, an environment's variables or a managed identity is signed in."""
    from azure.identity import DefaultAzureCredential

    return SignIn(DefaultAzureCredential(), scope)
