"""Recorded request bodies against Microsoft's published types of Resource Manager."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

_FIELDS = ("hardwareProfile", "allowSharedKeyAccess")  # of a VM, and of a storage account


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What the tool said; it is wrong where there is a complaint, or nothing was recorded."""

    is_wrong: bool
    said: str


def finds_a_misspelling(tools: Path, record: Path) -> bool:
    """Whether the tool complains of a field whose name is misspelt in a recorded body."""
    with record.open() as lines:
        field, body = next(((f, line) for line in lines for f in _FIELDS if f in line), ("", ""))
    planted = record.with_name("planted.jsonl")
    planted.write_text(body.replace(field, field[:-1], 1))
    return f'"{field[:-1]}"' in check(tools, planted).said


def check(tools: Path, record: Path) -> Checked:
    """Run the tool on a record of requests."""
    line = [sys.executable, str(tools / "arm_types.py"), str(record)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return Checked(is_wrong=done.returncode != 0, said=f"{done.stdout}{done.stderr}".strip())
