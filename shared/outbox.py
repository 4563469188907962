"""What the app puts into storage besides records: pool requests on the queue, uploaded contexts,
documents about images; and what the builder's scripts have left there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import clients, names
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient


class Outbox:
    """The app's queue and blob container, made on first use."""

    def __init__(self, config: Settings) -> None:
        """Nothing is connected yet."""
        self._config = config

    def put_pool_request(self, text: str) -> None:
        """Plain JSON, as every sender writes it."""
        from azure.core.exceptions import ResourceNotFoundError
        from azure.storage.queue import QueueClient

        name = names.POOL_REQUESTS_QUEUE
        if self._is_remote():
            url = self._config.storage.replace(".table.", ".queue.", 1)
            queue = QueueClient(url, name, credential=clients.make_credential(self._config))
        else:
            queue = QueueClient.from_connection_string(self._config.storage, name)
        try:
            queue.send_message(text)
        except ResourceNotFoundError:
            queue.create_queue()
            queue.send_message(text)

    def put_context(self, name: str, data: bytes) -> None:
        """A container build's source."""
        container = self._container(names.CONTEXTS_CONTAINER)
        if not container.exists():
            container.create_container()
        container.upload_blob(name, data)

    def get_context(self, name: str) -> bytes:
        """What `put_context` stored."""
        return bytes(self._container(names.CONTEXTS_CONTAINER).download_blob(name).readall())

    def put_document(self, name: str, data: bytes) -> None:
        """Keep a document; an older one of that name is replaced."""
        container = self._container(names.DOCUMENTS_CONTAINER)
        if not container.exists():
            container.create_container()
        container.upload_blob(name, data, overwrite=True)

    def get_document(self, name: str) -> bytes | None:
        """What `put_document` kept, or None."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            container = self._container(names.DOCUMENTS_CONTAINER)
            return bytes(container.download_blob(name).readall())
        except ResourceNotFoundError:
            return None

    def read_log(self, url: str) -> bytes | None:
        """A blob that a script wrote, or None while it is not there. Raises AzureError.

        Storage that the app's connection string opens is opened with it; any other as the app's
        identity.
        """
        from azure.core.exceptions import ResourceNotFoundError
        from azure.storage.blob import BlobClient

        own = None if self._is_remote() else self._container(names.DOCUMENTS_CONTAINER)
        account, _, path = url.partition("//")[2].partition("/")
        if own is not None and account == own.url.partition("//")[2].partition("/")[0]:
            container, name = path.removeprefix(f"{own.account_name}/").split("/", 1)
            blob = BlobClient.from_connection_string(self._config.storage, container, name)
        else:
            blob = BlobClient.from_blob_url(url, credential=clients.make_credential(self._config))
        try:
            return bytes(blob.download_blob().readall())
        except ResourceNotFoundError:
            return None

    def _is_remote(self) -> bool:
        return self._config.storage.startswith("https://")

    def _container(self, name: str) -> ContainerClient:
        from azure.storage.blob import ContainerClient

        if self._is_remote():
            url = self._config.storage.replace(".table.", ".blob.", 1)
            return ContainerClient(url, name, credential=clients.make_credential(self._config))
        return ContainerClient.from_connection_string(self._config.storage, name)
