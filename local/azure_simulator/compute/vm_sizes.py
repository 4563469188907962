"""The older list of a region's sizes, which has neither families nor restrictions."""

from __future__ import annotations

from local.azure_simulator import context, model
from local.azure_simulator.data import locations, skus

_PATH = "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/vmSizes"
_OS_DISK_MB = 1_047_552


def register(azure: context.Azure) -> None:
    azure.route("GET", _PATH, list_sizes)


def list_sizes(azure: context.Azure, request: model.Request) -> model.Response:  # noqa: ARG001
    location = locations.canonical(request.parameters["location"])
    sizes = [size for size in skus.SIZES.values() if location in size.regions]
    return model.json_response(200, {"value": [_shown(size) for size in sizes]})


def _shown(size: skus.Size) -> model.JsonObject:
    return {
        "name": size.name,
        "numberOfCores": size.cores,
        "osDiskSizeInMB": _OS_DISK_MB,
        "resourceDiskSizeInMB": size.temp_disk_gb * 1024,
        "memoryInMB": int(size.memory_gb * 1024),
        "maxDataDiskCount": int(size.capabilities()["MaxDataDiskCount"]),
    }
