"""The disk of an image: as asked, or as large as what is known of its container images asks for."""

from __future__ import annotations

from typing import Any

import pytest

from shared.base.wire import replace
from tests.world import World, an_image, image_only, world_after
from triggers import builds

LARGE = [f"nvcr.io/nvidia/pytorch:{tag}" for tag in ("25.01", "25.02", "25.03")]


def disk(world: World, request: dict) -> Any:
    """The size of the builder's disk that a plan names."""
    answer = world.ask(builds.plan_build, request)
    assert answer.status == 200, answer.body
    return answer.body["names"]["osDiskSizeGiB"]


def test_a_preload_without_room_says_what_to_give(world: World) -> None:
    """And once such an image was built, its sizes are known: the weekly rebuild needs no number."""
    failed = world.build(image_only("first", containerImages=LARGE))
    assert failed["error"]["azureCode"] == "NO_SPACE"
    assert "image.osDiskSizeGiB" in failed["error"]["nextAction"]
    asked = image_only("asked", containerImages=LARGE, osDiskSizeGiB=100)
    assert disk(world, asked) == 100
    assert world.build(asked)["state"] == "succeeded"

    again = image_only("again", containerImages=LARGE, keepVm=True)
    assert disk(world, again) == 128  # the next size that Azure bills
    build = world.build(again)
    assert build["state"] == "succeeded", build["error"]
    (vm,) = world.services.azure.compute.virtual_machines.list("images")
    assert vm.storage_profile.os_disk.disk_size_gb == 128
    assert disk(world, image_only("other", containerImages=["docker.io/library/busybox:1"])) == 64


def test_a_disk_smaller_than_that_of_the_base_image_stops_a_build(world: World) -> None:
    """Azure would refuse the VM."""
    world.change_facts({"baseImageDiskGiB": 127})
    build = world.build({"mode": "image-only", "image": an_image(osDiskSizeGiB=100)})

    assert [(d["field"], d["code"]) for d in build["error"]["details"]] == [
        ("image.osDiskSizeGiB", "DiskTooSmall")
    ]
    assert "127" in build["error"]["message"]
    assert disk(world, image_only("derived")) == 127
    assert world.build(image_only("derived"))["state"] == "succeeded"


RHEL = {"os": "rhel", "osVersion": "9"}


@pytest.mark.parametrize(
    ("system", "size", "disk_gib"),
    [
        ({}, 23_487_790_000, 64),
        ({}, 23_487_800_000, 128),
        (RHEL, 13_343_800_000, 64),
        (RHEL, 13_343_900_000, 128),
        (RHEL, 30_000_000_000, 256),
    ],
)
def test_a_disk_has_room_for_its_images_and_the_system(
    system: dict[str, str], size: int, disk_gib: int
) -> None:
    """Two and a half times the images, and 10 GB; 64 GiB are 68.7 GB. Of RHEL's disk, /var has 32
    of 64 GiB, and 70 of 128.
    """
    preloaded = image_only(**system, containerImages=["docker.io/library/busybox:1"])
    world = world_after(preloaded)
    (record,) = world.records.images()
    (found,) = record.container_images
    found = replace(found, size_bytes=size)
    world.records.put_image(replace(record, container_images=[found]))

    assert disk(world, {**preloaded, "requestId": "r2"}) == disk_gib


def volumes(world: World) -> dict[str, float]:
    """Those of the builder, in GiB."""
    (vm,) = world.azure.store.of_type("Microsoft.Compute/virtualMachines")
    return dict(vm.state["machine"]["volumes"])


def test_the_small_volumes_of_rhel_are_grown(world: World) -> None:
    """Its root has 2 GiB on a disk of 64: the check asks for as much to be free."""
    build = world.build(image_only(**RHEL, keepVm=True))
    assert build["state"] == "succeeded", build["error"]
    found = volumes(world)
    assert found["/"] > 4
    assert sum(found.values()) == 63


def test_volumes_that_leave_no_room_fail_the_check(world: World) -> None:
    """Nothing is published, and a larger disk helps."""
    world.change_facts({"baseImageVolumes": {"/": 2, "/var": 61}})
    build = world.build(image_only("small", **RHEL))
    assert build["error"]["azureCode"] == "CHECK_FAILED"
    assert "DISK_LOW" in build["error"]["message"]
    assert "image.osDiskSizeGiB" in build["error"]["nextAction"]
    assert world.resources("versions") + world.resources("virtualMachines") == []

    larger = world.build(image_only("large", **RHEL, osDiskSizeGiB=128))
    assert larger["state"] == "succeeded", larger["error"]


def test_rhels_images_have_the_room_of_var(world: World) -> None:
    """Docker's images lie there, and not on the whole disk."""
    build = world.build(image_only(**RHEL, containerImages=LARGE[:2]))
    assert build["error"]["azureCode"] == "NO_SPACE"
