"""Clients for the app's own storage account, opened as the settings say."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.azure import clients

if TYPE_CHECKING:
    from datetime import datetime

    from azure.data.tables import TableServiceClient
    from azure.storage.blob import BlobServiceClient, ContainerClient
    from azure.storage.queue import QueueClient

    from shared.base.storage import Storage

_DELEGATION_MAX = timedelta(days=1)  # how long a key for signatures is valid; Azure allows a week


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


def signed_url(storage: Storage, container_name: str, name: str, until: datetime) -> str:
    """The address of a blob with a signature that lets its holder read it until then.

    An identity signs with a key that Azure gives it for that; the role Storage Blob Data
    Contributor allows it.
    https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
    """
    from azure.storage.blob import BlobSasPermissions, generate_blob_sas

    service = _blobs(storage)
    account = str(service.account_name)
    if storage.connection_string:
        key = {"account_key": service.credential.account_key}
    else:
        begins = until - _DELEGATION_MAX
        key = {"user_delegation_key": service.get_user_delegation_key(begins, until)}
    signature = generate_blob_sas(
        account,
        container_name,
        name,
        permission=BlobSasPermissions(read=True),
        expiry=until,
        **key,
    )
    return f"{service.get_blob_client(container_name, name).url}?{signature}"


def _blobs(storage: Storage) -> BlobServiceClient:
    from azure.storage.blob import BlobServiceClient

    if storage.connection_string:
        return BlobServiceClient.from_connection_string(storage.connection_string)
    credential = clients.make_credential(storage.client_id)
    return BlobServiceClient(storage.blob_uri, credential=credential)
