"""Arm64: pools get images that were made elsewhere; none is built, and nothing mixes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from local.azure_simulator import store
from tests.world import World, a_pool, a_request, image_only, pools_only, world_after
from triggers import builds

Json = dict[str, Any]
COBALT, INTEL = "Standard_D4ps_v6", "Standard_D2s_v5"
AGENT = "batch.node.ubuntu 24.04-arm64"
DEFINITION = "Microsoft.Compute/galleries/images"
BUSYBOX = "docker.io/library/busybox:1.36"


@pytest.fixture
def built() -> World:
    """A world with an account, and with the image `mine` that batch-prep has built."""
    return world_after(a_request(requestId="r0"), image_only("r1", name="mine"))


def made_elsewhere(world: World, **properties: Any) -> str:
    """The id of a version for Arm64, or with other `properties` of its definition, in the same
    gallery. Batch-prep has no record of it.
    """
    [definition] = [d for d in world.azure.store.of_type(DEFINITION) if d.name == "mine"]
    [version] = world.azure.store.children(definition.id, f"{DEFINITION}/versions")
    for there in (definition, version):
        new = copy.deepcopy(there.document)
        new["id"] = there.id.replace("/images/mine", "/images/theirs")
        if there is definition:
            new |= {"name": "theirs"}
            new["properties"] |= properties or {"architecture": "Arm64"}
        made = store.Resource(id=new["id"], type=there.type, document=new)
        made.state.update(copy.deepcopy(there.state))
        world.azure.store.add(made)
    return version.id.replace("/images/mine", "/images/theirs")


def problems(world: World, request: Json) -> list[tuple[str, str, str]]:
    """Field, code and message of what stops a build, in the request or in the checks."""
    answer = world.ask(builds.plan_build, request)
    body = answer.body
    found = body["blockers"] if answer.status == 200 else body["error"]["details"]
    return [(p["field"], p["code"], p["message"]) for p in found]


def test_a_pool_of_an_arm64_size_gets_an_image_for_it(built: World) -> None:
    """With the node agent for it; the checks on its nodes pass."""
    pool = a_pool("arm", vmSize=COBALT, verify=True)
    request = pools_only("r2", pool, id=made_elsewhere(built))
    names = built.ask(builds.plan_build, request).body["names"]
    build = built.build(request)

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["architecture"] == names["architecture"] == "Arm64"
    azure = built.services.azure.batch.pool.get("images", "mybatch12345", "arm").as_dict()
    machine = azure["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
    assert machine["nodeAgentSkuId"] == build["image"]["nodeAgentSku"] == AGENT
    assert built.pool("mybatch12345", "arm")["verified"] is True


@pytest.mark.parametrize("theirs", [True, False])
def test_image_and_size_of_a_pool_have_one_architecture(built: World, theirs: bool) -> None:
    """In both directions, also for a size that is only tried later; no pool is made."""
    elsewhere = made_elsewhere(built)
    wrong, right = (INTEL, COBALT) if theirs else (COBALT, INTEL)
    image = {"id": elsewhere} if theirs else {"name": "mine"}
    before = built.resources("pools")
    pools = [a_pool("a", vmSize=wrong), a_pool("b", vmSize=None, vmSizes=[right, wrong])]
    build = built.build(pools_only("r2", *pools, **image))

    found = [(d["field"], d["code"]) for d in build["error"]["details"]]
    assert found == [("pools[0].vmSize", "SizeUnsuitable"), ("pools[1].vmSize", "SizeUnsuitable")]
    assert f"{wrong} is {'x64' if theirs else 'Arm64'}, and " in build["error"]["message"]
    assert built.resources("pools") == before


def test_no_image_is_built_for_arm64(world: World) -> None:
    """Its size, its pools' sizes and its base each say why; nothing is made."""
    arm = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server-arm64"}
    asked = {
        "image.builderVmSize": image_only(builderVmSize=COBALT),
        "pools[0].vmSize": a_request(pools=[a_pool("dev", vmSize=COBALT)]),
        "image.base": image_only(base=arm),
        "image.architecture": image_only(architecture="Arm64"),
    }
    for field, request in asked.items():
        (found,) = problems(world, request)
        assert found[0] == field
        assert "managed run commands" in found[2]
    assert world.resources() == []


def test_batchs_other_systems_on_arm64_have_no_known_agent(built: World) -> None:
    """Batch has some, whose names nothing public says."""
    pool = a_pool("arm", vmSize=COBALT)
    image = {"id": made_elsewhere(built), "os": "rhel", "osVersion": "9"}
    (found,) = problems(built, pools_only("r2", pool, **image))

    assert found[:2] == ("image.os", "SystemNotSupported")
    assert "no node agent of Batch is known for rhel 9" in found[2]


def test_an_account_without_the_agent_for_arm64_stops_a_build(built: World) -> None:
    """Its list says which agents there are."""
    elsewhere = made_elsewhere(built)
    built.change_facts({f"batchSupportEnds:{AGENT}": "2025-12-31T00:00:00Z"})
    (found,) = problems(built, pools_only("r2", a_pool("arm", vmSize=COBALT), id=elsewhere))

    assert found[:2] == ("image.os", "SupportEnded")


def test_an_image_that_others_publish_for_arm64(built: World) -> None:
    """Its definition says the architecture, as the region shows it."""
    made_elsewhere(built)
    (gallery,) = built.azure.store.of_type("Microsoft.Compute/galleries")
    change = {"sharingProfile": {"permissions": "Groups"}}
    url = f"https://azure{gallery.id}?api-version=2025-03-03"
    built.azure.dispatch("PATCH", url, {"properties": change})
    built.engine.advance(60)
    built.azure.settle()
    name = gallery.properties["identifier"]["uniqueName"]
    image = {"id": f"/SharedGalleries/{name}/Images/theirs/Versions/1.0.0", "os": "ubuntu"}

    (found,) = problems(built, pools_only("r2", a_pool("x", vmSize=INTEL), **image))
    assert found[:2] == ("pools[0].vmSize", "SizeUnsuitable")
    build = built.build(pools_only("r3", a_pool("arm", vmSize=COBALT), **image))
    assert build["state"] == "succeeded", build["error"]
    assert (build["image"]["architecture"], build["image"]["nodeAgentSku"]) == ("Arm64", AGENT)
