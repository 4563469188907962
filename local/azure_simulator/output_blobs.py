"""Full output of scripts, appended to blobs: `outputBlobUri` and `errorBlobUri`.

Only with storage (`--storage` or, in tests, a function). The blobs are made before the script
starts, by an identity of the VM or the URI's own signature. Without the right to make them, the
script never starts: https://github.com/Azure/run-command-handler-linux, version 1.3.28.
"""

from __future__ import annotations

import logging
from urllib import parse

from local.azure_simulator import context, model, storage_accounts, store

_LOG = logging.getLogger(__name__)
# `ExitCode_BlobCreateOrReplaceFailed` of the handler.
NO_BLOB = -101
_FIELDS = (
    ("outputBlobUri", "outputBlobManagedIdentity"),
    ("errorBlobUri", "errorBlobManagedIdentity"),
)


def refusal(azure: context.Azure, vm: store.Resource, properties: model.JsonObject) -> str | None:
    """Why the storage lets the handler make none of the blobs, or None."""
    for field, identity in _FIELDS:
        uri = properties.get(field) or ""
        if not uri or azure.storage is None or "sig=" in parse.urlsplit(uri).query:
            continue
        account, container, name = _place(uri)
        principal = _principal(vm, properties.get(identity) or {})
        if not storage_accounts.may_write(azure, principal, account, container):
            return (
                f"Failed to create or replace append blob '{container}/{name}' of '{account}': "
                "RESPONSE 403: AuthorizationPermissionMismatch: This request is not authorized to "
                "perform this operation using this permission."
            )
    return None


def _principal(vm: store.Resource, wanted: model.JsonObject) -> str:
    """Whose token the handler gets: a user-assigned identity of the VM or, without ids, the
    system-assigned one, which is new with each VM.
    """
    identity = vm.document.get("identity") or {}
    for attached in (identity.get("userAssignedIdentities") or {}).values():
        same = [wanted[key] == attached.get(of) for key, of in _IDS.items() if wanted.get(key)]
        if same and all(same):
            return str(attached["principalId"])
    return str(identity.get("principalId") or "") if not wanted else ""


_IDS = {"clientId": "clientId", "objectId": "principalId"}


def write(azure: context.Azure, properties: model.JsonObject, stdout: str, stderr: str) -> None:
    """Append both streams where a run command's properties ask for it."""
    for (field, _), text in zip(_FIELDS, (stdout, stderr), strict=True):
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

    _, container, name = _place(uri)
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


def _place(uri: str) -> tuple[str, str, str]:
    """Account, container and blob of a URI; an emulator's path begins with the account's name."""
    split = parse.urlsplit(uri)
    account, _, rest = (split.hostname or "").partition(".")
    path = parse.unquote(split.path).lstrip("/")
    if not rest.startswith("blob."):
        account, _, path = path.partition("/")
    container, _, name = path.partition("/")
    return account, container, name
