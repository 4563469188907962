"""What in a machine is not the real thing, in words for every report, and what follows for a step.

The text of a step is changed in no other way than `adapted` does.
"""

from __future__ import annotations

import re

from local.machines import kit as kits

WORDS = (
    "Azure's agent: a small program keeps the rules of its run commands (`waagent -deprovision` is real)",
    "download.docker.com: a local repository under that name, signed with a throw-away key; the step's "
    "pinned fingerprint and its version of Docker are replaced in the step's text",
    "docker-ce, docker-ce-cli, containerd.io: empty packages that depend on Debian's docker.io and containerd",
    "linux-image-cloud-amd64: a file named after this computer's kernel; a container boots no kernel",
    "deb.debian.org: Debian's own packages, in a local repository signed with a throw-away key",
    "the metadata service and the registries: local servers with their protocol and TLS, one small image",
    "no driver, no GPU, no AppArmor, no boot loader, no disk of its own; Debian 12 only",
)


def adapted(script: str, kit: kits.Kit) -> str:
    """The step with the pins that cannot be met here replaced by those of the kit."""
    replacements = {
        r"^readonly DOCKER_APT_FINGERPRINT=.*$": f"readonly DOCKER_APT_FINGERPRINT={kit.docker_fingerprint}",
        r"^readonly CATALOGUE_DOCKER_VERSION=.*$": f"readonly CATALOGUE_DOCKER_VERSION={kit.docker_version}",
    }
    for pattern, text in replacements.items():
        script = re.sub(pattern, text, script, flags=re.MULTILINE)
    return script
