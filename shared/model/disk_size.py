"""How large the disk of an image is. Pure."""

from __future__ import annotations

from shared.base.errors import Problem
from shared.model.image_parts import BaseImage
from shared.model.outcomes import ImageRecord
from shared.model.plans import ImagePlan

# Azure bills a disk as the next of these, in GiB; 64 hold a system, its driver and Docker:
# https://learn.microsoft.com/azure/virtual-machines/disks-types#premium-ssd-size
_BILLED_GIB = (64, 128, 256, 512, 1024, 2048)
DEFAULT_GIB = _BILLED_GIB[0]
_ROOM_PER_BYTE = 2.5  # of an image: its layers, and the same while they are unpacked
_SYSTEM_BYTES = 10 * 10**9
# RHEL's images have logical volumes of 23 GiB and a boot partition; /var, below which Docker keeps
# images, has 8. Of what a larger disk adds, provisioning/helpers/volumes.sh gives a fifth to the
# root, a quarter of the rest to /usr, and then all to /var.
_VOLUMES_GIB, _VAR_GIB, _VAR_SHARE = 24.0, 8.0, 0.6
_VAR_USED_BYTES = 10**9


def derived(image: ImagePlan, base: BaseImage, newest: ImageRecord | None) -> int:
    """The size in GiB that the container images ask for. Their sizes are known where the `newest`
    version of the image holds them; a registry would only say how large they are compressed.
    """
    known = newest.container_images if newest else []
    total = sum(found.size_bytes or 0 for found in known if _is_wanted(image, found.name))
    needed = _ROOM_PER_BYTE * total
    enough = (size for size in _BILLED_GIB if _room(image, size) >= needed)
    return max(next(enough, _BILLED_GIB[-1]), base.disk_gib or 0)


def _room(image: ImagePlan, gib: int) -> float:
    """Bytes for container images on a disk of this size."""
    if image.system.name != "rhel":
        return gib * 2**30 - _SYSTEM_BYTES
    var = _VAR_GIB + _VAR_SHARE * (gib - _VOLUMES_GIB)
    return var * 2**30 - _VAR_USED_BYTES


def _is_wanted(image: ImagePlan, name: str) -> bool:
    built = image.registry.build_image if image.registry else None
    return name in image.container_images or (built is not None and name.endswith(f"/{built}"))


def problems(image: ImagePlan, base: BaseImage) -> list[Problem]:
    """Whether the size that the request gives holds the base image."""
    if image.os_disk_gib is None or image.os_disk_gib >= (base.disk_gib or 0):
        return []
    message = f"the disk of the base image has {base.disk_gib} GiB: a smaller one cannot hold it"
    return [Problem(field="image.osDiskSizeGiB", code="DiskTooSmall", message=message)]
