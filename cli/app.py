"""The command itself: `./batch-prep.sh --image-only --gpu` and its sub-commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from cli import (
    arguments,
    builds,
    changes,
    errors,
    flags,
    following,
    images,
    leftovers,
    local,
    metadata,
    plans,
    pools,
    recipes,
    records,
    request_reading,
    request_schema,
    scripts,
    submit,
)
from cli.client import Client
from cli.commands import Commands, surroundings_of
from cli.imports import command
from cli.surroundings import Surroundings
from cli.wording import PROGRAM

_ABOUT = """Build a VM image for Azure Batch and create pools from it.

./batch-prep.sh --image-only --gpu --os ubuntu --version 24.04

./batch-prep.sh --batch-only --pool-id dev --vm-size NC4as_T4_v3 --nodes 1

PRELOAD_IMAGES=true CONTAINER_IMAGE=myacr.azurecr.io/app:v1 ./batch-prep.sh

Exit codes: 0 done, 1 the build failed, 2 the request was refused,
3 the service could not be reached.
"""

app = typer.Typer(
    cls=Commands,
    help=_ABOUT,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(builds.app, name="builds")
app.add_typer(images.app, name="images")
app.add_typer(pools.app, name="pools")
app.add_typer(recipes.app, name="recipes")
app.add_typer(leftovers.app, name="leftovers")
app.add_typer(local.app, name="local")
app.add_typer(records.app, name="records")
app.command("changes")(changes.list_changes)
app.command("schema")(request_schema.show)
app.command("import")(command.import_file)


def run() -> None:
    """Run the command line of this process."""
    app(prog_name="batch-prep.sh")


@app.callback(invoke_without_command=True)
@flags.accept
def main(context: typer.Context, **given: Any) -> None:
    """Without a sub-command: one build, from the flags to the summary."""
    typed = flags.Flags(**given)
    if context.invoked_subcommand:
        _refuse_flags_of_builds(typed, context.invoked_subcommand)
        return
    around = surroundings_of(context)
    file = request_reading.read(Path(typed.request_file)) if typed.request_file else None
    order = _order(typed, around, file)
    for note in order.notes:
        around.say(note)
    scripts.check_files(order.request)
    submit.check_context(order.request)
    if not (typed.plan or typed.save_recipe or typed.no_wait):
        metadata.check_folder(_metadata_folder(typed))
    with around.connect(typed.endpoint) as client:
        try:
            request = scripts.with_files(client, submit.with_context(client, order.request))
            _send(around, client, typed, request)
        except errors.Rejected as refusal:
            if file is None:
                raise
            place = file.place_in_recipe if typed.save_recipe else file.place
            raise refusal.placed(place) from None


def _send(
    around: Surroundings, client: Client, typed: flags.Flags, request: dict[str, Any]
) -> None:
    if typed.save_recipe:
        recipes.put(around, client, typed.save_recipe, {"enabled": True, "request": request})
    elif typed.plan:
        _plan(around, client, typed, request)
    else:
        _build(around, client, typed, request)


def _refuse_flags_of_builds(typed: flags.Flags, command: str) -> None:
    extra = [name for name in typed.given() if name not in {"--endpoint", "--json"}]
    if extra:
        raise errors.Refused(
            f"{', '.join(extra)}: not for `{command}`; these flags describe a build"
        )


def _order(
    typed: flags.Flags, around: Surroundings, file: request_reading.RequestFile | None
) -> arguments.Order:
    known = metadata.read_image(typed.metadata_dir) if typed.batch_only else None
    base, place = (file.content, file.place) if file else (None, str)
    return arguments.order(
        typed,
        environment=around.environment,
        image_metadata=known,
        base=base,
        place=place,
        service=around.service_name(typed.endpoint),
    )


def _plan(
    around: Surroundings, client: Client, typed: flags.Flags, request: dict[str, Any]
) -> None:
    answer = submit.plan(client, request, accept_successor=typed.accept_successor, say=around.say)
    if typed.as_json:
        around.print_json(answer)
    else:
        plans.show(around.out, answer)
    if plans.blockers(answer):
        raise typer.Exit(errors.ExitCode.REFUSED)


def _build(
    around: Surroundings, client: Client, typed: flags.Flags, request: dict[str, Any]
) -> None:
    try:
        build_id = submit.start(
            client, request, accept_successor=typed.accept_successor, say=around.say
        )
    except errors.Rejected as refusal:
        if running := refusal.running_build():
            raise refusal.hinted(f"Watch that build: {PROGRAM} builds watch {running}") from None
        raise
    if typed.no_wait:
        _accepted(around, build_id, as_json=typed.as_json)
        return
    around.say(f"Build {build_id} is running.")
    following.follow(
        around,
        client,
        build_id,
        as_json=typed.as_json,
        metadata_folder=_metadata_folder(typed),
    )


def _metadata_folder(typed: flags.Flags) -> Path:
    return Path(typed.metadata_dir or ".")


def _accepted(around: Surroundings, build_id: str, *, as_json: bool) -> None:
    if as_json:
        around.print_json({"buildId": build_id})
    else:
        around.out.print(f"Build {build_id} is running.", markup=False)
        around.say(f"Watch it: {PROGRAM} builds watch {build_id}")
