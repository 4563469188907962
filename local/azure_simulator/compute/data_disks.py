"""Data disks of virtual machines and images. The hidden `dataDisks` of a machine's contents name
them, so what is made of it inherits them: a version, a managed image, another machine, a node.
"""

from __future__ import annotations

from collections.abc import Iterable

from local.azure_simulator import context, model, resource_ids, store
from local.azure_simulator.compute import disks
from local.azure_simulator.data import skus

SHAPE = [
    {
        "lun": int,
        "name": str,
        "createOption": str,
        "diskSizeGB": int,
        "caching": str,
        "deleteOption": str,
        "managedDisk": {"storageAccountType": str},
    }
]
_LARGEST = 32_767  # GiB


def of(contents: model.JsonObject) -> list[model.JsonObject]:
    """Those of a machine or an image: `lun`, `sizeInGB` and `hostCaching` each."""
    found: list[model.JsonObject] = contents.get("dataDisks") or []
    return found


def size_gb(contents: model.JsonObject) -> int:
    return sum(disk["sizeInGB"] for disk in of(contents))


def conflict(asked: Iterable[model.JsonObject], contents: model.JsonObject) -> int | None:
    """The number of an empty disk that is a disk of the image already."""
    taken = {disk["lun"] for disk in of(contents)}
    return next((disk["lun"] for disk in asked if disk["lun"] in taken), None)


def check(asked: list[model.JsonObject], contents: model.JsonObject, size: skus.Size) -> None:
    """Refuses empty disks that a machine of this image and size cannot get."""
    numbers = [disk.get("lun") for disk in asked]
    if None in numbers or len(set(numbers)) < len(numbers):
        message = "Each data disk must have a 'lun' of its own."
        model.refuse(400, "InvalidParameter", message, target="dataDisk.lun")
    for disk in asked:
        if disk.get("createOption") != "Empty" or not 1 <= disk.get("diskSizeGB", 0) <= _LARGEST:
            message = f"Data disk {disk['lun']} must be Empty, of 1 to {_LARGEST} GB."
            model.refuse(400, "InvalidParameter", message, target="dataDisk.diskSizeGB")
    taken = conflict(asked, contents)
    if taken is not None:
        message = (
            "Cannot specify user image overrides for a disk already defined in the specified image "
            f"reference: lun {taken}."
        )
        model.refuse(400, "InvalidParameter", message, target="dataDisks")
    most = int(size.capabilities()["MaxDataDiskCount"])
    if len(asked) + len(of(contents)) > most:
        message = f"The maximum number of data disks of a VM of size {size.name} is {most}."
        model.refuse(409, "OperationNotAllowed", message)


def attach(vm: store.Resource) -> None:
    """Note in the contents of a new machine what its body adds, and show what its image has."""
    inside, storage = vm.state["machine"], vm.properties["storageProfile"]
    asked = storage.get("dataDisks") or []
    of_image = [
        {
            "lun": disk["lun"],
            "createOption": "FromImage",
            "diskSizeGB": disk["sizeInGB"],
            "caching": disk["hostCaching"],
        }
        for disk in of(inside)
    ]
    storage["dataDisks"] = [*of_image, *asked]
    inside["dataDisks"] = [*of(inside), *(_image(disk) for disk in asked)]


def _image(disk: model.JsonObject) -> model.JsonObject:
    caching = disk.get("caching", "None")
    return {"lun": disk["lun"], "sizeInGB": disk["diskSizeGB"], "hostCaching": caching}


def create(azure: context.Azure, vm: store.Resource) -> None:
    """The disks themselves."""
    for disk in vm.properties["storageProfile"].get("dataDisks") or []:
        disk.setdefault("name", f"{vm.name}_DataDisk_{disk['lun']}")
        disk.setdefault("deleteOption", "Detach")
        disk_id = f"{resource_ids.group_id(vm.id)}/providers/{disks.TYPE}/{disk['name']}"
        kind = (disk.get("managedDisk") or {}).get("storageAccountType", "Premium_LRS")
        disk["managedDisk"] = {"storageAccountType": kind, "id": disk_id}
        if azure.store.find(disk_id) is None:
            disks.create(azure, vm, disk_id, disk["diskSizeGB"], kind)
