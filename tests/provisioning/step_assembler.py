"""Puts a step together as a machine receives it, from the table `provisioning/steps.json` and the
headers of the files. It is a second opinion: it shares no code with the app's assembler.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

PROVISIONING = Path(__file__).resolve().parents[2] / "provisioning"
TABLE = "steps.json"
FRAME = ("lib.sh", "exit_codes.sh", "helpers/outcome.sh", "helpers/result.sh")
HEADER = "# needs: "

BROKEN: dict[str, tuple[str, str]] = {}
"""Lines that are replaced on purpose, by file: see test_essential_lines.py. Empty otherwise."""


@functools.cache
def as_written(file: str) -> str:
    """The text of a file, read once."""
    return (PROVISIONING / file).read_text()


def replaced(file: str) -> str:
    """The text of a file, broken where a test asks for it."""
    line, instead = BROKEN.get(file, ("", ""))
    return as_written(file).replace(line, instead)


@functools.cache
def needs(file: str) -> list[str]:
    """What the header of a file names."""
    lines = as_written(file).splitlines()
    headers = [line.removeprefix(HEADER) for line in lines if line.startswith(HEADER)]
    return " ".join(headers).split()


def with_needs(files: list[str]) -> list[str]:
    """These files, each after all that it needs."""
    found: list[str] = []
    for file in files:
        found += [each for each in [*with_needs(needs(file)), file] if each not in found]
    return found


def steps() -> dict[str, dict[str, Any]]:
    """The table, each step with its files: the frame, the helpers, the parts."""
    return _steps_of(replaced(TABLE))


@functools.cache
def _steps_of(text: str) -> dict[str, dict[str, Any]]:
    table = json.loads(text)
    for name, step in table.items():
        parts = [f"parts/{function}.sh" for function in step["functions"]]
        helpers = with_needs([needed for part in parts for needed in needs(part)])
        step |= {"step": step.get("step", name), "files": [*FRAME, *helpers, *parts]}
    return dict(table)


STEPS = steps()


def assemble(name: str, *functions: str, keep_comments: bool = False) -> str:
    """The text of one step: two header lines, its files in order, the call that runs it.

    With `functions`, it runs no others than these.
    """
    step = steps()[name]
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
        lines += [
            line
            for line in replaced(file).splitlines()
            if keep_comments or not line.lstrip().startswith("#")
        ]
    return "\n".join([*lines, extra, f"run_step {step} {' '.join(functions)}", ""])
