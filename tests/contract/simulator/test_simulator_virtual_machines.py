"""Virtual machines: what is refused at once, what fails later, what an update may change."""

from typing import Any

import pytest
from azure_sandbox import GROUP, LOCATION, UBUNTU, AzureSandbox, changed, put_vm, refused

ROCKY = {"publisher": "resf", "offer": "rockylinux-x86_64", "sku": "9-base", "version": "latest"}
ROCKY_PLAN = {"name": "9-base", "publisher": "resf", "product": "rockylinux-x86_64"}


def test_a_machine_runs_and_then_its_agent_is_ready(world: AzureSandbox) -> None:
    """Run commands need the agent, which comes some seconds after the operation has ended."""
    world.make_network()
    put_vm(world, world.vm_body()).result()

    assert world.codes() == ["ProvisioningState/succeeded", "PowerState/running"]
    world.wait(60)
    assert world.agent() == "Ready"
    view = world.compute.virtual_machines.instance_view(GROUP, "builder")
    assert view.vm_agent.statuses[0].display_status == "Ready"


def test_the_agent_is_not_ready_at_once(make_world) -> None:
    """Whoever does not wait for it fails."""
    world = make_world(duration_band=(1, 1), retry_after=False)
    world.make_network()
    machines = world.compute.virtual_machines
    machines.begin_create_or_update(GROUP, "builder", world.vm_body(), polling=False)
    world.wait(155)

    assert world.codes()[-1] == "PowerState/running"
    assert world.agent() == "Not Ready"


def test_a_machine_without_a_way_out_never_reports(world: AzureSandbox) -> None:
    """A private subnet without NAT gateway: the agent reaches nobody."""
    world.make_network(outbound=False)
    put_vm(world, world.vm_body()).result()
    world.wait(3600)

    assert world.codes()[-1] == "PowerState/running"
    assert world.agent() == "Not Ready"


def test_a_nat_gateway_is_a_way_out(world: AzureSandbox) -> None:
    """The way the app chooses by default."""
    world.make_group()
    address = {"location": LOCATION, "sku": {"name": "Standard"}}
    world.network.public_ip_addresses.begin_create_or_update(GROUP, "a", address).result()
    address_id = world.id("Microsoft.Network/publicIPAddresses", "a")
    gateway = {**address, "properties": {"publicIpAddresses": [{"id": address_id}]}}
    world.network.nat_gateways.begin_create_or_update(GROUP, "nat", gateway).result()
    gateway_id = world.id("Microsoft.Network/natGateways", "nat")
    subnet = {"addressPrefix": "10.20.0.0/25", "natGateway": {"id": gateway_id}}
    properties = {
        "addressSpace": {"addressPrefixes": ["10.20.0.0/24"]},
        "subnets": [{"name": "build", "properties": subnet}],
    }
    network = {"location": LOCATION, "properties": properties}
    world.network.virtual_networks.begin_create_or_update(GROUP, "net", network).result()

    put_vm(world, world.vm_body()).result()
    world.wait(60)

    assert world.agent() == "Ready"


def test_the_answer_says_which_image_and_disk_it_became(world: AzureSandbox) -> None:
    """exactVersion and the disk's name at once; the disk's id once it exists."""
    world.make_network()
    path = f"{world.vm_id()}?api-version=2026-04-01"

    storage = world.send("PUT", path, world.vm_body()).json()["properties"]["storageProfile"]
    world.wait(300)
    later = world.send("GET", path).json()["properties"]["storageProfile"]

    assert storage["imageReference"]["exactVersion"] == "24.04.202611010"
    assert world.send("GET", path).json()["properties"]["timeCreated"].startswith("2026-09-21T")
    assert (storage["osDisk"]["name"], storage["osDisk"]["osType"]) == (
        later["osDisk"]["name"],
        "Linux",
    )
    assert "id" not in storage["osDisk"]["managedDisk"]
    assert later["osDisk"]["managedDisk"]["id"].endswith(later["osDisk"]["name"])


def test_secrets_never_come_back(world: AzureSandbox) -> None:
    """Neither password nor custom data."""
    world.make_network()
    body = world.vm_body()
    body["properties"]["osProfile"].update(adminPassword="pw-1234567890", customData="c2VjcmV0")
    body["properties"]["userData"] = "c2VjcmV0"

    answer = world.send("PUT", f"{world.vm_id()}?api-version=2026-04-01", body)

    assert b"pw-1234567890" not in answer.body
    assert b"c2VjcmV0" not in answer.body


