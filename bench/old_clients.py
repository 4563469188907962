"""Azure's own SDK clients on the simulator, as they come: with their retries and their pollers.

Each is imported when it is used: the app's memory is measured before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from local.azure_simulator import core, transport


class Clients:
    """One client of each kind; a wait moves the virtual clock."""

    def __init__(self, azure: core.Simulator) -> None:
        self._azure = azure
        self._wire = transport.SimulatorTransport(azure)
        self._credential = transport.SimulatorCredential(azure)

    def sleep(self, seconds: float) -> None:
        """As the pollers do it."""
        self._wire.sleep(seconds)

    @functools.cached_property
    def resources(self) -> Any:
        from azure.mgmt.resource.resources import ResourceManagementClient

        return self._client(ResourceManagementClient)

    @functools.cached_property
    def network(self) -> Any:
        from azure.mgmt.network import NetworkManagementClient

        return self._client(NetworkManagementClient)

    @functools.cached_property
    def compute(self) -> Any:
        from azure.mgmt.compute import ComputeManagementClient

        return self._client(ComputeManagementClient)

    @functools.cached_property
    def registries(self) -> Any:
        from azure.mgmt.containerregistry import ContainerRegistryManagementClient

        return self._client(ContainerRegistryManagementClient)

    @functools.cached_property
    def registry_tasks(self) -> Any:
        from azure.mgmt.containerregistrytasks import ContainerRegistryTasksMgmtClient

        return self._client(ContainerRegistryTasksMgmtClient)

    @functools.cached_property
    def batch(self) -> Any:
        from azure.mgmt.batch import BatchManagementClient

        return self._client(BatchManagementClient)

    def batch_service(self, endpoint: str) -> Any:
        """The data plane of the Batch account with this endpoint."""
        from azure.batch import BatchClient

        return BatchClient(f"https://{endpoint}", self._credential, transport=self._wire)

    def _client(self, kind: Callable[..., Any]) -> Any:
        return kind(self._credential, self._azure.subscription, transport=self._wire)
