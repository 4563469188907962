"""The root file system that machines are copied from: Debian, with a VM's services and our agent."""

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
INSTALLED_LATER = ("docker.io", "apparmor", "iptables", "gnupg")
"""What the steps install; it waits in the machine's own repository, with all it depends on."""
_GUEST = Path(__file__).parent / "guest"
_ARCHIVES = "/var/cache/apt/archives"
_KEY = "/usr/share/keyrings/batch-prep-stand-in.asc"


def download(home: Path, suite: str) -> None:
    """Leave `base.tar`, `debian/pool` with packages, and the program `busybox`."""
    pool = home / "debian" / "pool"
    pool.mkdir(parents=True)
    later = " ".join(INSTALLED_LATER)
    shell.run(
        *("mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(INCLUDED)}"),
        '--customize-hook=chroot "$1" apt-get clean',
        '--customize-hook=chroot "$1" apt-get --yes --no-install-recommends --download-only'
        f" install {later}",
        f'--customize-hook=cd "$1{_ARCHIVES}" && chroot "$1" sh -c'
        f' "cd {_ARCHIVES} && apt-get download busybox-static"',
        f'--customize-hook=cp "$1{_ARCHIVES}"/*.deb "{pool}/"',
        *(suite, str(home / "base.tar")),
        timeout=1800,
    )
    [archive] = pool.glob("busybox-static_*.deb")
    with tempfile.TemporaryDirectory() as folder:
        shell.run("dpkg-deb", "--extract", str(archive), folder)
        found = next(path for path in Path(folder).rglob("busybox") if path.is_file())
        shutil.copy2(found, home / "busybox")
    archive.unlink()


def finish(home: Path, key: Path, suite: str) -> None:
    """Put what a container needs into the root, and pack it again."""
    with tempfile.TemporaryDirectory(dir=home) as folder:
        root = Path(folder)
        root.chmod(0o755)
        shell.run("tar", "-xpf", str(home / "base.tar"), "-C", folder)
        _put_guest_files(root)
        _copy(key, root / _KEY[1:])
        certificate = "usr/local/share/ca-certificates/batch-prep-machines.crt"
        _copy(home / "tls" / "certificate.pem", root / certificate)
        shell.run("chroot", folder, "update-ca-certificates")
        source = f"deb [signed-by={_KEY}] http://deb.debian.org/debian {suite} main\n"
        (root / "etc/apt/sources.list").write_text(source)
        _forget_identity(root)
        (home / "base.tar").unlink()
        shell.run("tar", "-cpf", str(home / "base.tar"), "-C", folder, ".")


def _put_guest_files(root: Path) -> None:
    units = root / "etc/systemd/system"
    _copy(_GUEST / "agent.py", root / "usr/local/lib/batch-prep-machine/agent.py")
    _copy(_GUEST / "agent.conf", units / "walinuxagent.service.d/stand-in.conf")
    _copy(_GUEST / "writable-cgroups.service", units / "writable-cgroups.service")
    _copy(_GUEST / "cloud.cfg", root / "etc/cloud/cloud.cfg.d/99-batch-prep-machine.cfg")
    wanted = units / "sysinit.target.wants/writable-cgroups.service"
    wanted.parent.mkdir(parents=True, exist_ok=True)
    wanted.symlink_to("/etc/systemd/system/writable-cgroups.service")


def _forget_identity(root: Path) -> None:
    """Installing the packages gave the root an identity; each machine gets its own at first boot."""
    (root / "etc/machine-id").write_text("")
    for path in [*root.glob("etc/ssh/ssh_host_*"), root / "var/lib/dbus/machine-id"]:
        path.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
