"""What Azure refuses of a virtual machine's body, before anything is created."""

from __future__ import annotations

import dataclasses
from typing import Any

from local.azure_simulator import (
    context,
    marketplace_agreements,
    model,
    resource_ids,
    shapes,
    store,
)
from local.azure_simulator.compute import data_disks, image_sources, placement
from local.azure_simulator.data import skus
from local.azure_simulator.identity import user_identities
from local.azure_simulator.network import interfaces, writing

PROPERTIES = {
    "hardwareProfile": {"vmSize": str},
    "storageProfile": {
        "imageReference": {"*": str},
        "osDisk": {
            "name": str,
            "createOption": str,
            "diskSizeGB": int,
            "diffDiskSettings": {"option": str},
            "managedDisk": {"storageAccountType": str},
        },
        "dataDisks": data_disks.SHAPE,
    },
    "osProfile": {
        "computerName": str,
        "adminUsername": str,
        "adminPassword": str,
        "linuxConfiguration": {"ssh": {"publicKeys": [{"keyData": str}]}},
    },
    "securityProfile": {"securityType": str},
    "networkProfile": {
        "networkApiVersion": str,
        "networkInterfaces": [shapes.REFERENCE],
        "networkInterfaceConfigurations": [{"name!": str, "properties!": interfaces.PROPERTIES}],
    },
    "diagnosticsProfile": dict,
    "priority": str,
}
IMMUTABLE = (
    "properties.storageProfile.imageReference",
    "properties.storageProfile.osDisk.createOption",
    "properties.storageProfile.osDisk.name",
    "properties.osProfile.computerName",
    "properties.osProfile.adminUsername",
    "properties.osProfile.linuxConfiguration",
    "properties.securityProfile.securityType",
    "properties.priority",
    "plan",
    "zones",
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What the checks found out about an acceptable body."""

    size: skus.Size
    source: image_sources.Source
    is_spot: bool
    disk_gb: int
    plan_problem: model.JsonObject | None


def check_new(azure: context.Azure, vm_id: str, body: model.JsonObject) -> Checked:
    """Refuses a body that cannot become a machine: sizes, image, disk, login, network, quota."""
    properties = body.get("properties", {})
    location = body["location"]
    size = placement.require_size(properties.get("hardwareProfile", {}).get("vmSize", ""), location)
    placement.check_available(azure, size, location, zones=body.get("zones") or [])
    storage = properties.get("storageProfile", {})
    source = image_sources.resolve(azure, storage.get("imageReference", {}), location)
    security = (properties.get("securityProfile") or {}).get("securityType", "Standard")
    image_sources.check_fits(source, size, security)
    disk_gb = _check_disk(storage.get("osDisk", {}), source, size)
    data_disks.check(storage.get("dataDisks") or [], source.contents, size)
    _check_login(properties.get("osProfile"))
    user_identities.check_attached(azure, body)
    _check_network(azure, vm_id, location, properties.get("networkProfile", {}))
    is_spot = properties.get("priority") == "Spot"
    placement.check_quota(azure, size, location, is_spot=is_spot)
    plan = body.get("plan")
    marketplace_agreements.check(azure, plan)
    return Checked(
        size=size,
        source=source,
        is_spot=is_spot,
        disk_gb=disk_gb,
        plan_problem=image_sources.plan_problem(source, plan, resource_ids.name(vm_id)),
    )


def check_unchanged(vm: store.Resource, body: model.JsonObject) -> None:
    """409 where an update gives an immutable field another value than the creation did, or than
    Azure shows.
    """
    for path in IMMUTABLE:
        given = _at(body, path)
        known = (None, _at(vm.state["requested"], path), _at(vm.document, path))
        if given not in known:
            name = path.removeprefix("properties.").removeprefix("storageProfile.")
            message = f"Changing property '{name}' is not allowed."
            model.refuse(409, "PropertyChangeNotAllowed", message, target=name)


def _check_disk(disk: model.JsonObject, source: image_sources.Source, size: skus.Size) -> int:
    """The size of the OS disk in GiB."""
    wanted = int(disk.get("diskSizeGB") or source.disk_gb)
    if disk.get("createOption", "").lower() != "fromimage":
        message = "Required parameter 'osDisk.createOption' must be FromImage for an image."
        model.refuse(400, "InvalidParameter", message, target="osDisk.createOption")
    if wanted < source.disk_gb:
        model.refuse(
            400,
            "InvalidParameter",
            f"The specified disk size {wanted} GB is smaller than the size of the corresponding "
            f"disk in the VM image: {source.disk_gb} GB. This is not allowed. Please choose equal "
            "or greater size or do not specify an explicit size.",
            target="osDisk.diskSizeGB",
        )
    is_ephemeral = (disk.get("diffDiskSettings") or {}).get("option") == "Local"
    if is_ephemeral and size.temp_disk_gb < wanted:
        message = (
            f"OS disk of Ephemeral VM with size greater than {size.temp_disk_gb} GB is not allowed "
            f"for VM size {size.name}."
        )
        model.refuse(409, "OperationNotAllowed", message)
    return wanted


def _check_login(profile: model.JsonObject | None) -> None:
    """Linux needs a name and a password or a key, even without any login."""
    if not profile:
        message = "Required parameter 'osProfile' is missing (null)."
        model.refuse(400, "InvalidParameter", message, target="osProfile")
    for name in ("computerName", "adminUsername"):
        if not profile.get(name):
            message = f"Required parameter '{name}' is missing (null)."
            model.refuse(400, "InvalidParameter", message, target=name)
    linux = profile.get("linuxConfiguration") or {}
    keys = (linux.get("ssh") or {}).get("publicKeys") or []
    if not keys and not profile.get("adminPassword"):
        model.refuse(
            400,
            "InvalidParameter",
            "Authentication using either SSH or by user name and password must be enabled in "
            "Linux profile.",
            target="linuxConfiguration",
        )
    for key in keys:
        if not str(key.get("keyData", "")).startswith(("ssh-rsa ", "ssh-ed25519 ")):
            message = "The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid."
            model.refuse(400, "InvalidParameter", message, target="linuxConfiguration")


def _check_network(
    azure: context.Azure, vm_id: str, location: str, profile: model.JsonObject
) -> None:
    inline = profile.get("networkInterfaceConfigurations") or []
    given = profile.get("networkInterfaces") or []
    if not inline and not given:
        message = "A virtual machine must have at least one network interface."
        model.refuse(400, "InvalidParameter", message, target="networkProfile")
    if inline and profile.get("networkApiVersion") not in {"2020-11-01", "2022-11-01"}:
        message = "Required parameter 'networkProfile.networkApiVersion' is missing or invalid."
        model.refuse(400, "InvalidParameter", message, target="networkProfile.networkApiVersion")
    for configuration in inline:
        interfaces.check_configurations(
            azure, vm_id, {"location": location, "properties": configuration["properties"]}
        )
    for reference in given:
        writing.check_reference(azure, reference["id"], vm_id, location)
        users = writing.users_of(azure, reference["id"])
        if users:
            message = f"Network Interface {reference['id']} is used by {users[0].id}."
            model.refuse(400, "NetworkInterfaceInUse", message)


def _at(document: model.JsonObject, path: str) -> Any:
    found: Any = document
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
