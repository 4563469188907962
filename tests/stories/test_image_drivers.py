"""Which driver an image gets for the sizes of its pools."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import World, a_pool, a_request, an_image, image_only, world_after
from triggers import builds

V100, T4, A100 = "Standard_ND40rs_v2", "Standard_NC4as_T4_v3", "Standard_NC24ads_A100_v4"
UNKNOWN = "Standard_NC4ads_X900_v9"  # newer than every driver


def test_a_pool_of_gpus_on_an_image_without_a_driver_is_advised() -> None:
    """The images that would do are named."""
    world = world_after(image_only("gpu", gpu=True))
    pools = [a_pool("dev", vmSize="Standard_NC4as_T4_v3")]
    plan = world.ask(builds.plan_build, a_request(pools=pools))
    (blocker,) = [b for b in plan.body["blockers"] if b["field"] == "pools[0].vmSize"]
    assert "1.0.0" in blocker["message"]


@pytest.mark.parametrize("sizes", [[V100], [T4, V100, A100]], ids=["V100 only", "V100 and newer"])
def test_an_image_for_v100_pools_is_built_on_the_usual_builder(
    world: World, sizes: list[str]
) -> None:
    """Proprietary modules serve every data-centre GPU up to Hopper, the builder's T4 among them."""
    pools = [a_pool(f"pool{i}", vmSize=size, verify=True) for i, size in enumerate(sizes)]
    build = world.build(a_request(image=an_image(gpu=True), pools=pools))

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["driverKind"] == "datacenter-proprietary"
    assert build["image"]["vmSize"] == T4
    assert all(pool["verified"] for pool in build["pools"])


def test_gpus_newer_than_hopper_get_no_proprietary_modules(world: World) -> None:
    """NVIDIA supports them with open modules only."""
    pools = [a_pool("old", vmSize=V100), a_pool("new", vmSize=UNKNOWN)]
    build = world.build(a_request(image=an_image(gpu=True), pools=pools))

    assert [d["code"] for d in build["error"]["details"]] == ["DriverUnsuitable"]
    assert UNKNOWN in build["error"]["message"]


def test_a_driver_branch_without_proprietary_modules_stops_a_build(world: World) -> None:
    """Its script would refuse the version when the builder is paid for."""
    image = an_image(gpu=True, driverVersion="620.10.01")
    build = world.build(a_request(image=image, pools=[a_pool("old", vmSize=V100)]))

    assert [(d["field"], d["code"]) for d in build["error"]["details"]] == [
        ("image.driverVersion", "DriverUnsuitable")
    ]


RTX = "Standard_NC{}ds_xl_RTXPRO6000BSE_v6"


@pytest.mark.parametrize("cores", ["36l", "72", "144"])
def test_an_rtx_pro_6000_gets_the_grid_driver_with_open_modules(world: World, cores: str) -> None:
    """Also where the size has a part of the GPU. Its checksum is known, so no setting is needed."""
    pool = a_pool("dev", vmSize=RTX.format(cores), verify=True)
    build = world.build(a_request(image=an_image(gpu=True), pools=[pool]))

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["driverKind"] == "grid-open"
    assert build["image"]["driverVersion"] == "595.58.03"
    assert build["pools"][0]["verified"] is True


@pytest.mark.parametrize("other", ["Standard_NV6ads_A10_v5", A100])
def test_an_rtx_pro_6000_shares_its_image_with_t4_alone(world: World, other: str) -> None:
    """A partition of an A10 does not know open modules, and whole GPUs take no GRID driver."""
    pools = [a_pool(f"pool{i}", vmSize=size) for i, size in enumerate([RTX.format("36"), other])]
    build = world.build(
        a_request(image=an_image(gpu=True), pools=[*pools, a_pool("t4", vmSize=T4)])
    )

    assert {d["code"] for d in build["error"]["details"]} >= {"DriverUnsuitable"}
    assert "pools[2].vmSize" not in {d["field"] for d in build["error"]["details"]}


@pytest.mark.parametrize("cores", ["144", "288"])
@pytest.mark.parametrize(
    ("image", "field"),
    [
        ({"dcgm": True}, "image.dcgm"),
        ({"driverSource": "canonical"}, "image.driverSource"),
    ],
)
def test_a_whole_rtx_pro_6000_needs_the_grid_driver_too(
    world: World, cores: str, image: dict[str, Any], field: str
) -> None:
    """So what is refused has nothing to do with partitions of GPUs."""
    pool = a_pool("dev", vmSize=RTX.format(cores), dcgm=True)
    build = world.build(a_request(image=an_image(gpu=True, **image), pools=[pool]))

    said = {each["field"]: each["message"] for each in build["error"]["details"]}
    assert "sizes need the GRID driver" in said[field]
    assert "pools[0].dcgm" in said
    assert "partition" not in str(said)
    assert "whole GPUs" not in str(said)


def test_canonicals_modules_load_under_secure_boot(world: World) -> None:
    """They are signed; NVIDIA's are built on the machine and would be refused on each node."""
    signed = an_image(gpu=True, securityType="TrustedLaunch", driverSource="canonical")
    build = world.build(a_request(image=signed, pools=[a_pool("dev", vmSize=T4, verify=True)]))

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["secureBoot"] is True
    assert build["pools"][0]["verified"] is True
    pool = world.services.azure.batch.pool.get(
        build["image"]["resourceGroup"], "mybatch12345", "dev"
    )
    machine = pool.as_dict()["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
    assert machine["securityProfile"]["uefiSettings"]["secureBootEnabled"] is True


@pytest.mark.parametrize(
    ("image", "size"),
    [
        ({"os": "almalinux", "driverSource": "canonical"}, T4),
        ({"driverSource": "canonical"}, "Standard_NV6ads_A10_v5"),
        ({"driverSource": "canonical", "driverVersion": "580.95.05"}, T4),
    ],
    ids=["another system", "a partition", "a known vulnerability"],
)
def test_what_canonical_has_not_is_refused(world: World, image: dict[str, str], size: str) -> None:
    """Before anything is created. The floor of versions is that of every data-centre driver."""
    request = a_request(image=an_image(gpu=True, **image), pools=[a_pool("dev", vmSize=size)])
    answer = world.ask(builds.start_build, request)
    error = answer.body["error"] if answer.status == 400 else world.build(request)["error"]

    assert {d["field"] for d in error["details"]} & {"image.driverSource", "image.driverVersion"}


def test_the_kernel_of_the_last_image_serves_where_the_driver_fails_for_the_newest(
    world: World,
) -> None:
    """The weekly rebuild goes on when a kernel comes that the driver does not know yet."""
    first = world.build(image_only("first", gpu=True))
    newest = ["6.11.0-1030-azure", "6.11.0-1033-azure"]  # of the base image, and its update
    world.change_facts({"baseImageKernel": newest[0], "driverFailsFor": newest})
    other = world.build(image_only("other", gpu=True, name="other"))
    again = world.build(image_only("again", gpu=True))

    assert other["error"]["azureCode"] == "DRIVER_BUILD"
    assert again["state"] == "succeeded", again["error"]
    assert again["image"]["kernel"] == first["image"]["kernel"]
