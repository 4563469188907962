"""Run commands of a machine, from outside: written into its disk, where its agent finds them.

Everything is in files, so that a run can be looked at again by another process.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path

from local.machines import shell
from local.machines.guest import agent

OUTPUT_BYTES_MAX = 4096
"""The handler returns the last 4 KB of each stream."""
_SCRIPT_MODE = 0o500
_KILL_SECONDS_MAX = 30
_LOOK_SECONDS = 0.02


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a command ended: `exit_code` -1 where it was killed; the ends of its two streams."""

    exit_code: int
    seconds: float
    stdout: str
    stderr: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Handler:
    """The agent of the machine with this root file system."""

    root: Path

    def forget_agent(self) -> None:
        """Before a boot: the agent of the last one does not count."""
        (self._home / agent.READY).unlink(missing_ok=True)

    def is_agent_ready(self) -> bool:
        return (self._home / agent.READY).exists()

    def start(
        self, name: str, script: str, parameters: Mapping[str, str], timeout_seconds: float
    ) -> None:
        """Hand over a command; names are used once. Parameters with an empty value are dropped."""
        folder, new = self._folder(name), self._home / f"new-{name}"
        new.mkdir(parents=True)
        (new / "script.sh").write_text(script)
        (new / "script.sh").chmod(_SCRIPT_MODE)
        environment = {key: value for key, value in parameters.items() if value}
        settings = {"environment": environment, "timeoutSeconds": timeout_seconds}
        (new / "settings.json").write_text(json.dumps(settings))
        folder.parent.mkdir(parents=True, exist_ok=True)
        new.rename(folder)

    def was_started(self, name: str) -> bool:
        """Whether the agent has it, or has had it since the machine was last sealed."""
        return self._folder(name).exists()

    def look(self, name: str) -> Ended | None:
        """How it ended; None while it runs, and for ever if the machine went down meanwhile."""
        folder = self._folder(name)
        if not (folder / "ended.json").exists():
            return None
        ended = json.loads((folder / "ended.json").read_text())
        return Ended(
            exit_code=ended["exitCode"],
            seconds=ended["seconds"],
            stdout=_text(folder / "stdout", OUTPUT_BYTES_MAX),
            stderr=_text(folder / "stderr", OUTPUT_BYTES_MAX),
        )

    def streams(self, name: str) -> tuple[str, str]:
        """All that it wrote, on standard output and on standard error."""
        folder = self._folder(name)
        return _text(folder / "stdout"), _text(folder / "stderr")

    def kill(self, name: str) -> None:
        """End the script's own process, as a time-out does."""
        if self._folder(name).exists():
            (self._folder(name) / "kill").touch()

    def run(
        self,
        name: str,
        script: str,
        parameters: Mapping[str, str] | None = None,
        timeout_seconds: float = 600,
    ) -> Ended:
        """Start it and wait for its end. Raises MachineError if the agent never reports."""
        self.start(name, script, parameters or {}, timeout_seconds)
        deadline = time.monotonic() + timeout_seconds + _KILL_SECONDS_MAX
        while (ended := self.look(name)) is None:
            if time.monotonic() > deadline:
                raise shell.MachineError(f"the machine does not report how {name} ended")
            time.sleep(_LOOK_SECONDS)
        return ended

    @property
    def _home(self) -> Path:
        return self.root / agent.HANDLER.relative_to("/")

    def _folder(self, name: str) -> Path:
        return self._home / "download" / name / "0"


def _text(path: Path, last_bytes: int = 0) -> str:
    """The end of a file, or all of it."""
    return path.read_bytes()[-last_bytes:].decode(errors="replace")
