"""Data disks of machines, and of the images that are made of them."""

from typing import Any

from azure_sandbox import UBUNTU, AzureSandbox, put_vm, refused


def test_data_disks_of_a_machine_and_of_what_is_made_of_it(world: AzureSandbox) -> None:
    """A version has them, and a machine of the version does; a number serves once."""
    world.make_network()

    def with_disks(image: Any, *disks: dict[str, Any]) -> dict[str, Any]:
        body = world.vm_body()
        storage = {**body["properties"]["storageProfile"], "dataDisks": list(disks)}
        storage["imageReference"] = image
        body["properties"]["storageProfile"] = storage
        return body

    def disk(lun: int, size: int = 8) -> dict[str, Any]:
        return {"lun": lun, "createOption": "Empty", "diskSizeGB": size, "deleteOption": "Delete"}

    for wrong, code in (
        ([disk(1), disk(1)], "InvalidParameter"),
        ([disk(0, size=0)], "InvalidParameter"),
        ([disk(lun) for lun in range(40)], "OperationNotAllowed"),
    ):
        error = refused(put_vm, world, with_disks(UBUNTU, *wrong))
        assert error.error.code == code
    put_vm(world, with_disks(UBUNTU, disk(1))).result()
    world.generalize()
    world.make_definition()
    version = world.make_version()
    assert [d.lun for d in version.storage_profile.data_disk_images] == [1]

    error = refused(put_vm, world, with_disks({"id": version.id}, disk(1)), name="second")
    assert "lun 1" in error.message
    second = put_vm(world, with_disks({"id": version.id}, disk(2)), name="second").result()
    assert [d.create_option for d in second.storage_profile.data_disks] == ["FromImage", "Empty"]
