"""What the app puts into its own storage besides records: pool requests on the queue, uploaded
contexts.
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
        if self._config.storage.startswith("https://"):
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
        container = self._contexts()
        if not container.exists():
            container.create_container()
        container.upload_blob(name, data)

    def get_context(self, name: str) -> bytes:
        """What `put_context` stored."""
        return bytes(self._contexts().download_blob(name).readall())

    def _contexts(self) -> ContainerClient:
        from azure.storage.blob import ContainerClient

        name = names.CONTEXTS_CONTAINER
        if self._config.storage.startswith("https://"):
            url = self._config.storage.replace(".table.", ".blob.", 1)
            return ContainerClient(url, name, credential=clients.make_credential(self._config))
        return ContainerClient.from_connection_string(self._config.storage, name)
