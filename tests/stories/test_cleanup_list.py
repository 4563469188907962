"""The dry run prints the list that the sweep carries out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.world import World, a_pool, image_only, pools_only
from triggers import leftovers

HOUR = 3600.0
NO_VERSION = {"effect": "allocation", "operation": "galleryVersions.create"}
LOCKED = {"effect": "status", "status": 409, "code": "ScopeLocked", "times": 99}
BAD_NODES = {"effect": "allocation", "operation": "nodes.start", "code": "DiskFull", "times": 9}


def nothing(world: World) -> None:
    """A build that succeeded has left nothing."""
    world.build(image_only("image"))


def kept_builder(world: World) -> None:
    """A build is sealed and could not publish: it may be resumed."""
    world.fault(NO_VERSION)
    world.build(image_only("kept"))


def expired_builder(world: World) -> None:
    """The same, and the time to resume it is over."""
    kept_builder(world)
    world.engine.advance(9 * HOUR)


def needed_group(world: World) -> None:
    """The same, and another build has published an image in the group."""
    expired_builder(world)
    world.build(image_only("other", name="other"))


def locked_gallery(world: World) -> None:
    """A build could not remove its gallery and lists it."""
    world.fault({"effect": "allocation", "operation": "virtualMachines.create", "times": 9})
    world.fault({**LOCKED, "method": "DELETE", "path": "galleries/batchImageGallery$"})
    world.build(image_only("locked"))
    world.azure.faults.clear()


def gallery_that_is_gone(world: World) -> None:
    """The same, and its owner has deleted the gallery since."""
    locked_gallery(world)
    place = "resourceGroups/images/providers/Microsoft.Compute/galleries/batchImageGallery"
    world.as_owner("DELETE", place, {})
    world.engine.advance(600)


def builder_beside_snapshot(world: World) -> None:
    """A build keeps its snapshot to be resumed, and could not remove its builder."""
    world.fault({**LOCKED, "method": "DELETE", "path": "virtualMachines/"})
    kept_builder(world)
    world.azure.faults.clear()


def snapshot_beside_builder(world: World) -> None:
    """A person keeps the builder, and the build could not remove its snapshot."""
    world.fault({**LOCKED, "method": "DELETE", "path": "snapshots/"})
    world.build(image_only("image", keepVm=True))
    world.azure.faults.clear()


def pools(world: World) -> None:
    """One pool's time is over, one has an end, one has none, one failed and has a node."""
    world.build(image_only("image"))
    world.fault({**BAD_NODES, "path": "/pools/left"})
    refusal = {"effect": "status", "status": 503, "method": "PATCH", "path": "/pools/left"}
    world.fault({**refusal, "times": 1000})
    short, long = a_pool("short", ttlHours=1), a_pool("long", ttlHours=100)
    world.build(pools_only("pools", short, long, a_pool("stays"), a_pool("left")))
    world.azure.faults.clear()
    world.engine.advance(2 * HOUR)


def everything(world: World) -> None:
    """All of them, and a pool whose time is over while a build changes it."""
    pools(world)
    world.build(pools_only("busy", a_pool("busy", ttlHours=1)))
    world.fault(NO_VERSION)
    world.build(image_only("kept", name="other"))
    world.engine.advance(9 * HOUR)
    world.start(pools_only("again", a_pool("busy", nodes=2)))
    world.engine.advance(5)


WORLDS = [
    nothing,
    kept_builder,
    expired_builder,
    needed_group,
    locked_gallery,
    gallery_that_is_gone,
    builder_beside_snapshot,
    snapshot_beside_builder,
    pools,
    everything,
]


@pytest.mark.parametrize("happened", WORLDS, ids=lambda f: f.__name__)
def test_the_sweep_does_what_the_dry_run_lists(
    world: World, happened: Callable[[World], None]
) -> None:
    """Exactly that, resource by resource; what is kept is as it was."""
    happened(world)
    listed = world.ask(leftovers.list_leftovers).body["leftovers"]
    before = {resource["id"].lower() for resource in world.resources()}
    assert before >= {each["id"].lower() for each in listed}
    by_action = {
        action: sorted(each["id"].lower() for each in listed if each["verdict"] == action)
        for action in ("remove", "shrink", "keep")
    }
    swept = world.sweep()

    assert sorted(id_.lower() for id_ in swept["deleted"]) == by_action["remove"]
    assert sorted(id_.lower() for id_ in swept["shrunk"]) == by_action["shrink"]
    assert swept["failed"] == []
    there = {resource["id"].lower() for resource in world.resources()}
    assert not there & set(by_action["remove"])
    assert there >= set(by_action["keep"])


def test_the_worlds_hold_every_action(world: World) -> None:
    """Otherwise the test above compares less than it says."""
    everything(world)
    listed = world.ask(leftovers.list_leftovers).body["leftovers"]
    assert {each["verdict"] for each in listed} == {"remove", "shrink", "keep"}
    assert all(each["why"] for each in listed)


def builders(world: World) -> list[str]:
    """The ids of VMs."""
    found = world.resources("virtualMachines")
    return [each["id"] for each in found if each["type"].lower().endswith("/virtualmachines")]


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_builder_that_could_not_be_removed_goes_with_the_next_sweep(succeeds: bool) -> None:
    """A lock refused its deletion: it costs money until then, and nothing keeps it on purpose."""
    world = World()
    world.fault({**LOCKED, "method": "DELETE", "path": "virtualMachines/"})
    if not succeeds:
        world.fault({"effect": "sealFails", "step": "seal", "message": "host keys remain"})
    build = world.build(image_only())
    assert build["state"] == ("succeeded" if succeeds else "failed")
    assert builders(world)
    assert set(builders(world)) <= set(build["leftovers"])

    world.azure.faults.clear()
    world.sweep()

    assert builders(world) + world.resources("natGateways") == []
    assert world.show(build["buildId"])["leftovers"] == []


def temporary(world: World) -> set[str]:
    """The last parts of the types of what builds need only while they run."""
    types = {each["type"].rpartition("/")[2] for each in world.resources()}
    return types & {"virtualMachines", "natGateways", "publicIPAddresses", "snapshots"}


def test_of_a_build_that_may_be_resumed_only_the_snapshot_stays(world: World) -> None:
    """Its builder could not be removed: it has stopped, but costs money until it is gone."""
    builder_beside_snapshot(world)
    world.sweep()
    (build,) = world.builds()
    assert temporary(world) == {"snapshots"}
    assert [id_.rpartition("/")[2][-8:] for id_ in build["leftovers"]] == ["snapshot"]
    assert world.resume(build["buildId"])["state"] == "succeeded"
    assert temporary(world) == set()


def test_beside_a_builder_that_a_person_keeps_no_snapshot_stays(world: World) -> None:
    """It could not be removed when the image was there."""
    snapshot_beside_builder(world)
    world.sweep()
    assert temporary(world) == {"virtualMachines", "natGateways", "publicIPAddresses"}


def test_a_builder_that_a_person_keeps_stays_until_its_expiry() -> None:
    """With `keepVm`, after the image is there."""
    world = World()
    world.build(image_only(keepVm=True))
    world.sweep()
    assert builders(world)
    world.engine.advance(9 * HOUR)
    world.sweep()
    assert builders(world) == []
