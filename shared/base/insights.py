"""Where telemetry goes: Application Insights, by settings that the Functions host reads, too."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel

from shared.base import endpoints
from shared.base.setting import setting

_KEY = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_ENDPOINT = "https://dc.services.visualstudio.com"  # of connection strings without one
_AUDIENCE = "https://monitor.azure.com"  # likewise; other clouds name theirs


def _parts(text: str) -> dict[str, str]:
    """Of a connection string; names without regard to case."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _checked_connection(text: str | None) -> str | None:
    if text is None:
        return None
    parts = _parts(text)
    if not _KEY.fullmatch(parts.get("instrumentationkey", "")):
        raise ValueError("no instrumentation key")
    endpoints.checked(parts.get("ingestionendpoint", _ENDPOINT))
    return text


def _checked_authentication(text: str | None) -> str | None:
    if text is not None and _parts(text).get("authorization", "").lower() != "aad":
        raise ValueError("another way to sign in")
    return text


class Insights(BaseModel):
    """The settings, and what the exporter takes from them."""

    insights_connection: Annotated[str | None, AfterValidator(_checked_connection)] = setting(
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "The connection string of the Application Insights component that gets traces and metrics "
        "of builds. The Functions host sends its own logs there, too.",
        default=None,
        words="no telemetry",
        rule="a connection string with InstrumentationKey and an https IngestionEndpoint",
    )
    insights_authentication: Annotated[str | None, AfterValidator(_checked_authentication)] = (
        setting(
            "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
            "As which identity they are sent, where the component takes no instrumentation key.",
            default=None,
            words="with the instrumentation key alone",
            rule="Authorization=AAD, or ClientId=ID;Authorization=AAD",
        )
    )

    @property
    def insights_key(self) -> str:
        """Which component. Without an identity it is all that a sender needs."""
        return _parts(self.insights_connection or "").get("instrumentationkey", "")

    @property
    def insights_endpoint(self) -> str:
        """Of the component's region, without a slash at its end."""
        parts = _parts(self.insights_connection or "")
        return parts.get("ingestionendpoint", _ENDPOINT).rstrip("/")

    @property
    def insights_scope(self) -> str:
        """Of the token that is sent."""
        parts = _parts(self.insights_connection or "")
        return f"{parts.get('aadaudience', _AUDIENCE).rstrip('/')}//.default"

    @property
    def insights_client_id(self) -> str | None:
        """Of the user-assigned identity; None: the system-assigned one."""
        return _parts(self.insights_authentication or "").get("clientid") or None
