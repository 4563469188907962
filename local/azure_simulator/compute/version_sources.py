"""Where a gallery image version comes from, and whether the source fits the definition."""

from __future__ import annotations

import copy
import dataclasses
from typing import NoReturn

from local.azure_simulator import context, model, store
from local.azure_simulator.compute import image_sources, placement, snapshots
from local.azure_simulator.data import locations

_LAUNCH = "TrustedLaunch"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class VersionSource:
    """What a source gives to the version: contents, disk, and the facts that must agree."""

    id: str
    contents: model.JsonObject
    disk_gb: int
    generation: str
    architecture: str
    disk_controllers: str
    plan: model.JsonObject | None
    is_generalized: bool
    has_guest_state: bool
    """A machine or the snapshot of its disk: Trusted Launch has left its state in it."""
    security_type: str


def find(azure: context.Azure, definition: store.Resource, body: model.JsonObject) -> VersionSource:
    """The source of a version's body, checked against its definition."""
    resource = _resource(azure, body)
    if resource.is_type(placement.VM_TYPE):
        source = _virtual_machine(resource)
    elif resource.is_type(snapshots.TYPE):
        source = _snapshot(resource)
    else:
        source = _image(azure, resource)
    _check_agrees(definition, source)
    return source


def _resource(azure: context.Azure, body: model.JsonObject) -> store.Resource:
    """Exactly one form, an existing source, in the region of the version."""
    storage = body.get("properties", {}).get("storageProfile") or {}
    source = storage.get("source") or {}
    given = [value for name in ("id", "virtualMachineId") if (value := source.get(name))]
    disk = ((storage.get("osDiskImage") or {}).get("source") or {}).get("id")
    if len([*given, *([disk] if disk else [])]) != 1:
        message = (
            "Exactly one of source.id, source.virtualMachineId and osDiskImage.source.id must be "
            "specified."
        )
        model.refuse(400, "InvalidParameter", message, target="storageProfile.source")
    resource = azure.store.find(disk or given[0])
    if disk and resource is not None and not resource.is_type(snapshots.TYPE):
        message = f"The simulator takes a snapshot as the source of a disk, and not {disk}."
        model.refuse(400, "InvalidParameter", message, target="storageProfile.osDiskImage")
    if resource is None or not locations.same(resource.location, body["location"]):
        model.refuse(
            404,
            "NotFound",
            f"Source {disk or given[0]} is not found. Please check source exists, and is in the "
            "same region as gallery image version being created.",
            target="storageProfile.source",
        )
    return resource


def _virtual_machine(vm: store.Resource) -> VersionSource:
    os_disk = vm.properties["storageProfile"]["osDisk"]
    if os_disk.get("diffDiskSettings"):
        message = f"Source virtual machine {vm.id} cannot contain an ephemeral OS disk."
        model.refuse(400, "InvalidParameter", message, target="storageProfile.source")
    security = vm.properties.get("securityProfile") or {}
    return VersionSource(
        id=vm.id,
        contents=copy.deepcopy(vm.state["machine"]),
        disk_gb=vm.state["diskGb"],
        generation=vm.state["generation"],
        architecture=vm.state["architecture"],
        disk_controllers=vm.state["diskControllers"],
        plan=vm.state["plan"],
        is_generalized=vm.state["generalized"],
        has_guest_state=True,
        security_type=security.get("securityType", "Standard"),
    )


def _snapshot(snapshot: store.Resource) -> VersionSource:
    """https://learn.microsoft.com/azure/virtual-machines/trusted-launch-portal: an OS disk, or its
    snapshot, serves a TrustedLaunch definition like the machine. Nothing but the definition says
    whether its system is generalized.
    """
    if snapshot.properties["provisioningState"] != "Succeeded":
        message = f"The source snapshot {snapshot.id} is not in the state Succeeded."
        model.refuse(409, "Conflict", message, target="storageProfile.osDiskImage.source")
    known = snapshot.state
    return VersionSource(
        id=snapshot.id,
        contents=copy.deepcopy(known["contents"]),
        disk_gb=known["diskGb"],
        generation=known["generation"],
        architecture=known["architecture"],
        disk_controllers=known["diskControllers"],
        plan=known["plan"],
        is_generalized=True,
        has_guest_state=True,
        security_type=known["securityType"],
    )


def _image(azure: context.Azure, resource: store.Resource) -> VersionSource:
    found = image_sources.resolve(azure, {"id": resource.id}, resource.location)
    return VersionSource(
        id=found.id,
        contents=found.contents,
        disk_gb=found.disk_gb,
        generation=found.generation,
        architecture=found.architecture,
        disk_controllers="SCSI",
        plan=found.plan,
        is_generalized=found.is_generalized,
        has_guest_state=False,
        security_type=found.security_type,
    )


def _check_agrees(definition: store.Resource, source: VersionSource) -> None:
    properties = definition.properties
    if properties["hyperVGeneration"] != source.generation:
        _refuse(
            f"The resource with id '{source.id}' has a different Hypervisor generation "
            f"['{source.generation}'] than the parent gallery image Hypervisor generation "
            f"['{properties['hyperVGeneration']}']"
        )
    if properties["architecture"] != source.architecture:
        _refuse(
            f"The resource with id '{source.id}' has a different architecture "
            f"['{source.architecture}'] than the parent gallery image "
            f"['{properties['architecture']}']"
        )
    if properties["osState"] == "Generalized" and not source.is_generalized:
        _refuse(
            f"Cannot create Gallery Image Version from: {source.id} since the OS State in the "
            "parent gallery image ('Generalized') is not 'Specialized'."
        )
    if properties.get("purchasePlan") != source.plan:
        _refuse(
            f"The purchase plan of the source '{source.id}' does not match the purchase plan of "
            "the parent gallery image."
        )
    _check_features(properties, source)


def _check_features(properties: model.JsonObject, source: VersionSource) -> None:
    features = {item["name"]: item["value"] for item in properties["features"]}
    security = features["SecurityType"]
    if source.has_guest_state and security == "TrustedLaunchSupported":
        _refuse(
            f"The security type '{security}' is not supported for the source id '{source.id}'. "
            "Currently only Vhd Blob, User Image and Gallery Image Version sources are supported "
            f"for security type '{security}'."
        )
    if source.has_guest_state and (security == _LAUNCH) != (source.security_type == _LAUNCH):
        _refuse(
            f"The security type '{source.security_type}' of the source '{source.id}' does not "
            f"match the security type '{security}' of the parent gallery image."
        )
    controllers = features.get("DiskControllerTypes", "SCSI")
    if source.disk_controllers == "NVMe" and controllers != image_sources.BOTH_CONTROLLERS:
        _refuse(
            f"The disk controller type 'NVMe' of the source '{source.id}' is not among the "
            f"DiskControllerTypes '{controllers}' of the parent gallery image."
        )


def _refuse(message: str) -> NoReturn:
    model.refuse(400, "InvalidParameter", message, target="storageProfile.source")
