"""`changes`: who changed what."""

from __future__ import annotations

import typer

from cli import tables, wording
from cli.commands import AsJson, Endpoint, asked, listed


def list_changes(
    context: typer.Context, endpoint: Endpoint = None, as_json: AsJson = False
) -> None:
    """List the requests that changed something, the newest first, each with its caller."""
    around, answer = asked(
        context, endpoint, as_json, lambda client: client.get_all("changes", "changes")
    )
    if answer is None:
        return
    rows = [
        (
            wording.moment(row.get("at")),
            row.get("by") or "a function key",
            row.get("what"),
            row.get("buildId"),
        )
        for row in listed(answer, "changes")
    ]
    columns = ("At", "By", "Request", "Build")
    tables.show(around.out, columns, rows, nothing="Nothing was changed yet.")
