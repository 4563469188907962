"""The image version on Azure: its replicas, their storage, its end of life."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import World, a_pool, a_request, an_image, image_only, pools_only
from triggers import builds

MANY = {
    f"batchQuota:{quota}": 9000
    for quota in ("standardDSv5Family", "dedicatedCores", "lowPriorityCores")
}


def profile(world: World, version: str = "1.0.0") -> dict[str, Any]:
    """The publishing profile as Azure shows it."""
    calls = world.services.azure.compute.gallery_image_versions
    (name,) = {image["imageName"] for image in world.images()}
    found = calls.get("images", "batchImageGallery", name, version)
    return dict(found.as_dict()["properties"]["publishingProfile"])


def regions(world: World) -> dict[str, tuple[int, str]]:
    """Replicas and storage by region."""
    return {
        region["name"]: (region["regionalReplicaCount"], region["storageAccountType"])
        for region in profile(world)["targetRegions"]
    }


def test_an_image_has_a_replica_for_each_300_nodes_of_its_largest_pool(world: World) -> None:
    """In the account's region, unless the request says another number."""
    world.change_facts(MANY)
    pools = [a_pool("large", nodes=250, lowPriorityNodes=51), a_pool("small", nodes=3)]
    image = an_image(targetRegions=[{"name": "westeurope"}])
    build = world.build(a_request(image=image, pools=pools))

    assert build["state"] == "succeeded", build["error"]
    assert regions(world) == {
        "Sweden Central": (2, "Standard_LRS"),
        "West Europe": (1, "Standard_LRS"),
    }
    assert build["warnings"] == []


def test_a_pool_for_which_an_image_has_too_few_replicas_warns(world: World) -> None:
    """Its nodes come slowly; the warning names the command that adds replicas."""
    world.change_facts(MANY)
    image = an_image(targetRegions=[{"name": "swedencentral", "replicas": 1}])
    large = a_pool("large", nodes=900)
    asked = world.ask(builds.plan_build, a_request(image=image, pools=[large])).body
    world.build(a_request(image=image))
    later = world.ask(builds.plan_build, pools_only("later", large)).body
    small = world.ask(builds.plan_build, pools_only("later", a_pool("small", nodes=300))).body

    for forecast in (asked, later):
        assert [(w["field"], w["code"]) for w in forecast["warnings"]] == [
            ("pools[0].nodes", "ReplicasFew")
        ]
        assert "3 replicas" in forecast["warnings"][0]["message"]
    assert "az sig image-version update" in later["warnings"][0]["message"]
    assert small["warnings"] == []


def test_the_replicas_of_an_image_can_be_stored_in_several_zones(world: World) -> None:
    """In every region of the version."""
    build = world.build(image_only(storageAccountType="Standard_ZRS"))
    assert build["state"] == "succeeded", build["error"]
    assert regions(world) == {"Sweden Central": (1, "Standard_ZRS")}


def test_a_region_without_zones_stops_a_build_that_wants_them(world: World) -> None:
    """Azure would refuse the version when all else is done."""
    image = an_image(storageAccountType="Standard_ZRS", targetRegions=[{"name": "westus"}])
    build = world.build({"mode": "image-only", "requestId": "zones", "image": image})

    assert [(d["field"], d["code"]) for d in build["error"]["details"]] == [
        ("image.storageAccountType", "StorageUnsuitable")
    ]
    assert "westus" in build["error"]["message"]
    assert world.resources() == []


@pytest.mark.parametrize(
    ("os", "version", "ends"),
    [("ubuntu", "22.04", "2027-06-30"), ("ubuntu", "24.04", "2029-05-31")],
)
def test_a_version_ends_with_the_support_of_its_system(
    world: World, os: str, version: str, ends: str
) -> None:
    """Azure shows the date; it stops no machine."""
    build = world.build(image_only(os=os, osVersion=version))
    assert build["state"] == "succeeded", build["error"]
    assert profile(world)["endOfLifeDate"].startswith(ends)


@pytest.mark.parametrize(
    ("image", "size", "secure"),
    [({}, "Standard_D2s_v5", True), ({"gpu": True}, "Standard_NC4as_T4_v3", False)],
    ids=["CPU", "GPU"],
)
def test_machines_boot_securely_unless_a_driver_forbids_it(
    world: World, image: dict, size: str, secure: bool
) -> None:
    """Builder and pool alike: Secure Boot refuses the modules that are built on the builder."""
    image = an_image(securityType="TrustedLaunch", keepVm=True, **image)
    pool = a_pool("dev", vmSize=size, verify=True)
    build = world.build(a_request(image=image, pools=[pool]))

    assert build["state"] == "succeeded", build["error"]
    (builder,) = world.services.azure.compute.virtual_machines.list("images")
    assert builder.security_profile.uefi_settings.secure_boot_enabled is secure
    made = world.services.azure.batch.pool.get("images", "mybatch12345", "dev").as_dict()
    machine = made["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
    assert machine["securityProfile"]["uefiSettings"]["secureBootEnabled"] is secure


def test_an_unknown_region_is_named_once_and_not_as_a_size(world: World) -> None:
    """Every size is missing there: the sizes are not what is wrong."""
    build = world.build(image_only(location="atlantis"))
    (detail,) = build["error"]["details"]
    assert (detail["field"], detail["code"]) == ("image.location", "RegionNotOffered")


def test_an_unknown_target_region_is_found_before_anything_is_made(world: World) -> None:
    """Azure would refuse the version of a builder that has been installed for half an hour."""
    regions = [{"name": name} for name in ("swedencentral", "westus", "atlantis", "lemuria")]
    build = world.build(image_only(targetRegions=regions))
    (detail,) = build["error"]["details"]
    assert (detail["field"], detail["code"]) == ("image.targetRegions", "RegionNotOffered")
    assert "no VM size in atlantis, lemuria" in detail["message"]
    assert world.resources() == []
