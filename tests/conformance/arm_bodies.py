"""Recorded request bodies against Microsoft's published types of Resource Manager."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What the tool said; it is wrong where there is a complaint, or nothing was recorded."""

    is_wrong: bool
    said: str


def finds_a_misspelling(tools: Path, record: Path) -> bool:
    """Whether the tool complains of a field whose name is misspelt in a recorded VM."""
    with record.open() as lines:
        vm = next((line for line in lines if "hardwareProfile" in line), "")
    planted = record.with_name("planted.jsonl")
    planted.write_text(vm.replace("hardwareProfile", "hardwareProfil", 1))
    return '"hardwareProfil"' in check(tools, planted).said


def check(tools: Path, record: Path) -> Checked:
    """Run the tool on a record of requests."""
    line = [sys.executable, str(tools / "arm_types.py"), str(record)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return Checked(is_wrong=done.returncode != 0, said=f"{done.stdout}{done.stderr}".strip())
