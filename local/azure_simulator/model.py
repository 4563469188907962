"""What goes into the simulator and what comes out: requests, responses, refusals; and its clock.

Nothing here knows HTTP libraries or the Azure SDK: `server.py` and `transport.py` translate.
"""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol
from urllib import parse

from local.azure_simulator import shapes

JsonObject = dict[str, Any]

INVALID_CONTENT = "InvalidRequestContent"


class Clock(Protocol):
    """Simulated time. `local.clock` has the scaled and the virtual one."""

    def now(self) -> float:
        """Simulated seconds since the epoch."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One HTTP request. `path` is still percent-encoded; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    host: str = "management.azure.com"
    scheme: str = "https"
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What the route's `{placeholders}` matched, decoded. Filled in by the router."""

    @classmethod
    def from_url(
        cls, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Request:
        """Split an absolute or a relative URL. A `Host` header wins over the URL's own host."""
        parts = parse.urlsplit(url)
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        return cls(
            method=method.upper(),
            path=parts.path or "/",
            query=dict(parse.parse_qsl(parts.query, keep_blank_values=True)),
            headers=lowered,
            body=body,
            host=lowered.get("host") or parts.netloc or "management.azure.com",
            scheme=lowered.get("x-forwarded-proto") or parts.scheme or "https",
        )

    @property
    def base_url(self) -> str:
        """Scheme and host as the caller sees them, so that a proxy may stand in between."""
        return f"{self.scheme}://{self.host}"

    @property
    def url(self) -> str:
        query = parse.urlencode(self.query)
        return f"{self.base_url}{self.path}" + (f"?{query}" if query else "")

    @property
    def resource_id(self) -> str:
        """The path as an ARM id: decoded, in the caller's case, without a trailing slash."""
        return parse.unquote(self.path).rstrip("/")

    def json(self, shape: Any = shapes.ANY) -> JsonObject:
        """The body as an object of this shape (see `shapes`), without nulls; `{}` when empty.

        Refuses anything else with 400.
        """
        try:
            given = shapes.without_nulls(json.loads(self.body or b"{}"))
            document: JsonObject = shapes.shaped(given, shape)
        except (ValueError, RecursionError) as error:
            message = f"The request content was invalid and could not be deserialized: '{error}'."
            refuse(400, INVALID_CONTENT, message)
        return document

    def number(self, name: str, default: int) -> int:
        """A parameter of the query that is a number, not negative; 400 for anything else."""
        text = self.query.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            message = f"The value '{text}' of the query parameter '{name}' is invalid."
            refuse(400, "InvalidQueryParameterValue", message, target=name)
        return int(text)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """One HTTP response, its body already encoded."""

    status: int
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)

    def with_headers(self, headers: Mapping[str, str]) -> Response:
        """The same response with more headers; what it already has wins."""
        return dataclasses.replace(self, headers={**headers, **self.headers})


def json_response(
    status: int, document: object, headers: Mapping[str, str] | None = None
) -> Response:
    content = {"Content-Type": "application/json; charset=utf-8"}
    return Response(
        status=status, headers={**content, **(headers or {})}, body=json.dumps(document).encode()
    )


def empty_response(status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status=status, headers=dict(headers or {}))


class Refusal(Exception):  # noqa: N818 - it is an answer of the service, not an error of ours
    """What Azure refuses. The plane of the route (see `planes.py`) gives it its envelope."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        target: str | None = None,
        details: list[JsonObject] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.target = target
        self.details = details or []
        self.headers = dict(headers or {})

    def error(self) -> JsonObject:
        """The inner error object, as operation documents and ARM envelopes carry it."""
        return error_object(self.code, self.message, target=self.target, details=self.details)


def refuse(
    status: int,
    code: str,
    message: str,
    *,
    target: str | None = None,
    details: list[JsonObject] | None = None,
    headers: Mapping[str, str] | None = None,
) -> NoReturn:
    raise Refusal(status, code, message, target=target, details=details, headers=headers)


def error_object(
    code: str, message: str, *, target: str | None = None, details: list[JsonObject] | None = None
) -> JsonObject:
    error: JsonObject = {"code": code, "message": message}
    if target is not None:
        error["target"] = target
    if details:
        error["details"] = details
    return error


class ConnectionDropped(Exception):  # noqa: N818 - an injected event, not an error of ours
    """An injected fault cut the connection, before the request took effect or after."""

    def __init__(self, *, after_effect: bool) -> None:
        super().__init__("the connection was reset by an injected fault")
        self.after_effect = after_effect


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Plane:
    """A family of routes that authenticate alike and dress their errors alike."""

    name: str
    audiences: frozenset[str]
    """Host names a token may be issued for; empty: no token is asked for."""
    api_version_required: bool
    render: Callable[[Refusal, Request], JsonObject]
    """Gives a refusal the envelope of this plane."""


def arm_envelope(refusal: Refusal, request: Request) -> JsonObject:
    return {"error": refusal.error()}


# Audiences that Azure Resource Manager accepts in the public cloud.
ARM_AUDIENCES = frozenset({"management.azure.com", "management.core.windows.net"})

ARM = Plane(name="arm", audiences=ARM_AUDIENCES, api_version_required=True, render=arm_envelope)
OPEN = Plane(name="open", audiences=frozenset(), api_version_required=False, render=arm_envelope)
CONTROL = Plane(
    name="control", audiences=frozenset(), api_version_required=False, render=arm_envelope
)
"""The simulator's own API: no faults, no throttling, not in the ledger."""
