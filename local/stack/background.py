"""The stack seen from another process: is one running, start one, stop it."""

from __future__ import annotations

import itertools
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from local import private_files
from local.stack import child, layout, record
from local.stack.layout import DEFAULT_STATE, ROOT, Machines, Options, StackError

_ANSWER_SECONDS = 5.0
_START_SECONDS = 180.0  # three processes one after the other, each within its own limit
_STOP_SECONDS = 60.0  # the sum of what the processes may take to end
_LOOK_SECONDS = 0.2


def find(state: Path) -> record.Running | None:
    """The stack that runs on this folder and answers, or `None`."""
    running = record.read(state)
    if running is None:
        return None
    try:
        answer = httpx.get(
            f"{running.app_url}/admin/host/status",
            headers={"x-functions-key": running.function_key},
            timeout=_ANSWER_SECONDS,
            trust_env=False,
        )
    except httpx.TransportError:
        return None
    return running if answer.is_success else None


def start_in_background(options: Options) -> record.Running:
    """Start a stack that outlives this process; returns once it answers, or raises StackError.

    When two processes do this at once, one stack is started and both get it.
    """
    log = options.state / "logs" / "stack.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    start = log.stat().st_size if log.exists() else 0
    private_files.make(log)
    with log.open("ab") as writer:
        process = subprocess.Popen(  # noqa: S603  the command is ours
            [sys.executable, "-m", "local.stack", *arguments(options)],
            cwd=layout.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        if running := find(options.state):
            process.returncode = process.returncode or 0  # it is meant to outlive us
            return running
        if ended:
            raise StackError(f"The local stack did not start.\n{child.tail(log, start)}")
        time.sleep(_LOOK_SECONDS)
    process.terminate()
    raise StackError(
        f"The local stack is not ready after {_START_SECONDS:.0f} s.\n{child.tail(log, start)}"
    )


def arguments(options: Options) -> list[str]:
    """The command line of `python -m local.stack` that means these options."""
    line = ["--state", str(options.state), "--time-scale", f"{options.time_scale:g}"]
    for name, value in (
        ("--port", options.port),
        ("--faults", options.faults),
        ("--seed", options.seed),
        ("--machines", None if options.machines is Machines.SCRIPTED else options.machines),
        ("--roots", options.roots),
        ("--azure-endpoint", options.azure_endpoint),
        ("--app", None if options.app == ROOT else options.app),
    ):
        line += [] if value is None else [name, str(value)]
    return line


def down(state: Path, say: Callable[[str], None]) -> None:
    """Stop the stack on this folder and those on folders below it, and wait for their end. Raises
    StackError if one does not end.
    """
    stopped = [_stop(folder, say) for folder in record.folders(state)]
    if not any(stopped):
        say(f"No stack runs on {state}.")


def _stop(state: Path, say: Callable[[str], None]) -> bool:
    """Whether there was something to stop."""
    holder = record.lock_holder(state)
    if holder is None:
        orphans = end_orphans(state)
        if orphans:
            say(f"Stopped what was left of a stack on {state}.")
        return orphans > 0
    os.kill(holder, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while record.lock_holder(state) is not None:
        if time.monotonic() > deadline:
            raise StackError(
                f"The stack (process {holder}) did not stop within {_STOP_SECONDS:.0f} s."
            )
        time.sleep(_LOOK_SECONDS)
    say(f"The local stack on {state} is stopped; its state stays.")
    return True


def down_command(state: Path) -> str:
    """What a person types to stop the stack on this folder."""
    named = "" if state == DEFAULT_STATE else f" --state {shlex.quote(str(state))}"
    return f"./batch-prep.sh local down{named}"


def user_of(port: int) -> Path | None:
    """The state folder of a stack whose app or simulator serves this port."""
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        given = dict(itertools.pairwise(line))
        if given.get("--port") == str(port) and given.get("--state"):
            return Path(given["--state"])
    return None


def end_orphans(state: Path) -> int:
    """End processes whose supervisor was killed, Azurite last; returns how many there were.

    A process id may belong to another process meanwhile: only a process whose command line names
    this folder is touched.
    """
    running = record.read(state)
    pids = sorted(running.pids.items(), key=lambda item: item[0] == "azurite") if running else []
    ended = [pid for _, pid in pids if _end_orphan(pid, state)]
    record.remove(state)
    return len(ended)


def _end_orphan(pid: int, state: Path) -> bool:
    try:
        process = psutil.Process(pid)
        if not any(str(state) in part for part in process.cmdline()):
            return False
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
    except psutil.NoSuchProcess:
        return False
    return True