@pytest.mark.parametrize(
    ("path", "value", "code", "target"),
    [
        ("hardwareProfile.vmSize", "Standard_NC6", "InvalidParameter", "vmSize"),
        ("hardwareProfile.vmSize", "Standard_D4ps_v5", "BadRequest", None),
        ("storageProfile.osDisk.createOption", "Attach", "InvalidParameter", "osDisk.createOption"),
        ("storageProfile.osDisk.diskSizeGB", 10, "InvalidParameter", "osDisk.diskSizeGB"),
        ("osProfile", None, "InvalidParameter", "osProfile"),
        ("osProfile.adminUsername", None, "InvalidParameter", "adminUsername"),
        ("osProfile.linuxConfiguration.ssh", None, "InvalidParameter", "linuxConfiguration"),
        (
            "osProfile.linuxConfiguration.ssh.publicKeys",
            [{"keyData": "no key"}],
            "InvalidParameter",
            "linuxConfiguration",
        ),
        (
            "networkProfile.networkInterfaceConfigurations",
            [],
            "InvalidParameter",
            "networkProfile",
        ),
        (
            "networkProfile.networkApiVersion",
            None,
            "InvalidParameter",
            "networkProfile.networkApiVersion",
        ),
    ],
)
def test_a_wrong_body_is_refused_at_once(
    world: AzureSandbox, path: str, value: Any, code: str, target: str | None
) -> None:
    """400, and nothing exists afterwards."""
    world.make_network()
    body = changed(world.vm_body(), f"properties.{path}", value)

    error = refused(put_vm, world, body)

    assert (error.status_code, error.error.code, error.error.target) == (400, code, target)
    assert "builder" not in world.listed()


def test_an_image_that_does_not_exist_is_refused(world: AzureSandbox) -> None:
    """404 with the URN, so that a person sees what is misspelt."""
    world.make_network()

    error = refused(put_vm, world, world.vm_body(image={**UBUNTU, "sku": "servre"}))

    assert (error.status_code, error.error.code) == (404, "PlatformImageNotFound")
    assert "'Canonical:ubuntu-24_04-lts:servre:latest'" in error.error.message
    assert error.error.target == "imageReference"


def test_a_version_that_does_not_exist_is_refused(world: AzureSandbox) -> None:
    """As an image that does not exist."""
    world.make_network()

    error = refused(put_vm, world, world.vm_body(image={**UBUNTU, "version": "1.2.3"}))

    assert error.error.code == "PlatformImageNotFound"


def test_image_and_size_agree_on_the_generation(world: AzureSandbox) -> None:
    """A Gen1 image does not boot on a Gen2-only size."""
    world.make_network()
    image = {**UBUNTU, "sku": "server-gen1"}

    error = refused(put_vm, world, world.vm_body(image=image, size="Standard_D4s_v6"))

    assert (error.status_code, error.error.code) == (400, "BadRequest")
    assert "cannot boot Hypervisor Generation '1'" in error.error.message


def test_trusted_launch_needs_a_second_generation_image(world: AzureSandbox) -> None:
    """And a size that can do it."""
    world.make_network()
    gen1 = world.vm_body(image={**UBUNTU, "sku": "server-gen1"}, security="TrustedLaunch")
    capable = world.vm_body(security="TrustedLaunch")

    assert "TrustedLaunch" in refused(put_vm, world, gen1).error.message
    assert put_vm(world, capable).result().provisioning_state == "Succeeded"


def test_a_subnet_must_exist(world: AzureSandbox) -> None:
    """The usual answer to a dangling reference."""
    world.make_group()

    error = refused(put_vm, world, world.vm_body())

    assert (error.status_code, error.error.code) == (400, "InvalidResourceReference")


def test_an_interface_serves_one_machine(world: AzureSandbox) -> None:
    """A second machine may not take it."""
    world.make_vm()
    (name,) = [item.name for item in world.network.network_interfaces.list(GROUP)]
    interface_id = world.id("Microsoft.Network/networkInterfaces", name)
    body = world.vm_body()
    body["properties"]["networkProfile"] = {"networkInterfaces": [{"id": interface_id}]}

    assert refused(put_vm, world, body, "second").error.code == "NetworkInterfaceInUse"


def test_an_interface_must_exist(world: AzureSandbox) -> None:
    """In the other form of the network profile."""
    world.make_network()
    body = world.vm_body()
    interface_id = world.id("Microsoft.Network/networkInterfaces", "none")
    body["properties"]["networkProfile"] = {"networkInterfaces": [{"id": interface_id}]}

    assert refused(put_vm, world, body).error.code == "InvalidResourceReference"


def test_an_attached_identity_must_exist(world: AzureSandbox) -> None:
    """Else the builder could never log in to the registry."""
    world.make_network()
    identity = world.id("Microsoft.ManagedIdentity/userAssignedIdentities", "none")

    error = refused(put_vm, world, world.vm_body(identity=identity))

    assert error.error.code == "FailedIdentityOperation"


def test_an_attached_identity_is_shown_with_its_ids(world: AzureSandbox) -> None:
    """The scripts need the client id."""
    world.make_network()
    world.identities.user_assigned_identities.create_or_update(GROUP, "id", {"location": LOCATION})
    identity = world.id("Microsoft.ManagedIdentity/userAssignedIdentities", "id")

    vm = put_vm(world, world.vm_body(identity=identity)).result()

    assert vm.identity.user_assigned_identities[identity].client_id


# --- capacity and quota --------------------------------------------------------------------


