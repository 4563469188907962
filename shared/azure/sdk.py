"""Calls of Azure's SDKs whose answers are JSON as Azure sent it.

The SDK makes the request and raises its own exception (`azure.core.exceptions`) where Azure refuses
it. The caller gets the answer's JSON, with fields that the SDK does not know, and no SDK model. A
call ends when Azure has answered: the SDK polls no long operation and starts no thread.

    vm = sdk.fetch(compute.virtual_machines.get, group, name)
    begun = sdk.send(compute.virtual_machines.begin_restart, group, name)
    pools = sdk.listed(batch.pool.list_by_batch_account, group, account)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from shared.azure import failures

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineResponse
    from azure.core.rest import HttpRequest

Json = dict[str, Any]

# Of every request to the Batch service; azure-batch 15.1 knows this one only.
BATCH_API_VERSION = "2025-06-01"
_NOT_NOW = {404, 409}  # not there, or not in a state that allows it
_NEXT_PAGE = ("nextLink", "odata.nextLink")  # Resource Manager's name, the Batch service's name
_RESTART_OPTIONS = {"reboot": "nodeRebootOption", "reimage": "nodeReimageOption"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """What Azure answered to a request that starts something."""

    status: int
    body: Json | None
    operation: str | None  # URL at which a long operation reports why it failed
    retry_after: float | None  # seconds


def fetch(call: Callable[..., Any], *args: Any, **options: Any) -> Json | None:
    """GET through the SDK: the resource as wire JSON, or None if it does not exist."""
    from azure.core.exceptions import ResourceNotFoundError

    answers = _Answers()
    try:
        call(*args, raw_response_hook=answers, **options)
    except ResourceNotFoundError:
        return None
    return answers.bodies[-1]


def send(call: Callable[..., Any], *args: Any, **options: Any) -> Started:
    """Start something through the SDK (`begin_*` or a plain call) without waiting for its end.

    With `polling=False` a `begin_*` call sends its one request and ends.
    """
    if call.__name__.startswith("begin_"):
        options["polling"] = False
    answers = _Answers()
    call(*args, raw_response_hook=answers, **options)
    response = answers.responses[-1]
    headers = response.headers
    return Started(
        status=response.status_code,
        body=answers.bodies[-1],
        operation=headers.get("Azure-AsyncOperation") or headers.get("Location"),
        retry_after=failures.seconds(headers.get("Retry-After")),
    )


def send_delete(call: Callable[..., Any], *args: Any, **options: Any) -> Started:
    """Start a deletion; what is gone already counts as deleted."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return send(call, *args, **options)
    except ResourceNotFoundError:
        return Started(status=204, body=None, operation=None, retry_after=None)


def listed(call: Callable[..., Any], *args: Any, **options: Any) -> list[Json]:
    """All items of an SDK's paged list, as wire JSON."""
    return _items(_pages(call, *args, **options))


def listed_at(
    call: Callable[..., Any], *args: Any, **options: Any
) -> tuple[list[Json], str | None]:
    """All items of a paged list, and when Azure's own clock says that it answered (ISO 8601)."""
    pages = _pages(call, *args, **options)
    date = pages.responses[-1].headers.get("Date")
    moment = parsedate_to_datetime(date) if date else None
    return _items(pages), moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def tail(length: int, call: Callable[..., Iterable[bytes]], *args: str) -> str:
    """The last `length` bytes of a file on a Batch node; nothing where there is none, or where the
    node's state does not allow reading it.
    """
    from azure.core.exceptions import HttpResponseError

    end = b""
    try:
        for chunk in call(*args):
            end = (end + chunk)[-length:]
    except HttpResponseError as error:
        if error.status_code not in _NOT_NOW:
            raise
    return end.decode(errors="replace")


