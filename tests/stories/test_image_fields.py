"""The fields of an image reach Azure, and what Azure would refuse is refused before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import World, a_pool, a_request, an_image, image_only
from triggers import builds

Json = dict[str, Any]
BUILD = {
    "source": "https://example.org/app.git#main",
    "image": "myapp:v1.0",
    "dockerfile": "docker/Dockerfile.gpu",
    "arguments": {"BASE": "ubuntu:24.04"},
}


KINDS = (
    "Microsoft.Resources/resourceGroups",
    "Microsoft.Compute/galleries",
    "Microsoft.Compute/galleries/images",
    "Microsoft.Compute/galleries/images/versions",
    "Microsoft.Compute/virtualMachines",
    "Microsoft.Compute/virtualMachines/runCommands",
    "Microsoft.ContainerRegistry/registries",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
)


def problems(world: World, **image: Any) -> list[tuple[str, str]]:
    """Field and code of what is wrong with an image."""
    answer = world.ask(builds.start_build, image_only(**image))
    return [(p["field"], p["code"]) for p in answer.body["error"]["details"]]


def found(world: World, kind: str) -> Json:
    """The one resource of a kind, as Azure has it."""
    (resource,) = world.azure.store.of_type(kind)
    return dict(resource.document)


def test_an_image_gets_what_its_request_says(world: World) -> None:
    """Many fields at once: each ends where Azure has it."""
    image = an_image(
        securityType="TrustedLaunch",
        secureBoot=False,
        vTpm=False,
        osDiskSizeGiB=128,
        osDiskStorageAccountType="StandardSSD_LRS",
        tags={"cost centre": "42"},
        endOfLifeDate="2027-01-31",
        excludeFromLatest=True,
        registry={"name": "imagesregistry1", "build": BUILD},
        keepVm=True,
    )
    build = world.build(a_request(image=image, pools=[a_pool("dev")]))

    assert build["state"] == "succeeded", build["error"]
    vm = found(world, "Microsoft.Compute/virtualMachines")
    settings = {"secureBootEnabled": False, "vTpmEnabled": False}
    assert vm["properties"]["securityProfile"]["uefiSettings"] == settings
    disk = vm["properties"]["storageProfile"]["osDisk"]
    assert disk["managedDisk"]["storageAccountType"] == "StandardSSD_LRS"
    version = found(world, "Microsoft.Compute/galleries/images/versions")
    profile = version["properties"]["publishingProfile"]
    assert profile["endOfLifeDate"].startswith("2027-01-31")
    assert profile["excludeFromLatest"] is True
    run = found(world, "simulator.registryRun")
    assert run["properties"]["status"] == "Succeeded"
    pool = world.services.azure.batch.pool.get("images", "mybatch12345", "dev").as_dict()
    machine = pool["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
    assert machine["securityProfile"]["uefiSettings"] == settings


def test_everything_that_is_made_for_an_image_has_its_tags(world: World) -> None:
    """Beside those by which batch-prep knows its own."""
    world.build(image_only(tags={"cost centre": "42"}, registry={"name": "imagesregistry1"}))
    kept = world.build(image_only("r2", tags={"cost centre": "42"}, keepVm=True))

    assert kept["state"] == "succeeded", kept["error"]
    for kind in KINDS:
        for resource in world.azure.store.of_type(kind):
            tags = resource.document["tags"]
            assert tags["cost centre"] == "42", resource.id
            assert "batch-prep-build" in tags, resource.id
    assert all(world.azure.store.of_type(kind) for kind in KINDS)


def test_a_version_excluded_from_latest_is_not_the_newest(world: World) -> None:
    """As if a person had withdrawn it: it is used by its number only."""
    assert world.build(image_only())["state"] == "succeeded"
    assert world.build(image_only("r2", excludeFromLatest=True))["state"] == "succeeded"

    used = world.build(a_request(mode="batch-only", requestId="r3", pools=[a_pool("dev")]))
    assert used["image"]["version"] == "1.0.0"
    path = ("batchImageGallery", used["image"]["imageName"], "latest", "images")
    newest = [world.records.image(*path), world.records.image(*path, excluded=True)]
    assert [image.version for image in newest if image] == ["1.0.0", "1.0.1"]


@pytest.mark.parametrize(
    ("image", "field", "code"),
    [
        ({"secureBoot": True}, "image.secureBoot", "Impossible"),
        ({"vTpm": True}, "image.vTpm", "Impossible"),
        (
            {"gpu": True, "securityType": "TrustedLaunch", "secureBoot": True},
            "image.secureBoot",
            "Impossible",
        ),
        ({"tags": {"batch-prep-build": "b"}}, "image.tags.'batch-prep-build'", "InvalidName"),
        ({"endOfLifeDate": "2027-02-30"}, "image.endOfLifeDate", "InvalidValue"),
        (
            {"osDiskStorageAccountType": "UltraSSD_LRS"},
            "image.osDiskStorageAccountType",
            "InvalidValue",
        ),
        (
            {"registry": {"name": "reg12", "build": {**BUILD, "dockerfile": "../Dockerfile"}}},
            "image.registry.build.dockerfile",
            "InvalidName",
        ),
        (
            {"registry": {"name": "reg12", "build": {**BUILD, "arguments": {"PIP_TOKEN": "abc"}}}},
            "image.registry.build.arguments.PIP_TOKEN",
            "Secret",
        ),
    ],
)
def test_what_cannot_be_is_refused(world: World, image: Json, field: str, code: str) -> None:
    """By name, before anything is asked of Azure."""
    assert problems(world, **image) == [(field, code)]
