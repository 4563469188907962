"""Who sent a request and what that caller may do, as App Service's authentication says. Pure.

The platform signs callers in with Microsoft Entra ID, names them in headers, and takes away those
that a caller sent itself. Without that authentication anybody can send them, so they count only
where it is on. The platform does not enforce app roles: the app compares them with the role that a
route needs.
https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities

A function key names no caller: the app does not see which one was used, and each opens all routes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.base.settings import Settings
from triggers.roles import Role, holders

_ID = "x-ms-client-principal-id"
_PRINCIPAL = "x-ms-client-principal"
_LENGTH_MAX = 128  # object ids have 36 characters


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """A caller that the platform has signed in."""

    id: str
    roles: frozenset[Role] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Denied:
    """Why a request is not answered: the status, the code and the message."""

    status: int
    code: str
    message: str


def of(headers: Mapping[str, str], config: Settings) -> Caller | None:
    """The signed-in caller; None where the platform names none."""
    if not config.auth_enabled:
        return None
    named = {name.lower(): value for name, value in headers.items()}
    id_ = named.get(_ID, "").strip()[:_LENGTH_MAX]
    return Caller(id=id_, roles=_roles(named.get(_PRINCIPAL, ""))) if id_ else None


def _roles(header: str) -> frozenset[Role]:
    """The app roles of a principal: Base64 of JSON with `claims`, each a `typ` and a `val`. The
    claim has the name that Entra ID gives it, or the one of which the header says `role_typ`.
    """
    try:
        principal = json.loads(base64.b64decode(header))
        types = {"roles", principal.get("role_typ") or "roles"}
        claims: list[dict[str, Any]] = principal["claims"]
        values = {claim["val"] for claim in claims if claim["typ"] in types}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return frozenset()
    return frozenset(role for role in Role if role.value in values)


def denied(caller: Caller | None, needed: Role | None, config: Settings) -> Denied | None:
    """Why the caller may not use a route that needs a role, or None. Without the platform's
    authentication the function key has decided already.
    """
    if needed is None or not config.auth_enabled:
        return None
    if caller is None:
        message = "You are not signed in: send a token of Microsoft Entra ID for this app."
        return Denied(status=401, code="NotSignedIn", message=message)
    enough = holders(needed)
    if caller.roles.intersection(enough):
        return None
    held = ", ".join(sorted(caller.roles)) or "none"
    message = (
        f"This needs the app role {' or '.join(enough)}, and you ({caller.id}) have {held}. An "
        "administrator assigns app roles in Microsoft Entra ID (docs/sign-in.md)."
    )
    return Denied(status=403, code="RoleMissing", message=message)
