"""The service over HTTP: requests survive a hiccup, answers are JSON, refusals are exceptions."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from cli import errors

PAUSES = (0.3, 1.0, 2.0)  # seconds before each further try
_TIMEOUT_SECONDS = 30.0
_PASSING = {429, 502, 503, 504}  # statuses that time cures
_RETRY_AFTER_MAX_SECONDS = 30.0


class Client:
    """One service. `pause` waits a number of seconds between tries."""

    def __init__(
        self,
        endpoint: str,
        key: str | None = None,
        *,
        name: str = "",
        pause: Callable[[float], None] = time.sleep,
        sign_in: httpx.Auth | None = None,
    ) -> None:
        self.endpoint = _base_url(endpoint)
        self.name = name or self.endpoint  # in metadata files
        self.is_local = _is_loopback(self.endpoint)
        self.sign_in = sign_in
        self._pause = pause
        self._http = httpx.Client(
            base_url=f"{self.endpoint}/api/",
            headers={"x-functions-key": key} if key else {},
            auth=sign_in,
            timeout=_TIMEOUT_SECONDS,
            trust_env=not self.is_local,  # a proxy cannot reach this machine's loopback
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str) -> Any:
        """GET; raises Rejected or Unreachable."""
        return self._json("GET", path, repeatable=True)

    def get_all(self, path: str, name: str, rows_max: int | None = None) -> Any:
        """GET a list and the pages that follow, at most `rows_max` of its rows `name`. Only the
        query of a link is used: the key goes to this service and to no other.
        """
        answer = self.get(path)
        if not isinstance(answer, dict) or name not in answer:
            return answer
        rows, link = answer[name], answer.pop("nextLink", None)
        while link and (rows_max is None or len(rows) < rows_max):
            page = self.get(f"{path.partition('?')[0]}?{urlsplit(link).query}")
            rows += page[name]
            link = page.get("nextLink")
        return {**answer, name: rows[:rows_max]}

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, repeatable: bool = False
    ) -> Any:
        """POST; `repeatable` where the body's requestId makes a second delivery harmless."""
        return self._json("POST", path, repeatable=repeatable, json=body)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """PUT; raises Rejected or Unreachable."""
        return self._json("PUT", path, repeatable=True, json=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """PATCH with absolute values, so a second delivery is harmless."""
        return self._json("PATCH", path, repeatable=True, json=body)

    def delete(self, path: str) -> Any:
        """DELETE; raises Rejected or Unreachable."""
        return self._json("DELETE", path, repeatable=True)

    def upload_context(self, packed: bytes, purpose: str = "build") -> str:
        """Store a build context or files of a step (tar.gz); returns its name for a request."""
        headers = {"content-type": "application/gzip"}
        path = "contexts" if purpose == "build" else f"contexts?purpose={purpose}"
        answer = self._json("POST", path, repeatable=True, content=packed, headers=headers)
        return str(answer["context"])

    def _json(self, method: str, path: str, *, repeatable: bool, **content: Any) -> Any:
        response = self._response(method, path, repeatable=repeatable, **content)
        body = _body(response)
        if response.is_success and (body is not None or not response.content):
            return body
        if response.is_client_error:
            raise errors.Rejected(status=response.status_code, body=_error(response, body))
        raise errors.Unreachable(self._nonsense(response, body))

    def _response(
        self, method: str, path: str, *, repeatable: bool, **content: Any
    ) -> httpx.Response:
        """The answer of the first try that got through, or of the last."""
        for pause in PAUSES:
            try:
                response = self._http.request(method, path, **content)
            except httpx.TransportError as error:
                if not (repeatable or isinstance(error, httpx.ConnectError)):  # it may have arrived
                    raise errors.Unreachable(self._no_answer(error)) from error
                self._pause(pause)
            else:
                if not repeatable or response.status_code not in _PASSING:
                    return response
                self._pause(max(pause, _retry_after(response)))
        try:
            return self._http.request(method, path, **content)
        except httpx.TransportError as error:
            raise errors.Unreachable(self._no_answer(error)) from error

    def _no_answer(self, error: httpx.TransportError) -> str:
        reason = re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
        return (
            f"{self.endpoint} does not answer: {reason}.\n"
            "Check --endpoint or BATCH_PREP_ENDPOINT; without them the command uses a local stack."
        )

    def _nonsense(self, response: httpx.Response, body: Any) -> str:
        error = _error(response, body).get("error")
        message = error.get("message") if isinstance(error, dict) else error
        return f"{response.request.url} answered {response.status_code}: {message}"


def _body(response: httpx.Response) -> Any:
    """The answer's JSON, `None` where there is none."""
    try:
        return response.json()
    except ValueError:
        return None


def _error(response: httpx.Response, body: Any) -> dict[str, Any]:
    if isinstance(body, dict) and "error" in body:
        return body
    text = response.text.strip()[:200] or response.reason_phrase or "an empty answer"
    return {"error": {"code": f"Http{response.status_code}", "message": text, "details": []}}


def _retry_after(response: httpx.Response) -> float:
    """Seconds the service asks to wait, at most half a minute; 0 where it does not say."""
    try:
        asked = float(response.headers.get("retry-after", "0"))
    except ValueError:
        return 0.0
    return min(max(asked, 0.0), _RETRY_AFTER_MAX_SECONDS)


def _base_url(endpoint: str) -> str:
    """`https://host/api/` as `https://host`. Raises Refused where no key may be sent."""
    parts = urlsplit(endpoint.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise errors.Refused(
            f"--endpoint {endpoint}: give a URL such as https://NAME.azurewebsites.net"
        )
    if parts.scheme == "http" and not _is_loopback(endpoint):
        raise errors.Refused(f"--endpoint {endpoint}: http would show the key to others; use https")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/api')}"


def _is_loopback(url: str) -> bool:
    host = urlsplit(url.strip()).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, be it 127.0.0.1.example.org
        return host == "localhost"
