"""What `python -m local.machines` leaves and says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from local.machines import packages

ROOT = Path(__file__).resolve().parents[3]


def test_where_no_machine_can_be_had_it_says_so_and_fails(tmp_path: Path) -> None:
    """A run that skips all its tests must not look like one that passed."""
    done = subprocess.run(
        [sys.executable, "-m", "local.machines", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout.startswith("NOT RUN: ")


@pytest.mark.skipif(not shutil.which("gpgconf"), reason="needs gnupg")
def test_signing_leaves_no_agent_behind() -> None:
    """gpg starts one for each key folder, and it stays for ever."""
    with tempfile.TemporaryDirectory(prefix="keys-") as folder:  # a socket's path must be short
        keyring = packages.Keyring.make(Path(folder) / "home")
        assert agents(folder)
        keyring.close()
        deadline = time.monotonic() + 60
        while agents(folder):  # it ends by itself once it has read the order
            assert time.monotonic() < deadline
            time.sleep(0.02)


def agents(folder: str) -> list[str]:
    """Processes whose command line names the folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_text()
        except OSError:
            continue
        if "gpg-agent" in words and folder in words:
            found.append(words)
    return found
