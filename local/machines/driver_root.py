"""A root file system in which a driver is really built: Debian 12 dressed as Ubuntu 24.04.

The kernels, NVIDIA's open kernel modules, its `nvidia-smi` and DKMS are Debian's packages. Only
names are Ubuntu's and NVIDIA's: that of the module (Debian's is nvidia-current-open), and small
packages without content for `linux-azure`, `linux-azure-lts-24.04`, `nvidia-open` and
`nvidia-driver-pinning-VERSION`. The root is entered with chroot: no kernel of it ever runs, so a
module is built for a kernel that does not run.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from pathlib import Path

from local.machines import docker_packages, packages, shell

DRIVER = "535.261.03"
"""Of Debian's NVIDIA packages; a test fails when Debian has another."""
ROLLING = "6.12.95+deb12-cloud-amd64"
GOOD = "6.1.0-47-cloud-amd64"
"""The driver compiles for it."""
NEWEST = "6.1.0-56-cloud-amd64"
"""It does not: this kernel has a fourth argument of pci_resize_resource."""
KERNELS = (GOOD, NEWEST)
REPOSITORY = "srv/repository"
_MIRRORS = (
    ("http://deb.debian.org/debian bookworm", "main contrib non-free non-free-firmware"),
    ("http://deb.debian.org/debian bookworm-backports", "main"),
    ("http://deb.debian.org/debian-security bookworm-security", "main"),
)
_INCLUDED = ("ca-certificates", "curl", "gnupg", "python3", "kmod", "initramfs-tools", "systemd")
_LATER = ("nvidia-open-kernel-dkms", "nvidia-smi", "nvidia-persistenced", "dkms", "gcc", "make")
_SECONDS_MAX = 1800
_ARCHIVES = "/var/cache/apt/archives"
_DKMS = r"""
DEST_MODULE_NAME[0]="nvidia"
MAKE[0]="${MAKE[0]} NV_KERNEL_MODULES=nvidia"
for each in 1 2 3 4; do
  unset "BUILT_MODULE_NAME[each]" "DEST_MODULE_NAME[each]" "DEST_MODULE_LOCATION[each]"
done
"""
"""Ends the configuration of Debian's package. The name is that in NVIDIA's own packages. Of five
modules one is compiled: the one that the steps look for, and that the newest kernel breaks."""
_OS_RELEASE = """\
PRETTY_NAME="Ubuntu 24.04.3 LTS (a Debian 12 in its clothes)"
VERSION_ID="24.04"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
"""


def find(directory: Path) -> Path | None:
    """The archive of the root, if it has been made."""
    archive = directory / _key() / "root.tar"
    return archive if archive.exists() else None


def make(directory: Path) -> Path:
    """Make the archive unless it is there. Takes minutes and Debian's mirror."""
    if found := find(directory):
        return found
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=directory) as folder:
        home = Path(folder) / "made"
        (home / "pool").mkdir(parents=True)
        _download(home)
        _finish(home)
        for old in directory.glob("driver-*"):
            shutil.rmtree(old)
        home.rename(directory / _key())
    return directory / _key() / "root.tar"


def _key() -> str:
    text = Path(__file__).read_text()
    return f"driver-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _download(home: Path) -> None:
    """`root` with the rolling kernel, and `pool` with all that a driver needs later."""
    keyring = docker_packages.KEYRING
    sources = [f"deb [signed-by={keyring}] {where} {what}" for where, what in _MIRRORS]
    later = [*_LATER, *(f"linux-{kind}-{k}" for k in KERNELS for kind in ("image", "headers"))]
    shell.run(
        *("mmdebstrap", "--quiet", "--variant=apt"),
        f"--include={','.join((*_INCLUDED, f'linux-image-{ROLLING}'))}",
        '--customize-hook=chroot "$1" apt-get clean',
        '--customize-hook=chroot "$1" apt-get --yes --no-install-recommends --download-only'
        f" install {' '.join(later)}",
        f'--customize-hook=cp "$1{_ARCHIVES}"/*.deb "{home}/pool/"',
        *('--customize-hook=chroot "$1" apt-get clean', "bookworm", str(home / "root")),
        *sources,
        timeout=_SECONDS_MAX,
    )


def _finish(home: Path) -> None:
    root, pool = home / "root", home / "pool"
    for name, depends in {
        "linux-image-azure": f"linux-image-{ROLLING}",
        "linux-azure": "linux-image-azure",
        f"nvidia-driver-pinning-{DRIVER}": "",
        "nvidia-open": "nvidia-open-kernel-dkms, nvidia-smi, nvidia-persistenced",
    }.items():
        packages.write_empty(pool, name, DRIVER, depends=depends)
    write_long_term_kernel(pool, GOOD)
    configure_modules(pool)
    (root / REPOSITORY).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(pool, root / REPOSITORY)
    index(root)
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:/{REPOSITORY} ./\n")
    (root / "etc/os-release").unlink()
    (root / "etc/os-release").write_text(_OS_RELEASE)
    shutil.rmtree(root / "var/lib/apt/lists")
    shell.run("chroot", str(root), "apt-get", "-q", "update")
    shell.run("chroot", str(root), "apt-get", "-q", "-y", "install", "linux-azure")
    shell.run("tar", "-cpf", str(home / "root.tar"), "-C", str(root), ".")
    shutil.rmtree(root)


def configure_modules(pool: Path) -> None:
    """Change what DKMS does with NVIDIA's source, which stays as it is."""
    [archive] = pool.glob("nvidia-open-kernel-dkms_*.deb")
    with tempfile.TemporaryDirectory() as folder:
        shell.run("dpkg-deb", "--raw-extract", str(archive), folder)
        [file] = Path(folder).glob("usr/src/*/dkms.conf")
        file.write_text(file.read_text() + _DKMS)
        (Path(folder) / "DEBIAN/md5sums").unlink()
        shell.run("dpkg-deb", "-Zgzip", "-z1", "--build", folder, str(archive))


def write_long_term_kernel(repository: Path, kernel: str) -> None:
    """The meta packages of the long-term kernel, which bring this one."""
    for name, depends in {
        "linux-image-azure-lts-24.04": f"linux-image-{kernel}",
        "linux-azure-lts-24.04": "linux-image-azure-lts-24.04",
    }.items():
        packages.write_empty(repository, name, re.sub(r"\D", "", kernel), depends=depends)


def index(root: Path) -> None:
    """Write the index of the repository inside the root anew."""
    script = 'cd "$0" && apt-ftparchive packages . >Packages'
    shell.run("sh", "-c", script, str(root / REPOSITORY))
