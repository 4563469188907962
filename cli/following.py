"""Follow a build to its end: progress, files, summary, exit code."""

from __future__ import annotations

from pathlib import Path

import typer

from cli import errors, metadata, progress, summary, watch
from cli.client import Client
from cli.documents import Build
from cli.surroundings import Surroundings
from cli.wording import PROGRAM

_REFUSALS = {"Blocked", "PoolExists"}  # errors of builds that changed nothing


def follow(
    around: Surroundings,
    client: Client,
    build_id: str,
    *,
    as_json: bool,
    metadata_folder: Path | None = None,
) -> None:
    """Watch the build, write its metadata, print the summary; exits 1 unless it succeeded, and 2
    where its checks refused the request before anything was made, as a plan of it would.

    Ctrl-C stops only the watching: the build goes on.
    """
    view = progress.PlainView(around.err) if as_json else progress.view(around.out)
    try:
        build = watch.watch(client, build_id, view, around.pause)
    except KeyboardInterrupt:
        around.say(_goes_on(build_id, "You stopped watching"))
        raise typer.Exit(errors.ExitCode.INTERRUPTED) from None
    except errors.Unreachable as silent:
        silent.message += "\n" + _goes_on(build_id, "The connection is lost")
        raise
    files: list[Path] | None = []
    if metadata_folder:
        files = _written(around, build, metadata_folder, client.name)
    if as_json:
        around.print_json(build.document)
    else:
        around.out.print()
        summary.show(around.out, build, files=files or [], stays=around.service_stays)
    if not build.succeeded:
        refused = build.error is not None and build.error.code in _REFUSALS
        raise typer.Exit(errors.ExitCode.REFUSED if refused else errors.ExitCode.BUILD_FAILED)
    if files is None:
        raise typer.Exit(errors.ExitCode.BUILD_FAILED)  # a pipeline would go on with older files


def _written(around: Surroundings, build: Build, folder: Path, service: str) -> list[Path] | None:
    """The metadata files; None where they cannot be written, which is said."""
    try:
        return metadata.write(build, folder, service)
    except OSError as error:
        why = f"{folder.absolute()}: {errors.reason(error)}"
        around.say(f"The metadata files cannot be written: {why}")
        return None


def _goes_on(build_id: str, what: str) -> str:
    return (
        f"{what}; build {build_id} goes on.\n"
        f"  watch it:  {PROGRAM} builds watch {build_id}\n"
        f"  cancel it: {PROGRAM} builds cancel {build_id}"
    )
