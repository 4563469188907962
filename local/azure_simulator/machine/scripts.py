"""What can be known of a script without running it: its step, its interpreter, what it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping

_INTERPRETERS = frozenset(
    {"/bin/bash", "/bin/sh", "/usr/bin/bash", "/usr/bin/sh", "/usr/bin/python3", "/usr/bin/env"}
)
_STEP_MARK = "# batch-prep step:"
_MARK_LINES_MAX = 5
_RUN_LINE = re.compile(r"^(?P<step>run_step \S+) (?P<functions>.+)$", re.MULTILINE)
_NOUNSET = re.compile(r"^\s*set\s+-[A-Za-z]*u", re.MULTILINE)
_DEPROVISION = re.compile(r"^[^#\n]*\bwaagent\s[^#\n]*-deprovision(?P<user>\+user)?", re.MULTILINE)


def step_of(script: str) -> str:
    """The name in the line `# batch-prep step: NAME` near the top; empty for other scripts."""
    for line in script.splitlines()[:_MARK_LINES_MAX]:
        if line.startswith(_STEP_MARK):
            return line.removeprefix(_STEP_MARK).strip()
    return ""


def functions_of(script: str) -> list[str]:
    """What the step's last line, `run_step NAME FUNCTION...`, calls; nothing where it has none."""
    found = _RUN_LINE.search(script)
    return found["functions"].split() if found else []


def calling(script: str, functions: list[str]) -> str:
    """The same step, whose last line calls these functions instead."""
    return _RUN_LINE.sub(lambda line: " ".join((line["step"], *functions)), script)


def interpreter_problem(script: str) -> tuple[int, str] | None:
    """Exit code and message where the first line names a program that is not there.

    A script without `#!` is run by the shell that was asked to start it.
    """
    first = script.split("\n", 1)[0]
    if not first.startswith("#!"):
        return None
    program = first[2:].strip(" ").split(" ")[0]
    if program in _INTERPRETERS:
        return None
    shown = program.replace("\r", "^M")
    return 126, f"/bin/bash: script.sh: {shown}: bad interpreter: No such file or directory"


def deprovisioning(script: str) -> dict[str, object] | None:
    """What Azure's agent leaves where a script calls `waagent -deprovision[+user]`; else None.

    https://learn.microsoft.com/azure/virtual-machines/linux/capture-image
    """
    found = _DEPROVISION.search(script)
    if found is None:
        return None
    return {"sealed": True, "steps": {}, **({"user": ""} if found["user"] else {})}


def unbound_variable(script: str, environment: Mapping[str, str], names: list[str]) -> str:
    """The first of `names` that the script uses bare under `set -u` and nothing has set."""
    if not _NOUNSET.search(script):
        return ""
    for name in names:
        is_missing = name not in environment and not _is_assigned(script, name)
        if is_missing and re.search(rf"\$\{{{name}\}}|\${name}\b", script):
            return name
    return ""


def names_used(script: str) -> list[str]:
    """Variables in capitals that the script reads, in order of appearance."""
    return list(dict.fromkeys(re.findall(r"\$\{?([A-Z][A-Z0-9_]*)\b", script)))


def _is_assigned(script: str, name: str) -> bool:
    return bool(
        re.search(rf"(^|[\s;(]){name}\+?=", script, re.MULTILINE)
        or re.search(rf"\b(for|read( -\w+)*|printf -v|mapfile -t)\s+{name}\b", script)
        or name in _SHELL_VARIABLES
    )


_SHELL_VARIABLES = frozenset(
    ("BASHPID", "EUID", "HOME", "HOSTNAME", "IFS", "LINENO", "OLDPWD", "OPTARG", "PATH",
     "PIPESTATUS", "PPID", "PWD", "RANDOM", "REPLY", "SECONDS", "UID")
)  # fmt: skip
