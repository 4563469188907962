"""Small packages under the names of Canonical's driver, of NVIDIA's DCGM and of its InfiniBand
stack: stand-ins, in a repository of the root that apt really asks.

Canonical's modules have a version and no code. InfiniBand's is an empty module that DKMS really
builds.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path

import chroots

from local.machines import kit, shell

DRIVER = kit.catalogue_value("CATALOGUE_DRIVER_VERSION")
BRANCH = DRIVER.split(".")[0]
DCGM = kit.catalogue_value("CATALOGUE_DCGM_VERSION")
_DOCA = re.search(r"\S+/(doca-host_(\S+)-ubuntu2404_amd64.deb)", kit.CATALOGUE.read_text())
assert _DOCA is not None
DOCA_FILE, DOCA_VERSION = _DOCA.groups()
_DOCA_PINNED = re.compile(r"(?<=\['24\.04'\]=)[0-9a-f]{64}")
_MODULE = f"usr/src/mlnx-ofed-kernel-{DOCA_VERSION}"
MODULE_SOURCE = f"{_MODULE}/mlx5_ib.c"
GOOD_SOURCE = """\
#include <linux/module.h>
MODULE_LICENSE("GPL");
MODULE_VERSION("25.10");
MODULE_DESCRIPTION("stands in for the InfiniBand stack's module");
"""
"""With a version: DKMS replaces none of the kernel's modules by one that seems to be the same."""
_BROKEN_SOURCE = f"{GOOD_SOURCE}int broken(void) {{ return of_another_kernel; }}\n"
_DKMS = f"""\
PACKAGE_NAME="mlnx-ofed-kernel"
PACKAGE_VERSION="{DOCA_VERSION}"
BUILT_MODULE_NAME[0]="mlx5_ib"
DEST_MODULE_LOCATION[0]="/updates/dkms"
AUTOINSTALL="yes"
"""
_BUILD = f"""\
#!/bin/sh
dkms add -m mlnx-ofed-kernel -v {DOCA_VERSION}
[ -e /etc/dkms/no-autoinstall ] || dkms autoinstall -k "$(ls /boot | sed -n s/^vmlinuz-//p)"
"""
_DCGMI = """\
#!/bin/sh
# Stands in for dcgmi of a machine with a GPU: an answer of DCGM 4, recorded.
[ "$*" = "diag --run 1 --json" ] || exit 1
cat /srv/diagnosis/answer
exit "$(cat /srv/diagnosis/code)"
"""
_REPOSITORY = "srv/vendors"
_PROGRAM = "#!/bin/sh\n"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A Debian package; programs are the files below a `bin` or `sbin`."""

    name: str
    version: str
    depends: str = ""
    files: Mapping[str, str | bytes] = dataclasses.field(default_factory=dict)
    after: str = ""
    """The script that dpkg runs at the end."""

    def write(self, folder: Path) -> Path:
        depends = f"Depends: {self.depends}\n" if self.depends else ""
        control = (
            f"Package: {self.name}\nVersion: {self.version}\nArchitecture: amd64\n{depends}"
            "Maintainer: batch-prep <root@localhost>\nDescription: stand-in of batch-prep's tests\n"
        )
        scripts = {"DEBIAN/postinst": self.after} if self.after else {}
        with tempfile.TemporaryDirectory() as place:
            for path, content in {"DEBIAN/control": control, **scripts, **self.files}.items():
                file = Path(place) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content if isinstance(content, bytes) else content.encode())
                is_program = file.parent.name in {"bin", "sbin"} or file.name == "postinst"
                file.chmod(0o755 if is_program else 0o644)
            Path(place).chmod(0o755)
            archive = folder / f"{self.name}_{self.version.rpartition(':')[2]}_amd64.deb"
            command = ("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build")
            shell.run(*command, place, str(archive))
        return archive


def offer(root: chroots.Root, *packages: Package) -> None:
    """Put them into the root's repository of vendors."""
    pool = root.home / _REPOSITORY
    pool.mkdir(exist_ok=True)
    for package in packages:
        package.write(pool)
    shell.run("sh", "-c", 'cd "$0" && apt-ftparchive packages . >Packages', str(pool))
    root.write("etc/apt/sources.list.d/vendors.list", f"deb [trusted=yes] file:/{_REPOSITORY} ./\n")


