"""How the app opens its own storage account: with a connection string, or as an identity. Pure.

The Functions host and Durable read the same settings, in the same order of precedence:
https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SETTING = "AzureWebJobsStorage"
URIS = tuple(f"{SETTING}__{service}ServiceUri" for service in ("blob", "queue", "table"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Storage:
    """Where a storage account is, and who opens it. With a connection string, the rest is empty."""

    connection_string: str | None
    blob_uri: str = ""
    queue_uri: str = ""
    table_uri: str = ""
    client_id: str | None = None  # of a user-assigned identity; None: the system-assigned one


def from_settings(
    connection_string: str | None,
    account: str | None,
    uris: list[str | None],
    client_id: str | None,
) -> Storage:
    """`uris` are those of blobs, queues and tables. The account gives those that are None."""
    if connection_string:
        return Storage(connection_string=connection_string)
    services = ("blob", "queue", "table")
    named = [f"https://{account}.{service}.core.windows.net" for service in services]
    blob, queue, table = (given or own for given, own in zip(uris, named, strict=True))
    return Storage(
        connection_string=None, blob_uri=blob, queue_uri=queue, table_uri=table, client_id=client_id
    )


def problems(values: Mapping[str, str]) -> list[str]:
    """One of three forms is needed: a connection string, the account's name, three addresses."""
    missing = [name for name in URIS if name not in values]
    if SETTING in values or f"{SETTING}__accountName" in values or not missing:
        return []
    if len(missing) < len(URIS):
        return [f"{name} is not set" for name in missing]
    return [f"{SETTING}__accountName is not set, nor is {SETTING}, a connection string"]
