"""What the app puts into storage besides records: pool requests on the queue, uploaded contexts,
documents about images; and what the builder's scripts have left there.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from shared.azure import clients, storage
from shared.base import logs, names
from shared.base.settings import Settings
from shared.store import outage

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

log = logs.get("outbox")

_NOT_ALLOWED = {401, 403}
_CHANGED = 412


class Outbox:
    """The app's queue and blob container, made on first use."""

    def __init__(self, config: Settings) -> None:
        """Nothing is connected yet."""
        self._config = config
        self._prepared: set[str] = set()  # containers of logs that this process has seen to

    @outage.noticed
    def put_pool_request(self, text: str) -> None:
        """Put a request on the queue as plain JSON, as other senders write it."""
        from azure.core.exceptions import ResourceNotFoundError

        queue = storage.queue(self._config.storage, names.POOL_REQUESTS_QUEUE)
        try:
            queue.send_message(text)
        except ResourceNotFoundError:
            queue.create_queue()
            queue.send_message(text)

    @outage.noticed
    def put_context(self, name: str, data: bytes) -> None:
        """A container build's source, or what the owner's step runs; the same name is the same
        content.
        """
        container = self._container(names.CONTEXTS_CONTAINER)
        if not container.exists():
            container.create_container()
        container.upload_blob(name, data, overwrite=True)

    @outage.noticed
    def get_context(self, name: str) -> bytes:
        """What `put_context` stored."""
        return bytes(self._container(names.CONTEXTS_CONTAINER).download_blob(name).readall())

    @outage.noticed
    def has_context(self, name: str) -> bool:
        """Whether `put_context` stored it, and it has not been removed."""
        container = self._container(names.CONTEXTS_CONTAINER)
        return bool(container.get_blob_client(name).exists())

    @outage.noticed
    def context_url(self, name: str, until: datetime) -> str:
        """An address from which what `put_context` stored can be read until then. It is a secret.
        The time is that of the app, which the storage may know as another one.
        """
        scale = self._config.time_scale
        until = scale.real_time(until) if scale else until
        return storage.signed_url(self._config.storage, names.CONTEXTS_CONTAINER, name, until)

    @outage.noticed
    def contexts_before(self, moment: datetime) -> list[str]:
        """The contexts that were uploaded earlier."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            found = list(self._container(names.CONTEXTS_CONTAINER).list_blobs())
        except ResourceNotFoundError:  # nothing was uploaded yet
            return []
        return [blob.name for blob in found if blob.last_modified < moment]

    @outage.noticed
    def remove_context(self, name: str, before: datetime) -> None:
        """Remove what `put_context` stored before that moment; one that is not there is fine."""
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

        blobs = self._container(names.CONTEXTS_CONTAINER)
        try:
            blobs.delete_blob(name, if_unmodified_since=before)
        except ResourceNotFoundError:
            return
        except HttpResponseError as error:
            if error.status_code != _CHANGED:
                raise

    @outage.noticed
    def put_document(self, name: str, data: bytes) -> None:
        """Keep a document; an older one of that name is replaced."""
        container = self._container(names.DOCUMENTS_CONTAINER)
        if not container.exists():
            container.create_container()
        container.upload_blob(name, data, overwrite=True)

    @outage.noticed
    def get_document(self, name: str) -> bytes | None:
        """What `put_document` kept, or None."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            container = self._container(names.DOCUMENTS_CONTAINER)
            return bytes(container.download_blob(name).readall())
        except ResourceNotFoundError:
            return None

    @outage.noticed
    def remove_document(self, name: str) -> None:
        """Remove what `put_document` kept; one that is not there is fine."""
        self._remove(names.DOCUMENTS_CONTAINER, name)

    def _remove(self, container: str, name: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            self._container(container).delete_blob(name)
        except ResourceNotFoundError:
            return

    @outage.noticed
    def prepare_logs(self, container_url: str) -> None:
        """Create the container that scripts log to if it is in the app's own storage, once per
        process. In another account its owner creates it, as the app may have no rights there.
        Raises AzureError; if only the right to create it is missing, logs a warning instead.
        """
        from azure.core.exceptions import HttpResponseError, ResourceExistsError

        name = self._own_path(container_url)
        if name is None or container_url in self._prepared:
            return
        try:
            self._container(name.rstrip("/")).create_container()
        except ResourceExistsError:
            pass
        except HttpResponseError as error:
            if error.status_code not in _NOT_ALLOWED:
                raise
            log.warning("container %s cannot be made: %s", container_url, error.reason)
        self._prepared.add(container_url)

    def read_log(self, url: str) -> bytes | None:
        """A blob that a script wrote, or None while it is not there. Raises AzureError.

        A blob in the app's own storage is read as the app reads that; any other as the app's
        identity.
        """
        from azure.core.exceptions import ResourceNotFoundError
        from azure.storage.blob import BlobClient

        path = self._own_path(url)
        if path is not None:
            container, _, name = path.partition("/")
            blob = self._container(container).get_blob_client(name)
        else:
            credential = clients.make_credential(self._config.client_id)
            blob = BlobClient.from_blob_url(url, credential=credential)

        def read() -> bytes:
            return bytes(blob.download_blob().readall())

        try:
            return read() if path is None else outage.noticed(read)()
        except ResourceNotFoundError:
            return None

    @outage.noticed
    def remove_logs(self, container_url: str, build: str) -> None:
        """Remove what a build's scripts wrote, where the container is in the app's own storage. In
        any other, its owner decides for how long logs are kept.
        """
        from azure.core.exceptions import ResourceNotFoundError

        container = self._own_path(container_url)
        if container is None:
            return
        container = container.rstrip("/")
        try:
            prefix = f"{build}/"
            found = list(self._container(container).list_blobs(name_starts_with=prefix))
        except ResourceNotFoundError:  # no script was logged yet
            return
        for blob in found:
            self._remove(container, blob.name)

    def _own_path(self, url: str) -> str | None:
        """Container and name of a blob in the app's own storage; None in any other."""
        own = self._container(names.DOCUMENTS_CONTAINER).url.removesuffix(names.DOCUMENTS_CONTAINER)
        here, there = own.partition("//")[2], url.partition("//")[2]
        return there[len(here) :] if there.lower().startswith(here.lower()) else None

    def _container(self, name: str) -> ContainerClient:
        return storage.container(self._config.storage, name)
