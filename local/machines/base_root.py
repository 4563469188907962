"""The root file system that machines are made from: Debian with a VM's services, and our agent."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from local.machines import shell

INCLUDED = (
    *("systemd", "systemd-sysv", "dbus", "udev", "cloud-init", "waagent", "openssh-server", "sudo"),
    *("iproute2", "ca-certificates", "curl", "python3", "procps", "netbase"),
)
"""What Azure's image of Debian has of that which the steps touch."""
INSTALLED_LATER = ("apparmor", "iptables", "gnupg", "runc")
"""What the steps install; it waits in the machine's own repository, with all it depends on."""
_UNREAD = ("doc", "info", "locale", "man")
"""Folders of /usr/share that only people read: a third of all files."""
_GUEST = Path(__file__).parent / "guest"
_ARCHIVES = "/var/cache/apt/archives"
_DOWNLOAD_SECONDS_MAX = 1800
_KEY = "/usr/share/keyrings/batch-prep-stand-in.asc"


def download(home: Path, suite: str) -> None:
    """Leave `plain.tar`, `pool` with Debian's packages, and the program `busybox`."""
    pool = home / "pool"
    pool.mkdir(parents=True)
    later = " ".join(INSTALLED_LATER)
    shell.run(
        *("mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(INCLUDED)}"),
        '--customize-hook=chroot "$1" apt-get clean',
        '--customize-hook=chroot "$1" apt-get --yes --no-install-recommends --download-only'
        f" install {later}",
        f'--customize-hook=chroot "$1" sh -c "cd {_ARCHIVES} && apt-get download busybox-static"',
        f'--customize-hook=cp "$1{_ARCHIVES}"/*.deb "{pool}/"',
        *(suite, str(home / "plain.tar")),
        timeout=_DOWNLOAD_SECONDS_MAX,
    )
    [archive] = pool.glob("busybox-static_*.deb")
    with tempfile.TemporaryDirectory() as folder:
        shell.run("dpkg-deb", "--extract", str(archive), folder)
        found = next(path for path in Path(folder).rglob("busybox") if path.is_file())
        shutil.copy2(found, home / "busybox")
    archive.unlink()


def write(target: Path, plain: Path, *, apt_key: Path, certificate: Path, suite: str) -> None:
    """The downloaded root with everything that a container needs, as a new archive."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        root = Path(folder)
        root.chmod(0o755)
        shell.run("tar", "-xpf", str(plain), "-C", folder)
        _put_guest_files(root)
        _copy(apt_key, root / _KEY[1:])
        _copy(certificate, root / "usr/local/share/ca-certificates/batch-prep-machines.crt")
        shell.run("chroot", folder, "update-ca-certificates")
        source = f"deb [signed-by={_KEY}] http://deb.debian.org/debian {suite} main\n"
        (root / "etc/apt/sources.list").write_text(source)
        _forget_identity(root)
        for name in _UNREAD:
            shutil.rmtree(root / "usr/share" / name)
        shell.run("tar", "-cpf", str(target), "-C", folder, ".")


def _put_guest_files(root: Path) -> None:
    units = root / "etc/systemd/system"
    for name in ("agent.py", "writable-cgroups"):
        _copy(_GUEST / name, root / "usr/local/lib/batch-prep-machine" / name)
    _copy(_GUEST / "dpkg.cfg", root / "etc/dpkg/dpkg.cfg.d/batch-prep-machine")
    _copy(_GUEST / "agent.conf", units / "walinuxagent.service.d/stand-in.conf")
    _copy(_GUEST / "writable-cgroups.service", units / "writable-cgroups.service")
    _copy(_GUEST / "cloud.cfg", root / "etc/cloud/cloud.cfg.d/99-batch-prep-machine.cfg")
    wanted = units / "sysinit.target.wants/writable-cgroups.service"
    wanted.parent.mkdir(parents=True, exist_ok=True)
    wanted.symlink_to("/etc/systemd/system/writable-cgroups.service")


def _forget_identity(root: Path) -> None:
    """Installing the packages gave the root an identity; a machine gets its own at first boot."""
    (root / "etc/machine-id").write_text("")
    for path in [*root.glob("etc/ssh/ssh_host_*"), root / "var/lib/dbus/machine-id"]:
        path.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
