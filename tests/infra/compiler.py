"""Where the Bicep compiler is: BICEP names it, or it is on the PATH, or among the tools of
`make conformance`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from local.azure_simulator.core import LOCAL_SUBSCRIPTION, LOCAL_TENANT
from local.stack import layout

ABSENT = "no Bicep compiler: BICEP names none, nor PATH, nor CONFORMANCE_TOOLS"
# What a snapshot is evaluated for: nothing of it is in the template.
PLACE = [
    *("--subscription-id", LOCAL_SUBSCRIPTION),
    *("--tenant-id", LOCAL_TENANT),
    *("--location", "swedencentral"),
]


def find() -> str | None:
    """The command, if it is here."""
    tools = layout.ROOT / os.environ.get("CONFORMANCE_TOOLS", "../shared/tools") / "bicep"
    named = os.environ.get("BICEP") or shutil.which("bicep")
    return named or (str(tools.resolve()) if tools.exists() else None)


def run(*arguments: str | Path) -> str:
    """What it prints; AssertionError for any warning."""
    command = find()
    assert command is not None
    own = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
    done = subprocess.run(
        [command, *map(str, arguments)], capture_output=True, text=True, check=False, env=own
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr or done.stdout
    return done.stdout
