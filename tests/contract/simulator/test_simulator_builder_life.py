"""A builder's whole life, from the first request to an image version and nothing else."""

from typing import Any

from azure_sandbox import GROUP, LOCATION, AzureSandbox, run_body, step_script
from scripted_steps import console


def test_a_build_leaves_its_version_and_nothing_that_costs_more(world: AzureSandbox) -> None:
    """Network with NAT gateway, machine, steps, seal, version, removal; by the real SDK clients."""
    make_nat_network(world)
    finish(world, world.compute.virtual_machines, "builder", world.vm_body())
    world.wait(60)
    prepared = world.step("prepare", BUILDER_USER="builder")
    if prepared["rebootRequired"]:
        world.compute.virtual_machines.begin_restart(GROUP, "builder").result()
        world.wait(60)
    world.step("docker")
    world.step("preload", IMAGES="busybox:1.36")
    assert world.step("check", EXPECT_IMAGES="busybox:1.36")["ok"] is True
    world.step("seal", BUILDER_USER="builder")
    world.wait(60)
    assert "batch-prep sealed b1 n1" in console(world)
    world.generalize()
    world.make_definition()
    version = world.make_version()
    world.compute.virtual_machines.begin_delete(GROUP, "builder").result()
    world.network.virtual_networks.begin_delete(GROUP, "net").result()
    world.network.nat_gateways.begin_delete(GROUP, "nat").result()
    world.network.public_ip_addresses.begin_delete(GROUP, "address").result()

    costs = {name for name, item in world.listed().items() if item["costPerHour"] > 0}
    assert costs == {"1.0.0"}
    contents = world.azure.store.find(version.id).state["contents"]
    assert (contents["sealed"], contents["buildId"]) == (True, "b1")
    assert [image["name"] for image in contents["images"]] == ["busybox:1.36"]


def make_nat_network(world: AzureSandbox) -> None:
    world.make_group()
    standard = {"location": LOCATION, "sku": {"name": "Standard"}}
    finish(world, world.network.public_ip_addresses, "address", standard)
    address = {"id": world.id("Microsoft.Network/publicIPAddresses", "address")}
    gateway = {**standard, "properties": {"publicIpAddresses": [address]}}
    finish(world, world.network.nat_gateways, "nat", gateway)
    subnet = {
        "addressPrefix": "10.20.0.0/25",
        "natGateway": {"id": world.id("Microsoft.Network/natGateways", "nat")},
    }
    properties = {
        "addressSpace": {"addressPrefixes": ["10.20.0.0/24"]},
        "subnets": [{"name": "build", "properties": subnet}],
    }
    network = {"location": LOCATION, "properties": properties}
    finish(world, world.network.virtual_networks, "net", network)


def finish(world: AzureSandbox, operations: Any, name: str, body: dict[str, Any]) -> None:
    operations.begin_create_or_update(GROUP, name, body).result()


def test_a_build_takes_as_long_as_the_old_script_said(make_world: Any) -> None:
    """A GPU image in 20 to 25 minutes when every duration is typical and nobody waits idly."""
    world = make_world(duration_band=(1, 1), retry_after=False, throttled=False)

    assert 20 * 60 <= gpu_build_seconds(world) <= 25 * 60


def gpu_build_seconds(world: AzureSandbox) -> float:
    """One build whose every wait ends within a second: preloading runs beside the driver."""
    machines, begun = world.compute.virtual_machines, world.now()
    world.make_network()
    body = world.vm_body(size="Standard_NC4as_T4_v3")
    finish_soon(world, machines.begin_create_or_update, GROUP, "builder", body)
    await_agent(world)
    step(world, "prepare", BUILDER_USER="builder")
    finish_soon(world, machines.begin_restart, GROUP, "builder")
    await_agent(world)
    step(world, "docker", GPU="true")
    start_step(world, "preload", IMAGES="busybox:1.36")
    step(world, "driver", DRIVER_KIND="datacenter-open")
    finish_soon(world, machines.begin_restart, GROUP, "builder")
    await_agent(world)
    step(world, "check", EXPECT_GPU="1", EXPECT_IMAGES="busybox:1.36")
    step(world, "seal", BUILDER_USER="builder", SEAL_DELAY_SECONDS="20")
    while world.codes()[-1] != "PowerState/stopped":
        world.wait(1)
    finish_soon(world, machines.begin_deallocate, GROUP, "builder")
    machines.generalize(GROUP, "builder")
    world.make_definition()
    versions = world.compute.gallery_image_versions
    version = world.version_body()
    finish_soon(world, versions.begin_create_or_update, GROUP, "gallery", "image", "1.0.0", version)
    return world.now() - begun


def finish_soon(world: AzureSandbox, begin: Any, *arguments: Any) -> None:
    begin(*arguments, polling_interval=1).result()


def await_agent(world: AzureSandbox) -> None:
    while world.agent() != "Ready":
        world.wait(1)


def start_step(world: AzureSandbox, name: str, **parameters: str) -> None:
    body = run_body(step_script(name), NONCE="n1", BUILD_ID="b1", **parameters)
    commands = world.compute.virtual_machine_run_commands
    commands.begin_create_or_update(GROUP, "builder", name, body, polling=False)


def step(world: AzureSandbox, name: str, **parameters: str) -> None:
    start_step(world, name, **parameters)
    while (view := world.run_view(name)).execution_state in {"Pending", "Running"}:
        world.wait(1)
    assert view.exit_code == 0, view.output
