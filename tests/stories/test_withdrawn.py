"""What is not on Azure any more or should not be used: records and `latest` agree with it."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError

from shared.store.records import Records
from tests import served
from tests.world import World, a_pool, a_request, image_only, pools_only, world_after
from triggers import builds, images

ACCOUNT = "mybatch12345"
DEFINITION = "batchCustomImage-ubuntu-24.04-cpu"
DAY = 86_400


def image_of(world: World, pool: str) -> str:
    """The version of a pool's image."""
    return str(world.pool(ACCOUNT, pool)["imageId"].rpartition("/")[2])


def test_a_bad_image_is_withdrawn_and_restored() -> None:
    """Pools get the version before it, and a request that names it still gets it."""
    world = world_after(image_only("one"), image_only("two"))
    with served.terminal(world) as terminal:
        ended = terminal.type(f"images withdraw batchImageGallery {DEFINITION} 1.0.1")
        assert (ended.code, "excluded from latest" in ended.out) == (0, True), ended.err
        world.engine.advance(600)
        world.build(pools_only("r1", a_pool("dev")))
        named = world.build(pools_only("r2", a_pool("named", image="1.0.1")))
        assert [warning["code"] for warning in named["warnings"]] == ["ImageWithdrawn"]
        shown = world.ask(
            images.show_image, gallery="batchImageGallery", name=DEFINITION, version="latest"
        )
        assert shown.body["version"] == "1.0.0"
        assert terminal.type(f"images restore batchImageGallery {DEFINITION} 1.0.1").code == 0
        world.engine.advance(600)
        world.build(pools_only("r3", a_pool("again")))
        unknown = terminal.type(f"pools show {ACCOUNT} nope")
        assert (unknown.code, "./batch-prep.sh pools list" in unknown.err) == (2, True)
    assert [image_of(world, pool) for pool in ("dev", "named", "again")] == [
        "1.0.0",
        "1.0.1",
        "1.0.1",
    ]
    missing = {"gallery": "batchImageGallery", "name": DEFINITION}
    for version, status in (("9.9.9", 404), ("latest", 409)):
        change = {"excludeFromLatest": True}
        answer = world.ask(images.change_image, change, **missing, version=version)
        assert answer.status == status


def test_pools_without_a_named_image_are_told_that_all_are_withdrawn() -> None:
    """The error names no image that was not asked for."""
    world = world_after(image_only())
    change = {"excludeFromLatest": True}
    path = {"gallery": "batchImageGallery", "name": DEFINITION, "version": "1.0.0"}
    assert world.ask(images.change_image, change, **path).status == 200
    plan = world.ask(builds.plan_build, pools_only("r1", a_pool("dev"), os="ubuntu", gpu=False))
    (blocker,) = plan.body["blockers"]
    assert blocker["message"] == (
        "no image to use in gallery batchImageGallery of resource group images has a name that "
        "begins with batchCustomImage, with ubuntu, with gpu false; recorded are: "
        f"batchImageGallery/{DEFINITION} 1.0.0 (ubuntu 24.04, withdrawn)"
    )


def test_latest_of_a_withdrawn_image_is_said_to_be_withdrawn() -> None:
    """The list that the answer names shows a version."""
    world = world_after(image_only())
    named = {"gallery": "batchImageGallery", "name": DEFINITION, "version": "1.0.0"}
    assert world.ask(images.change_image, {"excludeFromLatest": True}, **named).status == 200
    answer = world.ask(images.show_image, **{**named, "version": "latest"})
    assert answer.status == 404
    assert answer.body["error"]["message"] == (
        f"Every version of image batchImageGallery/{DEFINITION} is withdrawn (excluded from "
        "latest): name one by its number. GET /api/images lists them."
    )


def test_a_driver_that_pools_do_not_need_is_said_before() -> None:
    """The image for CPU pools was withdrawn: the only one left has a driver."""
    world = world_after(image_only(), image_only("r2", gpu=True))
    withdrawn = world.ask(
        images.change_image,
        {"excludeFromLatest": True},
        gallery="batchImageGallery",
        name=DEFINITION,
        version="1.0.0",
    )
    assert withdrawn.status == 200
    plan = world.ask(builds.plan_build, pools_only("r3", a_pool("dev")))
    assert [warning["code"] for warning in plan.body["warnings"]] == ["ImageHasDriver"]
    assert plan.body["blockers"] == []


