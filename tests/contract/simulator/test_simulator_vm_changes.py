"""Virtual machines after their creation: updates, deletion, and machines from custom images."""

from typing import Any

import pytest
from azure_sandbox import GROUP, UBUNTU, AzureSandbox, changed, put_vm, refused

# --- updates -------------------------------------------------------------------------------


def test_the_same_put_again_changes_nothing(world: AzureSandbox) -> None:
    """Activities run at least once: 200, the same machine, the same interfaces."""
    world.make_vm()
    before = world.compute.virtual_machines.get(GROUP, "builder")

    after = put_vm(world, world.vm_body()).result()

    assert after.vm_id == before.vm_id
    assert after.network_profile == before.network_profile
    assert len(list(world.network.network_interfaces.list(GROUP))) == 1


def test_the_same_put_during_creation_joins_it(world: AzureSandbox) -> None:
    """One operation, one machine."""
    world.make_network()
    path = f"{world.vm_id()}?api-version=2026-04-01"
    first, second = (world.send("PUT", path, world.vm_body()) for _ in range(2))

    urls = [answer.headers["Azure-AsyncOperation"].partition("?")[0] for answer in (first, second)]
    assert [first.status, second.status] == [201, 200]
    assert urls[0] == urls[1]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("storageProfile.imageReference", {**UBUNTU, "sku": "server-gen1"}),
        ("osProfile.adminUsername", "other"),
        ("osProfile.computerName", "other"),
        ("securityProfile.securityType", "TrustedLaunch"),
        ("priority", "Spot"),
    ],
)
def test_immutable_properties_stay(world: AzureSandbox, path: str, value: Any) -> None:
    """409 PropertyChangeNotAllowed."""
    world.make_vm()
    body = changed(world.vm_body(), f"properties.{path}", value)

    error = refused(put_vm, world, body)

    assert (error.status_code, error.error.code) == (409, "PropertyChangeNotAllowed")


def test_tags_can_be_patched(world: AzureSandbox) -> None:
    """An expiry is prolonged this way."""
    world.make_vm()

    world.compute.virtual_machines.begin_update(GROUP, "builder", {"tags": {"a": "b"}}).result()

    assert world.listed()["builder"]["tags"] == {"a": "b"}


def test_a_machine_can_be_resized_within_its_quota(world: AzureSandbox) -> None:
    """The old size's cores come back first."""
    world.make_vm()
    world.set(**{"quota:standardDSv5Family": 8})
    machines = world.compute.virtual_machines
    size = {"properties": {"hardwareProfile": {"vmSize": "Standard_D8s_v5"}}}
    resized = machines.begin_update(GROUP, "builder", size).result()

    assert resized.hardware_profile.vm_size == "Standard_D8s_v5"
    assert resized.os_profile.admin_username == "builder"
    size["properties"]["hardwareProfile"]["vmSize"] = "Standard_D16s_v5"
    error = refused(machines.begin_update, GROUP, "builder", size)

    assert "Current Limit: 8, Current Usage: 8" in error.error.message


def test_a_resize_meets_restrictions_too(world: AzureSandbox) -> None:
    """As a creation does."""
    world.make_vm()
    world.set(**{"restricted:Standard_D8s_v5": True})
    size = {"properties": {"hardwareProfile": {"vmSize": "Standard_D8s_v5"}}}

    error = refused(world.compute.virtual_machines.begin_update, GROUP, "builder", size)

    assert error.error.code == "SkuNotAvailable"


def test_identity_and_place_of_a_machine_never_change(world: AzureSandbox) -> None:
    """Whatever a body says of its name."""
    world.make_vm()

    vm = put_vm(world, {**world.vm_body(), "name": "other", "id": "/other"}).result()

    assert (vm.name, vm.id) == ("builder", world.vm_id())


# --- deletion ------------------------------------------------------------------------------


def test_deletion_takes_what_was_created_with_it(world: AzureSandbox) -> None:
    """deleteOption Delete on disk and interface."""
    world.make_vm()
    assert len(list(world.compute.disks.list_by_resource_group(GROUP))) == 1

    world.compute.virtual_machines.begin_delete(GROUP, "builder").result()

    assert set(world.listed()) == {GROUP, "net"}


def test_deletion_leaves_what_was_not(world: AzureSandbox) -> None:
    """Without deleteOption the disk and the interface remain, and cost."""
    world.make_network()
    body = changed(world.vm_body(), "properties.storageProfile.osDisk.deleteOption", None)
    configuration = body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]
    del configuration["properties"]["deleteOption"]
    vm = put_vm(world, body).result()
    assert vm.storage_profile.os_disk.delete_option == "Detach"

    world.compute.virtual_machines.begin_delete(GROUP, "builder").result()

    (disk,) = world.compute.disks.list_by_resource_group(GROUP)
    assert (disk.disk_state, disk.managed_by) == ("Unattached", None)
    assert world.listed()[disk.name]["costPerHour"] > 0
    world.compute.disks.begin_delete(GROUP, disk.name).result()
    (interface,) = world.network.network_interfaces.list(GROUP)
    world.network.network_interfaces.begin_delete(GROUP, interface.name).result()


