"""A resume after somebody, or a setting, has changed what the build had made."""

from __future__ import annotations

from typing import Any

import pytest

from shared.base import settings
from tests.stories.test_copied_from_snapshots import NO_COPY, VM, left
from tests.world import SETTINGS, World, a_pool, a_request, image_only
from triggers import builds

REFUSED = {"effect": "status", "status": 403, "code": "AuthorizationFailed", "times": 1}
NO_SNAPSHOT = {**REFUSED, "method": "PUT", "path": "snapshots/[^/]+$"}
NO_MANAGED_IMAGE = {**REFUSED, "method": "PUT", "path": "Microsoft.Compute/images/[^/]+$"}
NOT_GENERALIZED = {**REFUSED, "method": "POST", "path": "virtualMachines/[^/]+/generalize$"}


def failed_by(world: World, fault: dict[str, Any], **image: Any) -> dict[str, Any]:
    """A build that met this fault and can be resumed."""
    world.fault(fault)
    build = world.build(image_only(**image))
    assert (build["state"], build["resumable"]) == ("failed", True), build["error"]
    return build


def below(id_: str) -> str:
    """A resource's path below the subscription."""
    return id_[id_.index("resourceGroups/") :]


def somebody_deletes(world: World, kind: str) -> str:
    """Somebody deletes the only resource of this kind; its id."""
    [id_] = [each["id"] for each in world.resources() if each["type"].endswith(kind)]
    world.as_owner("DELETE", below(id_), {})
    return id_


def power(world: World) -> list[str]:
    """The state of each VM."""
    return [vm.state["power"] for vm in world.azure.store.of_type(VM)]


# -- what is gone ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "image", "kind", "code"),
    [
        (NO_COPY, {}, "snapshots", "SnapshotLost"),
        (NO_COPY, {}, "resourceGroups", "SnapshotLost"),
        (NO_SNAPSHOT, {}, "virtualMachines", "BuilderLost"),
        (NO_COPY, {"managedImage": True}, "virtualMachines", "BuilderLost"),
        (NO_MANAGED_IMAGE, {"managedImage": True}, "virtualMachines", "BuilderLost"),
    ],
)
def test_a_build_does_not_go_on_without_what_its_image_is_made_from(
    world: World, fault: dict[str, Any], image: dict[str, Any], kind: str, code: str
) -> None:
    """No resume could bring it back, so the build ends, and what else it had made goes."""
    build = failed_by(world, fault, **image)["buildId"]
    gone = somebody_deletes(world, kind)
    world.engine.advance(3600)

    again = world.resume(build)

    assert (again["state"], again["resumable"], again["leftovers"]) == ("failed", False, [])
    assert again["error"]["code"] == code
    assert again["error"]["resource"].startswith(gone)
    assert "Start" in again["error"]["nextAction"]
    assert "Resume" not in again["error"]["nextAction"]
    assert world.resources() == []


def test_a_snapshot_of_somebody_else_is_not_published(world: World) -> None:
    """It has the name of the build's own, which was deleted."""
    world.build(image_only("other", name="kept", keepVm=True))
    [disk] = [each["id"] for each in world.resources("disks")]
    build = failed_by(world, NO_COPY)["buildId"]
    gone = somebody_deletes(world, "snapshots")
    world.engine.advance(600)
    assert world.resources("snapshots") == []
    copied = {"creationData": {"createOption": "Copy", "sourceResourceId": disk}}
    world.as_owner("PUT", below(gone), {"location": "swedencentral", "properties": copied})
    world.engine.advance(600)

    assert world.resume(build)["error"]["code"] == "SnapshotLost"


@pytest.mark.parametrize("kinds", [("galleries/images",), ("galleries/images", "galleries")])
def test_what_lasts_is_made_again(world: World, kinds: tuple[str, ...]) -> None:
    """The build had made the gallery and the definition, and somebody deleted them since."""
    build = failed_by(world, NO_COPY)["buildId"]
    for kind in ("galleries/images/versions", *kinds):
        somebody_deletes(world, kind)
        world.engine.advance(900)
    assert world.resume(build)["state"] == "succeeded"


def test_the_account_is_made_again(world: World) -> None:
    """Its pools would find none at the end."""
    world.fault(NO_COPY)
    build = world.build(a_request())["buildId"]
    somebody_deletes(world, "batchAccounts")
    world.engine.advance(900)
    assert world.resume(build)["state"] == "succeeded"


def test_pools_are_not_tried_again_without_their_image(world: World) -> None:
    """Azure would allocate no node of it, however often they are asked for."""
    world.fault({"effect": "allocation", "operation": "pools.allocate", "times": 1})
    build = world.build(a_request(pools=[a_pool("one"), a_pool("two")]))["buildId"]
    version = somebody_deletes(world, "versions")
    world.engine.advance(900)

    answer = world.ask(builds.resume_build, id=build)

    assert answer.status == 409
    assert f"{version} was deleted" in answer.body["error"]["message"]


