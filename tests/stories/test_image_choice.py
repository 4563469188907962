"""What an image holds decides what it may be used for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import World, a_pool, a_request, image_only, pools_only, world_after
from triggers import builds

GPU_SIZE = "Standard_NC4as_T4_v3"
CPU, GPU = image_only("cpu"), image_only("gpu", gpu=True)
EL = image_only("el", os="almalinux")


def plan(world: World, request: dict[str, Any]) -> dict[str, Any]:
    return world.ask(builds.plan_build, request).body


def test_pools_get_the_image_that_their_size_needs() -> None:
    """Whichever was built last; a plan names the version."""
    world = world_after(GPU, CPU)
    gpu = plan(world, pools_only("r1", a_pool("dev", vmSize=GPU_SIZE)))
    cpu = plan(world, pools_only("r1", a_pool("dev")))
    assert (gpu["blockers"], cpu["blockers"]) == ([], [])
    assert gpu["names"]["image"] == "batchCustomImage-ubuntu-24.04-gpu"
    assert cpu["names"]["image"] == "batchCustomImage-ubuntu-24.04-cpu"
    assert (cpu["names"]["version"], cpu["names"]["baseOs"]) == ("1.0.0", "ubuntu 24.04")


def test_what_the_request_says_of_the_image_narrows_the_choice() -> None:
    """The system and the driver that were typed; a version that two images have is no choice."""
    world = world_after(CPU, EL)
    by_os = plan(world, pools_only("r1", a_pool("dev"), os="ubuntu"))
    open_ = plan(world, pools_only("r1", a_pool("dev")))
    numbered = plan(world, pools_only("r1", a_pool("dev"), version="1.0.0"))
    missing = plan(world, pools_only("r1", a_pool("dev"), os="rocky"))
    other = plan(world, pools_only("r1", a_pool("dev"), os="rocky", name=by_os["names"]["image"]))
    assert by_os["names"]["image"] == "batchCustomImage-ubuntu-24.04-cpu"
    assert open_["names"]["image"] == "batchCustomImage-almalinux-9-cpu"  # the newest
    assert [b["code"] for b in numbered["blockers"]] == ["ImageAmbiguous"]
    assert [b["code"] for b in missing["blockers"]] == ["ImageNotFound"]
    assert [b["field"] for b in other["blockers"]] == ["image.os"]


def test_a_gpu_pool_on_an_image_without_a_driver_is_told_which_would_suit() -> None:
    """In both modes that make pools, before anything is made."""
    world = world_after(GPU, CPU)
    pool = a_pool("dev", vmSize=GPU_SIZE)
    named = plan(world, pools_only("r1", pool, name="batchCustomImage-ubuntu-24.04-cpu"))
    full = plan(world, a_request(pools=[pool]))
    for found in (named, full):
        (blocker,) = found["blockers"]
        assert blocker["code"] == "DriverUnsuitable"
        assert "batchImageGallery/batchCustomImage-ubuntu-24.04-gpu 1.0.0" in blocker["message"]


@pytest.mark.parametrize("change", [{"os": "almalinux"}, {"osVersion": "22.04"}, {"gpu": True}])
def test_a_definition_takes_one_system_and_one_driver(change: dict[str, Any]) -> None:
    """Its `latest` would otherwise change what it is from week to week."""
    world = world_after(image_only("first", name="mine"))
    before = world.resources()
    build = world.build(image_only("second", name="mine", **change))
    (detail,) = build["error"]["details"]
    assert (detail["field"], detail["code"]) == ("image.name", "Conflict")
    assert "leave image.name out" in detail["message"]
    assert world.resources() == before
    assert world.build(image_only("third", name="mine"))["image"]["version"] == "1.0.1"


def test_images_under_the_plain_default_name_go_on_being_used() -> None:
    """Version 0.1.0 gave that name to every image that had none."""
    world = world_after(image_only("old", name="batchCustomImage"))
    build = world.build(pools_only("r1", a_pool("dev")))
    assert build["state"] == "succeeded", build["error"]
    assert "/batchCustomImage/" in build["pools"][0]["imageId"]


def test_the_newest_version_is_that_of_the_highest_number() -> None:
    """As Azure compares: 10 comes after 9."""
    world = world_after(image_only("first", name="mine", version="2026.1.9"))
    build = world.build(image_only("second", name="mine"))
    assert build["image"]["version"] == "2026.1.10"
    pools = world.build(pools_only("p1", a_pool("dev"), name="mine"))
    assert pools["pools"][0]["imageId"].endswith("/2026.1.10")


def test_an_account_without_a_replica_is_refused(world: World) -> None:
    """Batch would find no image of that id in the account's region."""
    world.build(image_only(name="mine"))
    request = pools_only("pools", a_pool("dev"), name="mine")
    request["batchAccount"] = {"name": "elsewhere12345", "location": "westeurope"}
    (found,) = plan(world, request)["blockers"]
    assert (found["field"], found["code"]) == ("image", "ImageNotInRegion")
    assert "no replica in westeurope" in found["message"]


def test_a_version_that_is_not_finished_is_refused(world: World) -> None:
    """Azure makes no pool of it, and the plan can know."""
    world.build(image_only("first", name="mine"))
    world.start(image_only("second", name="mine"))
    while len(world.resources("versions")) < 2:
        world.engine.advance(30)
    found = plan(world, pools_only("pools", a_pool("dev"), name="mine", version="1.0.1"))
    assert [(each["field"], each["code"]) for each in found["blockers"]] == [
        ("image.version", "ImageNotFound")
    ]
    assert "it has: 1.0.0, 1.0.1 (Creating)" in found["blockers"][0]["message"]


@pytest.mark.parametrize("recorded", [True, False])
def test_a_trusted_image_gets_trusted_nodes(world: World, recorded: bool) -> None:
    """Also one that is in no record: its definition says it. Some sizes have no such nodes."""
    world.build(image_only(securityType="TrustedLaunch", name="mine"))
    if not recorded:
        forget_images(world)
    dev = world.build(pools_only("p1", a_pool("dev"), name="mine"))
    assert dev["state"] == "succeeded", dev["error"]

    old = a_pool("old", vmSize="Standard_ND96asr_v4")
    plan = world.ask(builds.plan_build, pools_only("p2", old, name="mine"))
    found = {(each["field"], each["code"]): each["message"] for each in plan.body["blockers"]}
    assert "mine 1.0.0 requires" in found["pools[0].vmSize", "SizeUnsuitable"]


def forget_images(world: World) -> None:
    """The app has no record of any image, as if another app had made them."""
    table = world.table_service.get_table_client("batchprepImages")
    for row in list(table.query_entities("", parameters={})):
        table.delete_entity(row["PartitionKey"], row["RowKey"])