def test_a_family_s_quota_is_told_by_its_message_only(world: AzureSandbox) -> None:
    """409 OperationNotAllowed has many meanings; this text has numbers."""
    world.make_network()
    world.set(**{"quota:standardDSv5Family": 2})

    error = refused(put_vm, world, world.vm_body())

    assert (error.status_code, error.error.code) == (409, "OperationNotAllowed")
    assert (
        "exceeding approved standardDSv5Family Cores quota. Additional details - Deployment Model: "
        "Resource Manager, Location: swedencentral, Current Limit: 2, Current Usage: 0, "
        "Additional Required: 4, (Minimum) New Limit Required: 4."
    ) in error.error.message


def test_the_region_s_quota_counts_all_families(world: AzureSandbox) -> None:
    """Both limits hold."""
    world.make_vm()
    world.set(**{"quota:cores": 6})

    error = refused(put_vm, world, world.vm_body(size="Standard_E4s_v5"), "second")

    assert "Total Regional Cores quota" in error.error.message
    assert "Current Usage: 4" in error.error.message


def test_spot_machines_have_their_own_quota(world: AzureSandbox) -> None:
    """All families together."""
    world.make_network()
    world.set(**{"quota:cores": 0, "quota:lowPriorityCores": 2})
    body = changed(world.vm_body(), "properties.priority", "Spot")

    assert "Low-priority Cores" in refused(put_vm, world, body).error.message


def test_spot_machines_cost_less(world: AzureSandbox) -> None:
    """That is their point."""
    world.make_network()
    put_vm(world, world.vm_body(), "regular").result()
    put_vm(world, changed(world.vm_body(), "properties.priority", "Spot"), "spot").result()

    costs = {name: item["costPerHour"] for name, item in world.listed().items()}
    assert 0 < costs["spot"] < costs["regular"] / 2


def test_a_deleted_machine_gives_its_quota_back(world: AzureSandbox) -> None:
    """A deallocated one does not."""
    world.set(**{"quota:standardDSv5Family": 4})
    world.make_vm()
    machines = world.compute.virtual_machines
    machines.begin_deallocate(GROUP, "builder").result()
    assert refused(put_vm, world, world.vm_body(), "second").status_code == 409

    machines.begin_delete(GROUP, "builder").result()

    put_vm(world, world.vm_body(), "second").result()


def test_a_restricted_size_is_refused(world: AzureSandbox) -> None:
    """SkuNotAvailable, synchronous."""
    world.make_network()
    world.set(**{"restricted:Standard_D4s_v5": True})

    error = refused(put_vm, world, world.vm_body())

    assert (error.status_code, error.error.code) == (409, "SkuNotAvailable")


def test_a_restricted_zone_is_refused(world: AzureSandbox) -> None:
    """The size works in the other zones, and without one."""
    world.make_network()
    body = world.vm_body(size="Standard_D16ds_v5")

    error = refused(put_vm, world, {**body, "zones": ["3"]})

    assert error.error.code == "SkuNotAvailable"
    put_vm(world, {**body, "zones": ["1"]}).result()


def test_a_machine_that_was_not_allocated_costs_nothing(world: AzureSandbox) -> None:
    """AllocationFailed comes at the end; the machine stays, Failed."""
    world.make_network()
    world.add_fault(operation="virtualMachines.create", effect="allocation")

    refused(put_vm, world, world.vm_body())

    assert world.listed()["builder"]["state"] == "failed"
    assert world.listed()["builder"]["costPerHour"] == 0
    assert world.codes() == ["ProvisioningState/failed/AllocationFailed"]


def test_a_machine_whose_system_does_not_come_up_runs_and_costs(world: AzureSandbox) -> None:
    """OSProvisioningTimedOut: it must be deleted."""
    world.make_network()
    world.add_fault(
        operation="virtualMachines.create", effect="allocation", code="OSProvisioningTimedOut"
    )

    refused(put_vm, world, world.vm_body())

    assert world.listed()["builder"]["costPerHour"] > 0
    assert "PowerState/running" in world.codes()
    assert len(list(world.compute.disks.list_by_resource_group(GROUP))) == 1


def test_putting_an_unallocated_machine_again_tries_again(world: AzureSandbox) -> None:
    """The same body, more luck."""
    world.make_network()
    world.add_fault(operation="virtualMachines.create", effect="allocation")
    refused(put_vm, world, world.vm_body())

    put_vm(world, world.vm_body()).result()

    assert world.codes()[-1] == "PowerState/running"


# --- purchase plans ------------------------------------------------------------------------


def test_a_missing_plan_fails_asynchronously(world: AzureSandbox) -> None:
    """The PUT succeeds; the operation does not."""
    world.make_network()

    error = refused(put_vm, world, world.vm_body(image=ROCKY))

    assert (error.status_code, error.error.code) == (200, "VMMarketplaceInvalidInput")


def test_the_right_plan_is_accepted(world: AzureSandbox) -> None:
    """It equals the image's."""
    world.make_network()

    vm = put_vm(world, world.vm_body(image=ROCKY, plan=ROCKY_PLAN)).result()

    assert vm.provisioning_state == "Succeeded"


def test_a_plan_that_nobody_asks_for_fails(world: AzureSandbox) -> None:
    """The other mistake has the same code."""
    world.make_network()

    error = refused(put_vm, world, world.vm_body(plan=ROCKY_PLAN))

    assert "does not need Plan information" in error.error.message
