"""The scripts under `provisioning/`, assembled for one run command or start task.

`provisioning/steps.json` says which files and functions make up a step. Nothing of a request is
ever put into a script's text: values travel as environment variables.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from shared.base.errors import Bug

Json = dict[str, Any]

_HOME = Path(__file__).resolve().parents[2] / "provisioning"
_MARKER = "batch-prep-result "
# Azure's limit of an inline run-command script is not documented; larger ones must come from a
# blob.
_INLINE_MAX = 64 * 1024


@cache
def assemble(step: str) -> str:
    """The whole script of a step, such as `docker` or `docker-gpu`."""
    parts = json.loads((_HOME / "steps.json").read_text())[step]
    texts = [_without_comments((_HOME / file).read_text()) for file in parts["files"]]
    name = parts.get("step", step)
    last = f"run_step {name} {' '.join(parts['functions'])}\n"
    script = f"#!/bin/bash\n# batch-prep step: {name}\n" + "\n".join(texts) + "\n" + last
    if len(script.encode()) > _INLINE_MAX:
        raise Bug(f"the script of step {step} is too long to be sent inline")
    return script


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
