"""What in a machine is not the real thing, in words for every report; what follows for a step.

The text of a step is changed in no other way than by `adapted`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.machines import kit as kits

WORDS = (
    "Azure's agent: a small program keeps the rules of its run commands; `waagent` deprovisions",
    "deb.debian.org: Debian's own packages, in a local repository with a throw-away key",
    "download.docker.com: a local repository with a throw-away key",
    "docker-ce, docker-ce-cli, containerd.io: Debian's docker.io, docker-cli, containerd, renamed",
    "the pins of that key's fingerprint and of Docker's version in a step's text: replaced",
    "linux-image-cloud-amd64: a file named after the running kernel; a container boots none",
    "the metadata service and the registries: local servers, with TLS and logins, and small images",
    "absent: other systems than Debian 12, drivers, GPUs, AppArmor, boot loader, a disk of its own",
)


def adapted(script: str, kit: kits.Kit) -> str:
    """The step with the pins that cannot be met here replaced by those of the kit."""
    pins = {
        "DOCKER_APT_FINGERPRINT": kit.docker_fingerprint,
        "CATALOGUE_DOCKER_VERSION": kit.docker_version,
    }
    for name, value in pins.items():
        pattern = rf"^readonly {name}=\S+"
        script = re.sub(pattern, f"readonly {name}={value}", script, flags=re.MULTILINE)
    return script
