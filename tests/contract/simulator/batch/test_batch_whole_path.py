"""From a builder VM to idle nodes, through every part of the simulator."""

from __future__ import annotations

from azure_sandbox import result_line
from batch_sandbox import BUSYBOX, T4, BatchSandbox, containers_of, start_task


def test_an_image_that_was_really_built_makes_verified_nodes():
    """What the build's steps put into the machine is what the nodes find."""
    world = BatchSandbox()
    world.make_account()
    world.make_vm(size=T4)
    world.step("prepare", BUILDER_USER="builder")
    _restart(world)
    world.step("docker", GPU="true")
    world.step("driver", DRIVER_KIND="datacenter-open")
    _restart(world)
    world.step("preload", IMAGES=BUSYBOX)
    world.step("seal", BUILDER_USER="builder", SEAL_DELAY_SECONDS="20")
    world.wait(120)
    world.generalize()
    world.make_definition()
    image = world.make_version().id
    task = start_task(EXPECT_GPU="auto", EXPECT_IMAGES=BUSYBOX, VERIFY_IMAGE=BUSYBOX)
    world.make_pool(image=image, size=T4, start_task=task, containers=containers_of(BUSYBOX))
    (node,) = world.await_nodes()
    result = result_line(world.node_output("dev", node.id))
    assert (node.state, result["ok"], result["message"]) == ("idle", True, "")


def _restart(world: BatchSandbox) -> None:
    world.compute.virtual_machines.begin_restart("batch-images-rg", "builder").result()
    world.wait(60)
