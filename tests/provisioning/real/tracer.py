"""Which shell functions were really executed: a trap notes each at its first command."""

from __future__ import annotations

import re
from pathlib import Path

import step_assembler

NOTES = "/var/tmp/batch-prep-functions"  # sealing empties this folder
_TRAP = f"""\
set -o functrace
declare -A TRACED=()
trap '[[ -n ${{TRACED[${{FUNCNAME[0]:-main}}]:-}} ]] || {{ TRACED[${{FUNCNAME[0]:-main}}]=1
echo "${{FUNCNAME[0]:-main}}" >>{NOTES}; }} 2>/dev/null' DEBUG
"""
executed: set[str] = set()

REASONS = {
    "el": "el's packages and root file systems cannot be had here",
    "grid": "the GRID driver's file cannot be had here",
    "toolkit": "NVIDIA's container toolkit cannot be had here",
    "volumes": "QEMU is not installed, or its test did not run",
    "faults": "only after a fault that these machines do not have",
}
_WHY = (
    (r"(_el|dnf\w*|epel|driver_stream|remove_old_kernels)$", "el"),
    (r"grid|from_microsoft", "grid"),
    (r"toolkit|nvidia_runtime|keep_gpus", "toolkit"),
    (r"volume|partition|extents", "volumes"),
)


def traced(script: str) -> str:
    """The step, noting its functions; the first line stays the first."""
    first, _, rest = script.partition("\n")
    return f"{first}\n{_TRAP}{rest}"


def collect(root: Path) -> None:
    """Remember what the steps on this disk have noted so far."""
    notes = root / NOTES[1:]
    if notes.exists():
        executed.update(notes.read_text().split())


def functions() -> set[str]:
    """Every function of the scripts."""
    texts = [file.read_text() for file in step_assembler.PROVISIONING.rglob("*.sh")]
    return {name for text in texts for name in re.findall(r"^(\w+)\(\) \{", text, re.MULTILINE)}


def report() -> list[str]:
    """The share of functions that were executed, and which were not, by reason."""
    known = functions()
    absent = sorted(known - executed)
    done = len(known) - len(absent)
    lines = [
        f"{done} of {len(known)} shell functions were really executed ({done / len(known):.0%})."
    ]
    for key, reason in REASONS.items():
        names = [name for name in absent if _reason(name) == key]
        if names:
            lines.append(f"  not executed, {reason}: {', '.join(names)}")
    return lines


def _reason(name: str) -> str:
    return next((key for pattern, key in _WHY if re.search(pattern, name)), "faults")
