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

NOT_EXECUTED = {
    "code_after_tries": "a fault that outlasts every try takes more than a minute",
}
"""Functions that no real test executes, each with the reason."""
SHARE_MIN = 0.9


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


def without_reason() -> set[str]:
    """Functions that were not executed, though nothing says why."""
    return functions() - executed - NOT_EXECUTED.keys()


def share() -> float:
    known = functions()
    return len(known & executed) / len(known)


def report() -> list[str]:
    """The share of functions that were executed, and which were not, with the reason."""
    known = functions()
    lines = [
        f"{len(known & executed)} of {len(known)} shell functions were executed ({share():.1%}).",
    ]
    lines += [
        f"  not executed: {name}: {reason}"
        for name, reason in NOT_EXECUTED.items()
        if name not in executed
    ]
    if missing := without_reason():
        lines.append(f"  not executed in this run: {', '.join(sorted(missing))}")
    return lines
