"""Deletion of virtual machines, and of what was created with `deleteOption: Delete`."""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

from local.azure_simulator import arm, context, durations, model, operations, store
from local.azure_simulator.compute import disks, placement, power

TYPE = placement.VM_TYPE
_TAKES = {
    "virtualMachines.delete": durations.Duration(typical=60, source="estimate"),
    "virtualMachines.forceDelete": durations.Duration(typical=25, source="estimate"),
}
_NAMES = tuple(_TAKES)


def register(azure: context.Azure) -> None:
    azure.route("DELETE", arm.path_of(TYPE), delete, operation="virtualMachines.delete")
    azure.on(TYPE, "vanish", _vanish)
    for name, takes in _TAKES.items():
        azure.operations.register(name, takes, _deleted)


def delete(azure: context.Azure, request: model.Request) -> model.Response:
    """204 when absent; 202 otherwise. `forceDeletion=true` skips the graceful shutdown."""
    vm = azure.store.find(request.resource_id)
    if vm is None:
        arm.require_group(azure, request.resource_id)
        return model.empty_response(204)
    running = azure.operations.running(vm)
    if running is None or running.state["operation"] not in _NAMES:
        azure.operations.preempt(vm, "VM delete")
        power.go_down(azure, vm)
        vm.properties["provisioningState"] = "Deleting"
        vm.state["label"] = "deleting"
        is_forced = request.query.get("forceDeletion", "").lower() == "true"
        running = azure.operations.begin(_NAMES[is_forced], vm, retry_after=(10,))
    return operations.accepted(azure, request, running)


def _vanish(azure: context.Azure, vm: store.Resource, data: model.JsonObject) -> None:
    """However it goes, alone or with its group."""
    azure.machine.destroy(vm.state["machine"])


def _deleted(azure: context.Azure, vm: store.Resource, operation: store.Resource) -> None:
    arm.vanish(azure, vm, operation)
    for reference in vm.properties["networkProfile"]["networkInterfaces"]:
        if reference.get("properties", {}).get("deleteOption") == "Delete":
            azure.store.remove(reference["id"])
    storage = vm.properties["storageProfile"]
    for attached in (storage["osDisk"], *(storage.get("dataDisks") or [])):
        disk = azure.store.find((attached.get("managedDisk") or {}).get("id") or "/")
        if disk is not None and attached.get("deleteOption") == "Delete":
            azure.store.remove(disk.id)
        elif disk is not None:
            disks.detach(disk)
