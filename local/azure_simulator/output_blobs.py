"""Full output of scripts, appended to blobs: `outputBlobUri` and `errorBlobUri`.

Only with a storage connection string (`--storage`); the real handler uses the URI's own signature
or an identity, which the emulator for storage does not have for every container.
"""

from __future__ import annotations

import logging
from urllib import parse

from local.azure_simulator import context, model

_LOG = logging.getLogger(__name__)


def write(azure: context.Azure, properties: model.JsonObject, stdout: str, stderr: str) -> None:
    """Append both streams where a run command's properties ask for it."""
    for field, text in (("outputBlobUri", stdout), ("errorBlobUri", stderr)):
        uri = properties.get(field)
        if not uri or azure.storage is None:
            continue
        if isinstance(azure.storage, str):
            _append(azure.storage, uri, text)
        else:
            azure.storage(uri, text)


def _append(connection: str, uri: str, text: str) -> None:
    from azure.core import exceptions
    from azure.storage import blob

    container, name = _place(connection, uri)
    try:
        with blob.BlobServiceClient.from_connection_string(
            connection, retry_total=0, connection_timeout=2, read_timeout=10
        ) as service:
            client = service.get_blob_client(container, name)
            if not client.exists():
                client.create_append_blob()
            if text:
                client.append_block(text.encode())
    except exceptions.AzureError as error:
        _LOG.warning("could not write %s/%s: %s", container, name, error)


def _place(connection: str, uri: str) -> tuple[str, str]:
    """Container and blob of a URI; an emulator's path begins with the account's name."""
    path = parse.unquote(parse.urlsplit(uri).path).lstrip("/")
    account = dict(part.split("=", 1) for part in connection.split(";") if "=" in part).get(
        "AccountName", ""
    )
    path = path.removeprefix(f"{account}/")
    container, _, name = path.partition("/")
    return container, name
