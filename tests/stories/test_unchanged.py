"""The weekly rebuild makes an image again where something has changed, and only there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.base.wire import replace
from shared.model.image_parts import PreloadedImage
from shared.model.outcomes import ImageRecord
from tests.world import World, a_request, an_image
from triggers import recipes

Json = dict[str, Any]
DAY = 86_400
BUSYBOX = "docker.io/library/busybox:1.36"
ASKED = an_image(containerImages=[BUSYBOX])


def rebuilt(world: World, image: Json = ASKED) -> Json:
    """What a week later becomes of the recipe of an image."""
    return rebuilt_whole(world, {"mode": "image-only", "image": image})


def rebuilt_whole(world: World, request: Json) -> Json:
    recipe = {"enabled": True, "request": request}
    assert world.ask(recipes.put_recipe, recipe, name="weekly").status == 200
    world.engine.advance(7 * DAY)
    world.begin_rebuild()
    output: Json = world.engine.run_until_complete("rebuild_images").output
    return output


def versions(world: World) -> list[str]:
    return sorted(image.version for image in world.records.images())


def changed(world: World, **fields: Any) -> None:
    """The record says that something else was built than would be now."""
    (image,) = world.records.images()
    world.services.records.change_image(image, lambda old: replace(old, **fields))


def test_an_image_that_would_be_the_same_is_not_built_again(world: World) -> None:
    """Nothing is written on Azure, and few things are read."""
    rebuilt(world)
    before = len(world.ledger())

    output = rebuilt(world)

    assert output == {
        "started": {},
        "skipped": {"weekly": "nothing has changed since version 1.0.0"},
    }
    asked = world.ledger()[before:]
    assert {each["method"] for each in asked} <= {"GET", "HEAD"}
    assert len(asked) <= 10
    assert versions(world) == ["1.0.0"]


@pytest.mark.parametrize(
    "change",
    [
        {"base_image_version": "24.04.202001010"},
        {"made_from": "other scripts"},
        {"container_images": [PreloadedImage(name=BUSYBOX, digest="sha256:" + "0" * 64)]},
        {"container_images": [PreloadedImage(name="registry.example.org/a:1", digest="sha256:1")]},
    ],
    ids=["base image", "scripts or settings", "container image", "a registry that cannot be asked"],
)
def test_an_image_is_built_again_when_its_parts_are_others(world: World, change: Json) -> None:
    """A new base image, other versions, a tag that has moved."""
    rebuilt(world)
    changed(world, **change)
    assert rebuilt(world)["skipped"] == {}
    assert versions(world) == ["1.0.0", "1.0.1"]


@pytest.mark.parametrize(
    "image",
    [
        an_image(containerImages=[BUSYBOX], force=True),
        an_image(containerImages=[BUSYBOX], tags={"team": "a"}),
        an_image(
            containerImages=[BUSYBOX],
            registry={
                "name": "imagesregistry1",
                "build": {"source": "https://example.org/app.git#main", "image": "myapp:v1.0"},
            },
        ),
    ],
    ids=["force", "another request", "a source"],
)
def test_an_image_is_built_again_when_the_request_wants_it(world: World, image: Json) -> None:
    """Also where only the build itself finds out whether a source has changed."""
    rebuilt(world)
    for _ in range(2 if "tags" not in image else 1):
        assert rebuilt(world, image)["skipped"] == {}


def test_an_image_that_is_excluded_from_latest_is_recognised_too(world: World) -> None:
    """Where the recipe itself asks for that."""
    hidden = an_image(containerImages=[BUSYBOX], excludeFromLatest=True)
    rebuilt(world, hidden)
    assert "weekly" in rebuilt(world, hidden)["skipped"]


@pytest.mark.parametrize("state", ["failed", "deleted", None])
def test_a_recipe_whose_pool_is_missing_is_built_again(world: World, state: str | None) -> None:
    """The weekly rebuild is what brings a pool back that failed, expired or was deleted."""
    request = a_request(image=ASKED)
    del request["requestId"]
    rebuilt_whole(world, request)
    if state is None:
        assert "weekly" in rebuilt_whole(world, request)["skipped"]
        return
    world.services.records.change_pool(
        "mybatch12345", "dev", lambda pool: replace(pool, state=state)
    )
    assert rebuilt_whole(world, request)["skipped"] == {}


def _deleted(world: World, image: ImageRecord) -> None:
    versions = world.services.azure.compute.gallery_image_versions
    place = (image.resource_group, image.gallery_name, image.image_name)
    versions.begin_delete(*place, image.version)
    world.engine.advance(600)


def _withdrawn(world: World, image: ImageRecord) -> None:
    world.services.records.change_image(image, lambda old: replace(old, excluded_from_latest=True))


@pytest.mark.parametrize("change", [_deleted, _withdrawn])
def test_an_image_is_built_again_when_its_version_went(
    world: World, change: Callable[[World, ImageRecord], None]
) -> None:
    """Deleted by a person, or excluded from latest."""
    rebuilt(world)
    (image,) = world.records.images()
    change(world, image)
    assert rebuilt(world)["skipped"] == {}


def test_an_azure_that_does_not_answer_is_no_reason_to_build_nothing(world: World) -> None:
    rebuilt(world)
    world.fault({"effect": "status", "method": "HEAD", "status": 503, "times": 99})
    assert rebuilt(world)["skipped"] == {}


def test_a_name_without_a_registry_is_docker_hubs(world: World) -> None:
    """As Docker reads it: `acme/tool` is a repository, and `acme.io/tool` is at a registry."""
    for name in ("acme/tool:1", "tool:2", "quay.io/acme/tool:3", "acme.example.org/tool:4"):
        world.services.azure.reference_digest(name)
    asked = [each["url"] for each in world.ledger() if "/manifests/" in each["url"]]
    assert sorted({url.partition("?")[0] for url in asked}) == [
        "https://quay.io/v2/acme/tool/manifests/3",
        "https://registry-1.docker.io/v2/acme/tool/manifests/1",
        "https://registry-1.docker.io/v2/library/tool/manifests/2",
    ]
