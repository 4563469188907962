"""Snapshots of managed disks, and gallery versions that are copied from them."""

from typing import Any

import pytest
from azure_sandbox import GROUP, LOCATION, SECURITY_TYPES, UBUNTU, AzureSandbox, refused


def take(world: AzureSandbox, name: str = "copy", **changes: Any) -> Any:
    """A snapshot of the machine's disk."""
    vm = world.compute.virtual_machines.get(GROUP, "builder")
    disk = vm.storage_profile.os_disk.managed_disk.id
    body = {
        "location": changes.get("location", LOCATION),
        "properties": {
            "creationData": {
                "createOption": changes.get("option", "Copy"),
                "sourceResourceId": changes.get("source", disk),
            }
        },
    }
    return world.compute.snapshots.begin_create_or_update(GROUP, name, body).result()


def publish(world: AzureSandbox, disk: str, *, polling: bool = True, **more: Any) -> Any:
    """A version from that disk or snapshot."""
    body = world.version_body()
    body["properties"]["storageProfile"] = {"osDiskImage": {"source": {"id": disk}}, **more}
    versions, path = world.compute.gallery_image_versions, (GROUP, "gallery", "image", "1.0.0")
    options = {} if polling else {"polling": False}
    return versions.begin_create_or_update(*path, body, **options)


def test_a_snapshot_outlives_machine_and_disk(sealed: AzureSandbox) -> None:
    """It is a full copy; a version from it knows what the machine contained."""
    taken = take(sealed)
    sealed.compute.virtual_machines.begin_delete(GROUP, "builder", force_deletion=True).result()
    made = publish(sealed, taken.id).result()

    assert made.provisioning_state == "Succeeded"
    assert made.storage_profile.os_disk_image.source.id == taken.id
    resource = sealed.azure.store.find(made.id)
    assert resource is not None
    assert resource.state["contents"]["sealed"] is True


def test_a_machine_need_not_be_generalized_for_its_disk_to_be_copied(world: AzureSandbox) -> None:
    """Azure cannot tell: the definition alone says what the system is."""
    world.make_vm()
    world.make_definition()
    assert publish(world, take(world).id).result().provisioning_state == "Succeeded"


def test_a_snapshot_says_what_its_disk_is(world: AzureSandbox) -> None:
    """Generation, size and security type are those of the disk."""
    world.make_sealed_vm(security="TrustedLaunch")
    taken = take(world)
    assert (taken.hyper_v_generation, taken.disk_size_gb) == ("V2", 64)
    assert taken.security_profile.security_type == "TrustedLaunch"


@pytest.mark.parametrize(("vm", "definition", "is_taken"), SECURITY_TYPES)
def test_security_types_agree(
    world: AzureSandbox, vm: str, definition: str, is_taken: bool
) -> None:
    """As of a machine: the disk holds the state of the guest's firmware."""
    world.make_sealed_vm(security=vm)
    world.make_definition(features=[{"name": "SecurityType", "value": definition}])
    source = take(world).id
    if is_taken:
        assert publish(world, source).result().provisioning_state == "Succeeded"
    else:
        assert "security type" in refused(lambda: publish(world, source)).error.message


def test_generations_agree(world: AzureSandbox) -> None:
    """A V1 disk does not fit a V2 definition."""
    world.make_sealed_vm(image={**UBUNTU, "sku": "server-gen1"})
    world.make_definition()
    source = take(world).id
    error = refused(lambda: publish(world, source))
    assert "different Hypervisor generation ['V1']" in error.error.message


def test_a_version_fails_if_its_snapshot_goes_while_it_is_copied(sealed: AzureSandbox) -> None:
    """The copy takes minutes, and reads the snapshot to the end."""
    taken = take(sealed)
    publish(sealed, taken.id, polling=False)
    sealed.compute.snapshots.begin_delete(GROUP, "copy", polling=False)
    sealed.wait(3600)
    path = (GROUP, "gallery", "image", "1.0.0")
    version = sealed.compute.gallery_image_versions.get(*path)
    assert version.provisioning_state == "Failed"


def test_a_version_has_one_source(sealed: AzureSandbox) -> None:
    """A machine or a disk."""
    taken, machine = take(sealed), {"virtualMachineId": sealed.vm_id()}
    error = refused(lambda: publish(sealed, taken.id, source=machine))
    assert "Exactly one of" in error.error.message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": "/subscriptions/s/none"}, "is not found"),
        ({"option": "Empty"}, "Copy"),
        ({"location": "eastus"}, "region"),
    ],
)
def test_a_snapshot_needs_its_disk(
    sealed: AzureSandbox, changes: dict[str, str], words: str
) -> None:
    """One that exists, in the same region."""
    assert words in refused(lambda: take(sealed, **changes)).error.message


def test_a_snapshot_keeps_its_source(world: AzureSandbox) -> None:
    """The same request again changes nothing; another source is refused."""
    world.make_vm()
    taken = take(world)
    assert take(world).id == taken.id
    other = refused(lambda: take(world, source="/subscriptions/s/other"))
    assert other.error.code == "PropertyChangeNotAllowed"
