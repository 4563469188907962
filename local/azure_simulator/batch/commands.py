"""What the commands of tasks print: the few that are worth imitating.

A command line is not run by a shell: `echo $A && b` prints `$A && b`. Inside `/bin/bash -c '…'` it
is, which here means: `;`, `&&` and newlines separate commands, `$NAME` is replaced, `set -e` and
`exit N` do what they do. Whatever else a script says succeeds and prints nothing.
"""

import functools
import itertools
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_LS_NOTHING = 2  # GNU ls; BusyBox says 1
_SHELLS = ("bash", "sh")
_NVIDIA_SMI_NOT_FOUND = 127  # bash: command not found
_NVIDIA_SMI_NO_DRIVER = 9  # nvidia-smi: "couldn't communicate with the NVIDIA driver"
ARGUMENT_MAX_BYTES = 131_072  # MAX_ARG_STRLEN of Linux
_ARGUMENT_TOO_LONG = 126  # what a shell makes of E2BIG
_BAD_SYNTAX = 2  # bash
_STATEMENTS = re.compile(r"\n|;")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """How a command ended."""

    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpus:
    """What `nvidia-smi` can see: the cards, if device and driver reach the command."""

    model: str = ""
    count: int = 0
    has_driver: bool = False
    is_installed: bool = False

    def devices(self) -> Ran:
        """`ls /dev/nvidia[0-9]*`: the kernel's device files, which need no tool to be seen."""
        if not self.has_driver or self.count == 0:
            return Ran(
                exit_code=_LS_NOTHING, stderr="ls: /dev/nvidia[0-9]*: No such file or directory\n"
            )
        return Ran(stdout="".join(f"/dev/nvidia{index}\n" for index in range(self.count)))

    def listing(self) -> Ran:
        """`nvidia-smi -L`."""
        if not self.is_installed:
            return Ran(exit_code=_NVIDIA_SMI_NOT_FOUND, stderr="nvidia-smi: command not found\n")
        if not self.has_driver or self.count == 0:
            message = (
                "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
                "Make sure that the latest NVIDIA driver is installed and running.\n"
            )
            return Ran(exit_code=_NVIDIA_SMI_NO_DRIVER, stdout=message)
        lines = [
            f"GPU {index}: {self.model} (UUID: GPU-00000000-0000-0000-0000-{index:012d})\n"
            for index in range(self.count)
        ]
        return Ran(stdout="".join(lines))


@functools.lru_cache(maxsize=64)
def words_of(command_line: str) -> tuple[str, ...]:
    """As a shell splits them; a pool's nodes all run the same long line. Raises ValueError."""
    return tuple(shlex.split(command_line))


def run(command_line: str, environment: Mapping[str, str], gpus: Gpus) -> Ran:
    """Imitate one task command."""
    problem = start_problem(command_line)
    if problem is not None:
        return problem
    words = words_of(command_line)
    script = shell_script(words)
    return _run_words(words, gpus) if script is None else run_script(script, environment, gpus)


def start_problem(command_line: str) -> Ran | None:
    """How a command fails that cannot even be started; None if it can."""
    try:
        words = words_of(command_line)
    except ValueError:
        return Ran(exit_code=_BAD_SYNTAX, stderr="unexpected EOF while looking for a quote\n")
    if any(len(word.encode()) >= ARGUMENT_MAX_BYTES for word in words):
        return Ran(exit_code=_ARGUMENT_TOO_LONG, stderr="Argument list too long\n")
    return None


def shell_script(words: Sequence[str]) -> str | None:
    """The script of `/bin/bash -c SCRIPT` (flags such as `-euo pipefail` may precede), or None."""
    if not words or words[0].rpartition("/")[2] not in _SHELLS:
        return None
    for flag, script in itertools.pairwise(words):
        if flag.startswith("-") and not flag.startswith("--") and "c" in flag:
            return script
    return None


def run_script(script: str, environment: Mapping[str, str], gpus: Gpus) -> Ran:
    """Imitate `/bin/bash -c SCRIPT`."""
    stdout, stderr, exit_code = "", "", 0
    stops_on_failure = False
    for statement in filter(str.strip, _STATEMENTS.split(script)):
        for words in _chained_commands(statement, environment):
            if words[0] == "exit":
                return Ran(exit_code=_exit_code(words, exit_code), stdout=stdout, stderr=stderr)
            stops_on_failure = stops_on_failure or _is_set_e(words)
            ran = _run_words(words, gpus)
            stdout, stderr, exit_code = stdout + ran.stdout, stderr + ran.stderr, ran.exit_code
            if exit_code:
                break
        if exit_code and stops_on_failure:
            break
    return Ran(exit_code=exit_code, stdout=stdout, stderr=stderr)


def _chained_commands(statement: str, environment: Mapping[str, str]) -> list[list[str]]:
    """The commands that `&&` joins, as words; text too complicated to imitate yields none."""
    try:
        commands = [shlex.split(command, comments=True) for command in statement.split("&&")]
    except ValueError:
        return []
    return [[_expand(word, environment) for word in words] for words in commands if words]


def _is_set_e(words: Sequence[str]) -> bool:
    return words[0] == "set" and any(w.startswith("-") and "e" in w for w in words[1:])


def _run_words(words: Sequence[str], gpus: Gpus) -> Ran:
    program = words[0].rpartition("/")[2] if words else ""
    if program == "echo":
        return Ran(stdout=" ".join(words[1:]) + "\n")
    if program == "nvidia-smi":
        return gpus.listing()
    if program == "ls" and any(word.startswith("/dev/nvidia") for word in words):
        return gpus.devices()
    if program == "false":
        return Ran(exit_code=1)
    return Ran()


def _expand(word: str, environment: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: environment.get(found[1] or found[2], ""), word)


def _exit_code(words: Sequence[str], last: int) -> int:
    return int(words[1]) % 256 if len(words) > 1 and words[1].isdigit() else last
