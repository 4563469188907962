"""Managed disks. They come with a virtual machine and may outlive it."""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

from local.azure_simulator import (
    context,
    durations,
    model,
    resource_ids,
    resource_types,
    store,
    times,
)

TYPE = "Microsoft.Compute/disks"
COST_PER_GB_HOUR = {"Premium_LRS": 0.000198, "StandardSSD_LRS": 0.000103, "Standard_LRS": 0.00006}
"""US dollars; a premium disk of 64 GiB costs about 9 a month."""


def register(azure: context.Azure) -> None:
    resource_types.register_reads(azure, TYPE)
    takes = durations.Duration(typical=5, source="recorded Retry-After 2")
    resource_types.register_delete(
        azure, TYPE, "disks", takes, check=_check_delete, retry_after=(2, 10)
    )


def create(
    azure: context.Azure, vm: store.Resource, disk_id: str, size_gb: int, kind: str
) -> store.Resource:
    """The OS disk of a machine."""
    document = {
        "id": disk_id,
        "name": resource_ids.name(disk_id),
        "type": TYPE,
        "location": vm.location,
        "tags": dict(vm.tags),
        "sku": {"name": kind},
        "managedBy": vm.id,
        "properties": {
            "osType": "Linux",
            "diskSizeGB": size_gb,
            "diskState": "Attached",
            "hyperVGeneration": vm.state["generation"],
            "timeCreated": times.text(azure.now),
            "provisioningState": "Succeeded",
        },
    }
    disk = store.Resource(id=disk_id, type=TYPE, document=document)
    security = (vm.properties.get("securityProfile") or {}).get("securityType", "Standard")
    if security != "Standard":
        disk.properties["securityProfile"] = {"securityType": security}
    if vm.state["plan"]:
        disk.properties["purchasePlan"] = vm.state["plan"]
    disk.cost_per_hour = size_gb * COST_PER_GB_HOUR.get(kind, 0.0001)
    return azure.store.add(disk)


def detach(disk: store.Resource) -> None:
    disk.document.pop("managedBy", None)
    disk.properties["diskState"] = "Unattached"


def _check_delete(azure: context.Azure, disk: store.Resource) -> None:
    owner = disk.document.get("managedBy")
    if owner:
        message = f"Disk {disk.name} is attached to VM {owner}."
        model.refuse(409, "OperationNotAllowed", message)
