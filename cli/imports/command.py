"""`import`: a template or a pool of another tool becomes a request file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import errors
from cli.commands import surroundings_of
from cli.imports import kinds, written
from cli.imports.draft import Draft

Source = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A Packer template (JSON, HCL2), a pool as the Azure CLI has it, a Resource Manager "
        "template or Terraform; or a folder of HCL files.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="The request file to write (default: stdout)."),
]
Variables = Annotated[
    list[str] | None,
    typer.Option("--var", metavar="NAME=VALUE", help="A variable or parameter of the file."),
]
Only = Annotated[
    str | None,
    typer.Option("--only", metavar="NAME", help="Which of several builders, sources or pools."),
]


def _relocate(draft: Draft, folder: Path, target: Path) -> None:
    """Files to upload are relative to the request file, and were to the `folder` of the source."""
    for step in draft.request.get("image", {}).get("steps", []):
        if "upload" in step:
            end = "/" if step["upload"].endswith("/") else ""
            step["upload"] = os.path.relpath(folder / step["upload"], target) + end


def import_file(
    context: typer.Context,
    file: Source,
    output: Output = None,
    var: Variables = None,
    only: Only = None,
) -> None:
    """Make a request file from a Packer template or a pool's definition."""
    around = surroundings_of(context)
    given = {}
    for each in var or []:
        name, equals, value = each.partition("=")
        if not equals:
            raise errors.Refused(f"--var {name}: give NAME=VALUE")
        given[name] = value
    if output and output.exists():
        raise errors.Refused(f"{output} is there already: name another file, or remove it")
    draft = kinds.read(file, given, only)
    if output:
        _relocate(draft, file if file.is_dir() else file.parent, output.parent)
    text = written.text(draft, file.name)
    for line in written.notes(draft, file.name):
        around.say(line)
    if output:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise errors.unwritable(output, error) from error
        around.say(f"{output} is written. Look at it first: ./batch-prep.sh --file {output} --plan")
    else:
        sys.stdout.write(text)
