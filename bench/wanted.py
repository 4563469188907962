"""What the app and the old script are both asked for, and the Azure that both find.

It knows neither of them.
"""

from __future__ import annotations

from local.azure_simulator import durations
from local.azure_simulator.model import JsonObject

GROUP = "images"
LOCATION = "swedencentral"
GPU_SIZE = "Standard_NC4as_T4_v3"
SMALL_SIZE = "Standard_D2s_v5"  # 2 cores
BUSYBOX = "docker.io/library/busybox:1.36"
REGISTRY = "benchregistry"
BUILT_IMAGE = "app:v1.0"  # in the registry
SOURCE = "https://example.org/app.git#main"
ACCOUNT = "mybatch12345"
POOLS_PER_ACCOUNT = 100  # Batch's default quota of pools

_GPU_CORES = 4
_REPLICATION_SECONDS = 350 * 60


def public_images(count: int) -> list[str]:
    """So many different container images from outside."""
    return [f"docker.io/library/busybox:1.{n}" for n in range(count)]


def room_for(pools: int) -> JsonObject:
    """Facts of an Azure whose quota admits so many GPU pools of one node."""
    return {"batchQuota:Standard NCASv3_T4 Family": _GPU_CORES * pools} if pools > 1 else {}


def slow_replication(table: durations.Durations) -> JsonObject:
    """A fault: Azure allows replication six hours, and takes 5 h 50 min."""
    typical = table.table()["galleryVersions.create"].typical
    factor = _REPLICATION_SECONDS / typical
    return {"effect": "slow", "operation": "galleryVersions.create", "factor": factor}
