"""`python -m local.machines.keeper HOME KITS`: holds one machine while it is on, then ends.

It is the first process of its own namespaces (processes, mounts, network), so whatever ends it ends
everything of the machine. SIGTERM presses the power button. Exit code 0: the machine is off.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import types
from pathlib import Path

from local.machines import cgroups, kit, network, servers

_POWER_BUTTON = signal.SIGRTMIN + 4  # systemd as first process: start poweroff.target
_NSPAWN = (
    "systemd-nspawn",
    "--quiet",
    "--boot",
    "--register=no",
    "--keep-unit",
    "--capability=all",
    "--resolv-conf=off",
    "--timezone=off",
    "--link-journal=no",
    "--console=read-only",
)


def command(home: Path, kits: Path) -> list[str]:
    """Starts the keeper in namespaces of its own."""
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return [*unshare, sys.executable, "-m", "local.machines.keeper", str(home), str(kits)]


def main() -> int:
    home, kits = Path(sys.argv[1]), Path(sys.argv[2])
    found = kit.find(kits)
    assert found is not None, f"no kit in {kits}"
    cgroups.enter(home.name)
    network.set_up()
    servers.start(servers.Site(kit=found, home=home))
    with (home / "console.log").open("ab") as console:
        process = subprocess.Popen(  # noqa: S603
            [
                *_NSPAWN,
                f"--machine={home.name}",
                f"--directory={home / 'root'}",
                "--network-namespace-path=/proc/self/ns/net",
            ],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env={
                **os.environ,
                "SYSTEMD_SECCOMP": "0",
                "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
            },
        )

    def press_power_button(number: int, frame: types.FrameType | None) -> None:  # noqa: ARG001
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), _POWER_BUTTON)

    signal.signal(signal.SIGTERM, press_power_button)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())
