"""What the stack keeps in its state folder beside the data of its processes.

stack.json     where everything is, while it runs; only its owner may read it
function.key   the function key, kept so that it survives restarts
stack.lock     held by the supervisor as long as it lives, with its process id
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TextIO

_OWNER_ONLY = 0o600
# Folders in which no stack has its state, and many files may be.
_NOT_SEARCHED = {"azurite", "logs", "roots"}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """The content of stack.json."""

    app_url: str
    function_key: str
    simulator_url: str
    storage_connection_string: str
    pids: Mapping[str, int]
    port: int
    time_scale: float

    def to_wire(self) -> dict[str, Any]:
        """The JSON object, in camel case."""
        return {
            "appUrl": self.app_url,
            "functionKey": self.function_key,
            "simulatorUrl": self.simulator_url,
            "storageConnectionString": self.storage_connection_string,
            "pids": dict(self.pids),
            "port": self.port,
            "timeScale": self.time_scale,
        }

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """The inverse; KeyError if `data` is something else."""
        return cls(
            app_url=data["appUrl"],
            function_key=data["functionKey"],
            simulator_url=data["simulatorUrl"],
            storage_connection_string=data["storageConnectionString"],
            pids=data["pids"],
            port=data["port"],
            time_scale=data["timeScale"],
        )


def write(state: Path, running: Running) -> None:
    """Replace stack.json in one move."""
    part = state / ".stack.json.part"
    part.touch(mode=_OWNER_ONLY)
    part.write_text(json.dumps(running.to_wire(), indent=2) + "\n", encoding="utf-8")
    part.replace(state / "stack.json")


def read(state: Path) -> Running | None:
    """What stack.json says; `None` without a readable one."""
    try:
        return Running.from_wire(json.loads((state / "stack.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove(state: Path) -> None:
    """Nothing runs here any more."""
    (state / "stack.json").unlink(missing_ok=True)


def folders(state: Path) -> list[Path]:
    """The folder itself, and each one below it in which a stack has or had its state."""
    found = [state]
    for folder, below, files in os.walk(state):
        below[:] = sorted(set(below) - _NOT_SEARCHED)
        if "stack.lock" in files and Path(folder) != state:
            found.append(Path(folder))
    return found


def function_key(state: Path) -> str:
    """The key of this folder, made at the first start."""
    file = state / "function.key"
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "w", encoding="ascii") as writer:
            writer.write(secrets.token_urlsafe(32))
    return file.read_text(encoding="ascii").strip()


def take_lock(state: Path) -> TextIO | None:
    """The folder's lock, held until the file is closed or this process dies; `None` if taken."""
    file = (state / "stack.lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def lock_holder(state: Path) -> int | None:
    """The process id of the living supervisor, `None` if there is none."""
    file = state / "stack.lock"
    if not file.exists():
        return None
    with file.open("r", encoding="ascii") as reader:
        try:
            fcntl.flock(reader, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = reader.read().strip()
            return int(text) if text.isdigit() else None
    return None
