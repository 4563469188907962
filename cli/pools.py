"""`pools list | show | resize | delete`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import errors, following, summary, tables, wording
from cli.client import Client
from cli.commands import AsJson, Endpoint, NoWait, asked, connected, json_wanted, listed, path
from cli.surroundings import Surroundings

app = typer.Typer(
    help="Pools: list, resize, delete.", rich_markup_mode="rich", no_args_is_help=True
)

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The Batch account.")]
PoolId = Annotated[str, typer.Argument(metavar="POOL", help="The pool's id.")]
_LABELS = {
    "batchAccount": "account",
    "poolId": "pool",
    "state": "state",
    "vmSize": "size",
    "nodes": "nodes",
    "imageId": "image",
    "verified": "verified",
}


@app.command("list")
def list_pools(context: typer.Context, endpoint: Endpoint = None, as_json: AsJson = False) -> None:
    """List pools."""
    around, answer = asked(
        context, endpoint, as_json, lambda client: client.get_all("pools", "pools")
    )
    if answer is None:
        return
    rows = [
        (
            row.get("batchAccount"),
            row.get("poolId"),
            row.get("state"),
            row.get("vmSize"),
            row.get("nodes"),
            _version(row),
        )
        for row in listed(answer, "pools")
    ]
    columns = ("Account", "Pool", "State", "Size", "Nodes", "Image")
    tables.show(around.out, columns, rows, nothing="No pools yet.")


@app.command("refused")
def list_refused(
    context: typer.Context, endpoint: Endpoint = None, as_json: AsJson = False
) -> None:
    """List pool requests that reached the queue and were refused, with every reason."""
    around, answer = asked(
        context, endpoint, as_json, lambda client: client.get_all("refused", "refused")
    )
    if answer is None:
        return
    rows = [
        (row.get("messageId"), problem.get("field"), problem.get("message"))
        for row in listed(answer, "refused")
        for problem in row.get("problems") or []
    ]
    tables.show(around.out, ("Message", "Field", "Why"), rows, nothing="None was refused.")


def _version(row: dict[str, Any]) -> str:
    """The end of an image id, `name/versions/1.0.0` as `name 1.0.0`."""
    parts = str(row.get("imageId") or "").split("/")
    return f"{parts[-3]} {parts[-1]}" if len(parts) > 3 else "/".join(parts)


@app.command()
def show(
    context: typer.Context,
    account: Account,
    pool_id: PoolId,
    endpoint: Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """Show one pool; --json prints it as batch_metadata.json."""
    around, answer = asked(
        context, endpoint, as_json, lambda client: client.get(path("pools", account, pool_id))
    )
    if answer is None:
        return
    facts = {label: wording.value(answer.get(key)) for key, label in _LABELS.items()}
    if answer.get("nodeStates"):
        states = answer["nodeStates"].items()
        facts["now"] = ", ".join(f"{count} {state}" for state, count in states)
    if answer.get("note"):
        facts["note"] = str(answer["note"])
    if answer.get("expiresAt"):
        facts["deleted at"] = wording.moment(answer["expiresAt"])
    if answer.get("pending"):
        facts["not proved"] = " ".join(map(str, answer["pending"]))
    how = wording.execution_of(answer)
    if how and answer.get("verified") is not None:
        facts["verified"] += f", {how}"
    for line in summary.proof_lines(answer):
        check, _, verdict = line.partition(" ")
        facts[f"check {check}"] = verdict
    summary.facts_lines(around.out, facts)
    summary.footnotes(around.out, [how])


@app.command()
def resize(
    context: typer.Context,
    account: Account,
    pool_id: PoolId,
    nodes: Annotated[int | None, typer.Option("--nodes", min=0, help="Dedicated nodes.")] = None,
    low_priority_nodes: Annotated[
        int | None, typer.Option("--low-priority-nodes", min=0, help="Spot nodes.")
    ] = None,
    deallocation: Annotated[
        str | None,
        typer.Option(
            "--node-deallocation-option",
            metavar="OPTION",
            help="What becomes of tasks on nodes that go: Requeue (the default), Terminate, "
            "TaskCompletion or RetainedData.",
        ),
    ] = None,
    endpoint: Endpoint = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Change the number of nodes."""
    as_json = json_wanted(context, as_json)
    sizes = {"nodes": nodes, "lowPriorityNodes": low_priority_nodes}
    wanted: dict[str, int | str]
    wanted = {name: value for name, value in sizes.items() if value is not None}
    if not wanted:
        raise errors.Refused("give --nodes or --low-priority-nodes")
    if deallocation:
        wanted["nodeDeallocationOption"] = deallocation
    around, client = connected(context, endpoint)
    with client:
        answer = client.patch(path("pools", account, pool_id), wanted)
        _end(
            around,
            client,
            answer,
            f"Pool {pool_id} is being resized.",
            as_json=as_json,
            no_wait=no_wait,
        )


@app.command()
def delete(
    context: typer.Context,
    account: Account,
    pool_id: PoolId,
    endpoint: Endpoint = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Delete a pool with its nodes."""
    as_json = json_wanted(context, as_json)
    around, client = connected(context, endpoint)
    with client:
        answer = client.delete(path("pools", account, pool_id))
        _end(
            around,
            client,
            answer,
            f"Pool {pool_id} is being deleted.",
            as_json=as_json,
            no_wait=no_wait,
        )


def _end(
    around: Surroundings, client: Client, answer: Any, message: str, *, as_json: bool, no_wait: bool
) -> None:
    """Follow the build that the service made of it, if it named one."""
    build_id = answer.get("buildId") if isinstance(answer, dict) else None
    if build_id and not no_wait:
        no_files: Path | None = None
        following.follow(around, client, str(build_id), as_json=as_json, metadata_folder=no_files)
    elif as_json:
        around.print_json(answer)
    else:
        around.out.print(message, markup=False)
