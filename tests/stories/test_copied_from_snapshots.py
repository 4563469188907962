"""Azure copies the image version from a snapshot, so the builder goes while it copies."""

from __future__ import annotations

from typing import Any

import pytest

from local.functions_host.store import Query
from tests.world import World, a_pool, a_request, image_only
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


@pytest.mark.parametrize(
    ("managed", "gone", "code"),
    [(False, "snapshots", "SnapshotLost"), (True, "virtualMachines", "BuilderLost")],
)
def test_a_build_does_not_go_on_without_what_its_version_is_copied_from(
    world: World, managed: bool, gone: str, code: str
) -> None:
    """No resume could bring it back."""
    world.fault(NO_COPY)
    failed = world.build(image_only(managedImage=managed))
    assert failed["resumable"], failed["error"]
    [source] = [each["id"] for each in world.resources() if each["type"].endswith(gone)]
    world.as_owner("DELETE", source[source.index("resourceGroups/") :], {})
    world.engine.advance(600)

    again = world.resume(failed["buildId"])

    assert (again["state"], again["resumable"], again["leftovers"]) == ("failed", False, [])
    assert again["error"]["code"] == code
    assert again["error"]["resource"] == source
    assert "Start" in again["error"]["nextAction"]
    assert "Resume" not in again["error"]["nextAction"]
    assert left(world) == []


REFUSED = {"effect": "status", "status": 403, "code": "AuthorizationFailed", "times": 1}
NO_SNAPSHOT = {**REFUSED, "method": "PUT", "path": "snapshots/[^/]+$"}
NOT_GENERALIZED = {**REFUSED, "method": "POST", "path": "virtualMachines/[^/]+/generalize$"}


def refused_of(world: World, fault: dict[str, Any], managed: bool = False) -> dict[str, Any]:
    """A build that sealed its builder, and then met this refusal."""
    world.fault(fault)
    build = world.build(image_only(managedImage=managed))
    assert (build["state"], build["resumable"]) == ("failed", True), build["error"]
    assert build["error"]["azureCode"] == "AuthorizationFailed"
    assert power(world) == ["deallocated"]
    return build


def power(world: World) -> list[str]:
    """The state of each VM."""
    return [vm.state["power"] for vm in world.azure.store.of_type(VM)]


@pytest.mark.parametrize(
    ("fault", "managed"),
    [(NO_SNAPSHOT, False), (NOT_GENERALIZED, True)],
    ids=["snapshot", "generalize"],
)
def test_a_sealed_builder_waits_where_its_disk_is_not_captured(
    world: World, fault: dict[str, Any], managed: bool
) -> None:
    """It does not boot again, and nothing is installed again."""
    failed = refused_of(world, fault, managed)
    vms = [id_ for id_ in failed["leftovers"] if "/virtualMachines/" in id_]
    assert (len(vms), len(failed["leftovers"])) == (1, 4)
    assert not any("/snapshots/" in id_ for id_ in failed["leftovers"])

    world.fault(fault)
    again = world.resume(failed["buildId"])
    assert (again["resumable"], power(world)) == (True, ["deallocated"]), again["error"]
    assert again["leftovers"] == failed["leftovers"]

    build = world.resume(failed["buildId"])
    assert build["state"] == "succeeded", build["error"]
    asked = [r["url"].partition("?")[0] for r in world.ledger() if r["method"] != "GET"]
    assert not [url for url in asked if url.endswith("/start")]
    scripts = [url for url in asked if "/runCommands/" in url]
    assert len(scripts) == len(set(scripts))
    assert left(world) == []


@pytest.mark.parametrize(
    ("fault", "managed"),
    [(NO_SNAPSHOT, False), (NOT_GENERALIZED, True)],
    ids=["snapshot", "generalize"],
)
def test_a_sealed_builder_that_somebody_starts_is_not_published(
    world: World, fault: dict[str, Any], managed: bool
) -> None:
    """Its system has booted since, with keys and logs of its own."""
    build = refused_of(world, fault, managed)["buildId"]
    vm = f"resourceGroups/images/providers/{VM}/batch-prep-{build}"
    world.as_owner("POST", f"{vm}/start", {})
    world.engine.advance(600)
    failed = world.resume(build)

    assert (failed["error"]["code"], failed["resumable"]) == ("BuilderStarted", False)
    assert (left(world), world.resources("versions")) == ([], [])


def test_once_the_snapshot_is_there_it_is_kept_instead(world: World) -> None:
    """The builder goes as in every other build."""
    build = refused_of(world, NO_SNAPSHOT)["buildId"]
    world.fault(NO_COPY)
    failed = world.resume(build)

    [snapshot] = world.resources("snapshots")
    assert (failed["resumable"], failed["leftovers"]) == (True, [snapshot["id"]])
    assert left(world) == ["snapshots"]
    assert world.resume(build)["state"] == "succeeded"


def test_a_sealed_builder_does_not_wait_for_ever(world: World) -> None:
    """It goes when its time is over, as what every other failed build keeps."""
    build = refused_of(world, NO_SNAPSHOT)["buildId"]
    world.engine.advance(25 * 3600)
    world.sweep()
    assert left(world) == []
    assert world.show(build)["resumable"] is False


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


def dead_while_azure_copies(world: World) -> str:
    """A build that died with everything that it had begun; Azure copies on."""
    build = world.start(image_only())
    go_on_until(world, build, "remove_public_ip", "succeeded")
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
