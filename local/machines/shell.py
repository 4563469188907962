"""Running programs of this computer, with an error that says what they said."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

_TAIL_LINES = 20


class MachineError(Exception):
    """A machine, or what it is made from, could not be made or used."""


def run(*command: str, timeout: float = 600, environment: Mapping[str, str] | None = None) -> str:
    """Its standard output. Raises MachineError with the end of what it printed."""
    try:
        done = subprocess.run(  # noqa: S603  commands are ours
            command,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {}), "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"{command[0]}: {error}") from error
    if done.returncode:
        said = (done.stdout + done.stderr).splitlines()[-_TAIL_LINES:]
        shown = "\n".join(f"  | {line}" for line in said)
        raise MachineError(f"`{' '.join(command)}` ended with {done.returncode}:\n{shown}")
    return done.stdout
