"""Azure copies the image version from a snapshot, so the builder goes while it copies."""

from __future__ import annotations

from typing import Any

import pytest

from local.functions_host.store import Query
from tests.world import World, a_pool, a_request, image_only, pools_only
from triggers import builds, leftovers

BUILDER = ("virtualMachines", "disks", "networkInterfaces", "natGateways", "publicIPAddresses")
VM = "Microsoft.Compute/virtualMachines"
LOCKED = {"effect": "status", "status": 409, "code": "ScopeLocked", "method": "DELETE", "times": 99}


def step(shown: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [each for each in shown["steps"] if each["name"] == name]
    return found


def go_on_until(world: World, build: str, name: str, state: str = "running") -> None:
    """Until that step of the build is in that state."""
    for _ in range(400):
        steps = world.show(build).get("steps", [])
        if any(each["name"] == name and each["state"] == state for each in steps):
            return
        world.engine.advance(5)
    raise AssertionError(f"no step {name} became {state}")


def left(world: World) -> list[str]:
    """The kinds of what only a builder needs."""
    return [kind for kind in (*BUILDER, "virtualNetworks", "snapshots") if world.resources(kind)]


@pytest.mark.parametrize("security", ["Standard", "TrustedLaunch"])
def test_the_builder_is_gone_before_the_version_is_there(world: World, security: str) -> None:
    """A VM with a GPU need not exist for the ten minutes in which Azure copies a disk."""
    build = world.start(image_only(securityType=security))
    go_on_until(world, build, "remove_public_ip", "succeeded")
    assert step(world.show(build), "image_version")["state"] == "running"
    assert left(world) == ["snapshots"]

    world.engine.run_until_complete(build)

    assert world.show(build)["state"] == "succeeded"
    assert left(world) == []


def test_the_system_shuts_down_before_its_disk_is_copied(world: World) -> None:
    """The VM is not deallocated for that, and nothing marks it as generalized."""
    build = world.build(image_only())
    asked = [r["url"].partition("?")[0].rpartition("/")[2] for r in world.ledger()]
    assert not {"deallocate", "generalize"} & set(asked)
    names = [each["name"] for each in build["steps"]]
    assert names.index("seal") < names.index("snapshot") < names.index("image_version")


def test_pools_do_not_wait_for_a_builder_that_azure_does_not_remove(world: World) -> None:
    """Its removal is tried for an hour and more; the image needs it no longer."""
    world.fault({**LOCKED, "path": "virtualMachines/batch-prep-[^/]+$"})
    build = world.build(a_request(pools=[a_pool("dev")]))

    assert build["state"] == "succeeded", build["error"]
    assert any("virtualMachines" in id_ for id_ in build["leftovers"])
    assert world.resources("snapshots") == []
    assert len(build["pools"]) == 1


def test_a_builder_that_is_asked_for_stays_without_its_snapshot(world: World) -> None:
    """It is deallocated only now: a VM that shut itself down costs as one that runs."""
    build = world.build(image_only(keepVm=True))
    assert build["state"] == "succeeded", build["error"]
    assert world.resources("virtualMachines")[0]["state"].lower() == "deallocated"
    assert world.resources("snapshots") == []


def test_a_managed_image_is_still_made_from_the_builder(world: World) -> None:
    """The version is copied from the builder then, too, as before."""
    build = world.build(image_only(managedImage=True))
    assert build["state"] == "succeeded", build["error"]
    names = [each["name"] for each in build["steps"]]
    assert "generalize" in names
    assert "snapshot" not in names


def test_a_build_that_is_cancelled_while_azure_copies_leaves_nothing_else(world: World) -> None:
    """The version appears all the same; what it was copied from goes."""
    build = world.start(image_only())
    go_on_until(world, build, "image_version")
    world.ask(builds.cancel_build, id=build)
    world.engine.run_until_complete(build)
    assert left(world) == []


def test_a_snapshot_that_somebody_removes_is_missed(world: World) -> None:
    """Azure says so when it has tried to copy it."""
    build = world.start(image_only())
    go_on_until(world, build, "image_version")
    [snapshot] = world.resources("snapshots")
    world.azure.store.remove(snapshot["id"])
    world.engine.run_until_complete(build)

    shown = world.show(build)
    assert shown["state"] == "failed"
    assert "was deleted" in shown["error"]["message"]


NO_COPY = {"effect": "allocation", "operation": "galleryVersions.create", "times": 1}


def test_a_builder_that_is_lost_before_its_disk_is_copied(world: World) -> None:
    """An evicted spot VM takes its disk with it."""
    busy = {"effect": "throttle", "retryAfter": 600, "times": 1}
    world.fault({**busy, "method": "PUT", "path": "snapshots/[^/]+$"})
    build = world.start(image_only(spot=True))
    go_on_until(world, build, "snapshot")
    assert world.resources("snapshots") == []
    world.as_owner("DELETE", f"resourceGroups/images/providers/{VM}/batch-prep-{build}", {})
    world.engine.run_until_complete(build)

    assert world.show(build)["error"]["code"] == "BuilderLost"
    assert left(world) == []


def dead_while_azure_copies(world: World, step: str = "", **image: Any) -> str:
    """A build that died with everything that it had begun; Azure copies on. It died in a `step`, or
    when its builder was gone.
    """
    build = world.start(image_only(**image))
    go_on_until(world, build, *([step] if step else ["remove_public_ip", "succeeded"]))
    for instance in world.engine.store.select(Query()):
        if instance.id.startswith(build):
            world.engine.terminate(instance.id, "the host was lost")
    world.engine.run_ready()
    return build


def test_a_sweep_leaves_a_snapshot_alone_while_azure_copies_it(world: World) -> None:
    """Once Azure has copied, no record names the version, and all goes."""
    dead_while_azure_copies(world)
    world.sweep()
    assert left(world) == ["snapshots"]
    [version] = world.resources("versions")
    assert version["state"] == "Creating"
    [item] = world.ask(leftovers.list_leftovers).body["leftovers"]
    assert (item["verdict"], item["why"]) == ("keep", "Azure copies an image version from it")

    world.engine.advance(3600)
    world.sweep()
    assert world.resources() == []


@pytest.mark.parametrize("is_refused", [False, True])
@pytest.mark.parametrize("step", ["managed_image", "image_version"])
def test_a_sweep_removes_what_azure_makes_from_a_dead_builds_builder(
    world: World, step: str, is_refused: bool
) -> None:
    """No record names the managed image, nor the version beside it. Azure documents not whether a
    VM can go meanwhile: where it refuses that, a sweep tries again when the builder expires.
    """
    dead_while_azure_copies(world, step, managedImage=True)
    if is_refused:
        world.fault({**LOCKED, "path": "virtualMachines/batch-prep-[^/]+$", "times": 1})
    world.sweep()
    assert bool(world.resources("virtualMachines")) == is_refused
    for _ in range(2):
        world.engine.advance(9 * 3600)
        world.sweep()
    assert world.resources() == []


@pytest.mark.parametrize("is_resumed", [True, False])
def test_a_version_that_azure_finished_waits_for_a_resume(world: World, is_resumed: bool) -> None:
    """Azure took longer than the build waited; it goes when nothing can be resumed any more."""
    world.fault({"effect": "slow", "operation": "galleryVersions.create", "factor": 55})
    failed = world.build(image_only())
    assert (failed["error"]["code"], failed["resumable"]) == ("TimedOut", True)
    world.engine.advance(3600)
    world.sweep()
    assert [each["state"] for each in world.resources("versions")] == ["Succeeded"]

    if is_resumed:
        assert world.resume(failed["buildId"])["state"] == "succeeded"
    for _ in range(2):  # the build is given up, and then what it has made goes
        world.engine.advance(3600)
        world.sweep()
    assert bool(world.resources()) == is_resumed


@pytest.mark.parametrize("managed", [False, True])
def test_a_build_that_is_given_up_leaves_nothing(world: World, managed: bool) -> None:
    """Not even what would have lasted: no other build has used its resource group."""
    world.fault(NO_COPY)
    world.build(image_only(managedImage=managed))
    for _ in range(2):
        world.engine.advance(9 * 3600)
        world.sweep()
    assert world.resources() == []


def unknown_version(world: World) -> str:
    """The id of a version that Azure finished after its build had stopped waiting for it."""
    world.fault({"effect": "slow", "operation": "galleryVersions.create", "factor": 55})
    world.build(image_only("slow", name="slow"))
    world.azure.faults.clear()
    world.engine.advance(3600)
    [version] = [each["id"] for each in world.resources("versions") if "/slow/" in each["id"]]
    return str(version)


def test_a_version_that_a_pool_has_stays(world: World) -> None:
    """Somebody took it by its id before its build was given up."""
    world.build(a_request(requestId="other", image={"name": "other"}))
    version = unknown_version(world)
    taken = world.build({**pools_only("taken", a_pool("taken")), "image": {"id": version}})
    assert taken["state"] == "succeeded", taken["error"]
    for _ in range(2):
        world.engine.advance(9 * 3600)
        world.sweep()
    assert version in [each["id"] for each in world.resources("versions")]


def test_a_version_stays_while_a_build_may_begin_to_use_it(world: World) -> None:
    """This one starts its builder from it, and the sweep has given up the version's build."""
    version = unknown_version(world)
    world.engine.advance(9 * 3600)
    world.sweep()
    refresh = world.start(image_only("refresh", name="next", os="ubuntu", base={"id": version}))
    world.engine.advance(10)
    world.begin_sweep()
    world.engine.run_until_complete(refresh)
    assert world.show(refresh)["state"] == "succeeded"

    world.sweep()
    assert version not in [each["id"] for each in world.resources("versions")]
