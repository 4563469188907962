"""Stands in for Azure's agent inside a machine: runs run commands as Azure's handler does.

A command is a directory `download/NAME/0` with `script.sh` and `settings.json` (`environment`,
`timeoutSeconds`), put there as a whole. The rules, of the managed handler 1.3.28: the script is
started by `/bin/bash -c PATH`, so its own first line decides what runs it; it runs once, also after
a restart of the agent; at its time-out only its own process is killed, its children live on, and
its exit code is -1. `ended.json` says how it ended. A file `kill` asks for an early end.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path

HANDLER = Path("/var/lib/waagent/run-command-handler")
READY = "agent-ready"
_LOOK_SECONDS = 0.05
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
"""What systemd gives to the agent, and the agent to its children."""


def main() -> None:
    HANDLER.mkdir(parents=True, exist_ok=True)
    _write(HANDLER / READY, Path("/proc/sys/kernel/random/boot_id").read_text())
    while True:
        for settings in sorted(HANDLER.glob("download/*/*/settings.json")):
            if not (settings.parent / "started").exists():
                (settings.parent / "started").touch()
                threading.Thread(target=run, args=(settings.parent,), daemon=True).start()
        time.sleep(_LOOK_SECONDS)


def run(folder: Path) -> None:
    settings = json.loads((folder / "settings.json").read_text())
    began = time.monotonic()
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603  running what it is given is this program's work
            ["/bin/bash", "-c", str(folder / "script.sh")],
            env={**_ENVIRONMENT, **settings["environment"]},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
        exit_code = _wait(process, folder / "kill", began + settings["timeoutSeconds"])
    ended = {"exitCode": exit_code, "seconds": round(time.monotonic() - began, 1)}
    _write(folder / "ended.json", json.dumps(ended))


def _wait(process: subprocess.Popen[bytes], kill: Path, deadline: float) -> int:
    """Its exit code; -1 if it was killed."""
    while process.poll() is None:
        if time.monotonic() > deadline or kill.exists():
            process.kill()
            process.wait()
            return -1
        time.sleep(_LOOK_SECONDS)
    return process.returncode


def _write(path: Path, text: str) -> None:
    """A reader sees the whole of it or nothing."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.rename(path)


if __name__ == "__main__":
    os.umask(0o077)
    main()
