"""`leftovers`, `leftovers sweep`: what builds left behind."""

from __future__ import annotations

import typer

from cli import tables, wording
from cli.commands import AsJson, Endpoint, asked, listed

app = typer.Typer(
    help="Leftovers: what the sweep would remove or shrink, what it keeps, and why.",
    rich_markup_mode="rich",
    invoke_without_command=True,
)
_COLUMNS = ("", "Resource", "Kind", "Build", "Until", "Why")


@app.callback()
def show(context: typer.Context, endpoint: Endpoint = None, as_json: AsJson = False) -> None:
    """Show what builds left behind; removes nothing."""
    if context.invoked_subcommand:
        return
    around, answer = asked(context, endpoint, as_json, lambda client: client.get("leftovers"))
    if answer is None:
        return
    rows = [
        (
            row.get("verdict"),
            str(row.get("id")).rpartition("/")[2],
            str(row.get("type")).rpartition("/")[2],
            row.get("buildId"),
            wording.moment(row.get("until")) if row.get("verdict") == "keep" else "now",
            row.get("why"),
        )
        for row in listed(answer, "leftovers")
    ]
    tables.show(around.out, _COLUMNS, rows, nothing="Builds left nothing behind.")


@app.command()
def sweep(context: typer.Context, endpoint: Endpoint = None, as_json: AsJson = False) -> None:
    """Remove leftovers and shrink failed pools now, instead of at the next scheduled sweep."""
    around, answer = asked(
        context, endpoint, as_json, lambda client: client.post("leftovers/sweep")
    )
    if answer is not None:
        around.out.print("A sweep is running.", markup=False)
        around.say(f"See what stays: {wording.PROGRAM} leftovers")
