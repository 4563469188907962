"""Clients for the app's own storage account, opened as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.azure import clients

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient
    from azure.storage.blob import ContainerClient
    from azure.storage.queue import QueueClient

    from shared.base.storage import Storage


def tables(storage: Storage) -> TableServiceClient:
    """The table service."""
    from azure.data.tables import TableServiceClient

    if storage.connection_string:
        return TableServiceClient.from_connection_string(storage.connection_string)
    credential = clients.make_credential(storage.client_id)
    return TableServiceClient(storage.table_uri, credential=credential)


def queue(storage: Storage, name: str) -> QueueClient:
    """One queue, which need not exist."""
    from azure.storage.queue import QueueClient

    if storage.connection_string:
        return QueueClient.from_connection_string(storage.connection_string, name)
    credential = clients.make_credential(storage.client_id)
    return QueueClient(storage.queue_uri, name, credential=credential)


def container(storage: Storage, name: str) -> ContainerClient:
    """One blob container, which need not exist."""
    from azure.storage.blob import ContainerClient

    if storage.connection_string:
        return ContainerClient.from_connection_string(storage.connection_string, name)
    credential = clients.make_credential(storage.client_id)
    return ContainerClient(storage.blob_uri, name, credential=credential)
