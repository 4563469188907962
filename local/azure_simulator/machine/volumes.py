"""Logical volumes of a machine where nothing is really executed: how large they are, what is free.

Red Hat's images have small ones, and most of their disk belongs to none.
"""

from __future__ import annotations

from local.azure_simulator import model

_BOOT_GB = 1.0  # partitions beside the volumes
_ROOT_USED_MIB = 79  # measured: 1,969 MiB of RHEL's 2 GiB are free, since /usr and /var are others
_VAR_USED_GB = 1.0
_SYSTEM_GB = 12
"""What system, Docker and driver occupy on the OS disk."""


def grown(vm: model.JsonObject) -> dict[str, float]:
    """The volumes after the step that shares what is free: a fifth to the root, a quarter of the
    rest to `/usr`, the remainder to `/var`, or to the last of them that is there.
    """
    volumes: dict[str, float] = dict(vm.get("volumes") or {})
    free = max(0.0, vm["diskGb"] - _BOOT_GB - sum(volumes.values()))
    there = [(place, share) for place, share in _SHARES if place in volumes]
    for number, (place, share) in enumerate(there, 1):
        taken = free if number == len(there) else free * share
        volumes[place], free = volumes[place] + taken, free - taken
    return volumes


_SHARES = (("/", 0.2), ("/usr", 0.25), ("/var", 1.0))


def root_free_mib(vm: model.JsonObject) -> int | None:
    """What is free in a root that is a volume of its own; None where it is the whole disk."""
    root = (vm.get("volumes") or {}).get("/")
    return None if root is None else int(root * 1024) - _ROOT_USED_MIB


def room_for_images_gb(vm: model.JsonObject) -> float:
    """Docker keeps its images below `/var`."""
    var = (vm.get("volumes") or {}).get("/var")
    return float(vm["diskGb"] - _SYSTEM_GB if var is None else var - _VAR_USED_GB)
