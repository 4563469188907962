"""The plans of a rebuild of recipes."""

from __future__ import annotations

from shared.base.wire import Wire


class RecipePlan(Wire):
    """A recipe to build on a certain day."""

    name: str
    day: str  # YYYY-MM-DD


class RebuildGroup(Wire):
    """Some of the recipes of a rebuild, by name, of which `width` are built side by side."""

    recipes: list[str]
    day: str  # YYYY-MM-DD
    width: int
