"""The disks of the builder VM as Azure takes them: the system's, and data disks. Pure."""

from __future__ import annotations

from typing import Any

from shared.model import disk_size
from shared.model.image_request import DiskStorageType
from shared.model.plans import ImagePlan

Json = dict[str, Any]


def of(plan: ImagePlan) -> Json:
    """Members of its `storageProfile`; each disk goes with the VM."""
    disks: Json = {
        "osDisk": {
            "createOption": "FromImage",
            "diskSizeGB": plan.os_disk_gib or disk_size.DEFAULT_GIB,
            "caching": "ReadWrite",
            "deleteOption": "Delete",
            "managedDisk": {"storageAccountType": plan.os_disk_type.value},
        },
    }
    if plan.data_disks:
        disks["dataDisks"] = _data_disks(plan)
    return disks


def _data_disks(plan: ImagePlan) -> list[Json]:
    """Empty disks. A version that is made of a VM has them, as they are then.
    https://learn.microsoft.com/azure/virtual-machines/shared-image-galleries
    """
    return [
        {
            "lun": disk.lun,
            "createOption": "Empty",
            "diskSizeGB": disk.disk_size_gb,
            "caching": disk.caching or "None",
            "deleteOption": "Delete",
            "managedDisk": {
                "storageAccountType": disk.managed_disk.storage_account_type
                if disk.managed_disk
                else DiskStorageType.PREMIUM_LRS.value
            },
        }
        for disk in plan.data_disks
    ]
