"""`images list | show | bom | withdraw | restore`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import summary, tables, wording
from cli.commands import AsJson, Endpoint, asked, connected, listed, path

Gallery = Annotated[str, typer.Argument(metavar="GALLERY")]
Name = Annotated[str, typer.Argument(metavar="NAME")]
Version = Annotated[str, typer.Argument(metavar="VERSION")]

app = typer.Typer(
    help="Images: the catalogue of what was built.", rich_markup_mode="rich", no_args_is_help=True
)


@app.command("list")
def list_images(context: typer.Context, endpoint: Endpoint = None, as_json: AsJson = False) -> None:
    """List image versions."""
    around, answer = asked(
        context, endpoint, as_json, lambda client: client.get_all("images", "images")
    )
    if answer is None:
        return
    rows = [
        (
            row.get("galleryName"),
            row.get("imageName"),
            row.get("version"),
            row.get("baseOs"),
            row.get("gpuEnabled"),
            row.get("location"),
            wording.moment(row.get("createdAt")),
            summary.unusable(row),
        )
        for row in listed(answer, "images")
    ]
    columns = ("Gallery", "Image", "Version", "Base OS", "GPU", "Location", "Made", "")
    tables.show(around.out, columns, rows, nothing="No images yet.")


@app.command()
def show(
    context: typer.Context,
    gallery: Gallery,
    name: Name,
    version: Version = "latest",
    endpoint: Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """Show one image version; --json prints it as image_metadata.json."""
    around, answer = asked(
        context,
        endpoint,
        as_json,
        lambda client: client.get(path("images", gallery, name, version)),
    )
    if answer is not None:
        summary.facts_lines(around.out, summary.image_facts(answer))
        summary.footnotes(around.out, [wording.execution_of(answer)])


@app.command()
def withdraw(
    context: typer.Context,
    gallery: Gallery,
    name: Name,
    version: Version,
    endpoint: Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """Exclude a bad image version from latest; pools that name it can still use it."""
    _change(context, (gallery, name, version), endpoint, as_json, is_out=True)


@app.command()
def restore(
    context: typer.Context,
    gallery: Gallery,
    name: Name,
    version: Version,
    endpoint: Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """Let latest mean a withdrawn image version again."""
    _change(context, (gallery, name, version), endpoint, as_json, is_out=False)


def _change(
    context: typer.Context,
    image: tuple[str, str, str],
    endpoint: str | None,
    as_json: bool,
    *,
    is_out: bool,
) -> None:
    change = {"excludeFromLatest": is_out}
    around, answer = asked(
        context, endpoint, as_json, lambda client: client.patch(path("images", *image), change)
    )
    if answer is not None:
        state = "is excluded from latest" if is_out else "may be latest again"
        around.out.print(f"Version {image[2]} of {image[1]} {state}.", markup=False)


@app.command()
def bom(
    context: typer.Context,
    gallery: Gallery,
    name: Name,
    version: Version = "latest",
    endpoint: Endpoint = None,
) -> None:
    """Print what is in one image version: its bill of materials, as CycloneDX JSON."""
    around, client = connected(context, endpoint)
    with client:
        around.print_json(client.get(path("images", gallery, name, version, "bom")))
