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
    "the fingerprint of that key and the version of Docker: replaced where a step's text pins them",
    "docker-ce, docker-ce-cli, containerd.io: Debian's docker.io and containerd under these names",
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
        script = re.sub(
            rf"^readonly {name}=.*$", f"readonly {name}={value}", script, flags=re.MULTILINE
        )
    # Debian's Docker calls itself 20.10.24+dfsg1.
    asked = "docker info --format '{{.ServerVersion}}'; }"
    return script.replace(asked, asked.replace("; }", " | cut -d + -f 1; }"))
