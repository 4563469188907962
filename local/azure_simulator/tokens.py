"""Tokens: JSON Web Tokens as Entra issues them, the managed-identity endpoint, and the check.

A token is remembered when it is issued and checked at every route of a plane that asks for one, so
its signature, which is made up, need not be verified. Its expiry is real wall-clock time, because
the client library compares it with its own clock; simulated time may run faster.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
import uuid
from typing import NoReturn
from urllib import parse

from local.azure_simulator import context, model, store

TYPE = "simulator.token"
LIFETIME_SECONDS = 24 * 3600
"""Tokens of managed identities are valid for up to 24 hours."""
OWN_CLIENT_ID = "00000000-0000-0000-0000-000000000003"
"""The application of a token that names none: the identity of the machine itself."""
_OF_CLOUD = {
    ("management.usgovcloudapi.net", "arm"): frozenset[str](),
    ("management.usgovcloudapi.net", "batch"): frozenset({"batch.core.usgovcloudapi.net"}),
    ("management.chinacloudapi.cn", "arm"): frozenset[str](),
    ("management.chinacloudapi.cn", "batch"): frozenset({"batch.chinacloudapi.cn"}),
}
"""Audiences besides Resource Manager's own host, in the clouds that are not the public one."""
_IDENTITY_TYPE = "Microsoft.ManagedIdentity/userAssignedIdentities"


def register(azure: context.Azure) -> None:
    azure.route("GET", "/msi/token", issue, plane=model.OPEN)


def issue(azure: context.Azure, request: model.Request) -> model.Response:
    """`GET /msi/token?api-version=2019-08-01&resource=…` with `X-IDENTITY-HEADER`."""
    if "x-identity-header" not in request.headers:
        model.refuse(401, "Unauthorized", "The header X-IDENTITY-HEADER is missing.")
    audience = request.query.get("resource", "")
    if not audience:
        model.refuse(400, "invalid_request", "The parameter 'resource' is missing.")
    client_id = request.query.get("client_id", "")
    token, expires_on = new_token(azure, audience, client_id or OWN_CLIENT_ID)
    document = {
        "access_token": token,
        "expires_on": str(expires_on),
        "resource": audience,
        "token_type": "Bearer",
        "client_id": client_id,
    }
    return model.json_response(200, document)


def new_token(
    azure: context.Azure,
    audience: str,
    client_id: str = OWN_CLIENT_ID,
    lifetime: int = LIFETIME_SECONDS,
) -> tuple[str, int]:
    """A token for an audience, and its expiry in real seconds since the epoch."""
    now = int(time.time())
    expires_on = now + lifetime
    header = {"typ": "JWT", "alg": "RS256", "kid": "simulated"}
    claims = {
        **_claims(azure, audience, client_id),
        "iat": now,
        "nbf": now,
        "exp": expires_on,
    }
    token = f"{_encoded(header)}.{_encoded(claims)}.{secrets.token_urlsafe(256)}"
    azure.store.add(
        store.Resource(
            id=_token_id(token),
            type=TYPE,
            document={"audience": audience, "expiresOn": expires_on, "principal": claims["oid"]},
        )
    )
    return token, expires_on


def object_id(azure: context.Azure, client_id: str) -> str:
    """The principal of an application in the directory."""
    for identity in azure.store.of_type(_IDENTITY_TYPE):
        if identity.properties["clientId"] == client_id:
            return str(identity.properties["principalId"])
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{azure.tenant}/{client_id}"))


def caller(azure: context.Azure, request: model.Request) -> str:
    """Object id of the principal whose token the request carries; "" without a known one."""
    token = request.headers.get("authorization", "").partition(" ")[2]
    known = azure.store.find(_token_id(token))
    return "" if known is None else str(known.document.get("principal", ""))


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
    own = request.host.partition(":")[0]
    allowed = _OF_CLOUD.get((own, plane.name), plane.audiences)
    is_own_endpoint = plane is model.ARM and host == own
    if host not in allowed and not is_own_endpoint:
        message = (
            "The access token has been obtained for wrong audience or resource "
            f"'{known.document['audience']}'. It should exactly match with one of the allowed "
            f"audiences {sorted(allowed)}."
        )
        _refuse("InvalidAuthenticationTokenAudience", message)


def audience_host(audience: str) -> str:
    """`https://batch.core.windows.net/` and `https://batch.core.windows.net//.default` alike."""
    return parse.urlsplit(audience).hostname or audience


def _claims(azure: context.Azure, audience: str, client_id: str) -> model.JsonObject:
    """https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference"""
    issuer = f"https://sts.windows.net/{azure.tenant}/"
    principal = object_id(azure, client_id)
    return {
        "aud": audience,
        "iss": issuer,
        "appid": client_id,
        "appidacr": "2",
        "idp": issuer,
        "idtyp": "app",
        "oid": principal,
        "sub": principal,
        "tid": azure.tenant,
        "ver": "1.0",
    }


def _encoded(part: model.JsonObject) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def _token_id(token: str) -> str:
    return f"/simulator/tokens/{hashlib.sha256(token.encode()).hexdigest()}"


def _refuse(code: str, message: str) -> NoReturn:
    challenge = (
        'Bearer authorization_uri="https://login.windows.net/common", error="invalid_token", '
        f'error_description="{message}"'
    )
    model.refuse(401, code, message, headers={"WWW-Authenticate": challenge})
