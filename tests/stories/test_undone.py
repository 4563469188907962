"""What a failed build made for good goes with it, and nothing else."""

from __future__ import annotations

import functools

import pytest

from shared.base import names
from tests.world import World, a_request, an_image, image_only

NO_CAPACITY = {"effect": "allocation", "operation": "virtualMachines.create", "times": 9}
GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/images"


def with_registry() -> dict:
    """An image that is built in a registry first."""
    build = {"source": "https://example.org/app.git#main", "image": "myapp:v1.0"}
    return an_image(registry={"name": "imagesregistry1", "build": build})


def group(world: World) -> object:
    """The resource group, if it is there."""
    return world.azure.store.find(GROUP)


def types(world: World) -> set[str]:
    """What there is, by the last part of its type."""
    return {resource["type"].rpartition("/")[2] for resource in world.resources("Microsoft.")}


def make_group(world: World) -> None:
    """Somebody made it before."""
    world.services.azure.resources.resource_groups.create_or_update(
        "images", {"location": "swedencentral"}
    )


def test_a_first_build_that_fails_leaves_no_trace(world: World) -> None:
    """The resource group goes, too: this build has made it, and nothing else is in it."""
    world.fault(NO_CAPACITY)
    build = world.build(image_only())

    assert (build["state"], build["leftovers"]) == ("failed", [])
    assert world.resources() == []
    assert group(world) is None


def test_a_group_that_was_there_stays(world: World) -> None:
    """What this build did not make is not its to remove."""
    make_group(world)
    world.fault(NO_CAPACITY)
    world.build(image_only())

    assert group(world) is not None
    assert types(world) == {"resourceGroups"}


def test_a_cancelled_build_leaves_no_trace_either(world: World) -> None:
    """Cleaning up goes on although the build is cancelled."""
    build = world.start(image_only())
    world.engine.advance(200)
    world.records.cancel_build(build)
    world.engine.run_until_complete(build)

    assert world.show(build)["state"] == "cancelled"
    assert world.resources() == []


def test_a_gallery_with_an_image_stays(world: World) -> None:
    """A build that failed before has made it; another one has published in it since."""
    assert world.build(image_only())["state"] == "succeeded"
    world.fault(NO_CAPACITY)
    build = world.build(image_only("r2", name="other"))

    assert build["state"] == "failed"
    names = {r["id"].rpartition("/")[2] for r in world.resources("galleries/images")}
    assert "batchCustomImage-ubuntu-24.04-cpu" in names
    assert {"galleries", "versions"} <= types(world)


def test_a_version_that_failed_does_not_stay_in_a_shared_gallery(built: World) -> None:
    """It costs money, and no build or pool can use it. Its definition is empty without it."""
    before = built.resources("galleries")
    built.fault({"effect": "allocation", "operation": "galleryVersions.create"})
    build = built.build(image_only("r2", name="other"))
    assert build["resumable"]
    assert len(built.resources("galleries")) == len(before) + 2

    built.engine.advance(9 * 3600)
    built.sweep()
    assert built.resources("galleries") == before
    assert built.show(build["buildId"])["leftovers"] == []


def definitions(world: World) -> set[str]:
    """The names of the image definitions."""
    found = world.resources("galleries/images")
    return {r["id"].rpartition("/")[2] for r in found if not r["type"].endswith("versions")}


def test_an_empty_definition_goes_while_a_build_of_another_image_runs(world: World) -> None:
    """It would stay for ever: nothing else names it, and it fixes the properties of the image."""
    given_up = world.start(image_only("r1", name="one"))
    world.start(image_only("r2", name="two"))
    world.engine.advance(300)
    assert definitions(world) == {"one", "two"}
    world.records.cancel_build(given_up)
    world.engine.run_until_idle()

    assert world.show(given_up)["leftovers"] == []
    assert definitions(world) == {"two"}