def test_an_image_that_azure_does_not_show_is_not_gone(world: World) -> None:
    """It refuses one look, so the build goes on with the image that is on record."""
    world.fault({"effect": "allocation", "operation": "pools.allocate", "times": 1})
    build = world.build(a_request(pools=[a_pool("one"), a_pool("two")]))["buildId"]
    refusal = {"effect": "status", "status": 403, "code": "AuthorizationFailed", "method": "GET"}
    world.fault({**refusal, "path": "/versions/", "times": 1})

    assert world.resume(build)["state"] == "succeeded"
    assert all(fault["struck"] for fault in world.azure.faults.list())


@pytest.mark.parametrize("is_resumed", [True, False])
def test_a_build_keeps_the_defaults_that_it_began_with(world: World, is_resumed: bool) -> None:
    """A setting names another resource group now: what was made is where it was made."""
    world.fault(NO_COPY)
    build = world.build({"mode": "image-only", "requestId": "r1"})["buildId"]
    elsewhere = settings.load(SETTINGS | {"DEFAULT_RESOURCE_GROUP": "elsewhere"})
    vars(world.services.azure)["_config"] = elsewhere

    if is_resumed:
        assert world.resume(build)["state"] == "succeeded"
    for _ in range(2):
        world.engine.advance(9 * 3600)
        world.sweep()
    assert bool(world.resources()) == is_resumed


# -- a builder that was sealed --------------------------------------------------------------------

NOT_CAPTURED = [(NO_SNAPSHOT, False), (NOT_GENERALIZED, True)]
CAPTURES = ["snapshot", "generalize"]


@pytest.mark.parametrize(("fault", "managed"), NOT_CAPTURED, ids=CAPTURES)
def test_a_sealed_builder_waits_where_its_disk_is_not_captured(
    world: World, fault: dict[str, Any], managed: bool
) -> None:
    """Azure never starts it again, and nothing is installed again."""
    failed = failed_by(world, fault, managedImage=managed)
    vms = [id_ for id_ in failed["leftovers"] if "/virtualMachines/" in id_]
    assert (len(vms), len(failed["leftovers"]), power(world)) == (1, 4, ["deallocated"])
    assert not any("/snapshots/" in id_ for id_ in failed["leftovers"])
    refused = "'start' is not allowed on VM '.*' since the VM is generalized"
    with pytest.raises(Exception, match=refused):
        world.as_owner("POST", f"{below(vms[0])}/start", {})

    build = world.resume(failed["buildId"])

    assert build["state"] == "succeeded", build["error"]
    asked = [r["url"].partition("?")[0] for r in world.ledger() if r["method"] != "GET"]
    scripts = [url for url in asked if "/runCommands/" in url]
    assert len(scripts) == len(set(scripts))
    assert left(world) == []


def test_a_sealed_builder_waits_for_a_second_resume(world: World) -> None:
    """The disk is not captured the second time either."""
    failed = failed_by(world, NO_SNAPSHOT)
    world.fault(NO_SNAPSHOT)
    again = world.resume(failed["buildId"])
    assert (again["resumable"], again["leftovers"]) == (True, failed["leftovers"])
    assert world.resume(failed["buildId"])["state"] == "succeeded"


def test_a_sealed_builder_that_azure_does_not_lock_is_removed(world: World) -> None:
    """Somebody could start it, and its system would be published with keys and logs of its own."""
    world.fault({**NOT_GENERALIZED, "times": 99})
    world.fault(NO_SNAPSHOT)
    build = world.build(image_only())
    assert (build["state"], build["resumable"], left(world)) == ("failed", False, [])


def test_once_the_snapshot_is_there_it_is_kept_instead(world: World) -> None:
    """The builder goes as in every other build."""
    build = failed_by(world, NO_SNAPSHOT)["buildId"]
    world.fault(NO_COPY)
    failed = world.resume(build)

    [snapshot] = world.resources("snapshots")
    assert (failed["resumable"], failed["leftovers"]) == (True, [snapshot["id"]])
    assert left(world) == ["snapshots"]
    assert world.resume(build)["state"] == "succeeded"


def test_a_sealed_builder_does_not_wait_for_ever(world: World) -> None:
    """It goes when its time is over, as what every other failed build keeps."""
    build = failed_by(world, NO_SNAPSHOT)["buildId"]
    world.engine.advance(25 * 3600)
    world.sweep()
    assert left(world) == []
    assert world.show(build)["resumable"] is False
