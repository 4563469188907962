"""Control groups of a machine: below a group of its own in every hierarchy, removed afterwards.

Without that, systemd and Docker inside the machine would leave groups among those of the computer.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "batch-prep-"
_VANISH_SECONDS_MAX = 10
_LOOK_SECONDS = 0.02
_KINDS = {"cgroup", "cgroup2"}


def enter(name: str) -> None:
    """Move the calling process into the machine's group of each hierarchy."""
    for group in _groups(name):
        group.mkdir(parents=True, exist_ok=True)
        _inherit_cpusets(group)
        (group / "cgroup.procs").write_text(str(os.getpid()))


def remove(name: str) -> None:
    """Once the machine is off; its last processes may need a moment to vanish."""
    for group in _groups(name):
        for folder, _, _ in os.walk(group, topdown=False):
            _remove(Path(folder))


def remove_unused() -> None:
    """Those of machines whose keeper was killed: nothing runs in them or would remove them."""
    for hierarchy in _hierarchies():
        for group in hierarchy.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):  # in use
                for folder, _, _ in os.walk(group, topdown=False):
                    Path(folder).rmdir()


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + _VANISH_SECONDS_MAX
    while True:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _groups(name: str) -> Iterator[Path]:
    for hierarchy in _hierarchies():
        yield hierarchy / f"{_PREFIX}{name}"


def _hierarchies() -> Iterator[Path]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind in _KINDS and "rw" in options.split(","):
            yield Path(place)


def _inherit_cpusets(group: Path) -> None:
    """Version 1 refuses processes in a group that has no processors yet."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (group / name).exists():
            (group / name).write_text((group.parent / name).read_text())
