"""`local up | down | run`: the local stack, where one machine stands in for Azure."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import typer

from cli import errors
from cli.commands import surroundings_of
from cli.surroundings import Surroundings
from local import stack

app = typer.Typer(
    help="The local stack: app, simulated Azure and storage on this machine.",
    rich_markup_mode="rich",
    no_args_is_help=True,
)

_LOOK_SECONDS, _LEAVE_SECONDS = 0.2, 10.0

State = Annotated[
    str | None,
    typer.Option(
        "--state",
        metavar="DIR",
        help="Where its state lives (or BATCH_PREP_STATE; default .batch-prep).",
    ),
]
RunState = Annotated[
    str | None,
    typer.Option(
        "--state", metavar="DIR", help="Where its state lives and stays (default: a temporary one)."
    ),
]
Port = Annotated[
    int, typer.Option("--port", min=0, max=65531, help="Of the app; four more follow. 0: any free.")
]
TimeScale = Annotated[
    float | None,
    typer.Option(
        "--time-scale",
        min=0.01,
        max=10_000,
        help=(
            f"Simulated seconds per second (default {stack.DEFAULT_TIME_SCALE:g}; "
            f"{stack.EXECUTING_TIME_SCALE:g} where machines really execute)."
        ),
    ),
]
Faults = Annotated[
    Path | None,
    typer.Option(
        "--faults", metavar="FILE", exists=True, dir_okay=False, help="Faults for the simulator."
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of the simulator's durations.")]
Machines = Annotated[
    stack.Machines,
    typer.Option(
        "--machines",
        help="nspawn: they really execute what Debian 12 can stand in for (root on Linux).",
    ),
]
Roots = Annotated[
    Path | None,
    typer.Option(
        "--roots",
        metavar="DIR",
        envvar="BATCH_PREP_ROOTS",
        help="What such machines are made from (`make roots`; default .batch-prep/roots).",
    ),
]
AzureEndpoint = Annotated[
    str | None,
    typer.Option(
        "--azure-endpoint",
        metavar="URL",
        help="Where the app reaches Azure instead (a proxy, say).",
    ),
]
AppFolder = Annotated[
    Path | None,
    typer.Option(
        "--app",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="Run the app of this folder, such as an unpacked package.",
    ),
]


@app.command()
def up(
    context: typer.Context,
    port: Port = stack.DEFAULT_PORT,
    state: State = None,
    time_scale: TimeScale = None,
    faults: Faults = None,
    seed: Seed = None,
    machines: Machines = stack.Machines.SCRIPTED,
    roots: Roots = None,
    azure_endpoint: AzureEndpoint = None,
    app_folder: AppFolder = None,
) -> None:
    """Start it and stay until Ctrl-C or `local down`."""
    around = surroundings_of(context)
    folder = around.state_folder(state)
    options = _options(
        folder, port, time_scale, faults, seed, machines, roots, azure_endpoint, app_folder
    )
    try:
        code = stack.up(options, around.say)
    except stack.StackError as error:
        raise errors.Refused(str(error)) from error
    raise typer.Exit(code)


@app.command()
def down(context: typer.Context, state: State = None) -> None:
    """Stop it, and those with a state folder below its own; the state stays."""
    around = surroundings_of(context)
    try:
        stack.down(around.state_folder(state), around.say)
    except stack.StackError as error:
        raise errors.Stop(str(error)) from error


@app.command()
def run(
    context: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...")],
    port: Port = 0,
    state: RunState = None,
    time_scale: TimeScale = None,
    faults: Faults = None,
    seed: Seed = None,
    machines: Machines = stack.Machines.SCRIPTED,
    roots: Roots = None,
    azure_endpoint: AzureEndpoint = None,
    app_folder: AppFolder = None,
) -> None:
    """Start a fresh stack on free ports, run COMMAND against it, stop it; exits as COMMAND does.

    A temporary state is removed when COMMAND succeeds and kept, to look into, when it fails.
    """
    around = surroundings_of(context)
    folder = Path(state).resolve() if state else Path(tempfile.mkdtemp(prefix="batch-prep-"))
    options = _options(
        folder, port, time_scale, faults, seed, machines, roots, azure_endpoint, app_folder
    )
    code = _run_beside(options, command, around)
    if code == 0 and not state:
        shutil.rmtree(folder)
    else:
        around.say(f"State and logs of the stack are kept in {folder}")
    raise typer.Exit(code)


def _options(
    folder: Path,
    port: int,
    time_scale: float | None,
    faults: Path | None,
    seed: int | None,
    machines: stack.Machines,
    roots: Path | None,
    azure_endpoint: str | None,
    app_folder: Path | None,
) -> stack.Options:
    """The stack that the flags of `up` and `run` describe, with its state in `folder`."""
    return stack.Options(
        state=folder,
        port=port,
        time_scale=time_scale or machines.time_scale,
        faults=faults.resolve() if faults else None,
        seed=seed,
        machines=machines,
        roots=roots.resolve() if roots else None,
        azure_endpoint=azure_endpoint,
        app=app_folder.resolve() if app_folder else stack.ROOT,
    )


def _run_beside(options: stack.Options, command: list[str], around: Surroundings) -> int:
    """The command's exit code, with a stack that runs as long as the command does."""
    try:
        with stack.stop_signals() as asked, stack.running(options, around.say, asked) as started:
            minute = 60 / options.time_scale
            around.say(f"Times of builds are simulated: a minute of them takes {minute:.3g} s.")
            code = _run_against(started.running, command, asked)
            if death := started.death():
                around.say(death)
    except stack.StackError as error:
        raise errors.Stop(str(error)) from error
    return code


def _run_against(running: stack.Running, command: list[str], asked: threading.Event) -> int:
    """The command's exit code. Ctrl-C reaches it by itself; other signals end it after a while."""
    service = {
        "BATCH_PREP_ENDPOINT": running.app_url,
        "BATCH_PREP_KEY": running.function_key,
        "BATCH_PREP_PASSING": "1",
    }
    try:
        process = subprocess.Popen(command, env={**os.environ, **service})  # noqa: S603  the user's own
    except OSError as error:
        raise errors.Refused(f"{command[0]} cannot be started: {error}") from error
    while process.poll() is None:
        if asked.wait(_LOOK_SECONDS):
            break
    try:
        return process.wait(_LEAVE_SECONDS)
    except subprocess.TimeoutExpired:
        process.terminate()
        return process.wait()
