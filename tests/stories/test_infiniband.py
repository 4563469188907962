"""Images with NVIDIA's InfiniBand stack, and pools on sizes that have InfiniBand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.test_pools import azure_pool
from tests.world import World, a_pool, a_request, an_image, image_only, pools_only

Json = dict[str, Any]
RDMA, PLAIN = "Standard_ND40rs_v2", "Standard_NC4as_T4_v3"


def mpi_pool(name: str = "mpi", **more: Any) -> Json:
    return a_pool(name, **{"vmSize": RDMA, "interNodeCommunication": True, "verify": True, **more})


def warned(build: Json) -> set[tuple[str, str]]:
    return {(each["field"], each["code"]) for each in build["warnings"]}


def variables(world: World, pool: str) -> dict[str, str]:
    """Those of the pool's start task."""
    task = azure_pool(world, pool)["properties"]["startTask"]
    return {each["name"]: each["value"] for each in task["environmentSettings"]}


def test_an_mpi_pool_has_infiniband_on_every_node(world: World) -> None:
    """The builder's size has none: the nodes prove it, each before it takes tasks."""
    image = an_image(gpu=True, infiniband=True)
    build = world.build(a_request(image=image, pools=[mpi_pool(), a_pool("plain", vmSize=PLAIN)]))

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["infinibandVersion"] == "3.2.3"
    assert build["image"]["vmSize"] == PLAIN
    assert warned(build) == set()
    assert variables(world, "mpi")["EXPECT_INFINIBAND"] == "true"
    assert "EXPECT_INFINIBAND" not in variables(world, "plain")
    mpi = next(pool for pool in build["pools"] if pool["poolId"] == "mpi")
    assert {check["status"] for check in mpi["checks"] if check["id"] == "infiniband"} == {"pass"}


def test_a_node_without_its_infiniband_takes_no_tasks(world: World) -> None:
    """Its MPI would talk by TCP, or wait for ever."""
    world.build(image_only("image", gpu=True, infiniband=True, builderVmSize=RDMA))
    forget_stack(world)

    build = world.build(pools_only("pools", mpi_pool()))

    assert build["state"] == "failed"
    assert "IB_ABSENT" in str(build["pools"])


def forget_stack(world: World) -> None:
    """The image's contents are others than its record says."""
    for resource in world.azure.store.everything():
        if "contents" in resource.state:
            resource.state["contents"]["infiniband"] = ""


def test_an_image_without_the_stack_is_a_warning(world: World) -> None:
    """The pool works, and its nodes talk by TCP."""
    build = world.build(a_request(image=an_image(gpu=True), pools=[mpi_pool()]))

    assert build["state"] == "succeeded", build["error"]
    assert warned(build) == {("pools[0].interNodeCommunication", "NoInfiniband")}
    assert "EXPECT_INFINIBAND" not in variables(world, "mpi")


def test_the_same_of_an_existing_image(world: World) -> None:
    """Its record knows what it has."""
    world.build(image_only("image", gpu=True, builderVmSize=RDMA))

    build = world.build(pools_only("pools", mpi_pool()))

    assert warned(build) == {("pools[0].interNodeCommunication", "NoInfiniband")}


@pytest.mark.parametrize("talks", [True, False])
def test_pools_get_the_image_that_fits_their_network(world: World, *, talks: bool) -> None:
    """Where the request names none; the last image is that with or without the stack."""
    images = [
        world.build(image_only(request, gpu=True, infiniband=has_stack, builderVmSize=RDMA))
        for request, has_stack in (("r1", not talks), ("r2", talks), ("r3", not talks))
    ]

    build = world.build(pools_only("pools", mpi_pool(interNodeCommunication=talks)))

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["imageId"] == images[1]["image"]["imageId"]
    assert build["image"]["imageName"].endswith("-infiniband") is talks


@pytest.mark.parametrize(
    ("pool", "warning"),
    [
        (
            {"interNodeCommunication": False},
            ("pools[0].interNodeCommunication", "InfinibandUnused"),
        ),
        ({"taskSlotsPerNode": 4}, ("pools[0].taskSlotsPerNode", "NoMultiInstanceTasks")),
    ],
)
def test_a_pool_that_cannot_use_its_infiniband_is_a_warning(
    world: World, pool: Json, warning: tuple[str, str]
) -> None:
    """It costs as much as one that does."""
    image = an_image(gpu=True, infiniband=True)

    build = world.build(a_request(image=image, pools=[mpi_pool(**pool)]))

    assert build["state"] == "succeeded", build["error"]
    assert warned(build) == {warning}


def test_a_zonal_pool_of_a_size_with_infiniband_is_a_blocker(world: World) -> None:
    """Batch would refuse it when the image is paid for."""
    pool = mpi_pool(nodePlacementConfiguration={"policy": "Zonal"})
    image = an_image(gpu=True, infiniband=True)

    build = world.build(a_request(image=image, pools=[pool]))

    assert [(d["field"], d["code"]) for d in build["error"]["details"]] == [
        ("pools[0].nodePlacementConfiguration.policy", "InfinibandIsRegional")
    ]


def test_an_image_keeps_the_stack_of_its_base(world: World) -> None:
    """A request that does not name it gets what the base has."""
    first = world.build(image_only("first", gpu=True, infiniband=True))

    again = world.build(
        {
            "requestId": "again",
            "mode": "image-only",
            "image": {"base": {"id": first["image"]["imageId"]}},
        }
    )

    assert again["state"] == "succeeded", again["error"]
    assert again["image"]["infinibandVersion"] == "3.2.3"


@pytest.mark.parametrize(("base", "wanted"), [(True, False), (False, True)])
def test_a_base_with_another_stack_is_a_blocker(world: World, *, base: bool, wanted: bool) -> None:
    """It cannot be removed, and a driver that is there does not work with it."""
    first = world.build(image_only("first", gpu=True, infiniband=base))
    other = {"base": {"id": first["image"]["imageId"]}, "gpu": True, "infiniband": wanted}

    build = world.build({"requestId": "other", "mode": "image-only", "image": other})

    assert [(d["field"], d["code"]) for d in build["error"]["details"]] == [
        ("image.infiniband", "BaseImageUnsuitable")
    ]