def test_an_empty_definition_goes_when_the_last_build_that_may_use_it_has_failed(
    world: World,
) -> None:
    """The first one could be resumed, and its time is over while the second one runs."""
    broken = {"effect": "script", "step": "seal", "exitCode": 40, "message": "broken"}
    world.build(image_only("r0", name="other"))
    world.fault({"effect": "allocation", "operation": "galleryVersions.create"})
    first = world.build(image_only("r1", name="one"))
    assert first["resumable"], first["error"]
    world.engine.advance(8 * 3600 - 300)
    world.fault(broken)
    second = world.start(image_only("r2", name="one"))
    world.engine.advance(500)
    world.sweep()
    assert world.show(first["buildId"])["resumable"] is False
    assert definitions(world) == {"other", "one"}

    world.engine.run_until_complete(second)
    world.engine.advance(9 * 3600)
    world.sweep()
    assert world.show(second)["state"] == "failed"
    assert definitions(world) == {"other"}


FIRST, LAST, PACE = 170, 420, 10  # seconds


@functools.cache
def failing_for(seconds: int) -> World:
    """A build fails, and so many seconds are over. Each moment goes on from the one before."""
    if seconds > FIRST:
        world = failing_for(seconds - PACE).copy()
        world.engine.advance(PACE)
        return world
    world = World()
    world.fault({**NO_CAPACITY, "times": 1})
    world.start(image_only())
    world.engine.advance(seconds)
    return world


@pytest.mark.parametrize("seconds", range(FIRST, LAST, PACE))
def test_what_another_build_may_need_stays(seconds: int) -> None:
    """It comes at any moment while the first one fails and is undone, and may find the gallery, or
    what is left of it.
    """
    world = failing_for(seconds).copy()
    coming = world.build(image_only("r2", name="other"))
    world.engine.run_until_idle()

    assert world.show(names.build_id("r1"))["state"] == "failed"
    assert coming["state"] == "succeeded", coming["error"]


def test_a_registry_with_an_image_stays(world: World) -> None:
    """It took minutes to build, and is nothing that only this build can use."""
    world.fault({"effect": "script", "step": "driver", "exitCode": 40, "message": "no headers"})
    request = {"mode": "image-only", "image": {**with_registry(), "gpu": True}}
    build = world.build({**request, "requestId": "r1"})

    assert build["state"] == "failed"
    assert types(world) - {"roleAssignments"} == {"resourceGroups", "registries"}


def test_a_registry_that_a_build_in_another_group_uses_stays(world: World) -> None:
    """It is empty when the build that made it fails."""
    owners = world.services.azure.resources.resource_groups
    owners.create_or_update("images", {"location": "swedencentral"})
    world.fault({**NO_CAPACITY, "path": "resourceGroups/images/"})
    failing = world.start(image_only("r1", registry={"name": "teamregistry"}))
    world.engine.advance(60)
    shared = {"name": "teamregistry", "resourceGroup": "images"}
    using = world.start(image_only("r2", resourceGroup="other", registry=shared))
    world.engine.run_until_complete(failing)

    assert world.show(failing)["state"] == "failed"
    assert "registries" in types(world)
    world.engine.run_until_complete(using)
    assert world.show(using)["state"] == "succeeded"


def test_a_registry_without_one_goes(world: World) -> None:
    """It would cost money for nothing."""
    refused = {"effect": "status", "status": 400, "code": "BadRequest"}
    world.fault({**refused, "method": "POST", "path": "scheduleRun"})
    build = world.build({"mode": "image-only", "requestId": "r1", "image": with_registry()})

    assert build["state"] == "failed"
    assert world.resources() == []


def test_a_batch_account_stays(world: World) -> None:
    """More quota is asked for at the account, and it costs nothing."""
    world.fault(NO_CAPACITY)
    build = world.build(a_request())

    assert build["state"] == "failed"
    assert types(world) == {"resourceGroups", "batchAccounts"}


def test_what_cannot_be_removed_is_told(world: World) -> None:
    """Somebody locked it, say."""
    world.fault(NO_CAPACITY)
    locked = {"effect": "status", "status": 409, "code": "ScopeLocked", "times": 99}
    world.fault({**locked, "method": "DELETE", "path": "galleries/batchImageGallery$"})
    build = world.build(image_only())

    assert [i.rpartition("/")[2] for i in build["leftovers"]] == ["batchImageGallery"]
    assert types(world) == {"resourceGroups", "galleries"}


