"""Which sizes an image's driver serves, and how many GPUs a node must show."""

from __future__ import annotations

from typing import Any

import pytest

from local.azure_simulator.data import skus
from shared.azure import batch_bodies, quotas
from shared.base.errors import Problem, RequestRefused
from shared.model import disk_size, drivers, image_choice, parsing, plan_updates, planning
from shared.model.outcomes import ImageRecord
from shared.model.plans import BaseImage
from shared.model.results import Findings
from tests.world import CONFIG, a_pool, a_request, an_image

N_SERIES = sorted(size.name for size in skus.SIZES.values() if size.name.startswith("Standard_N"))


@pytest.mark.parametrize("name", N_SERIES)
def test_a_pool_with_gpus_is_refused_or_proved_on_all_of_them(name: str) -> None:
    """A node whose GPUs nobody looked at is no proof, whatever Azure calls its size."""
    request = a_request(image=an_image(gpu=True), pools=[a_pool("dev", vmSize=name)])
    try:
        build = parsing.parse_build(request, CONFIG).with_request_id("r1")
    except RequestRefused:
        return  # the next test and that of retired sizes hold the reasons
    plan = planning.plan_build(build, CONFIG)
    size = skus.SIZES[name.lower()]
    capabilities = [{"name": n, "value": v} for n, v in size.capabilities().items()]
    sku = {"name": name, "family": size.family, "capabilities": capabilities}
    counted = quotas.gpus_beyond_catalogue([quotas.read_size(sku)])

    (pool,) = plan_updates.with_facts(plan, Findings(gpus=counted)).pools

    body = batch_bodies.pool(pool, "true")
    environment = {
        setting["name"]: setting["value"]
        for setting in body["properties"]["startTask"]["environmentSettings"]
    }
    assert environment["EXPECT_GPU"] == str(size.gpus)
    assert "/dev/nvidia" in batch_bodies.verification_tasks(pool, 1)[0]["commandLine"]
    assert plan.image is not None
    image = plan.image
    assert not drivers.pool_problems([pool], counted, gpu=True, driver=image.driver)
    assert image.fabric_manager == (size.gpus == 8 and "ND96" in name)


@pytest.mark.parametrize(
    "name",
    ["Standard_ND96isr_MI300X_v5", "Standard_NG8ads_V620_v1", "Standard_NV32as_v4",
     "Standard_NV24ads_V710_v5",
     "Standard_NCC40ads_H100_v5",
     "Standard_ND128isr_NDR_GB200_v6"],
)  # fmt: skip
def test_gpus_that_no_image_can_drive_are_refused(name: str) -> None:
    """AMD's, confidential ones, those of Arm64: nodes would fail after the image is paid for."""
    with pytest.raises(RequestRefused) as refused:
        parsing.parse_build(a_request(pools=[a_pool("dev", vmSize=name)]), CONFIG)
    assert [problem.code for problem in refused.value.problems] == ["UnsupportedVmSize"]


@pytest.mark.parametrize(
    "system",
    [
        "ubuntu 22.04",
        "ubuntu 24.04",
        "almalinux 8",
        "almalinux 9",
        "rocky 8",
        "rocky 9",
        "rhel 8",
        "rhel 9",
    ],
)
def test_the_systems_that_a_driver_is_for(system: str) -> None:
    """An image of each can be asked for with a GPU."""
    name, version = system.split()
    image = {"os": name, "osVersion": version, "gpu": True}
    build = parsing.parse_build({"mode": "image-only", "requestId": "r", "image": image}, CONFIG)
    assert build.image.gpu is True
    plan = planning.plan_build(build, CONFIG).image
    assert plan is not None
    assert plan.system.gpu


def record(**changes: Any) -> ImageRecord:
    """A version of an image with a driver."""
    known = {
        "image_id": "i",
        "node_agent_sku": "batch.node.ubuntu 24.04",
        "gallery_name": "g",
        "image_name": "i",
        "version": "1.0.0",
        "vm_size": "Standard_NC4as_T4_v3",
        "location": "eastus",
        "base_os": "ubuntu 24.04",
        "gpu_enabled": True,
        "driver_version": "580.95.05",
        "kernel": "6.8.0-1",
        "resource_group": "g",
        "build_id": "b",
        "created_at": "2026-01-01T00:00:00Z",
    }
    return ImageRecord(**(known | changes))


@pytest.mark.parametrize(
    ("newest", "kernel"),
    [
        (None, None),
        (record(), "6.8.0-1"),
        (record(base_os="ubuntu 22.04"), None),
        (record(driver_version=None), None),
    ],
    ids=["none", "the same system", "another system", "without a driver"],
)
def test_the_kernel_that_a_driver_compiled_for(
    newest: ImageRecord | None, kernel: str | None
) -> None:
    """It is of use on the same system only, and where a driver did compile for it."""
    image = an_image(gpu=True, os="ubuntu", osVersion="24.04")
    data = {"mode": "image-only", "requestId": "r", "image": image}
    plan = planning.plan_build(parsing.parse_build(data, CONFIG), CONFIG).image
    assert plan is not None
    assert drivers.last_good_kernel(plan, newest) == kernel


def test_suitable_images_are_listed_from_the_newest() -> None:
    """A person takes the first one."""
    old = record(image_name="old", image_id="o", build_id="b1")
    new = record(image_name="new", image_id="n", created_at="2026-02-01T00:00:00Z")
    problem = Problem(field="image", code="DriverUnsuitable", message="no")
    (advised,) = image_choice.advised([problem], [old, new], [], {})
    assert advised.message.index("g/new 1.0.0") < advised.message.index("g/old 1.0.0")


@pytest.mark.parametrize(("gib", "codes"), [(127, ["DiskTooSmall"]), (128, []), (None, [])])
def test_a_disk_holds_its_base_image(gib: int | None, codes: list[str]) -> None:
    """The same size is enough, and without one the disk is that of the base image or larger."""
    image = an_image(**({"osDiskSizeGiB": gib} if gib else {}))
    data = {"mode": "image-only", "requestId": "r", "image": image}
    plan = planning.plan_build(parsing.parse_build(data, CONFIG), CONFIG).image
    base = BaseImage(publisher="p", offer="o", sku="s", version="1", generation="V2", disk_gib=128)
    assert plan is not None
    assert [problem.code for problem in disk_size.problems(plan, base)] == codes
