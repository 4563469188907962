"""`recipes list | show | put | delete`: what the weekly rebuild builds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import documents, errors, request_reading, scripts, submit, summary, tables
from cli.client import Client
from cli.commands import AsJson, Endpoint, asked, connected, json_wanted, listed, path
from cli.surroundings import Surroundings

app = typer.Typer(
    help="Recipes: what the weekly rebuild builds.", rich_markup_mode="rich", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The recipe's name.")]


@app.command("list")
def list_recipes(
    context: typer.Context, endpoint: Endpoint = None, as_json: AsJson = False
) -> None:
    """List recipes."""
    around, answer = asked(context, endpoint, as_json, lambda client: client.get("recipes"))
    if answer is None:
        return
    rows = [_row(recipe) for recipe in listed(answer, "recipes")]
    columns = ("Recipe", "Enabled", "Mode", "OS", "GPU", "Image")
    tables.show(around.out, columns, rows, nothing="No recipes yet.")


def _row(recipe: dict[str, Any]) -> tuple[Any, ...]:
    """What a recipe leaves out is the default or, of an image with a base, as the base has it."""
    request = recipe.get("request") or {}
    image = request.get("image") or {}
    base = image.get("base") or {}
    usual = {"os": None if base else "ubuntu", "gpu": None if base.get("id") else False}
    image = {**usual, **image}
    system = " ".join(str(image[key]) for key in ("os", "osVersion") if image.get(key))
    mode, gpu = request.get("mode", "full"), image.get("gpu")
    return recipe.get("name"), recipe.get("enabled"), mode, system, gpu, image.get("name")


@app.command()
def show(
    context: typer.Context, name: Name, endpoint: Endpoint = None, as_json: AsJson = False
) -> None:
    """Show one recipe as JSON, as `recipes put` takes it."""
    json_wanted(context, as_json)
    around, client = connected(context, endpoint)
    with client:
        around.print_json(client.get(path("recipes", name)))


@app.command("put")
def put_file(
    context: typer.Context,
    name: Name,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A request or a recipe, YAML or JSON; - is standard input."
        ),
    ],
    enabled: Annotated[
        bool | None,
        typer.Option("--enabled/--disabled", help="Whether the weekly rebuild builds it."),
    ] = None,
    endpoint: Endpoint = None,
) -> None:
    """Store a recipe: `{"enabled": true, "request": {...}}`, or only the request.

    The main command's --save-recipe NAME makes one from flags.
    """
    read = request_reading.read(Path("/dev/stdin" if file == "-" else file))
    is_recipe = "request" in read.content
    recipe: dict[str, Any] = {"enabled": True}
    # `show` prints the name as well
    recipe |= {k: v for k, v in read.content.items() if k != "name"} if is_recipe else {}
    request = read.content["request"] if is_recipe else read.content
    if enabled is not None:
        recipe["enabled"] = enabled

    def place(field: str) -> str:
        if is_recipe:
            return "" if field == "name" else read.place(field)
        return read.place_in_recipe(field)

    around, client = connected(context, endpoint)
    with client:
        try:
            if isinstance(request, dict):
                scripts.check_files(request)
                request = scripts.with_files(client, submit.with_context(client, request))
            put(around, client, name, {**recipe, "request": request})
        except errors.Rejected as refusal:
            raise refusal.placed(place) from None


def put(around: Surroundings, client: Client, name: str, recipe: dict[str, Any]) -> None:
    """Store the recipe; say so, and what the service warns of."""
    answer = client.put(path("recipes", name), recipe)
    state = "will build it" if recipe["enabled"] else "leaves it out"
    around.out.print(f"Recipe {name} is stored; the weekly rebuild {state}.", markup=False)
    found = answer.get("warnings") or [] if isinstance(answer, dict) else []
    summary.show_warnings(around.out, [documents.problem(warning) for warning in found])


@app.command()
def delete(context: typer.Context, name: Name, endpoint: Endpoint = None) -> None:
    """Remove a recipe; images made from it stay."""
    around, client = connected(context, endpoint)
    with client:
        client.delete(path("recipes", name))
    around.out.print(f"Recipe {name} is removed.", markup=False)
