"""HTTP: recipes."""

from __future__ import annotations

import re

from shared.base.errors import Problem, RequestRefused
from shared.base.wire import replace
from shared.model import parsing, recipes
from shared.model.documents import RecipeDeleted, RecipeDocument, RecipeList
from shared.store import shared_definitions
from triggers import http
from triggers.http import Answer, Call, Json


def list_recipes(call: Call) -> Answer:
    """List the recipes that the weekly rebuild builds, and those that are disabled."""
    found = sorted(call.services.records.recipes().items())
    return Answer(document=RecipeList(recipes=[_recipe(name, recipe) for name, recipe in found]))


def show_recipe(call: Call) -> Answer:
    """Show a recipe."""
    name = call.params["name"]
    recipe = call.services.records.recipes().get(name)
    return _no_recipe(name) if recipe is None else Answer(document=_recipe(name, recipe))


def put_recipe(call: Call) -> Answer:
    """Store a recipe, as its owner wrote it, under a name, in the place of an earlier one.

    Where another enabled recipe publishes into the same image definition, a warning names it.
    """
    name = call.params["name"]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
        message = "1 to 63 letters, digits, . _ and -, beginning with a letter or digit"
        raise RequestRefused([Problem(field="name", code="InvalidName", message=message)])
    data = call.json()
    recipe = parsing.parse_recipe(data, name, call.services.azure.config)
    assert isinstance(data, dict)
    request, texts = recipe.request.without_texts()
    for context, text in texts.items():
        call.services.outbox.put_context(context, text)
    stored = {"enabled": recipe.enabled, "request": recipes.written(data["request"], request)}
    records, config = call.services.records, call.services.azure.config
    warnings = shared_definitions.warnings(records, name, stored, config)
    records.put_recipe(name, stored)
    document = _recipe(name, stored)
    return Answer(document=replace(document, warnings=warnings) if warnings else document)


def delete_recipe(call: Call) -> Answer:
    """Remove a recipe; the images that were built from it stay."""
    name = call.params["name"]
    if name not in call.services.records.recipes():
        return _no_recipe(name)
    call.services.records.remove_recipe(name)
    return Answer(document=RecipeDeleted(name=name, state="deleted"))


def _recipe(name: str, stored: Json) -> RecipeDocument:
    return RecipeDocument.from_wire({"name": name, **stored})


def _no_recipe(name: str) -> Answer:
    return http.error(404, "NotFound", f"There is no recipe {name}. GET /api/recipes lists them.")