def test_where_nothing_can_be_listed_the_group_is_told(world: World) -> None:
    """Somebody took the right to read, say: what is in it may have stayed."""
    world.fault(NO_CAPACITY)
    forbidden = {"effect": "status", "status": 403, "code": "AuthorizationFailed", "times": 99}
    world.fault({**forbidden, "method": "GET", "path": "resourceGroups/images/resources$"})
    build = world.build(image_only())

    assert (build["state"], build["leftovers"]) == ("failed", [GROUP])
    assert build["error"]["code"] == "NoCapacity"
    assert "galleries" in types(world)


def test_what_a_failed_build_needs_to_go_on_stays(world: World) -> None:
    """It is sealed and waits to be resumed; the identity that its builder has is another build's,
    which is cancelled meanwhile.
    """
    world.fault({"effect": "slow", "operation": "virtualMachines.create", "factor": 8})
    first = world.start({"mode": "image-only", "requestId": "r1", "image": with_registry()})
    world.engine.advance(100)
    refused = {"effect": "status", "status": 400, "code": "BadRequest"}
    world.fault({**refused, "method": "PUT", "path": "images/other/versions"})
    kept = world.build(
        {"mode": "image-only", "requestId": "r2", "image": {**with_registry(), "name": "other"}}
    )
    assert kept["resumable"], kept["error"]

    world.records.cancel_build(first)
    world.engine.run_until_complete(first)
    assert world.show(first)["state"] == "cancelled"
    assert {"galleries", "userAssignedIdentities", "registries"} <= types(world)

    build = world.resume(kept["buildId"])
    assert build["state"] == "succeeded", build["error"]


def add_address(world: World) -> None:
    """Somebody puts a public address into the group."""
    world.services.azure.network.public_ip_addresses.begin_create_or_update(
        "images",
        "theirs",
        {
            "location": "swedencentral",
            "sku": {"name": "Standard"},
            "properties": {"publicIPAllocationMethod": "Static"},
        },
        polling=False,
    )


def advance_until_deleted(world: World, path: str) -> None:
    """Until Azure has been asked to delete a resource."""
    for _ in range(1200):
        asked = [r["url"].partition("?")[0] for r in world.ledger() if r["method"] == "DELETE"]
        if any(url.lower().endswith(path.lower()) for url in asked):
            return
        world.engine.advance(1)
    raise AssertionError(f"nothing deletes {path}")


@pytest.mark.parametrize(
    "moment", ["images/batchCustomImage-ubuntu-24.04-cpu", "galleries/batchImageGallery"]
)
def test_what_somebody_adds_meanwhile_keeps_the_group(world: World, moment: str) -> None:
    """The removal of the gallery takes a minute; directly before that of the group, Azure lists it
    again.
    """
    build = world.start(image_only())
    world.engine.advance(200)
    world.records.cancel_build(build)
    advance_until_deleted(world, moment)
    add_address(world)
    world.engine.run_until_complete(build)

    assert types(world) == {"resourceGroups", "publicIPAddresses"}
    calls = [(r["method"], r["url"].partition("?")[0].lower()) for r in world.ledger()]
    assert ("DELETE", f"https://management.azure.com{GROUP}".lower()) not in calls
    assert calls[-1] == ("GET", f"https://management.azure.com{GROUP}/resources".lower())


def test_a_group_is_listed_again_before_a_second_deletion(world: World) -> None:
    """The first one failed on Azure, and it has taken a minute."""
    world.fault({"effect": "allocation", "operation": "resourceGroups.delete", "times": 1})
    build = world.start(image_only())
    world.engine.advance(200)
    world.records.cancel_build(build)
    advance_until_deleted(world, "resourceGroups/images")
    world.clock.advance_to(world.clock.now() + 300)  # the app is down until after that failure
    add_address(world)
    world.engine.run_until_complete(build)

    assert types(world) == {"resourceGroups", "publicIPAddresses"}
