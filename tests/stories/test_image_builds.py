"""An image, from an empty resource group to a published version and a clean-up."""

from __future__ import annotations

import pytest

from tests.world import World, a_request, an_image, image_only

GPU_IMAGE = an_image(gpu=True, containerImages=["docker.io/library/busybox:1.36"])
WITH_REGISTRY = an_image(
    registry={
        "name": "imagesregistry1",
        "build": {"source": "https://example.org/app.git#main", "image": "myapp:v1.0"},
    }
)


def test_a_gpu_image_is_built_published_and_cleaned_up_after(world: World) -> None:
    """The whole point: one request, one image version, nothing left that costs money."""
    build = world.build(image_only(**GPU_IMAGE))

    assert build["state"] == "succeeded", build["error"]
    image = build["image"]
    assert image["version"] == "1.0.0"
    assert image["nodeAgentSku"] == "batch.node.ubuntu 24.04"
    assert image["driverVersion"]
    assert [i["name"] for i in image["containerImages"]] == ["docker.io/library/busybox:1.36"]
    assert image["containerImages"][0]["digest"].startswith("sha256:")
    assert build["leftovers"] == []
    assert world.resources("virtualMachines") == []
    assert world.resources("Microsoft.Network") == []
    assert world.resources("disks") == []


def test_what_was_not_really_executed_says_so(world: World) -> None:
    """A simulator's answer must never pass for the real thing."""
    build = world.build(image_only(**GPU_IMAGE))
    scripted = {s["name"] for s in build["steps"] if s["scripted"]}
    assert {"install", "preload", "seal"} <= scripted
    assert build["image"]["scripted"] is True


@pytest.mark.parametrize("effect", ["script", "silent"])
def test_a_failure_that_was_not_really_executed_says_so(world: World, effect: str) -> None:
    """Exit code and log of a script that no machine ran are as invented as its results."""
    world.fault({"step": "docker", "effect": effect, "exitCode": 24, "message": "no"})
    build = world.build(image_only())

    (failed,) = [s for s in build["steps"] if s["state"] == "failed"]
    assert (failed["name"], failed["scripted"]) == ("install", True)


def test_the_metadata_has_the_old_keys(world: World) -> None:
    """Pipelines read image_metadata.json as the old script wrote it."""
    build = world.build(image_only())
    assert build["image"].keys() >= {
        "imageId", "nodeAgentSku", "galleryName", "imageName", "version", "vmSize", "location",
        "baseOs", "gpuEnabled",
    }  # fmt: skip


def test_each_build_gets_the_next_version(world: World) -> None:
    """A version is never overwritten, and nobody has to invent numbers."""
    versions = [world.build(image_only(f"r{n}"))["image"]["version"] for n in range(3)]
    assert versions == ["1.0.0", "1.0.1", "1.0.2"]


@pytest.mark.parametrize("group", ["images", "accounts"])
def test_the_network_is_made_beside_a_new_account(world: World, group: str) -> None:
    """They may share a resource group, and need not."""
    account = {"name": "mybatch12345", "resourceGroup": group}
    build = world.build(a_request(batchAccount=account))

    steps = {s["name"]: s for s in build["steps"]}
    assert build["state"] == "succeeded", build["error"]
    assert steps["public_ip"]["startedAt"] == steps["batch_account"]["startedAt"]
    assert steps["builder_vm"]["startedAt"] >= steps["quotas"]["startedAt"]
    made = [r for r in world.ledger() if r["method"] == "PUT" and is_group(r["url"])]
    assert len(made) == len({"images", group})


def is_group(url: str) -> bool:
    """Whether it names a resource group and nothing in it."""
    return "/resourcegroups/" in url.lower() and "/providers/" not in url


def test_an_image_is_built_in_the_registry_and_preloaded_from_it(world: World) -> None:
    """Registry, identity and build come beside the VM; the builder pulls with the identity."""
    build = world.build(image_only(**WITH_REGISTRY))

    assert build["state"] == "succeeded", build["error"]
    names = [i["name"] for i in build["image"]["containerImages"]]
    assert len(names) == 1
    assert names[0].endswith("/myapp:v1.0")
    steps = {s["name"]: s for s in build["steps"]}
    assert steps["push_image"]["startedAt"] < steps["install"]["startedAt"]


