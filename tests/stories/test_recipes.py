"""Recipes beside each other: two that publish into one image definition get a warning."""

from __future__ import annotations

from typing import Any

import pytest

from shared.model.outcomes import ImageRecord
from tests.world import World, an_image
from triggers import recipes

Json = dict[str, Any]
BASE = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/g/providers"
    "/Microsoft.Compute/galleries/g/images/i"
)
DEFAULT = "batchCustomImage-ubuntu-24.04-cpu"


def put(world: World, name: str, image: Json, *, enabled: bool = True, **request: object) -> Json:
    """PUT of a recipe; the answer."""
    body = {"enabled": enabled, "request": {"mode": "image-only", "image": image, **request}}
    answer = world.ask(recipes.put_recipe, body, name=name)
    assert answer.status == 200, answer.body
    return answer.body


def rebuilt(world: World) -> list[str]:
    """The recipes that the next weekly rebuild builds."""
    world.engine.advance(7 * 86400)
    world.begin_rebuild()
    return sorted(world.engine.run_until_complete("rebuild_images").output["started"])


def test_two_recipes_of_one_image_definition_get_a_warning(world: World) -> None:
    """Each rebuild finds the other's version as the newest, so they are built in turns for ever.
    Nothing is refused, and what is stored has no warning.
    """
    put(world, "tools", an_image(name="shared", containerImages=["busybox:1.36"]))
    put(world, "off", an_image(name="shared", os="almalinux"), enabled=False)
    answer = put(world, "plain", an_image(name="Shared", resourceGroup="IMAGES"))
    (warning,) = answer.pop("warnings")
    assert (warning["field"], warning["code"]) == ("request.image.name", "DefinitionShared")
    for word in ("tools", "batchImageGallery/Shared"):
        assert word in warning["message"]
    assert "off" not in warning["message"].split()
    assert answer == world.ask(recipes.show_recipe, name="plain").body
    assert [rebuilt(world) for _ in range(3)] == [["plain"], ["tools"], ["plain"]]


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ({}, ["given", "unnamed"]),
        ({"name": DEFAULT}, ["given", "unnamed"]),
        ({"gpu": True}, []),
        ({"osVersion": "22.04"}, []),
        ({"name": "other"}, []),
        ({"gallery": "other"}, []),
        ({"resourceGroup": "other"}, []),
    ],
)
def test_a_definition_may_come_of_the_defaults(
    world: World, image: Json, wanted: list[str]
) -> None:
    """A request that leaves its name out publishes into the definition of its system and driver."""
    put(world, "unnamed", an_image())
    put(world, "given", an_image(name=DEFAULT))
    warnings = put(world, "new", an_image(**image)).get("warnings", [])
    assert [name for each in warnings for name in wanted if name in each["message"]] == wanted
    assert len(warnings) == bool(wanted)


def test_only_recipes_that_are_built_are_compared(world: World) -> None:
    """A disabled one is not; nor one with itself, or with one that this version would refuse."""
    first = put(world, "first", an_image(name="a"))
    assert put(world, "first", an_image(name="a")) == first
    assert "warnings" not in put(world, "off", an_image(name="a"), enabled=False)
    bad = {"enabled": True, "request": {"image": {"name": "a", "gone": True}}}
    world.records.put_recipe("bad", bad)
    (warning,) = put(world, "off", an_image(name="a"))["warnings"]
    assert "first" in warning["message"]
    assert "bad" not in warning["message"]


def test_an_image_whose_system_nobody_knows_yet_is_compared_with_none(world: World) -> None:
    """Its base is on no record, so a rebuild would skip it and say why."""
    put(world, "first", an_image(name="a"))
    assert "warnings" not in put(world, "second", an_image(name="a", base={"id": BASE}))


def test_a_recipe_with_another_name_costs_no_reads(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each that builds on an own image would take some."""
    system = {"base": {"id": BASE}, "os": "ubuntu", "osVersion": "24.04"}
    for name in ("one", "two", "three"):
        put(world, name, an_image(name=name, **system))
    asked, image = [], world.records.image

    def counted(*key: str) -> ImageRecord | None:
        asked.append(key)
        return image(*key)

    monkeypatch.setattr(world.records, "image", counted)
    put(world, "new", an_image(name="new", **system))
    alone = len(asked)
    put(world, "new", an_image(name="one", **system))
    assert (alone > 0, len(asked)) == (True, 3 * alone)  # then one other, too
