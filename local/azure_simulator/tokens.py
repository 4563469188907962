"""The managed-identity endpoint, and the check of the tokens it issued.

Tokens are random-looking, one kind per audience, remembered, and checked at every route of a plane
that asks for one. Their expiry is real wall-clock time, because the client library compares it with
its own clock; simulated time may run faster.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import NoReturn
from urllib import parse

from local.azure_simulator import context, model, store

TYPE = "simulator.token"
LIFETIME_SECONDS = 24 * 3600
"""Tokens of managed identities are valid for up to 24 hours."""


def register(azure: context.Azure) -> None:
    azure.route("GET", "/msi/token", issue, plane=model.OPEN)


def issue(azure: context.Azure, request: model.Request) -> model.Response:
    """`GET /msi/token?api-version=2019-08-01&resource=…` with `X-IDENTITY-HEADER`."""
    if "x-identity-header" not in request.headers:
        model.refuse(401, "Unauthorized", "The header X-IDENTITY-HEADER is missing.")
    audience = request.query.get("resource", "")
    if not audience:
        model.refuse(400, "invalid_request", "The parameter 'resource' is missing.")
    token, expires_on = new_token(azure, audience)
    document = {
        "access_token": token,
        "expires_on": str(expires_on),
        "resource": audience,
        "token_type": "Bearer",
        "client_id": request.query.get("client_id", ""),
    }
    return model.json_response(200, document)


def new_token(azure: context.Azure, audience: str) -> tuple[str, int]:
    """A token for an audience, and its expiry in real seconds since the epoch."""
    token = f"{secrets.token_urlsafe(24)}.{secrets.token_urlsafe(48)}.{secrets.token_urlsafe(32)}"
    expires_on = int(time.time()) + LIFETIME_SECONDS
    azure.store.add(
        store.Resource(
            id=_token_id(token),
            type=TYPE,
            document={"audience": audience, "expiresOn": expires_on},
        )
    )
    return token, expires_on


def check(azure: context.Azure, request: model.Request, plane: model.Plane) -> None:
    """401 unless the request carries a live token for the plane."""
    if not plane.audiences:
        return
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        _refuse("InvalidAuthenticationToken", "The 'Authorization' header is missing.")
    known = azure.store.find(_token_id(token))
    if known is None or known.document["expiresOn"] < time.time():
        _refuse("InvalidAuthenticationToken", "The access token is invalid.")
    host = audience_host(known.document["audience"])
    is_own_endpoint = plane is model.ARM and host == request.host.partition(":")[0]
    if host not in plane.audiences and not is_own_endpoint:
        message = (
            "The access token has been obtained for wrong audience or resource "
            f"'{known.document['audience']}'. It should exactly match with one of the allowed "
            f"audiences {sorted(plane.audiences)}."
        )
        _refuse("InvalidAuthenticationTokenAudience", message)


def audience_host(audience: str) -> str:
    """`https://batch.core.windows.net/` and `https://batch.core.windows.net//.default` alike."""
    return parse.urlsplit(audience).hostname or audience


def _token_id(token: str) -> str:
    return f"/simulator/tokens/{hashlib.sha256(token.encode()).hexdigest()}"


def _refuse(code: str, message: str) -> NoReturn:
    challenge = (
        'Bearer authorization_uri="https://login.windows.net/common", error="invalid_token", '
        f'error_description="{message}"'
    )
    model.refuse(401, code, message, headers={"WWW-Authenticate": challenge})
