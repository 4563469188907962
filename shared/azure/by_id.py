"""Resources of any type by their id: each type is asked for with an API version of its own."""

from __future__ import annotations

from shared.azure import sdk
from shared.azure.clients import Azure, Json
from shared.azure.sdk import Started
from shared.base import names
from shared.base import resource_types as types

# The versions of the SDK's own clients.
API_VERSIONS = {
    types.POOL: "2025-06-01",
    types.RESOURCE_GROUP: "2025-04-01",
    types.VM: "2026-04-01",
    types.DISK: "2026-03-02",
    types.SNAPSHOT: "2026-03-02",
    types.MANAGED_IMAGE: "2026-04-01",
    types.GALLERY: "2026-03-03",
    types.IMAGE_DEFINITION: "2026-03-03",
    types.IMAGE_VERSION: "2026-03-03",
    types.NETWORK: "2026-03-01",
    types.NAT_GATEWAY: "2026-03-01",
    types.PUBLIC_IP: "2026-03-01",
    types.REGISTRY: "2025-11-01",
    types.IDENTITY: "2024-11-30",
}


def fetch(azure: Azure, id_: str) -> Json | None:
    """The resource as wire JSON, or None if it does not exist."""
    get = azure.resources.resources.get_by_id
    return sdk.fetch(get, id_.lstrip("/"), api_version=_version(id_))


def send_delete(azure: Azure, id_: str) -> Started:
    """Start the deletion of the resource and of everything inside it."""
    delete = azure.resources.resources.begin_delete_by_id
    return sdk.send_delete(delete, id_.lstrip("/"), api_version=_version(id_))


def _version(id_: str) -> str:
    return API_VERSIONS[names.type_of(id_).lower()]
