"""The way to Azure: SDK clients made on first use, calls that give wire JSON, errors translated
into failures. Nothing of an SDK is imported before it is used: a cold start is short.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.base import errors, settings
from shared.base.errors import Failure

if TYPE_CHECKING:
    from azure.core import PipelineClient
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import AzureError
    from azure.core.pipeline import PipelineResponse
    from azure.core.pipeline.transport import HttpTransport

Json = dict[str, Any]

_BATCH_API_VERSION = "2025-06-01"  # what azure-batch 15.1 sends
# The audience of the Batch service; the double slash is intended (azure-batch, constants of the
# client).
_BATCH_SCOPE = "https://batch.core.windows.net//.default"


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """What Azure answered to a request that starts something."""

    status: int
    body: Json | None
    operation: str | None  # where a long operation tells why it failed
    retry_after: float | None  # seconds


class Azure:
    """All of Azure's services that batch-prep talks to, for one subscription."""

    def __init__(
        self,
        config: settings.Settings,
        credential: TokenCredential,
        transport: HttpTransport[Any, Any] | None = None,
    ) -> None:
        """`transport` replaces the network (the tests' simulator in process)."""
        self._config = config
        self._credential = credential
        self._transport = transport
        self._batch_services: dict[str, Any] = {}

    def _options(self, scope: str) -> Json:
        from shared.azure import pipeline

        return pipeline.authorized(self._credential, scope, self._transport)

    def _management(self, client: Callable[..., Any], *args: str) -> Any:
        # The scope is that of the public cloud's Resource Manager, or of the one that the settings
        # name.
        endpoint = self._config.resource_manager_endpoint
        public = "https://management.azure.com"
        audience = public if settings.is_loopback(endpoint) else endpoint
        options = self._options(f"{audience}/.default")
        return client(self._credential, *args, base_url=endpoint, **options)

    @cached_property
    def resources(self) -> Any:
        """Resource groups, providers, resources by tag."""
        from azure.mgmt.resource.resources import ResourceManagementClient

        return self._management(ResourceManagementClient, self._config.subscription_id)

    @cached_property
    def compute(self) -> Any:
        """VMs, run commands, sizes, usage, marketplace images, galleries."""
        from azure.mgmt.compute import ComputeManagementClient

        return self._management(ComputeManagementClient, self._config.subscription_id)

    @cached_property
    def network(self) -> Any:
        """Public addresses, NAT gateways, virtual networks."""
        from azure.mgmt.network import NetworkManagementClient

        return self._management(NetworkManagementClient, self._config.subscription_id)

    @cached_property
    def identities(self) -> Any:
        """User-assigned managed identities."""
        from azure.mgmt.msi import ManagedServiceIdentityClient

        return self._management(ManagedServiceIdentityClient, self._config.subscription_id)

    @cached_property
    def authorization(self) -> Any:
        """Role assignments."""
        from azure.mgmt.authorization import AuthorizationManagementClient

        return self._management(AuthorizationManagementClient, self._config.subscription_id)

    @cached_property
    def registries(self) -> Any:
        """Container registries."""
        from azure.mgmt.containerregistry import ContainerRegistryManagementClient

        return self._management(ContainerRegistryManagementClient, self._config.subscription_id)

    @cached_property
    def registry_tasks(self) -> Any:
        """Quick builds inside a registry."""
        from azure.mgmt.containerregistrytasks import ContainerRegistryTasksMgmtClient

        return self._management(ContainerRegistryTasksMgmtClient, self._config.subscription_id)

    @cached_property
    def batch(self) -> Any:
        """Batch accounts and pools (management plane)."""
        from azure.mgmt.batch import BatchManagementClient

        return self._management(BatchManagementClient, self._config.subscription_id)

    def batch_service(self, account_endpoint: str) -> Any:
        """The data plane of one Batch account: nodes, jobs, tasks. `account_endpoint` comes without
        a scheme.
        """
        if account_endpoint not in self._batch_services:
            from azure.batch import BatchClient

            scheme = "http" if settings.is_loopback(account_endpoint) else "https"
            self._batch_services[account_endpoint] = BatchClient(
                endpoint=f"{scheme}://{account_endpoint}",
                credential=self._credential,
                **self._options(_BATCH_SCOPE),
            )
        return self._batch_services[account_endpoint]

    @property
    def config(self) -> settings.Settings:
        """The settings these clients were made from."""
        return self._config

    def get_url(self, url: str) -> str | None:
        """The text behind an absolute URL that Azure handed out (a log, a console); None where
        there is none yet.

        Such URLs carry their own signature, so no token is sent.
        """
        from azure.core.rest import HttpRequest

        response = self._signed.send_request(HttpRequest("GET", url))
        if response.status_code == 404:
            return None
        response.raise_for_status()
        return str(response.text())

    def put_url(self, url: str, data: bytes) -> None:
        """Upload a block blob to an absolute URL that Azure handed out."""
        from azure.core.rest import HttpRequest

        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/gzip"}
        request = HttpRequest("PUT", url, headers=headers, content=data)
        self._signed.send_request(request).raise_for_status()

    @cached_property
    def _signed(self) -> PipelineClient[Any, Any]:
        """For URLs that carry their own signature: no token goes with them."""
        from azure.core import PipelineClient

        from shared.azure import pipeline

        return PipelineClient("", **pipeline.unauthorized(self._transport))

    def operation_error(self, url: str) -> tuple[str, str] | None:
        """Code and message of a failed long operation, or None where Azure does not tell (any
        more).
        """
        from azure.core.exceptions import AzureError
        from azure.core.rest import HttpRequest

        try:
            response = self.compute._client.send_request(HttpRequest("GET", url))
            document = json.loads(response.text() or "{}")
        except (AzureError, ValueError):
            return None
        error = document.get("error") or {}
        return (error["code"], error.get("message", "")) if error.get("code") else None


