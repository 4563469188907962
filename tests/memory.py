"""Keeps the files that tests make in memory: on a disk, each new file can take milliseconds."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_PLACE = Path("/dev/shm")
_BYTES_MIN = 2 * 1024**3  # a run needs a tenth of it


def use() -> None:
    """Let this process and those that it starts make their temporary files in memory.

    Nothing changes where TMPDIR is set, or where memory offers no place that serves as a disk does.
    """
    if "TMPDIR" not in os.environ and _serves():
        os.environ["TMPDIR"] = tempfile.tempdir = str(_PLACE)


def _serves() -> bool:
    """Whether there is room, and whether programs there may be run; containers often forbid it."""
    if not (_PLACE.is_dir() and os.access(_PLACE, os.W_OK | os.X_OK)):
        return False
    may_run = not os.statvfs(_PLACE).f_flag & os.ST_NOEXEC
    return may_run and shutil.disk_usage(_PLACE).free >= _BYTES_MIN