def test_a_cancel_that_comes_too_late_says_what_appears(world: World) -> None:
    """Azure does not stop the publication once it has begun."""
    build = world.start(image_only())
    world.engine.advance(60)
    early = world.ask(builds.cancel_build, id=build)
    assert "note" not in early.body
    other = world.start(image_only("r2", name="other"))
    while not _is_publishing(world, other):
        world.engine.advance(5)
    late = world.ask(builds.cancel_build, id=other)
    assert "version 1.0.0 is being published" in late.body["note"]


def _is_publishing(world: World, build: str) -> bool:
    steps = {step["name"]: step["state"] for step in world.show(build)["steps"]}
    assert "failed" not in steps.values()
    return steps.get("image_version") == "running"


def test_a_pool_is_shown_with_the_states_of_its_nodes(built: World) -> None:
    """The record says what was asked for; only Batch knows what is there."""
    built.build(pools_only("r1", a_pool("dev", nodes=2)))
    assert built.pool(ACCOUNT, "dev")["nodeStates"] == {"idle": 2}
    with served.terminal(built) as terminal:
        assert "2 idle" in terminal.type(f"pools show {ACCOUNT} dev").out

    _delete_pool(built)
    gone = built.pool(ACCOUNT, "dev")
    assert (gone["state"], gone["nodes"]) == ("gone", 0)
    built.fault({"effect": "status", "method": "GET", "status": 500, "times": 99})
    assert built.pool(ACCOUNT, "dev")["state"] == "ready"  # as far as the record knows


def test_a_sweep_marks_once_a_day_what_went(built: World) -> None:
    """A person may delete pools and images at any time; only what was looked for is marked."""
    full = built.build(a_request(requestId="full", image={"resourceGroup": "images"}))
    assert full["state"] == "succeeded", full["error"]
    built.engine.advance(2 * 3600)
    built.sweep()
    assert [pool["state"] for pool in built.pools()] == ["ready"]
    _delete_pool(built)
    versions = built.services.azure.compute.gallery_image_versions
    versions.begin_delete("images", "batchImageGallery", DEFINITION, "1.0.0")
    built.engine.advance(3600)
    built.sweep()
    assert [pool["state"] for pool in built.pools()] == ["ready"]

    built.engine.advance(DAY)
    built.sweep()

    assert [pool["state"] for pool in built.pools()] == ["gone"]
    marked = {image["version"]: image.get("goneAt") for image in built.images()}
    assert [version for version, at in marked.items() if at] == ["1.0.0"]
    built.engine.advance(2 * DAY)
    built.sweep()
    assert {image["version"]: image.get("goneAt") for image in built.images()} == marked


def test_a_sweep_looks_again_if_the_last_one_failed_while_it_marked(built: World) -> None:
    """Otherwise, a record that is wrong would stay wrong for one more day."""
    built.build(pools_only("r1", a_pool("dev")))
    _delete_pool(built)
    built.engine.advance(2 * DAY)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(Records, "change_pool", _raise_outage)
        assert built.sweep().get("error") is not None

    assert built.sweep().get("error") is None
    assert [pool["state"] for pool in built.pools()] == ["gone"]


def _raise_outage(*_: object) -> None:
    raise ServiceRequestError("no connection")


def test_a_sweep_does_not_look_for_an_image_of_the_last_hour(built: World) -> None:
    """Azure's list may be older than the record; what is not looked for is not marked."""
    image = built.services.records.images()[0]
    versions = built.services.azure.compute.gallery_image_versions
    place = (image.resource_group, image.gallery_name, image.image_name)
    versions.begin_delete(*place, image.version)
    built.engine.advance(60)
    built.sweep()
    assert [image.get("goneAt") for image in built.images()] == [None]


def _delete_pool(world: World) -> None:
    world.services.azure.batch.pool.begin_delete("images", ACCOUNT, "dev")
    world.engine.advance(600)


def test_only_what_can_be_resumed_is_advised_to_be(world: World) -> None:
    """An advice that the service then refuses costs a person trust."""
    world.fault({"effect": "script", "step": "docker", "exitCode": 23, "message": "mirror"})
    with served.terminal(world) as terminal:
        refused = terminal.type("--image-only --image-name one")
        world.fault({"effect": "allocation", "operation": "galleryVersions.create"})
        kept: Any = terminal.type("--image-only --image-name two")
    assert (refused.code, kept.code) == (1, 1)
    assert "builds resume" not in refused.out
    assert "builds resume" in kept.out
