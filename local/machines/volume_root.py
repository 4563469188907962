"""A disk image that a virtual machine boots, with LVM, for tests of logical volumes.

Containers share this computer's kernel, which may have no device mapper. QEMU emulates a machine
with Debian's own kernel instead: slowly, and without any help of the processor.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from local.machines import shell

PROGRAM = "qemu-system-x86_64"
_KERNEL = "linux-image-cloud-amd64"
_INCLUDED = (
    *("lvm2", "xfsprogs", "cloud-guest-utils", "fdisk", "udev", "kmod", "initramfs-tools"),
    *("mount", "procps", "util-linux", "gawk", _KERNEL),
)
_SIZE = "3G"
_MAKE_SECONDS_MAX = 900
_BOOT_SECONDS_MAX = 1800


def missing() -> str | None:
    """Why no such machine can be had here, or None."""
    if not shutil.which(PROGRAM):
        return f"{PROGRAM} is not installed; try: apt-get install qemu-system-x86"
    return None


def find(directory: Path) -> Path | None:
    """The folder of kernel, initial RAM disk and disk, if it has been made."""
    home = directory / _key()
    return home if home.exists() else None


def make(directory: Path) -> Path:
    """Make the folder unless it is there. Takes a minute and Debian's mirror."""
    if found := find(directory):
        return found
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=directory) as folder:
        root, home = Path(folder) / "root", Path(folder) / "made"
        home.mkdir()
        shell.run(
            *("mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(_INCLUDED)}"),
            *("bookworm", str(root)),
            timeout=_MAKE_SECONDS_MAX,
        )
        for name in ("vmlinuz", "initrd.img"):
            [file] = root.glob(f"boot/{name}-*")
            shutil.copy(file, home / name)
        disk = home / "disk.raw"
        shell.run("truncate", "-s", _SIZE, str(disk))
        shell.run("mkfs.ext4", "-q", "-F", "-d", str(root), str(disk))
        home.rename(directory / _key())
    return directory / _key()


def boot(home: Path, script: str, *, second_disk_gib: int, folder: Path) -> str:
    """What a script prints that runs as the first process of a machine with two disks.

    The second one, /dev/vdb, is empty. Both are thrown away.
    """
    given, empty = folder / "script.raw", folder / "second.raw"
    given.write_text(script)
    shell.run("truncate", "-s", "1M", str(given))
    shell.run("truncate", "-s", f"{second_disk_gib}G", str(empty))
    # A busy computer emulates so slowly that the kernel takes the timer for broken.
    words = "root=/dev/vda rw console=ttyS0 quiet no_timer_check panic=-1 init=/bin/bash -- -c"
    first = "/lib/systemd/systemd-udevd --daemon; tr -d '\\0' </dev/vdc >/run/script; . /run/script"
    return shell.run(
        *(PROGRAM, "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off"),
        *("-smp", "2", "-m", "1024", "-display", "none", "-nodefaults", "-no-reboot"),
        *(
            "-serial",
            "stdio",
            "-kernel",
            str(home / "vmlinuz"),
            "-initrd",
            str(home / "initrd.img"),
        ),
        *("-append", f'{words} "{first}"', "-snapshot"),
        *(
            word
            for disk in (home / "disk.raw", empty, given)
            for word in ("-drive", f"file={disk},format=raw,if=virtio,cache=unsafe")
        ),
        timeout=_BOOT_SECONDS_MAX,
    )


def _key() -> str:
    text = Path(__file__).read_text()
    return f"volumes-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
