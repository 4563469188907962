"""What a deployment makes in the app's storage account, made in the local one."""

from __future__ import annotations

import contextlib

from local.stack import layout

_TRIES = 3


def prepare(connection_string: str) -> None:
    """Make the queues, tables and blob containers that are not there. Raises StackError."""
    from azure.core import exceptions

    try:
        _make_queues(connection_string)
        _make_tables(connection_string)
        _make_containers(connection_string)
    except exceptions.AzureError as error:
        raise layout.StackError(f"The local storage cannot be prepared: {error}") from error


def _make_queues(connection_string: str) -> None:
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.queue import QueueServiceClient

    with QueueServiceClient.from_connection_string(connection_string, retry_total=_TRIES) as queues:
        for name in layout.QUEUES:
            with contextlib.suppress(ResourceExistsError):
                queues.create_queue(name)


def _make_tables(connection_string: str) -> None:
    from azure.data.tables import TableServiceClient

    with TableServiceClient.from_connection_string(connection_string, retry_total=_TRIES) as tables:
        for name in layout.TABLES:
            tables.create_table_if_not_exists(name)


def _make_containers(connection_string: str) -> None:
    """Blobs of the open containers can be read without a key, so that a step's `logUrl` opens in a
    browser: this storage answers on loopback only. In Azure such a container is private.
    """
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(connection_string, retry_total=_TRIES) as blobs:
        for name in (*layout.CONTAINERS, *layout.OPEN_CONTAINERS):
            access = "blob" if name in layout.OPEN_CONTAINERS else None
            with contextlib.suppress(ResourceExistsError):
                blobs.create_container(name, public_access=access)
