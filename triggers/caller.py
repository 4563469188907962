"""Who sent a request, as the platform says. Pure.

App Service's authentication names the caller in headers, and takes those away that the caller sent
itself. Without that authentication anybody can send them, so they count only where it is on.
https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
A function key names no caller: the app does not see which one was used.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.base.settings import Settings

_ID = "x-ms-client-principal-id"
_LENGTH_MAX = 128  # object ids have 36 characters


def of(headers: Mapping[str, str], config: Settings) -> str | None:
    """The id of the signed-in caller; None where the platform names none."""
    if not config.auth_enabled:
        return None
    named = {name.lower(): value for name, value in headers.items()}
    return named.get(_ID, "").strip()[:_LENGTH_MAX] or None
