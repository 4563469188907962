"""Data disks of an image: the builder's, those of the version, and those of the nodes."""

from __future__ import annotations

from typing import Any

from tests.world import World, a_pool, a_request, an_image, image_only, pools_only

Json = dict[str, Any]
SMALL: Json = {"lun": 0, "diskSizeGB": 64}
LARGE: Json = {
    "lun": 3,
    "diskSizeGB": 512,
    "caching": "ReadOnly",
    "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
}
DISKS = "Microsoft.Compute/disks"
VERSIONS = "Microsoft.Compute/galleries/images/versions"


def blocked(world: World, request: Json) -> list[tuple[str, str]]:
    """Field and code of each blocker of a build."""
    build = world.build(request)
    assert build["state"] == "failed"
    return [(b["field"], b["code"]) for b in build["error"]["details"]]


def test_version_and_nodes_have_the_data_disks_of_the_builder(world: World) -> None:
    """The builder gets them empty, and they go with it."""
    image = an_image(dataDisks=[SMALL, LARGE], keepVm=True)
    build = world.build(a_request(image=image, pools=[a_pool("dev", nodes=1)]))

    assert build["state"] == "succeeded", build["error"]
    (vm,) = world.azure.store.of_type("Microsoft.Compute/virtualMachines")
    first, second = vm.properties["storageProfile"]["dataDisks"]
    assert (first["createOption"], first["caching"], first["deleteOption"]) == (
        "Empty",
        "None",
        "Delete",
    )
    assert second["managedDisk"]["storageAccountType"] == "StandardSSD_LRS"
    assert len(world.azure.store.of_type(DISKS)) == 3
    (version,) = world.azure.store.of_type(VERSIONS)
    assert version.properties["storageProfile"]["dataDiskImages"] == [
        {"lun": 0, "sizeInGB": 64, "hostCaching": "None"},
        {"lun": 3, "sizeInGB": 512, "hostCaching": "ReadOnly"},
    ]


def test_the_disks_go_with_the_builder(world: World) -> None:
    """Else they would cost for ever."""
    build = world.build(image_only(dataDisks=[SMALL]))

    assert build["state"] == "succeeded", build["error"]
    assert world.azure.store.of_type(DISKS) == []


def test_a_pool_has_more_disks_than_its_image(world: World) -> None:
    """Of other numbers: Azure refuses the same number twice when it allocates the nodes."""
    image = an_image(dataDisks=[SMALL])
    pool = a_pool("dev", nodes=1, dataDisks=[{"lun": 0, "diskSizeGB": 8}])
    assert blocked(world, a_request(image=image, pools=[pool])) == [
        ("pools[0].dataDisks", "Impossible")
    ]
    assert world.azure.store.of_type("Microsoft.Compute/virtualMachines") == []

    pool["dataDisks"][0]["lun"] = 1
    build = world.build(a_request(requestId="r2", image=image, pools=[pool]))
    assert build["state"] == "succeeded", build["error"]


def test_a_pool_of_an_image_that_is_there_is_checked_against_its_disks(world: World) -> None:
    """Azure's own view of the version says which there are."""
    world.build(a_request(image=an_image(dataDisks=[SMALL]), pools=[a_pool("dev")]))
    taken = a_pool("second", dataDisks=[{"lun": 0, "diskSizeGB": 8}])

    assert blocked(world, pools_only("r2", taken)) == [("pools[0].dataDisks", "Impossible")]


def test_a_size_takes_so_many_disks(world: World) -> None:
    """The builder's, and the pools' with the disks of their image."""
    nine = [{"lun": lun, "diskSizeGB": 4} for lun in range(9)]
    image = an_image(dataDisks=nine, builderVmSize="Standard_D2s_v5")
    found = blocked(world, a_request(image=image, pools=[a_pool("dev", vmSize="Standard_D2s_v5")]))

    assert found == [
        ("image.builderVmSize", "SizeUnsuitable"),
        ("pools[0].vmSize", "SizeUnsuitable"),
    ]


def test_an_image_with_data_disks_is_no_base(world: World) -> None:
    """The builder's own disks would be others than the base's."""
    world.build(image_only(dataDisks=[SMALL]))
    (version,) = world.azure.store.of_type(VERSIONS)
    found = blocked(world, image_only("r2", **an_image(base={"id": version.id})))

    assert found == [("image.base", "BaseImageUnsuitable")]
