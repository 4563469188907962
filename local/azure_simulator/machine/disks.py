"""Disks of machines and of images: directories with a `root`.

An image's disk shares its files with that of the machine it was made from, which never boots again.
A machine made from an image's disk shares the programs below `/usr` with it, which nothing changes
in place, and has a copy of everything else.
"""

from __future__ import annotations

import pathlib
import threading

from local.machines import shell

_SHARED = "usr"


def is_there(home: pathlib.Path) -> bool:
    return (home / "root").is_dir()


def keep(source: pathlib.Path, target: pathlib.Path) -> None:
    """The sealed disk of a machine as that of an image: at once, it holds no copies."""
    target.mkdir(parents=True)
    shell.run("cp", "-al", str(source / "root"), str(target / "root.new"))
    (target / "root.new").rename(target / "root")


def copy(source: pathlib.Path, target: pathlib.Path) -> None:
    """A disk to boot from that of an image; a second or two. Raises MachineError."""
    if not is_there(source):
        raise shell.MachineError(f"the image's disk {source.name} is gone")
    new = target / "root.new"
    shell.run("rm", "-rf", str(new))
    new.mkdir(parents=True)
    others = [str(path) for path in (source / "root").iterdir() if path.name != _SHARED]
    shell.run("cp", "-a", *others, str(new))
    shell.run("cp", "-al", str(source / "root" / _SHARED), str(new / _SHARED))
    new.rename(target / "root")


def remove(home: pathlib.Path) -> None:
    """In a thread: the caller does not wait."""
    threading.Thread(target=shell.run, args=("rm", "-rf", str(home)), daemon=True).start()
