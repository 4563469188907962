"""The simulator below the Azure SDK's clients, in the same process: no sockets, no threads.

    wire = SimulatorTransport(azure)
    ComputeManagementClient(SimulatorCredential(azure), azure.subscription, transport=wire)

Every host is answered by the same simulator, so one transport serves all clients; pass the endpoint
as usual (`BatchClient(endpoint=…)`). Both generations of the SDK's requests and streamed downloads
work, because this is the SDK's own `requests` transport over a session whose adapter is the
simulator. The session sends plain requests past what `requests` does for each anew, which takes as
long as the simulator's answer: merging settings and cookies, parsing the URL, reading a stream.
"""

from __future__ import annotations

import functools
import io
import threading
import types
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
        super().__init__(session=_Session(azure), session_owner=False, use_env_settings=False)
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


class _Session(requests.Session):
    def __init__(self, azure: core.Simulator) -> None:
        super().__init__()
        self.trust_env = False
        self._adapter = _SimulatorAdapter(azure)
        for scheme in ("https://", "http://"):
            self.mount(scheme, self._adapter)

    def request(  # type: ignore[override]  # by the names that azure-core gives
        self, method: str, url: str, **how: Any
    ) -> requests.Response:
        """Files, streams and forms take the long way."""
        data = how.get("data")
        is_plain = data is None or isinstance(data, (str, bytes))
        if how.get("files") or how.get("stream") or how.get("params") or not is_plain:
            return super().request(method, url, **how)
        prepared = requests.PreparedRequest()
        prepared.method = method.upper()
        prepared.url = _prepared_url(url)
        prepared.headers = _prepared_headers(self.headers, how.get("headers") or {})
        prepared.prepare_body(data, None)
        return self._adapter.answer(prepared)


@functools.lru_cache(maxsize=4096)  # a poll asks for the same URL again
def _prepared_url(url: str) -> str:
    """As `requests` sends it."""
    prepared = requests.PreparedRequest()
    prepared.prepare_url(url, None)
    return prepared.url or url


def _prepared_headers(own: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """As `requests` sends them: none without a value. It refuses what no header may be."""
    merged: Any = requests.structures.CaseInsensitiveDict(own)
    for name, value in given.items():
        if value is not None:
            _check_header(name, value)
            merged[name] = value
    return merged


@functools.lru_cache(maxsize=4096)
def _check_header(name: str, value: str) -> None:
    requests.utils.check_header_validity((name, value))


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
        return _streamed(self.answer(request))

    def answer(self, request: requests.PreparedRequest) -> requests.Response:
        """The response, its content read."""
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
    """What the SDK distinguishes: sent and lost (response error), or never sent (request error)."""
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
    response.raw = types.SimpleNamespace()
    response._content = b"" if request.method == "HEAD" else answered.body
    response._content_consumed = True
    response.request = request
    response.url = request.url or ""
    response.encoding = "utf-8"
    return response


def _streamed(response: requests.Response) -> requests.Response:
    """The response, its content not read yet."""
    response.raw = urllib3.HTTPResponse(
        body=io.BytesIO(response.content),
        headers=dict(response.headers),
        status=response.status_code,
        preload_content=False,
        request_method=response.request.method,
    )
    response._content = False
    response._content_consumed = False
    return response
