"""Azure's SDK clients, each made on first use, and the credential that they share.

Nothing of an SDK is imported before its client is used, which keeps a cold start short. Calls go
through `shared/azure/sdk.py`; `shared/azure/failures.py` translates what they raise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.azure import failures, sdk
from shared.base import endpoints, settings

if TYPE_CHECKING:
    from azure.core import PipelineClient
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import HttpTransport

    from shared.azure.registry_tasks import RegistryTasks

Json = dict[str, Any]


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
        endpoint = self._config.resource_manager_endpoint
        options = self._options(endpoints.resource_manager_scope(endpoint))
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
    def registry_tasks(self) -> RegistryTasks:
        """Quick builds inside a registry."""
        from azure.mgmt.core import ARMPipelineClient

        from shared.azure.registry_tasks import RegistryTasks

        endpoint = self._config.resource_manager_endpoint
        options = self._options(endpoints.resource_manager_scope(endpoint))
        return RegistryTasks(ARMPipelineClient(endpoint, **options), self._config.subscription_id)

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

            scheme = "http" if endpoints.is_loopback(account_endpoint) else "https"
            self._batch_services[account_endpoint] = BatchClient(
                endpoint=f"{scheme}://{account_endpoint}",
                credential=self._credential,
                api_version=sdk.BATCH_API_VERSION,
                **self._options(endpoints.batch_scope(self._config.resource_manager_endpoint)),
            )
        return self._batch_services[account_endpoint]

    @property
    def config(self) -> settings.Settings:
        """The settings these clients were made from."""
        return self._config

    def image_digest(self, server: str, repository: str, tag: str) -> str | None:
        """The digest that a tag of a container registry names; None where there is no such tag."""
        from shared.azure import container_images

        return container_images.digest(self._signed, self._credential, server, repository, tag)

    def reference_digest(self, reference: str) -> str | None:
        """The digest that an image's reference names (`container_images.digest_of_reference`)."""
        from shared.azure import container_images

        mirror = self._config.public_registries_endpoint
        return container_images.digest_of_reference(
            self._signed, self._credential, reference, mirror
        )

    def image_environment(self, reference: str) -> list[str]:
        """What a container image sets in its containers (`container_images.environment`)."""
        from shared.azure import container_images

        mirror = self._config.public_registries_endpoint
        return container_images.environment(self._signed, self._credential, reference, mirror)

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
        """Code and message of a failed long operation, or None where Azure does not show them (any
        more).
        """
        from azure.core.exceptions import AzureError
        from azure.core.rest import HttpRequest

        try:
            response = self.compute.send_request(HttpRequest("GET", url))
        except AzureError:
            return None
        code, message = failures.code_and_message(response)
        return (code, message) if code else None


def make_credential(client_id: str | None) -> TokenCredential:
    """The user-assigned managed identity with this client id; None: the system-assigned one."""
    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=client_id)