def delete_job(service: Any, job: str) -> None:
    """Start the deletion of a Batch job; one that is gone is fine.

    `begin_delete_job` of azure-batch 15.1 always polls in a thread: it has no `polling` argument,
    and hands every other keyword to a poller that takes none. `send_request` is the client's public
    method for requests that its operations do not cover.
    """
    from azure.core.rest import HttpRequest

    request = HttpRequest("DELETE", f"/jobs/{job}", params={"api-version": BATCH_API_VERSION})
    _send_request(service, request, accepted={404})


def restart_node(service: Any, pool: str, node: str, how: str) -> None:
    """Start a `reboot` or `reimage` of a Batch node. One that is gone, or whose state does not
    allow it, is fine: the next poll shows its state. The SDK's own `begin_*` would poll, as above.
    """
    from azure.core.rest import HttpRequest

    request = HttpRequest(
        "POST",
        f"/pools/{pool}/nodes/{node}/{how}",
        params={"api-version": BATCH_API_VERSION},
        headers={"Content-Type": "application/json; odata=minimalmetadata"},
        json={_RESTART_OPTIONS[how]: "requeue"},
    )
    _send_request(service, request, accepted=_NOT_NOW)


def _send_request(service: Any, request: HttpRequest, *, accepted: set[int]) -> None:
    """Send one request; of Azure's refusals only those with an `accepted` status are no error."""
    from azure.core.exceptions import HttpResponseError

    try:
        service.send_request(request).raise_for_status()
    except HttpResponseError as error:
        if error.status_code not in accepted:
            raise


def _pages(call: Callable[..., Any], *args: Any, **options: Any) -> _Answers:
    """Have the SDK ask for every page of a list; it follows the links itself."""
    answers = _Answers()
    for _ in call(*args, raw_response_hook=answers, **options).by_page():
        pass
    return answers


def _items(pages: _Answers) -> list[Json]:
    return [item for page in pages.bodies for item in (page or {}).get("value") or []]


class _Answers:
    """Azure's answers to one SDK call: one to each request, and a list asks once for each page.

    An instance is the `raw_response_hook` of a call: azure-core's keyword that gives a caller the
    answers. It keeps each answer and hands the SDK the same answer without its body, so that the
    SDK builds no models: batch-prep reads JSON, and the models of 1,000 VM sizes take 0.9 s of CPU.
    A refusal is left as it is, and the SDK raises its own exception for it.
    https://github.com/Azure/azure-sdk-for-python/tree/main/sdk/core/azure-core#configurations
    """

    def __init__(self) -> None:
        self.responses: list[Any] = []  # with status and headers
        self.bodies: list[Json | None] = []

    def __call__(self, answer: PipelineResponse[Any, Any]) -> None:
        response: Any = answer.http_response
        if response.status_code < 300:
            body = _json(response)
            self.responses.append(response)
            self.bodies.append(body)
            answer.http_response = _WithoutBody(response, body or {})


class _WithoutBody:
    """An answer with the status and the headers of another. Of the body it keeps what the SDK
    needs to ask for the next page.
    """

    def __init__(self, response: Any, body: Json) -> None:
        self._response = response
        self._body: Json = {name: body[name] for name in _NEXT_PAGE if name in body}
        if "value" in body:
            self._body["value"] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    def json(self) -> Json:
        """The body for SDKs made from TypeSpec."""
        return self._body

    def text(self, encoding: str | None = None) -> str:  # noqa: ARG002  as HttpResponse.text
        """The body for the older SDKs, and for the pipeline's own policies."""
        return json.dumps(self._body)


def _json(response: Any) -> Json | None:
    """The body of an answer if it is a JSON object, None if it is anything else or missing."""
    from azure.core.exceptions import DecodeError

    if hasattr(response, "read"):  # streamed ones; the older SDKs' answers are read already
        response.read()
    text = response.text()
    try:
        value = json.loads(text) if text and text.strip() else None
    except ValueError as error:
        raise DecodeError(f"Azure's answer is no JSON: {error}", response=response) from error
    return value if isinstance(value, dict) else None
