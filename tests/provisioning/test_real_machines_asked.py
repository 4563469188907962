"""Tests on real machines that a person asked for by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_machines_that_were_asked_for_and_cannot_be_had_are_a_failure(tmp_path: Path) -> None:
    """A green run would say that the scripts were really executed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ended = subprocess.run(
        [*command, "tests/provisioning/real/test_real_run_command.py"],
        cwd=ROOT,
        env={**os.environ, "BATCH_PREP_ROOTS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stdout
    assert "No step was really executed here." in ended.stdout