def test_an_attached_disk_stays(world: AzureSandbox) -> None:
    """409 with the machine's name."""
    world.make_vm()
    (disk,) = world.compute.disks.list_by_resource_group(GROUP)

    error = refused(world.compute.disks.begin_delete, GROUP, disk.name)

    assert (error.status_code, error.error.code) == (409, "OperationNotAllowed")


def test_forced_deletion_is_faster(make_world) -> None:
    """It skips the graceful shutdown."""
    world = make_world(duration_band=(1, 1), retry_after=False)
    spent = []
    for forced in (False, True):
        world.make_vm()
        before = world.now()
        world.compute.virtual_machines.begin_delete(
            GROUP, "builder", force_deletion=forced, polling_interval=10
        ).result()
        spent.append(world.now() - before)

    assert spent[1] < spent[0]


def test_a_machine_being_deleted_refuses_everything_else(world: AzureSandbox) -> None:
    """Only the deletion may be repeated."""
    world.make_vm()
    machines = world.compute.virtual_machines
    machines.begin_delete(GROUP, "builder", polling=False)

    errors = [
        refused(machines.begin_restart, GROUP, "builder"),
        refused(machines.generalize, GROUP, "builder"),
        refused(put_vm, world, world.vm_body()),
        refused(world.run, "late", "#!/bin/bash\n"),
    ]

    assert {error.error.code for error in errors} == {"OperationNotAllowed"}
    assert all("marked for deletion" in error.error.message for error in errors)
    machines.begin_delete(GROUP, "builder").result()


# --- machines from custom images -----------------------------------------------------------


def test_a_machine_can_be_made_from_a_gallery_version(world: AzureSandbox) -> None:
    """Or from the definition, which means its latest version; contents come along."""
    world.make_sealed_vm()
    world.make_definition()
    world.make_version()
    definition = world.id("Microsoft.Compute/galleries", "gallery/images/image")

    vm = put_vm(world, world.vm_body(image={"id": definition}), "second").result()

    assert vm.storage_profile.image_reference.exact_version == "1.0.0"
    resource = world.azure.store.find(world.vm_id("second"))
    assert resource is not None
    assert resource.state["machine"]["docker"]


def test_an_image_that_is_not_in_the_region_is_refused(world: AzureSandbox) -> None:
    """404: replicate it first."""
    world.make_sealed_vm()
    world.make_definition()
    world.make_version()
    version = world.id("Microsoft.Compute/galleries", "gallery/images/image/versions/1.0.0")
    body = {**world.vm_body(image={"id": version}), "location": "eastus"}

    error = refused(put_vm, world, body, "second")

    assert (error.status_code, error.error.code) == (404, "GalleryImageNotFound")
    assert "is not available in eastus region" in error.error.message


def test_an_image_that_does_not_exist_is_not_available(world: AzureSandbox) -> None:
    """The same words, whatever is missing."""
    world.make_network()
    version = world.id("Microsoft.Compute/galleries", "none/images/none/versions/1.0.0")

    error = refused(put_vm, world, world.vm_body(image={"id": version}))

    assert (error.status_code, error.error.code) == (404, "GalleryImageNotFound")


def test_a_trusted_launch_image_makes_trusted_launch_machines_only(world: AzureSandbox) -> None:
    """The security type belongs to the definition."""
    world.make_sealed_vm(security="TrustedLaunch")
    world.make_definition(features=[{"name": "SecurityType", "value": "TrustedLaunch"}])
    world.make_version()
    version = world.id("Microsoft.Compute/galleries", "gallery/images/image/versions/1.0.0")

    error = refused(put_vm, world, world.vm_body(image={"id": version}), "second")

    assert "only supports creation of VMs and VM Scale Sets with 'TrustedLaunch'" in (
        error.error.message
    )


def test_an_nvme_size_needs_an_image_that_knows_nvme(world: AzureSandbox) -> None:
    """Custom images say so in a feature of their definition."""
    world.make_sealed_vm()
    world.make_definition()
    world.make_version()
    version = world.id("Microsoft.Compute/galleries", "gallery/images/image/versions/1.0.0")
    body = world.vm_body(image={"id": version}, size="Standard_D4s_v6")

    assert "disk controller types" in refused(put_vm, world, body, "second").error.message


def test_an_ephemeral_disk_needs_room(world: AzureSandbox) -> None:
    """A size without temporary disk has none."""
    world.make_network()
    body = world.vm_body()
    body["properties"]["storageProfile"]["osDisk"]["diffDiskSettings"] = {"option": "Local"}

    error = refused(put_vm, world, body)

    assert (error.status_code, error.error.code) == (409, "OperationNotAllowed")


def test_what_was_shown_may_be_sent_back(world: AzureSandbox) -> None:
    """Clients change a machine by GET and PUT of its whole document."""
    world.make_vm()
    path = f"{world.vm_id()}?api-version=2026-04-01"
    shown = world.send("GET", path).json()

    answer = world.send("PUT", path, {**shown, "tags": {"owner": "me"}})

    assert (answer.status, answer.json()["tags"]) == (200, {"owner": "me"})
