"""Blob containers of the local storage, made before the app would make them private."""

from __future__ import annotations

from collections.abc import Iterable

from local.stack import layout

_TRIES = 3


def make_containers(connection_string: str, names: Iterable[str]) -> None:
    """Make those that are not there. Raises StackError.

    Blobs can be read without a key, so that a step's `logUrl` opens in a browser: this storage
    answers on loopback only. In Azure such a container is private.
    """
    from azure.core import exceptions
    from azure.storage import blob

    for name in names:
        try:
            with blob.BlobServiceClient.from_connection_string(
                connection_string, retry_total=_TRIES
            ) as service:
                service.create_container(name, public_access="blob")
        except exceptions.ResourceExistsError:
            continue
        except exceptions.AzureError as error:
            raise layout.StackError(f"Container {name} cannot be made: {error}") from error
