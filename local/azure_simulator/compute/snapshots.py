"""Snapshots of managed disks: from a disk that a machine has, at once, and independent of both.

Hidden state: what a gallery version takes over from the disk, see `facts`. Azure does not know
whether the system on a disk is sealed; the gallery's definition says what it is taken for.
https://learn.microsoft.com/azure/virtual-machines/snapshot-copy-managed-disk
"""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

import copy
import re

from local.azure_simulator import (
    arm,
    context,
    durations,
    model,
    operations,
    resource_types,
    store,
)
from local.azure_simulator.compute import disks, power
from local.azure_simulator.data import locations

TYPE = "Microsoft.Compute/snapshots"
_PROPERTIES = {
    "creationData!": {"createOption!": str, "sourceResourceId": str},
    "incremental": bool,
}
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?")
_KINDS = frozenset({"Standard_LRS", "Standard_ZRS", "Premium_LRS"})
_COST_PER_GB_HOUR = 0.05 / 730
"""Of what the disk holds, on standard storage, US dollars."""
_TAKEN_OVER = ("osType", "diskSizeGB", "hyperVGeneration", "securityProfile", "purchasePlan")


def register(azure: context.Azure) -> None:
    resource_types.register(
        azure,
        TYPE,
        "snapshots",
        put=put,
        write=durations.Duration(typical=8, source="estimate; recorded Retry-After 2"),
        delete=durations.Duration(typical=5, source="recorded Retry-After 2, as of disks"),
        delete_retry_after=(2, 10),
    )
    azure.on(TYPE, "vanish", _vanish)


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = arm.prepare_put(azure, request, _PROPERTIES)
    _check_envelope(request.parameters["name"], body)
    creation = body["properties"]["creationData"]
    if existing is not None:
        _check_unchanged(existing, creation)
        running = azure.operations.running(existing)
        existing.document["tags"] = body.get("tags", existing.tags)
        return _accepted(azure, request, existing, running)
    disk, vm = _require_source(azure, creation, body["location"])
    snapshot = arm.file(azure, request, TYPE, body)
    snapshot.document.setdefault("sku", {"name": "Standard_LRS"})
    taken = {name: disk.properties[name] for name in _TAKEN_OVER if name in disk.properties}
    snapshot.properties.update(copy.deepcopy(taken), diskState="Unattached")
    snapshot.properties.setdefault("incremental", False)
    snapshot.state.update(facts(vm), contents=azure.machine.capture(vm.state["machine"]))
    snapshot.cost_per_hour = vm.state["diskGb"] * _COST_PER_GB_HOUR
    return _accepted(azure, request, snapshot, None)


def _accepted(
    azure: context.Azure,
    request: model.Request,
    snapshot: store.Resource,
    running: store.Resource | None,
) -> model.Response:
    """202 with a body and both headers, unlike other types."""
    if running is None:
        snapshot.properties["provisioningState"] = "Updating"
        running = azure.operations.begin("snapshots.write", snapshot, retry_after=(2,))
    answer = operations.accepted(azure, request, running)
    return model.json_response(202, azure.show(snapshot, request), answer.headers)


def facts(vm: store.Resource) -> model.JsonObject:
    """What must agree with a gallery's definition."""
    security = vm.properties.get("securityProfile") or {}
    return {
        "diskGb": vm.state["diskGb"],
        "generation": vm.state["generation"],
        "architecture": vm.state["architecture"],
        "diskControllers": vm.state["diskControllers"],
        "plan": vm.state["plan"],
        "securityType": security.get("securityType", "Standard"),
    }


def _check_envelope(name: str, body: model.JsonObject) -> None:
    if not _NAME.fullmatch(name):
        message = f"The entity name '{name}' is invalid: 80 letters, digits, '_', '.' and '-'."
        model.refuse(400, "InvalidParameter", message, target="snapshotName")
    kind = (body.get("sku") or {}).get("name", "Standard_LRS")
    if kind not in _KINDS:
        message = f"The value '{kind}' of parameter 'sku.name' is not allowed for snapshots."
        model.refuse(400, "InvalidParameter", message, target="sku.name")


def _check_unchanged(snapshot: store.Resource, creation: model.JsonObject) -> None:
    if creation != snapshot.properties["creationData"]:
        message = "Changing property 'creationData' is not allowed."
        model.refuse(409, "PropertyChangeNotAllowed", message, target="creationData")


def _require_source(
    azure: context.Azure, creation: model.JsonObject, location: str
) -> tuple[store.Resource, store.Resource]:
    """The disk, and the machine whose disk it is."""
    if creation["createOption"] != "Copy":
        message = f"The simulator knows createOption Copy only, not {creation['createOption']}."
        model.refuse(400, "InvalidParameter", message, target="creationData.createOption")
    source = creation.get("sourceResourceId") or ""
    disk = azure.store.find(source) if source else None
    vm = azure.store.find(disk.document.get("managedBy") or "/") if disk else None
    if disk is None or not disk.is_type(disks.TYPE) or vm is None:
        model.refuse(404, "NotFound", f"Resource {source} is not found.", target="sourceResourceId")
    if not locations.same(disk.location, location):
        message = f"The source {source} is not in the region {location} of the snapshot."
        model.refuse(400, "InvalidParameter", message, target="creationData.sourceResourceId")
    power.check_not_deleting(vm, "snapshot")
    power.look_inside(azure, vm)
    return disk, vm


def _vanish(azure: context.Azure, snapshot: store.Resource, data: model.JsonObject) -> None:
    azure.machine.discard(snapshot.state["contents"])
