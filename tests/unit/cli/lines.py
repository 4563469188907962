"""Command lines as the command reads them, and the requests that they mean."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli import arguments, errors, flags


def parsed(line: str) -> flags.Flags:
    """The flags of a command line, through Typer itself."""
    seen: list[flags.Flags] = []

    def command(context: typer.Context, **given: Any) -> None:
        seen.append(flags.Flags(**given))

    app = typer.Typer()
    app.command()(flags.accept(command))
    result = CliRunner().invoke(app, shlex.split(line))
    assert result.exit_code == 0, result.stderr
    return seen[0]


def request_of(line: str, **more: Any) -> dict[str, Any]:
    more.setdefault("environment", {})
    return arguments.order(parsed(line), **more).request


def problems_of(line: str, **more: Any) -> tuple[str, ...]:
    more.setdefault("environment", {})
    with pytest.raises(errors.Refused) as refused:
        arguments.order(parsed(line), **more)
    return refused.value.problems
