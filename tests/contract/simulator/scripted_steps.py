"""Steps on the scripted machine, as several tests take them."""

from __future__ import annotations

from typing import Any

from azure_sandbox import GROUP, AzureSandbox

IMAGES = "busybox:1.36\npython:3.12"


def inside(world: AzureSandbox) -> dict[str, Any]:
    resource = world.azure.store.find(world.vm_id())
    assert resource is not None
    return resource.state["machine"]


def console(world: AzureSandbox) -> str:
    data = world.compute.virtual_machines.retrieve_boot_diagnostics_data(GROUP, "builder")
    return world.send("GET", data.serial_console_log_blob_uri, token=None).body.decode()


def restart(world: AzureSandbox) -> None:
    world.compute.virtual_machines.begin_restart(GROUP, "builder").result()
    world.wait(60)


def prepared(world: AzureSandbox) -> None:
    """Prepared, and restarted if a kernel waits."""
    world.step("prepare", BUILDER_USER="builder")
    restart(world)


def worlds_where_the_kernel(make_world, *, changes: bool) -> AzureSandbox:
    """The first seed whose marketplace image has, or has not, its final kernel."""
    for seed in range(1, 30):
        world = make_world(seed=seed)
        world.make_vm()
        result = world.step("prepare", BUILDER_USER="builder")
        if result["rebootRequired"] == changes:
            return world
    raise AssertionError("no such seed")