def canonical_programs() -> list[Package]:
    """What Ubuntu's archive has of a branch beside its modules."""
    version = f"{DRIVER}-0ubuntu0.24.04.1"
    server = f"{BRANCH}-server"
    empty = [f"libnvidia-{kind}-{server}" for kind in ("encode", "decode")]
    smi = chroots.SMI.replace("VERSION", DRIVER)
    daemon = {"usr/bin/nvidia-persistenced": _PROGRAM}
    return [
        *(Package(name=name, version=version) for name in empty),
        Package(name=f"nvidia-utils-{server}", version=version, files={"usr/bin/nvidia-smi": smi}),
        Package(name=f"nvidia-compute-utils-{server}", version=version, files=daemon),
    ]


def canonical_modules(kernel: str) -> Package:
    """What its archive has for one kernel."""
    return Package(
        name=f"linux-modules-nvidia-{BRANCH}-server-open-{kernel}",
        version="6.1.0-1",
        files={f"usr/lib/modules/{kernel}/kernel/nvidia-{BRANCH}srv-open/nvidia.ko": _module()},
        after=f"#!/bin/sh\nexec depmod {kernel}\n",
    )


def _module() -> bytes:
    """An object file with nothing but the section that `modinfo` reads."""
    words = f"license=GPL\0version={DRIVER}\0name=nvidia\0".encode()
    names = b"\0.modinfo\0.shstrtab\0"
    end = 64 + len(words) + len(names)
    kind = (1, 62, 1, 0, 0, end, 0, 64, 0, 0, 64, 3, 2)
    sections = ((1, 1, 2, 0, 64, len(words)), (10, 3, 0, 0, 64 + len(words), len(names)))
    return b"".join(
        (
            struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", *kind),
            words,
            names,
            bytes(64),
            *(struct.pack("<IIQQQQIIQQ", *section, 0, 0, 1, 0) for section in sections),
        )
    )


def dcgm() -> list[Package]:
    """For a driver that knows CUDA 13."""
    ends = ("core", "proprietary", "cuda13", "proprietary-cuda13")
    return [
        Package(
            name=f"datacenter-gpu-manager-4-{end}",
            version=f"1:{DCGM}-1",
            files={"usr/bin/dcgmi": _DCGMI} if end == "core" else {},
        )
        for end in ends
    ]


def infiniband() -> list[Package]:
    """The stack that the repository of `doca-host` has; its module does not compile."""
    source = {
        MODULE_SOURCE: _BROKEN_SOURCE,
        f"{_MODULE}/Makefile": "obj-m := mlx5_ib.o\n",
        f"{_MODULE}/dkms.conf": _DKMS,
    }
    unit = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
    tools = {"usr/sbin/ibstat": _PROGRAM, "usr/lib/systemd/system/openibd.service": unit}
    module = "mlnx-ofed-kernel-dkms"
    return [
        Package(
            name=module,
            version=DOCA_VERSION,
            depends="dkms, gcc, make",
            files=source,
            after=_BUILD,
        ),
        Package(name="doca-ofed", version=DOCA_VERSION, depends=module, files=tools),
    ]


def serve_doca_host(root: chroots.Root) -> str:
    """The file that `fetch` finds, and its checksum."""
    downloads = root.home / "srv/downloads"
    downloads.mkdir()
    archive = Package(name="doca-host", version=DOCA_VERSION).write(downloads)
    archive = archive.rename(downloads / DOCA_FILE)
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def pinned(text: str, sha256: str) -> str:
    """The step, with the checksum of this file as the pinned one."""
    text, count = _DOCA_PINNED.subn(sha256, text)
    assert count == 1
    return text
