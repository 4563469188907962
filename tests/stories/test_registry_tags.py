"""A tag that others pushed into their registry is overwritten only where somebody has agreed."""

from __future__ import annotations

from typing import Any

import pytest

from local.azure_simulator.container_registry import registries
from tests import served
from tests.stories.test_registries import REGISTRY, given_registry, let_the_app_push
from tests.world import World, image_only
from triggers import builds, recipes

FIELD = "image.registry.build.overwriteTag"
SOURCE = "https://example.org/app.git#main"


def a_push(request_id: str, image: str = "app:1", **build: Any) -> dict[str, Any]:
    """A request that builds a container image in the registry; `app:1` is there already."""
    made = {"source": SOURCE, "image": image, **build}
    return image_only(request_id, registry={"name": "imagesregistry1", "build": made})


def digests(world: World, tag: str = "1") -> set[str]:
    """What the registry has under a tag of `app`."""
    registry = world.azure.store.find(REGISTRY)
    assert registry is not None
    found = [image.document for image in registries.images(world.azure, registry)]
    return {each["digest"] for each in found if each["tag"] == tag}


@pytest.fixture
def with_registry(world: World) -> World:
    """Somebody else's registry."""
    given_registry(world, "LegacyRegistryPermissions")
    return world


def test_a_tag_of_others_is_a_blocker_until_somebody_agrees(with_registry: World) -> None:
    """Field, registry, tag and the word that agrees are named, by the plan as by the build."""
    world, before = with_registry, digests(with_registry)

    (blocker,) = world.ask(builds.plan_build, a_push("r1")).body["blockers"]
    assert (blocker["field"], blocker["code"]) == (FIELD, "TagExists")
    assert all(part in blocker["message"] for part in ("imagesregistry1", "app:1", *before))
    assert "overwriteTag" in blocker["message"]
    blocked = world.build(a_push("r1"))
    assert [d["code"] for d in blocked["error"]["details"]] == ["TagExists"]
    assert digests(world) == before

    agreed = world.build(a_push("r2", overwriteTag=True))
    assert agreed["state"] == "succeeded", agreed["error"]
    assert [w["code"] for w in agreed["warnings"]] == ["TagOverwritten"]
    assert digests(world).isdisjoint(before)


@pytest.mark.parametrize("image", ["app:2", "other/app:1", "new"])
def test_a_new_tag_needs_no_word(with_registry: World, image: str) -> None:
    """`new` is `new:latest`."""
    build = with_registry.build(a_push("r1", image))
    assert (build["state"], build.get("warnings", [])) == ("succeeded", [])


def test_the_own_tag_is_pushed_again_until_others_have_pushed_there(with_registry: World) -> None:
    """The weekly rebuild of a recipe pushes the same tag each time."""
    world = with_registry
    request = a_push("r1", "app:2")
    world.ask(recipes.put_recipe, {"request": {**request, "requestId": None}}, name="weekly")
    for _ in range(2):
        world.begin_rebuild()
        world.engine.run_until_complete("rebuild_images")
        world.engine.advance(7 * 24 * 3600)
    states = [build["state"] for build in world.builds()]
    assert states == ["succeeded", "succeeded"]

    registry = world.azure.store.find(REGISTRY)
    assert registry is not None
    registries.push(world.azure, registry, "app", "2", f"sha256:{'b' * 64}")
    blocked = world.build(a_push("r2", "app:2"))
    assert [d["code"] for d in blocked["error"]["details"]] == ["TagExists"]


def test_the_tag_of_a_build_that_failed_later_is_its_own(with_registry: World) -> None:
    """The same request is sent again under another id."""
    world = with_registry
    world.fault({"effect": "script", "step": "preload", "exitCode": 70, "times": 1})
    assert world.build(a_push("r1", "app:2"))["state"] == "failed"
    assert digests(world, "2")
    world.fault({"effect": "allocation", "operation": "runs.build", "message": "no"})
    assert world.build(a_push("r2", "app:2"))["error"]["code"] == "ContainerBuildFailed"
    again = world.build(a_push("r3", "app:2"))
    assert again["state"] == "succeeded", again["error"]


def test_a_registry_that_batch_prep_made_is_not_asked(world: World) -> None:
    """What is in it, its builds have pushed."""
    assert world.build(a_push("r1"))["state"] == "succeeded"
    assert world.build(a_push("r2"))["state"] == "succeeded"
    assert not [entry for entry in world.ledger() if "oauth2" in entry["url"]]


@pytest.mark.parametrize("cause", ["role", "network"])
def test_a_registry_that_does_not_answer_needs_the_word_too(world: World, cause: str) -> None:
    """The app has no role in one with repository permissions, or does not reach a private one."""
    if cause == "role":
        given_registry(world)
    else:
        given_registry(world, "LegacyRegistryPermissions")
        registry = world.azure.store.find(REGISTRY)
        assert registry is not None
        registry.properties["publicNetworkAccess"] = "Disabled"
    (blocker,) = world.ask(builds.plan_build, a_push("r1")).body["blockers"]
    assert (blocker["field"], blocker["code"]) == (FIELD, "TagUnknown")
    assert "HTTP 403" in blocker["message"]
    if cause == "role":
        let_the_app_push(world)
        assert world.ask(builds.plan_build, a_push("r1", "app:2")).body["blockers"] == []


def test_the_command_agrees_with_yes(with_registry: World) -> None:
    """As it does to empty a pool at work."""
    place = f"--image-only --resource-group images --acr imagesregistry1 --docker-context {SOURCE}"
    with served.terminal(with_registry) as terminal:
        refused = terminal.type(f"{place} --docker-image app:1 --plan")
        agreed = terminal.type(f"{place} --docker-image app:1 --yes --plan")
    assert (refused.code, agreed.code) == (2, 0)
    assert "--yes" in refused.out
    assert "overwrites app:1" in agreed.out
