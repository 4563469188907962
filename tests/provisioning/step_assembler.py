"""Puts a step together as a machine receives it, from the table `provisioning/steps.json`."""

from __future__ import annotations

import json
from pathlib import Path

PROVISIONING = Path(__file__).resolve().parents[2] / "provisioning"
TABLE = "steps.json"
STEPS: dict[str, dict[str, list[str]]] = json.loads((PROVISIONING / TABLE).read_text())


BROKEN: dict[str, tuple[str, str]] = {}
"""Lines that are replaced on purpose, by file: see test_essential_lines.py. Empty otherwise."""


def replaced(file: str, text: str) -> str:
    """The text of a file, broken where a test asks for it."""
    line, instead = BROKEN.get(file, ("", ""))
    return text.replace(line, instead)


def assemble(name: str, *functions: str, keep_comments: bool = False) -> str:
    """The text of one step: two header lines, its files in order, the call that runs it.

    With `functions`, it runs no others than these.
    """
    step = json.loads(replaced(TABLE, (PROVISIONING / TABLE).read_text()))[name]
    run = list(functions) or step["functions"]
    return assemble_files(step["step"], step["files"], run, keep_comments=keep_comments)


def assemble_files(
    step: str | list[str],
    files: list[str],
    functions: list[str],
    extra: str = "",
    *,
    keep_comments: bool = False,
) -> str:
    """Any files as a step; `extra` stands between them and the last line."""
    lines = ["#!/bin/bash", f"# batch-prep step: {step}"]
    for file in files:
        text = replaced(file, (PROVISIONING / file).read_text())
        lines += [
            line for line in text.splitlines() if keep_comments or not line.lstrip().startswith("#")
        ]
    return "\n".join([*lines, extra, f"run_step {step} {' '.join(functions)}", ""])
