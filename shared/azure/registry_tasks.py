"""Quick builds inside a container registry, by Resource Manager's REST API: the SDK that has them
exists as a beta only. Each method is called as an SDK's is (`shared/azure/sdk.py`).
https://learn.microsoft.com/rest/api/containerregistry/registries/schedule-run
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.mgmt.core import ARMPipelineClient

Json = dict[str, Any]
_API_VERSION = "2025-03-01-preview"  # tasks and runs have no version without this suffix


class RegistryTasks:
    """The registries of one subscription."""

    def __init__(self, client: ARMPipelineClient[Any, Any], subscription: str) -> None:
        self._client = client
        self._subscription = subscription

    def schedule_run(self, group: str, registry: str, body: Json, **options: Any) -> None:
        """Begin a build; its id is the answer's `properties.runId`."""
        self._send("POST", group, registry, "scheduleRun", options, json=body)

    def get_run(self, group: str, registry: str, run: str, **options: Any) -> None:
        """Show a build. Raises ResourceNotFoundError."""
        self._send("GET", group, registry, f"runs/{run}", options)

    def get_build_source_upload_url(self, group: str, registry: str, **options: Any) -> None:
        """Ask where an archive can be uploaded, and by what path a build finds it then."""
        self._send("POST", group, registry, "listBuildSourceUploadUrl", options)

    def _send(
        self, method: str, group: str, registry: str, what: str, options: Json, **content: Any
    ) -> None:
        """Raises HttpResponseError; the answer goes to the hook among the options."""
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, map_error
        from azure.core.rest import HttpRequest
        from azure.mgmt.core.exceptions import ARMErrorFormat

        path = (
            f"/subscriptions/{self._subscription}/resourceGroups/{group}"
            f"/providers/Microsoft.ContainerRegistry/registries/{registry}/{what}"
        )
        request = HttpRequest(method, path, params={"api-version": _API_VERSION}, **content)
        request.url = self._client.format_url(request.url)
        response = self._client.send_request(request, **options)
        if response.status_code >= 400:
            map_error(response.status_code, response, {404: ResourceNotFoundError})
            raise HttpResponseError(response=response, error_format=ARMErrorFormat)
