"""Whether this computer can run machines, and if not, what is missing: asked, never assumed."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from local.machines import docker_packages, shell

PACKAGE_OF = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "unshare": "util-linux",
    "gpg": "gnupg",
    "openssl": "openssl",
    "apt-ftparchive": "apt-utils",
    "dpkg-deb": "dpkg",
}
"""Programs that machines need, with the Debian package of each."""
_FILE_SYSTEMS = ("overlay", "tmpfs")
_NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc")
_TRY_NETWORK = "ip link add eth0 type veth peer name far0; ip link add docker0 type bridge"


def missing() -> list[str]:
    """One reason per line; empty where machines can run."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return [f"machines need Linux on x86_64, this is {sys.platform} on {platform.machine()}"]
    if os.geteuid() != 0:
        return ["machines need root"]
    return [*_missing_programs(), *_missing_keys(), *_missing_kernel_features()]


def _missing_programs() -> Iterator[str]:
    absent = {name: package for name, package in PACKAGE_OF.items() if not shutil.which(name)}
    if absent:
        install = " ".join(sorted(set(absent.values())))
        yield f"not installed: {', '.join(absent)}; try: apt-get install {install}"


def _missing_keys() -> Iterator[str]:
    if not docker_packages.KEYRING.exists():
        yield "Debian's keys are not installed; try: apt-get install debian-archive-keyring"


def _missing_kernel_features() -> Iterator[str]:
    known = Path("/proc/filesystems").read_text().split()
    for name in _FILE_SYSTEMS:
        if name not in known:
            yield f"the kernel has no {name} file system"
    if "cgroup" not in Path("/proc/self/mountinfo").read_text():
        yield "no control groups are mounted"
    try:
        shell.run(*_NAMESPACES, "sh", "-ec", _TRY_NETWORK)
    except shell.MachineError as error:
        yield f"no namespace with a network of its own, a bridge and packet filters: {error}"
