"""What all commands share: how they end, what they are given, flags that appear in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

import typer
from typer.core import TyperGroup

from cli import errors
from cli.client import Client
from cli.surroundings import Surroundings

Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        help="The service (or BATCH_PREP_ENDPOINT); else the local stack.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return once it is accepted.")]
BuildId = Annotated[str, typer.Argument(metavar="ID", help="The build's id.")]


class Commands(TyperGroup):
    """The root of all commands: where Stop becomes words on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; end the process as `errors.Stop` asks."""
        if ctx.obj is None:
            ctx.obj = Surroundings()
        try:
            return super().invoke(ctx)
        except errors.Stop as stop:
            _print(ctx.obj, stop, as_json=_wants_json(ctx))
            raise typer.Exit(stop.code) from None
        except KeyboardInterrupt:
            raise typer.Exit(errors.ExitCode.INTERRUPTED) from None


def _wants_json(context: Any) -> bool:
    """Whether the command or its sub-command was given --json; `meta` is shared by both."""
    return bool(context.params.get("as_json") or context.meta.get("cli.as_json"))


def _print(around: Surroundings, stop: errors.Stop, *, as_json: bool) -> None:
    if as_json:
        around.print_json(stop.document())
    around.err.print(stop.message, style="red", markup=False, soft_wrap=True)


def surroundings_of(context: typer.Context) -> Surroundings:
    """The surroundings that the root command was given or made."""
    around = context.find_root().obj
    assert isinstance(around, Surroundings)
    return around


def connected(context: typer.Context, endpoint: str | None) -> tuple[Surroundings, Client]:
    """A sub-command's surroundings and service, by its own --endpoint or the main command's."""
    around = surroundings_of(context)
    return around, around.connect(endpoint or context.find_root().params.get("endpoint"))


def json_wanted(context: typer.Context, as_json: bool) -> bool:
    """Whether --json was given, here or before the sub-command; errors are JSON then, too."""
    wanted = as_json or bool(context.find_root().params.get("as_json"))
    context.meta["cli.as_json"] = wanted
    return wanted


def asked(
    context: typer.Context, endpoint: str | None, as_json: bool, ask: Callable[[Client], Any]
) -> tuple[Surroundings, Any]:
    """Ask the service one thing: the answer, or None where --json wanted nothing else printed."""
    as_json = json_wanted(context, as_json)
    around, client = connected(context, endpoint)
    with client:
        answer = ask(client)
    if as_json:
        around.print_json(answer)
        return around, None
    return around, {} if answer is None else answer


def path(*parts: str) -> str:
    """A route below /api/ with every part quoted."""
    return "/".join(quote(part, safe="") for part in parts)


def listed(answer: Any, name: str) -> list[dict[str, Any]]:
    """The rows of a list answer: a bare list, or the field `name` of an object."""
    rows = answer.get(name, answer.get("items", [])) if isinstance(answer, dict) else answer
    return [row for row in rows or [] if isinstance(row, dict)]
