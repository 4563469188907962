"""Images that others publish: in community galleries, and in galleries that they share."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.test_impact import start_a_task
from tests.world import World, a_pool, a_request, an_image, image_only
from triggers import builds

Json = dict[str, Any]
SYSTEM = {"os": "ubuntu", "osVersion": "24.04"}
COMMUNITY = "/CommunityGalleries/other-0000/Images/image/Versions/1.0.0"


def published(world: World, kind: str, **image: Any) -> str:
    """The id under which a gallery of the subscription is published; its image was built before."""
    assert world.build(image_only(name="image", **image))["state"] == "succeeded"
    (gallery,) = world.azure.store.of_type("Microsoft.Compute/galleries")
    permissions = "Community" if kind == "CommunityGalleries" else "Groups"
    info = {"publicNamePrefix": "other", "publisherUri": "https://example.org"}
    change = {"sharingProfile": {"permissions": permissions, "communityGalleryInfo": info}}
    url = f"https://azure{gallery.id}?api-version=2025-03-03"
    world.azure.dispatch("PATCH", url, {"properties": change})
    world.engine.advance(60)
    world.azure.settle()
    name = gallery.properties["identifier"]["uniqueName"]
    if kind == "CommunityGalleries":
        [name] = gallery.properties["sharingProfile"]["communityGalleryInfo"]["publicNames"]
    return f"/{kind}/{name}/Images/image/Versions/1.0.0"


def with_pool(id_: str, **pool: Any) -> Json:
    """A pool from the image of an id."""
    image, pools = {"id": id_, **SYSTEM}, [a_pool("dev", **pool)]
    return a_request(mode="batch-only", requestId="r3", image=image, pools=pools)


@pytest.mark.parametrize(
    ("kind", "member"),
    [
        ("CommunityGalleries", "communityGalleryImageId"),
        ("SharedGalleries", "sharedGalleryImageId"),
    ],
)
def test_builder_and_pool_are_made_from_what_others_publish(
    world: World, kind: str, member: str
) -> None:
    """Each by the member of Azure's image references that takes such an id."""
    id_ = published(world, kind)
    base = image_only("r2", name="mine", base={"id": id_}, keepVm=True, **SYSTEM)
    build = world.build(base)
    assert build["state"] == "succeeded", build["error"]
    (vm,) = world.azure.store.of_type("Microsoft.Compute/virtualMachines")
    assert vm.properties["storageProfile"]["imageReference"][member] == id_

    pools = world.build(with_pool(id_))
    assert pools["state"] == "succeeded", pools["error"]
    pool = world.services.azure.batch.pool.get("images", "mybatch12345", "dev").as_dict()
    machine = pool["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
    assert machine["imageReference"] == {member: id_}
    assert pools["image"]["version"] == "1.0.0"


def test_latest_is_the_newest_published_version(world: World) -> None:
    """A pool gets its number."""
    id_ = published(world, "CommunityGalleries").replace("1.0.0", "latest")
    pools = world.build(with_pool(id_))
    assert pools["image"]["version"] == "1.0.0"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (image_only(base={"id": COMMUNITY}), ("image.os", "Missing")),
        (image_only(base={"id": COMMUNITY}, **SYSTEM), ("image.base", "BaseImageNotFound")),
        (
            {"mode": "batch-only", "image": {"id": COMMUNITY}, "pools": [a_pool("d")]},
            ("image.os", "Missing"),
        ),
        (
            {"mode": "batch-only", "image": {"id": COMMUNITY, **SYSTEM}, "pools": [a_pool("d")]},
            ("image.id", "ImageNotFound"),
        ),
    ],
)
def test_what_nobody_publishes_stops_a_build(
    world: World, request_: Json, expected: tuple[str, str]
) -> None:
    """And so does an image whose system is not known."""
    world.build(a_request(image=an_image(), pools=[a_pool("there")]))
    asked = {**a_request(), **request_, "requestId": "r2"}
    if request_["mode"] == "image-only":
        asked = request_
    answer = world.ask(builds.plan_build, asked)
    found = answer.body["blockers"] if answer.status == 200 else answer.body["error"]["details"]
    assert [(p["field"], p["code"]) for p in found] == [expected]


def test_a_pool_at_work_is_emptied_only_where_somebody_has_agreed(world: World) -> None:
    """As one of an own image: plan and build name the blocker."""
    id_ = published(world, "CommunityGalleries")
    world.build(with_pool(id_))
    start_a_task(world)
    other = {**with_pool(id_, taskSlotsPerNode=2), "requestId": "other"}

    shown = world.ask(builds.plan_build, other).body
    assert [b["code"] for b in shown["blockers"]] == ["PoolInUse"]
    build = world.build(other)
    assert [d["code"] for d in build["error"]["details"]] == ["PoolInUse"]

    other["pools"][0]["interruptTasks"] = True
    assert world.build({**other, "requestId": "agreed"})["state"] == "succeeded"


@pytest.mark.parametrize("kind", ["CommunityGalleries", "SharedGalleries"])
def test_a_pool_has_its_own_data_disks_beside_those_of_the_image(world: World, kind: str) -> None:
    """Azure names the disks of a version that others publish, too."""
    id_ = published(world, kind, dataDisks=[{"lun": 0, "diskSizeGB": 32}])
    base = image_only("based", name="mine", base={"id": id_}, **SYSTEM)
    assert world.build(base)["error"]["details"][0]["code"] == "BaseImageUnsuitable"
    taken = with_pool(id_, dataDisks=[{"lun": 0, "diskSizeGB": 8}])
    shown = world.ask(builds.plan_build, taken).body
    assert [(b["field"], b["code"]) for b in shown["blockers"]] == [
        ("pools[0].dataDisks", "Impossible")
    ]
    free = with_pool(id_, dataDisks=[{"lun": 1, "diskSizeGB": 8}])
    assert world.build(free)["state"] == "succeeded"
