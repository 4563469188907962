"""Files that only their owner may read: keys, logs, and databases with requests in them."""

from __future__ import annotations

import os
from pathlib import Path

MODE = 0o600


def make(path: Path | str) -> None:
    """Make a file, or make one that exists private. SQLite gives the files beside its database the
    database's own mode: https://sqlite.org/src/file/src/os_unix.c (findCreateFileMode).
    """
    if str(path) == ":memory:":
        return
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, MODE)
    os.fchmod(descriptor, MODE)
    os.close(descriptor)