# -------------------------------------------------------------------------------------------------
# Calls

_NOT_NOW = {404, 409}  # not there, or not in a state that allows it
_RESTART_OPTIONS = {"reboot": "nodeRebootOption", "reimage": "nodeReimageOption"}


class _Answered(Exception):  # noqa: N818  it is an answer
    """Leaves an SDK call once its answer is there, before the SDK builds models nobody reads."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        self.response = response


def _leave(answer: PipelineResponse[Any, Any]) -> None:
    """What Azure refuses stays the SDK's to raise."""
    response: Any = answer.http_response
    if response.status_code < 300:
        if hasattr(response, "read"):  # the older SDKs' answers are read already
            response.read()
        raise _Answered(response)


def _raw(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Make an SDK call and return the HTTP answer itself."""
    try:
        call(*args, raw_response_hook=_leave, **options)
    except _Answered as answered:
        return answered.response
    raise AssertionError("an SDK call ends with an answer or an error")


def fetch(call: Callable[..., Any], *args: Any, **options: Any) -> Json | None:
    """GET through the SDK: the resource as wire JSON, or None if it does not exist."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return _json(_raw(call, *args, **options))
    except ResourceNotFoundError:
        return None


def send(call: Callable[..., Any], *args: Any, **options: Any) -> Started:
    """Start something through the SDK (`begin_*` or a plain call) without waiting for its end."""
    if call.__name__.startswith("begin_"):
        options["polling"] = False
    response = _raw(call, *args, **options)
    headers = response.headers
    return Started(
        status=response.status_code,
        body=_json(response),
        operation=headers.get("Azure-AsyncOperation") or headers.get("Location"),
        retry_after=_seconds(headers.get("Retry-After")),
    )


def send_delete(call: Callable[..., Any], *args: Any, **options: Any) -> Started:
    """Start a deletion; what is gone already counts as deleted."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return send(call, *args, **options)
    except ResourceNotFoundError:
        return Started(status=204, body=None, operation=None, retry_after=None)


def delete_job(service: Any, job: str) -> None:
    """Start the deletion of a Batch job; one that is gone is fine.

    azure-batch's own `begin_delete_job` cannot be told not to poll: it starts a thread that sleeps.
    """
    from azure.core.rest import HttpRequest

    query = {"api-version": _BATCH_API_VERSION}
    response = service.send_request(HttpRequest("DELETE", f"/jobs/{job}", params=query))
    if response.status_code != 404:
        response.raise_for_status()


def restart_node(service: Any, pool: str, node: str, how: str) -> None:
    """Start a `reboot` or `reimage` of a Batch node. One that is gone, or that is on its way
    already, is fine: the next look tells. The SDK's own `begin_...` would poll, as above.
    """
    from azure.core.rest import HttpRequest

    request = HttpRequest(
        "POST",
        f"/pools/{pool}/nodes/{node}/{how}",
        params={"api-version": _BATCH_API_VERSION},
        headers={"Content-Type": "application/json; odata=minimalmetadata"},
        json={_RESTART_OPTIONS[how]: "requeue"},
    )
    response = service.send_request(request)
    if response.status_code not in _NOT_NOW:
        response.raise_for_status()


def tail(length: int, call: Callable[..., Iterable[bytes]], *args: str) -> str:
    """The last `length` bytes of a file on a Batch node; nothing where there is none, or where the
    node's state lets nobody read it.
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


def listed(call: Callable[..., Any], *args: Any, **options: Any) -> list[Json]:
    """All items of an SDK's paged list, as wire JSON."""
    return _listed(call, *args, **options)[0]


def listed_at(call: Callable[..., Any], **options: Any) -> tuple[list[Json], str | None]:
    """All items of a paged list, and when Azure's own clock says that it answered (ISO 8601)."""
    items, answer = _listed(call, **options)
    date = answer.headers.get("Date")
    moment = parsedate_to_datetime(date) if date else None
    return items, moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _listed(call: Callable[..., Any], *args: Any, **options: Any) -> tuple[list[Json], Any]:
    """All items, and the answer that held the last of them."""
    link: str | None = None

    def next_page(**hook: Any) -> None:
        next(call(*args, **options, **hook).by_page(link))

    items: list[Json] = []
    while True:
        answer = _raw(next_page)
        page = _json(answer) or {}
        items += page.get("value") or []
        link = page.get("nextLink") or page.get("odata.nextLink")
        if not link:
            return items, answer


def _json(response: Any) -> Json | None:
    text = response.text()
    value = json.loads(text) if text and text.strip() else None
    return value if isinstance(value, dict) else None


def _seconds(header: str | None) -> float | None:
    try:
        return float(header) if header else None
    except ValueError:  # an HTTP date; Azure sends seconds
        return None


# -------------------------------------------------------------------------------------------------
# Errors


def translate(error: AzureError, *, attempted: str, resource: str) -> Failure:
    """The failure for what an SDK raised, from the status and error code of Azure's answer."""
    from azure.core.exceptions import HttpResponseError

    if not isinstance(error, HttpResponseError) or error.status_code is None:
        # No answer at all: the connection broke, or no token could be had.
        return errors.from_azure(
            attempted=attempted, resource=resource, status=503, code="", message=str(error)
        )
    response = error.response
    headers: Any = getattr(response, "headers", {})
    code, message = _error_body(response)
    return errors.from_azure(
        attempted=attempted,
        resource=resource,
        status=error.status_code,
        code=code,
        message=message or str(error.reason or ""),
        request_id=headers.get("x-ms-request-id") or headers.get("request-id"),
        retry_after=_seconds(headers.get("Retry-After")),
    )


def _error_body(response: Any) -> tuple[str, str]:
    """Code and message from a body of Resource Manager's form or of the Batch service's."""
    try:
        body = _json(response) or {}
    except (ValueError, AttributeError):
        return "", ""
    error = body.get("error", body)
    if not isinstance(error, dict):
        return "", str(error)
    message = error.get("message", "")
    if isinstance(message, dict):
        message = message.get("value", "")
    inner = [d for d in error.get("details") or [] if isinstance(d, dict) and d.get("message")]
    details = " ".join(f"{d.get('code', '')}: {d['message']}" for d in inner)
    return str(error.get("code", "")), f"{message} {details}".strip()


def make_credential(config: settings.Settings) -> TokenCredential:
    """The app's managed identity."""
    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=config.client_id)
