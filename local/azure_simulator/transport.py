"""The simulator below the Azure SDK's clients, in the same process: no sockets, no threads.

    wire = SimulatorTransport(azure)
    ComputeManagementClient(SimulatorCredential(azure), azure.subscription, transport=wire)

Every host is answered by the same simulator, so one transport serves all clients; pass the endpoint
as usual (`BatchClient(endpoint=…)`). Both generations of the SDK's requests and streamed downloads
work, because this is the SDK's own `requests` transport over a session whose adapter is the
simulator.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping
from typing import Any

import requests
import urllib3
from azure.core import credentials
from azure.core.pipeline import transport
from requests import adapters

from local.azure_simulator import core, model, tokens


class SimulatorTransport(transport.RequestsTransport):  # type: ignore[misc]  # loaded lazily, untyped
    """Use as `transport=` of any client. `sleep` moves a virtual clock; others need `sleep=`."""

    def __init__(
        self, azure: core.Simulator, *, sleep: Callable[[float], None] | None = None
    ) -> None:
        session = requests.Session()
        session.trust_env = False
        for scheme in ("https://", "http://"):
            session.mount(scheme, _SimulatorAdapter(azure))
        super().__init__(session=session, session_owner=False, use_env_settings=False)
        self._azure = azure
        self._sleep = sleep

    def sleep(self, duration: float) -> None:
        """What the SDK's retries and pollers call to wait; never really sleeps."""
        if self._sleep is not None:
            self._sleep(duration)
            return
        clock: Any = self._azure.clock
        clock.advance_to(clock.now() + duration)


class SimulatorCredential:
    """Tokens as the managed-identity endpoint would issue them, for any scope.

    `client_id` is that of a user-assigned identity; None is the machine's own.
    """

    def __init__(self, azure: core.Simulator, client_id: str | None = None) -> None:
        self._azure = azure
        self._client_id = client_id or tokens.OWN_CLIENT_ID

    def get_token_info(
        self,
        *scopes: str,
        options: credentials.TokenRequestOptions | None = None,  # noqa: ARG002
    ) -> credentials.AccessTokenInfo:
        audience = scopes[0].removesuffix("/.default")
        token, expires_on = tokens.new_token(self._azure, audience, self._client_id)
        return credentials.AccessTokenInfo(token, expires_on)

    def get_token(self, *scopes: str, **kwargs: object) -> credentials.AccessToken:  # noqa: ARG002
        found = self.get_token_info(*scopes)
        return credentials.AccessToken(found.token, found.expires_on)


class _SimulatorAdapter(adapters.BaseAdapter):
    def __init__(self, azure: core.Simulator) -> None:
        super().__init__()
        self._azure = azure
        self._lock = threading.Lock()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002
        timeout: object = None,  # noqa: ARG002
        verify: object = True,  # noqa: ARG002
        cert: object = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        asked = model.Request.from_url(
            request.method or "GET",
            request.url or "",
            headers={name: str(value) for name, value in request.headers.items()},
            body=_body_bytes(request.body),
        )
        try:
            with self._lock:  # the SDK polls in threads of its own
                answered = self._azure.handle(asked)
        except model.ConnectionDropped as dropped:
            raise _connection_error(dropped, request) from dropped
        return _as_requests_response(request, answered)

    def close(self) -> None: ...


def _body_bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if hasattr(body, "read"):
        body = body.read()
    return body.encode() if isinstance(body, str) else bytes(body)


def _connection_error(
    dropped: model.ConnectionDropped, request: requests.PreparedRequest
) -> requests.ConnectionError:
    """What the SDK tells apart: sent and lost (response error), or never sent (request error)."""
    cause: Exception = RuntimeError(str(dropped))
    if dropped.after_effect:
        cause = urllib3.exceptions.ProtocolError(str(dropped))
    return requests.ConnectionError(cause, request=request)


def _as_requests_response(
    request: requests.PreparedRequest, answered: model.Response
) -> requests.Response:
    response = requests.Response()
    response.status_code = answered.status
    response.headers.update(answered.headers)
    response.headers.setdefault("Content-Length", str(len(answered.body)))
    response.raw = urllib3.HTTPResponse(
        body=io.BytesIO(b"" if request.method == "HEAD" else answered.body),
        headers=dict(response.headers),
        status=answered.status,
        preload_content=False,
        request_method=request.method,
    )
    response.request = request
    response.url = request.url or ""
    response.encoding = "utf-8"
    return response
