"""What a virtual machine has become: the hidden knowledge that a captured image inherits.

`new` describes a VM just created from its source image. A gallery version captured from a VM keeps
a copy as its hidden state `contents`, and so does a VM created from that version; who makes pools
from an image judges it by these fields:

| field | meaning |
|---|---|
| os, osVersion | `ubuntu` and `24.04`, of the marketplace image at the root |
| kernel, kernelPending | running kernel; whether a newer one waits for a restart |
| driverFailsFor | kernels for which no driver compiles |
| docker, toolkit | version, or "" when not installed |
| infiniband | version of NVIDIA's stack, or "" |
| driver, driverKind, driverLoaded | version or ""; kind; whether a boot has loaded it |
| images | `[{"name", "digest", "sizeBytes"}]` preloaded |
| sealed | whether sealing has finished in this machine since it last booted as itself |
| user | name of the administrator that is still there, "" once removed |
| source | `publisher:offer:sku:version` of the marketplace image at the root |
| hasGpu | whether the size it runs on has a GPU |
| diskGb | size of the OS disk |
| dataDisks | `[{"lun", "sizeInGB", "hostCaching"}]` besides it |
| driverSource | `canonical`: its modules are signed (absent without a build) |
| dcgm | version (absent when not installed) |
| scratch | where its local NVMe disks are mounted at each boot (absent without) |
| volumes | GiB of each logical volume by its mount point; none: the root is the whole disk |
| driverKernel | the kernel the driver was built for (absent without a build) |
| identities, identityIds | client ids and resource ids of the machine's user-assigned identities |
| buildId | of the last sealing |
| machine, disk | directories of its own disk and of its image's, see `nspawn` (absent without) |
| failedSteps | steps that failed since it last booted |
| steps | `{hash of step and inputs: its result data}`, so that a repeated step changes nothing |
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from local.azure_simulator import model


def new(
    *,
    source: str,
    os: str,
    os_version: str,
    kernel: str,
    driver_fails_for: Sequence[str] = (),
    volumes: Mapping[str, float] | None = None,
    has_docker: bool = False,
    has_driver: bool = False,
) -> model.JsonObject:
    return {
        "os": os,
        "osVersion": os_version,
        "kernel": kernel,
        "kernelPending": False,
        "driverFailsFor": list(driver_fails_for),
        "docker": "27.5.1" if has_docker else "",
        "toolkit": "1.20.0" if has_docker else "",
        "infiniband": "",
        "driver": "570.195.03" if has_driver else "",
        "driverKind": "datacenter-open" if has_driver else "",
        "driverLoaded": has_driver,
        "images": [],
        "sealed": False,
        "user": "",
        "source": source,
        "hasGpu": False,
        "diskGb": 30,
        "dataDisks": [],
        "volumes": dict(volumes or {}),
        "identities": [],
        "identityIds": [],
        "buildId": "",
        "failedSteps": [],
        "steps": {},
    }


def newest_kernel(vm: model.JsonObject) -> str:
    """The kernel of the next boot: a waiting one counts one patch higher."""
    kernel = str(vm["kernel"])
    if not vm["kernelPending"]:
        return kernel
    head, number, tail = re.split(r"-(\d+)", kernel, maxsplit=1)
    return f"{head}-{int(number) + 3}{tail}"
