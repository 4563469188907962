"""What in a machine is not the real thing, in words for every report; what follows for a step.

The text of a step is changed in no other way than by `adapted`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.machines import el_root
    from local.machines import kit as kits

WORDS = (
    "Azure's agent: a small program keeps the rules of its run commands; `waagent` deprovisions",
    "deb.debian.org: Debian's own packages, in a local repository with a throw-away key",
    "download.docker.com: a local repository with a throw-away key",
    "docker-ce, docker-ce-cli, containerd.io: Debian's docker.io, docker-cli, containerd, renamed",
    "the pins of that key's fingerprint and of Docker's version in a step's text: replaced",
    "linux-image-cloud-amd64: a file named after the running kernel; a container boots none",
    "the metadata service and the registries: local servers, with TLS and logins, and small images",
    "Ubuntu and AlmaLinux where drivers are built: Debian 12 under their names",
    "Ubuntu's kernel: Debian's, with Ubuntu's package names; of NVIDIA's five modules one is built",
    "el's packages, for Debian's dnf: made here and signed with a throw-away key",
    "el's driver and GRID's installer: a small module that DKMS really builds",
    "NVIDIA's container toolkit: a script that registers runc as the runtime nvidia",
    "Canonical's driver and NVIDIA's DCGM: small packages, with modules that hold no code",
    "NVIDIA's InfiniBand stack: small packages, with an empty module that DKMS really builds",
    "dcgmi: an answer in the form of one that was recorded; InfiniBand's ports: files below /sys",
    "a GPU: files below /sys and /proc, and scripted answers of nvidia-smi",
    "absent: Ubuntu and el themselves, AppArmor, boot loader, a disk of its own",
)


def pins(kit: kits.Kit, el: el_root.ElRoot | None = None) -> dict[str, str]:
    """Constants of the steps, with the values that they have here."""
    found = {
        "DOCKER_APT_FINGERPRINT": kit.docker_fingerprint,
        "CATALOGUE_DOCKER_VERSION": kit.docker_version,
    }
    if el:
        names = ("DOCKER_RPM_FINGERPRINT", "CUDA_RPM_FINGERPRINT", "TOOLKIT_FINGERPRINT")
        found |= dict.fromkeys(names, el.fingerprint)
        found["EPEL_FINGERPRINTS"] = f"([9]={el.fingerprint})"
    return found


def adapted(script: str, pins: Mapping[str, str]) -> str:
    """The step with the pins that cannot be met here replaced."""
    for name, value in pins.items():
        pattern = rf"^readonly {name}=(\([^)]*\)|\S+)"
        script = re.sub(pattern, f"readonly {name}={value}", script, flags=re.MULTILINE)
    return script
