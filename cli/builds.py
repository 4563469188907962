"""`builds list | show | watch | cancel | resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from cli import following, metadata, summary, tables, watch, wording
from cli.commands import (
    AsJson,
    BuildId,
    Endpoint,
    NoWait,
    asked,
    connected,
    json_wanted,
    listed,
    path,
)
from cli.progress import symbol

app = typer.Typer(
    help="Builds: what ran, what runs.", rich_markup_mode="rich", no_args_is_help=True
)

_SHOWN_BUILDS = 100
_PAGE_MAX = 1000  # rows that the service answers with at once

MetadataFolder = Annotated[
    str | None,
    typer.Option(
        "--metadata-dir", metavar="DIR", help="Write the two metadata files there at the end."
    ),
]


@app.command("list")
def list_builds(
    context: typer.Context,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help=f"How many at most; {_SHOWN_BUILDS} by default."),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option("--state", help="Only those: running, succeeded, failed or cancelled."),
    ] = None,
    endpoint: Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """List builds, newest first."""
    asked_for = {"limit": limit and min(limit, _PAGE_MAX), "state": state}
    query = urlencode({name: value for name, value in asked_for.items() if value is not None})
    most = limit or _SHOWN_BUILDS
    around, answer = asked(
        context,
        endpoint,
        as_json,
        lambda client: client.get_all(f"builds?{query}".rstrip("?"), "builds", most),
    )
    if answer is None:
        return
    rows = [
        (
            symbol(str(row.get("state"))),
            row.get("buildId"),
            row.get("mode"),
            row.get("state"),
            wording.moment(row.get("createdAt")),
            wording.duration(row.get("seconds")),
        )
        for row in listed(answer, "builds")
    ]
    if len(rows) == most:
        around.say(f"These are the newest {most}; --limit shows more.")
    tables.show(
        around.out,
        ("", "Build", "Mode", "State", "Started", "Time"),
        rows,
        nothing=f"No build is {state}." if state else "No builds yet.",
    )


@app.command()
def show(
    context: typer.Context, build_id: BuildId, endpoint: Endpoint = None, as_json: AsJson = False
) -> None:
    """Show one build: steps, image, pools, errors."""
    as_json = json_wanted(context, as_json)
    around, client = connected(context, endpoint)
    with client:
        build = watch.look(client, build_id)
    if as_json:
        around.print_json(build.document)
    else:
        summary.show(around.out, build, leads_to_show=False)


@app.command("watch")
def watch_build(
    context: typer.Context,
    build_id: BuildId,
    endpoint: Endpoint = None,
    metadata_dir: MetadataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Watch a build to its end; the exit code says how it ended."""
    as_json = json_wanted(context, as_json)
    around, client = connected(context, endpoint)
    folder = Path(metadata_dir) if metadata_dir else None
    with client:
        following.follow(around, client, build_id, as_json=as_json, metadata_folder=folder)


@app.command()
def cancel(
    context: typer.Context, build_id: BuildId, endpoint: Endpoint = None, as_json: AsJson = False
) -> None:
    """Stop a build; what it made so far is removed."""
    around, answer = asked(
        context, endpoint, as_json, lambda client: client.delete(path("builds", build_id))
    )
    if answer is not None:
        around.out.print(f"Build {build_id} is being cancelled.", markup=False)
        if isinstance(answer, dict) and answer.get("note"):
            around.say(str(answer["note"]))
        around.say(f"See it end: {wording.PROGRAM} builds watch {build_id}")


@app.command()
def resume(
    context: typer.Context,
    build_id: BuildId,
    endpoint: Endpoint = None,
    metadata_dir: MetadataFolder = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Go on at the step that failed."""
    as_json = json_wanted(context, as_json)
    around, client = connected(context, endpoint)
    folder = Path(metadata_dir) if metadata_dir else None
    if folder and not no_wait:
        metadata.check_folder(folder)
    with client:
        answer = client.post(path("builds", build_id, "resume")) or {}
        resumed = str(answer.get("buildId", build_id))
        if not no_wait:
            following.follow(around, client, resumed, as_json=as_json, metadata_folder=folder)
        elif as_json:
            around.print_json(answer)
        else:
            around.out.print(f"Build {resumed} is running.", markup=False)