def test_the_driver_is_built_while_images_are_pulled(world: World) -> None:
    """Nothing waits that need not: the machine itself knows when there is a Docker to pull with."""
    build = world.build(image_only(**GPU_IMAGE))
    steps = {s["name"]: s for s in build["steps"]}
    assert steps["preload"]["startedAt"] == steps["install"]["startedAt"]
    assert steps["preload"]["seconds"] < steps["install"]["seconds"]
    assert steps["reboot"]["startedAt"] > steps["install"]["startedAt"]


@pytest.mark.parametrize(
    "image",
    [
        an_image(gpu=True, os="almalinux", osVersion="9"),
        an_image(gpu=True, builderVmSize="Standard_NV6ads_A10_v5"),
    ],
)
def test_a_driver_that_needs_its_kernel_running_is_built_after_a_restart(image: dict) -> None:
    """el's packages and GRID's installer build for the kernel that runs."""
    for seed in range(1, 30):  # until a marketplace image has not its final kernel
        world = World(seed=seed, own_settings={"GRID_DRIVER_SHA256": "0" * 64})
        build = world.build(image_only(**image))
        steps = {s["name"]: s for s in build["steps"]}
        assert build["state"] == "succeeded", build["error"]
        if "reboot_for_kernel" in steps:
            break
    order = ["install", "reboot_for_kernel", "driver", "reboot", "seal"]
    assert sorted(order, key=lambda name: steps[name]["startedAt"]) == order


def test_ubuntus_driver_needs_no_restart_before(world: World) -> None:
    """Its packages build for the kernel that will boot: one restart proves both."""
    build = world.build(image_only(**GPU_IMAGE))
    restarts = [s["name"] for s in build["steps"] if s["name"].startswith("reboot")]
    assert restarts == ["reboot"]
    assert build["image"]["driverVersion"]


@pytest.mark.parametrize(
    ("os", "version", "agent"),
    [
        ("ubuntu", "22.04", "batch.node.ubuntu 22.04"),
        ("almalinux", "9", "batch.node.el 9"),
        ("rhel", "8", "batch.node.el 8"),
    ],
)
def test_each_system_gets_its_node_agent(world: World, os: str, version: str, agent: str) -> None:
    """A wrong agent makes a pool whose nodes never start."""
    build = world.build(image_only(os=os, osVersion=version))
    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["nodeAgentSku"] == agent


@pytest.mark.parametrize("outbound", ["nat", "defaultAccess"])
def test_the_builder_has_a_way_out_and_no_public_address(world: World, outbound: str) -> None:
    """Without a way out nothing can be installed; with an address anybody could knock."""
    build = world.build(image_only(outbound=outbound))
    assert build["state"] == "succeeded", build["error"]
    wrote = [r["url"] for r in world.ledger() if r["method"] == "PUT"]
    assert any("natGateways" in url for url in wrote) == (outbound == "nat")


def test_a_managed_image_is_made_only_on_request(world: World) -> None:
    """It is a legacy copy that costs time and money."""
    build = world.build(image_only(managedImage=True))
    assert build["image"]["managedImageId"]
    other = world.build(image_only("r2", name="other"))
    assert "managedImageId" not in other["image"]


def test_a_kept_builder_stays_and_costs_no_compute(world: World) -> None:
    """keepVm is for looking at it afterwards."""
    build = world.build(image_only(keepVm=True))
    assert build["state"] == "succeeded", build["error"]
    assert len(build["leftovers"]) == 4  # the VM and the network that it needs
    assert world.resources("virtualMachines")[0]["state"].lower() == "deallocated"


def test_a_build_without_capacity_takes_the_next_size(world: World) -> None:
    """Azure often has none of one size and plenty of another."""
    world.fault(
        {"resourceType": "Microsoft.Compute/virtualMachines", "effect": "allocation", "times": 1}
    )
    sizes = ["Standard_D2s_v5", "Standard_D4s_v5"]
    build = world.build(image_only(builderVmSizes=sizes))
    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["vmSize"] == "Standard_D4s_v5"


def test_a_second_build_of_the_same_image_meets_the_first(world: World) -> None:
    """Two builds would race for one version number and pay twice."""
    from triggers import builds

    first = world.start(image_only())
    answer = world.ask(builds.start_build, image_only("r2"))
    assert (answer.status, answer.body["error"]["buildId"]) == (409, first)


def test_the_same_request_is_the_same_build(world: World) -> None:
    """A client that lost the answer asks again, and gets it."""
    from triggers import builds

    first = world.start(a_request())
    again = world.ask(builds.start_build, a_request())
    other = world.ask(builds.start_build, a_request(mode="image-only", pools=[]))
    assert (again.status, again.body["buildId"]) == (202, first)
    assert other.status in {400, 409}
