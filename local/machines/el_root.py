"""A root file system with the userland of Enterprise Linux: Debian 12 dressed as AlmaLinux 9.

`dnf`, `rpm`, their lock and module plugins, `dracut` and DKMS are Debian's packages of the real
programs. The RPM repositories are made here, signed with a throw-away key; what is in them is
Debian's Docker and Debian's kernel, packed anew, and packages without content. NVIDIA's packages
bring a small module that DKMS really builds, and GRID's installer is a script that does the same.
`uname -r` answers with the newest kernel that was there at boot: a container boots none.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import tempfile
from pathlib import Path

from local.machines import base_root, docker_packages, el_packages, kit, rpms, shell

SYSTEM = "almalinux"
_INCLUDED = (
    *("dnf", "dnf-plugins-core", *rpms.PROGRAMS, "gcc", "make", "dkms", "dracut", "kmod"),
    *("iptables", "runc", f"linux-headers-{el_packages.DEBIAN_KERNEL}"),
)
_OS_RELEASE = f"""\
NAME="AlmaLinux"
PRETTY_NAME="AlmaLinux {el_packages.RELEASE} (a Debian 12 in its clothes)"
VERSION_ID="{el_packages.RELEASE}"
ID="{SYSTEM}"
ID_LIKE="rhel centos fedora"
PLATFORM_ID="platform:el9"
"""
_REPOSITORY = f"""\
[baseos]
name=stand-in for the distribution's own repository
baseurl=http://{el_packages.DISTRIBUTION}/almalinux/9/BaseOS
gpgcheck=0
"""
_UNAME = """\
#!/bin/sh
[ "$*" != -r ] || exec cat /run/stand-in-kernel
exec uname.debian "$@"
"""
_DRACUT = """\
hostonly="yes"
dracutmodules="base kernel-modules"
compress="cat"
do_strip="no"
"""
"""Nothing boots from it: small is quick."""
_BOOT_UNIT = """\
[Unit]
Description=Note the kernel that this machine would have booted
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c "ls /boot | sed -n s/^vmlinuz-//p | sort -V | tail -n 1 >/run/stand-in-kernel"

[Install]
WantedBy=sysinit.target
"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ElRoot:
    """The archive of the root, what its servers give out, and what a step must know of it."""

    home: Path
    fingerprint: str
    """Of the key that signs every repository."""
    grid_sha256: str

    @property
    def archive(self) -> Path:
        return self.home / "root.tar"

    @property
    def sites(self) -> Path:
        """A folder for each host."""
        return self.home / "sites"


def find(directory: Path) -> ElRoot | None:
    """What has been made."""
    home = directory / _key(directory)
    if not (home / "el.json").exists():
        return None
    return ElRoot(home=home, **json.loads((home / "el.json").read_text()))


def make(directory: Path) -> None:
    """Make it unless it is there. Takes minutes and Debian's mirror; the kit must be there."""
    if find(directory):
        return
    made = kit.find(directory)
    assert made is not None
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=directory) as folder:
        home = Path(folder) / "made"
        home.mkdir()
        _download(home)
        _finish(home, made)
        for old in directory.glob("el-*"):
            shutil.rmtree(old)
        home.rename(directory / _key(directory))


def _key(directory: Path) -> str:
    """The kit's key is part of the root: it signs the certificate that the root trusts."""
    here = Path(__file__)
    made = kit.find(directory)
    digest = hashlib.sha256(repr(made and made.home.name).encode())
    names = (here.name, "el_packages.py", "rpms.py")
    for file in (*(here.with_name(name) for name in names), kit.CATALOGUE):
        digest.update(file.read_bytes())
    return f"el-{digest.hexdigest()[:12]}"


def _download(home: Path) -> None:
    """`plain.tar`, and Debian's package of the kernel."""
    included = ",".join((*base_root.INCLUDED, *_INCLUDED))
    image = f"linux-image-{el_packages.DEBIAN_KERNEL}"
    keyring = docker_packages.KEYRING
    shell.run(
        *("mmdebstrap", "--quiet", "--variant=apt", f"--include={included}"),
        f'--customize-hook=chroot "$1" sh -c "cd /srv && apt-get -q download {image}"',
        f'--customize-hook=mv "$1"/srv/{image}_*.deb "{home}/kernel.deb"',
        *('--customize-hook=chroot "$1" apt-get clean', "bookworm", str(home / "plain.tar")),
        f"deb [signed-by={keyring}] http://deb.debian.org/debian bookworm main",
        f"deb [signed-by={keyring}] http://deb.debian.org/debian-security bookworm-security main",
        timeout=1800,
    )


def _finish(home: Path, made: kit.Kit) -> None:
    plain, root, sites = home / "plain.tar", home / "root", home / "sites"
    base_root.write(
        home / "root.tar",
        plain,
        apt_key=made.home / "keys" / "stand-in.asc",
        certificate=made.tls / "certificate.pem",
        suite=kit.SUITE,
    )
    root.mkdir()
    shell.run("tar", "-xpf", str(home / "root.tar"), "-C", str(root))
    workshop = rpms.Workshop(root)
    try:
        el_packages.fill_sites(workshop, home, sites, made)
        kernels = sites / el_packages.DISTRIBUTION / "almalinux/9/BaseOS"
        names = (f"kernel-core-{el_packages.OLD_KERNEL}", "bash-*", "almalinux-release-*")
        rpms.install(workshop, [next(kernels.glob(f"{name}.rpm")) for name in names], root)
    finally:
        workshop.close()
    _dress(root)
    shell.run("tar", "-cpf", str(home / "root.tar"), "-C", str(root), ".")
    grid = sites / el_packages.GRID_ADDRESS
    values = {
        "fingerprint": workshop.fingerprint,
        "grid_sha256": hashlib.sha256(grid.read_bytes()).hexdigest(),
    }
    shutil.rmtree(root)
    for name in ("plain.tar", "kernel.deb"):
        (home / name).unlink()
    (home / "el.json").write_text(json.dumps(values))


def _dress(root: Path) -> None:
    (root / "etc/os-release").unlink()
    (root / "etc/os-release").write_text(_OS_RELEASE)
    (root / "etc/yum.repos.d").mkdir(exist_ok=True)
    (root / "etc/yum.repos.d/almalinux.repo").write_text(_REPOSITORY)
    interface = root / "etc/sysconfig/network-scripts/ifcfg-eth0"  # waagent forgets its host name
    interface.parent.mkdir(parents=True)
    interface.write_text("DEVICE=eth0\nBOOTPROTO=dhcp\n")
    (root / "etc/dracut.conf.d/batch-prep-machine.conf").write_text(_DRACUT)
    (root / "etc/dnf/plugins/local.conf").unlink()  # a repository of its own, that el has not
    for name in ("apt-get", "apt-cache", "apt-mark", "dpkg-query"):
        (root / "usr/bin" / name).unlink()
    (root / "usr/bin/uname").rename(root / "usr/bin/uname.debian")
    el_packages.write_program(root / "usr/bin/uname", _UNAME)
    unit = root / "etc/systemd/system/stand-in-kernel.service"
    unit.write_text(_BOOT_UNIT)
    wanted = root / "etc/systemd/system/sysinit.target.wants" / unit.name
    wanted.symlink_to(f"/etc/systemd/system/{unit.name}")
