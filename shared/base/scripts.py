"""The scripts under `provisioning/`, assembled for one run command or start task.

`provisioning/steps.json` names the functions of a step; each is the entry of the file in `parts/`
that has its name. A file names in a header (`# needs: helpers/retry.sh helpers/host.sh`) the files
whose functions and constants it uses. Nothing of a request is ever put into a script's text: values
travel as environment variables.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from shared.base.errors import Bug

Json = dict[str, Any]

HOME = Path(__file__).resolve().parents[2] / "provisioning"
_MARKER = "batch-prep-result "
# Azure's limit of an inline run-command script is not documented; larger ones must come from a
# blob.
_INLINE_MAX = 64 * 1024


# What every script begins with; no header names it.
_FRAME = ["lib.sh", "exit_codes.sh", "helpers/outcome.sh", "helpers/result.sh"]
_NEEDS = re.compile(r"^# needs: (.*)$", re.MULTILINE)


@cache
def assemble(step: str) -> str:
    """The whole script of a step, such as `install` or `install-gpu`."""
    row = json.loads((HOME / "steps.json").read_text())[step]
    files = files_of(row["functions"])
    texts = [_without_comments((HOME / file).read_text()) for file in files]
    name = row.get("step", step)
    last = f"run_step {name} {' '.join(row['functions'])}\n"
    script = f"#!/bin/bash\n# batch-prep step: {name}\n" + "\n".join(texts) + "\n" + last
    if len(script.encode()) > _INLINE_MAX:
        raise Bug(f"the script of step {step} is too long to be sent inline")
    return script


@cache
def version() -> str:
    """A name for all that scripts do and install: another for any change of `provisioning/`."""
    files = sorted(p for p in HOME.rglob("*") if p.suffix in {".sh", ".json"})
    texts = [file.read_bytes() for file in files]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]


def constant(name: str) -> str:
    """A constant of provisioning/catalogue.sh."""
    return in_catalogue(rf"^readonly {name}=(\S+)")


def in_catalogue(pattern: str) -> str:
    """The first group of a pattern that provisioning/catalogue.sh must match."""
    match = re.search(pattern, (HOME / "catalogue.sh").read_text(), re.MULTILINE)
    assert match is not None, pattern
    return match[1]


def files_of(functions: list[str], home: Path = HOME) -> list[str]:
    """The files that hold these functions and all that they need, each once: the frame, then the
    helpers in an order in which each comes after those that it needs, then the parts. Raises Bug
    where a file is missing or needs itself.
    """
    parts = [f"parts/{function}.sh" for function in functions]
    files = list(_FRAME)
    for part in parts:
        for needed in _needs(home, part):
            _add(home, needed, files, (part,))
    return [*files, *(part for part in parts if part not in files)]


def _add(home: Path, file: str, files: list[str], path: tuple[str, ...]) -> None:
    """Append `file` after everything that it needs; `path` leads from a part to it."""
    if file in path:
        raise Bug(f"provisioning files need each other: {' -> '.join([*path, file])}")
    if file in files:
        return
    for needed in _needs(home, file):
        _add(home, needed, files, (*path, file))
    files.append(file)


def _needs(home: Path, file: str) -> list[str]:
    """The files that a header names, in its order."""
    try:
        text = (home / file).read_text()
    except FileNotFoundError:
        raise Bug(f"provisioning/{file} is needed and does not exist") from None
    return [needed for line in _NEEDS.findall(text) for needed in line.split()]


def _without_comments(text: str) -> str:
    """Whole-line comments are for readers, not for the wire."""
    return re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)


@cache
def start_task_command() -> str:
    """The command line of a pool's start task: the verification script travels inside it,
    compressed, so that it fits any image and is always this version's.
    """
    packed = base64.b64encode(gzip.compress(assemble("verify").encode(), mtime=0)).decode()
    return f"/bin/bash -c 'echo {packed} | base64 -d | gunzip | /bin/bash'"


def is_result(line: str) -> bool:
    """Whether this line is a script's result, which is for the app and not for people."""
    return line.startswith(_MARKER)


def result_line(output: str) -> Json | None:
    """The result that a script printed as its last line, or None if it printed none."""
    for line in reversed(output.splitlines()):
        if line.startswith(_MARKER):
            try:
                result = json.loads(line.removeprefix(_MARKER))
            except ValueError:
                return None
            return result if isinstance(result, dict) else None
    return None
