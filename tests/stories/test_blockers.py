"""What is found before anything is paid for, all of it at once."""

from __future__ import annotations

import pytest

from shared.base import settings
from shared.model import version_floors
from tests.world import SETTINGS, World, a_pool, a_request, an_image, image_only, pools_only
from triggers import builds

CASES = [
    ("image.builderVmSize", {"image": an_image(builderVmSize="Standard_M416ms_v2")}),
    ("pools[0].vmSize", {"pools": [a_pool("dev", vmSize="Standard_M416ms_v2")]}),
    ("image.version", {"image": an_image(version="1.0.0"), "again": True}),
]


@pytest.mark.parametrize(("field", "change"), CASES, ids=[c[0] for c in CASES])
def test_a_build_that_cannot_work_makes_nothing(world: World, field: str, change: dict) -> None:
    """Late failures are what the old script was feared for."""
    if change.pop("again", False):
        world.build({"mode": "image-only", "requestId": "before", "image": an_image()})
    before = world.resources()
    build = world.build(a_request(**change))
    assert build["error"]["code"] == "Blocked", build["error"]
    assert field in [d["field"] for d in build["error"]["details"]]
    assert world.resources() == before


def test_all_blockers_come_in_one_answer(world: World) -> None:
    """A user corrects a request once."""
    image = an_image(builderVmSize="Standard_M416ms_v2")
    build = world.build(a_request(image=image, pools=[a_pool("dev", vmSize="Standard_M416ms_v2")]))
    fields = {d["field"] for d in build["error"]["details"]}
    assert fields == {"image.builderVmSize", "pools[0].vmSize"}


def test_pools_over_quota_stop_a_build_before_its_image(world: World) -> None:
    """A new Batch account may have no cores: an image that no pool can use is not made."""
    build = world.build(a_request(pools=[a_pool("dev", nodes=2000)]))
    assert build["error"]["code"] == "Blocked", build["error"]
    assert build["error"]["details"][0]["code"] == "QuotaExceeded"
    assert "would fit" in build["error"]["message"]
    assert world.resources("virtualMachines") == []


def test_only_sizes_that_azure_offers_are_proposed(world: World) -> None:
    """In the place of a builder for which the quota is too small."""
    world.change_facts({"quota:standardDSv5Family": 0, "restricted:Standard_D2as_v5": True})
    plan = world.ask(builds.plan_build, image_only(builderVmSize="Standard_D2s_v5"))
    (blocker,) = plan.body["blockers"]
    proposed = blocker["message"].partition("What would fit: ")[2]
    assert proposed.startswith("Standard_D2")
    assert "Standard_D2as_v5" not in proposed


A10, A100 = "Standard_NV36ads_A10_v5", "Standard_NC24ads_A100_v4"
T4 = "Standard_NC4as_T4_v3"
GPU_IMAGE = an_image(gpu=True)
DRIVER_CASES = {
    "two pools": (GPU_IMAGE, [a_pool("a", vmSize=A10), a_pool("b", vmSize=A100)]),
    "one list": (GPU_IMAGE, [{"id": "a", "vmSizes": [A10, A100]}]),
    "no driver": (an_image(), [a_pool("a", vmSize=T4)]),
    "TrustedLaunch": (
        an_image(gpu=True, securityType="TrustedLaunch"),
        [a_pool("a", vmSize=A10)],
    ),
    "system": (an_image(gpu=True, os="almalinux"), [a_pool("a", vmSize=A10)]),
}


@pytest.mark.parametrize(("image", "pools"), DRIVER_CASES.values(), ids=DRIVER_CASES)
def test_a_driver_that_does_not_serve_every_pool_stops_a_build(
    image: dict, pools: list[dict]
) -> None:
    """An image has one driver: the nodes would fail after the image is paid for."""
    world = World(own_settings={"GRID_DRIVER_SHA256": CHECKSUM})
    build = world.build(a_request(image=image, pools=pools))

    assert build["error"]["code"] == "Blocked", build["error"]
    assert "DriverUnsuitable" in {d["code"] for d in build["error"]["details"]}
    assert world.resources() == []


def test_a_builder_whose_gpu_has_another_driver_stops_a_build(world: World) -> None:
    """Its own check would fail after half an hour."""
    image = an_image(gpu=True, builderVmSize=A10)
    build = world.build(a_request(image=image, pools=[a_pool("a", vmSize=T4)]))
    assert build["error"]["code"] == "Blocked", build["error"]


def test_a_later_pool_is_compared_with_the_driver_of_its_image(built_gpu: World) -> None:
    """The record of the image names its driver."""
    build = built_gpu.build(pools_only("later", a_pool("a10", vmSize=A10)))

    assert [d["code"] for d in build["error"]["details"]] == ["DriverUnsuitable"]
    assert "datacenter-open" in build["error"]["message"]


V6 = "Standard_D4s_v6"


def test_an_image_of_today_boots_on_sizes_with_nvme_disks(world: World) -> None:
    """Its definition says of disks what its base image says."""
    request = a_request(image=an_image(builderVmSize=V6), pools=[a_pool("dev", vmSize=V6)])
    build = world.build(request)

    assert build["state"] == "succeeded", build["error"]


def test_a_definition_for_scsi_disks_stops_a_build_for_a_size_with_nvme_disks(
    world: World,
) -> None:
    """Earlier versions made such definitions, and Azure changes none: another name helps."""
    world.change_facts({"baseImageFeatures": []})
    assert world.build(image_only("old"))["state"] == "succeeded"
    world.change_facts({"baseImageFeatures": None})
    before = world.resources()

    build = world.build(a_request(image=an_image(builderVmSize=V6), requestId="new"))
    pools = world.build(pools_only("pools", a_pool("dev", vmSize=V6)))

    assert [d["field"] for d in build["error"]["details"]] == ["image.builderVmSize"]
    assert "-nvme" in build["error"]["message"]
    assert [d["code"] for d in pools["error"]["details"]] == ["SizeUnsuitable"]
    assert world.resources() == before


def test_the_disk_of_an_image_is_as_large_as_asked(world: World) -> None:
    """The advice of a preload that found no room names this field."""
    build = world.build(image_only(osDiskSizeGiB=128, keepVm=True))
    assert build["state"] == "succeeded", build["error"]
    (vm,) = world.services.azure.compute.virtual_machines.list("images")
    assert vm.storage_profile.os_disk.disk_size_gb == 128


GRID_IMAGE = an_image(gpu=True, builderVmSize="Standard_NV36ads_A10_v5")
GRID_REQUEST = {"mode": "image-only", "requestId": "grid", "image": GRID_IMAGE}
CHECKSUM = "0a" * 32


@pytest.mark.parametrize(
    ("own_settings", "code"),
    [
        ({}, "DriverChecksumMissing"),
        ({"GRID_DRIVER_VERSION": "550.144.06"}, "DriverUnknown"),
    ],
)
def test_a_grid_driver_without_a_checksum_stops_a_build(
    own_settings: dict[str, str], code: str
) -> None:
    """Microsoft publishes none: the operator gives one before a machine is paid for."""
    build = World(own_settings=own_settings).build(GRID_REQUEST)

    assert build["error"]["code"] == "Blocked"
    assert build["error"]["details"][0]["code"] == code
    assert "GRID_DRIVER_" in build["error"]["message"]


@pytest.mark.parametrize(
    ("own_settings", "version"),
    [
        ({"GRID_DRIVER_SHA256": CHECKSUM}, "570.211.01"),
        ({"GRID_DRIVER_VERSION": "595.58.03"}, "595.58.03"),
    ],
)
def test_a_grid_driver_is_installed_with_its_checksum(
    own_settings: dict[str, str], version: str
) -> None:
    """From the setting, or from the catalogue of versions."""
    build = World(own_settings=own_settings).build(GRID_REQUEST)

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["driverVersion"] == version


def test_a_request_may_name_the_grid_driver_of_the_settings_or_of_the_catalogue() -> None:
    """The checksum of the settings is that of the catalogue's version where they name no other."""
    asked = image_only(**GRID_IMAGE, driverVersion="570.211.01")
    world = World(own_settings={"GRID_DRIVER_SHA256": CHECKSUM})
    assert world.build(asked)["image"]["driverVersion"] == "570.211.01"


@pytest.mark.parametrize("version", ["570.211.01", "550.144.06"])
def test_the_advice_about_a_grid_driver_is_enough(version: str) -> None:
    """The file of the settings is taken for the version of the settings only."""
    asked = image_only(**GRID_IMAGE, driverVersion=version)
    others = {
        "GRID_DRIVER_VERSION": "590.44.01",
        "GRID_DRIVER_URL": "https://download.microsoft.com/download/x/grid-azure.run",
        "GRID_DRIVER_SHA256": CHECKSUM,
    }
    build = World(own_settings=others).build(asked)
    assert f"GRID_DRIVER_VERSION to {version}" in build["error"]["message"]
    build = World(own_settings={**others, "GRID_DRIVER_VERSION": version}).build(asked)
    assert build["image"]["driverVersion"] == version


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GRID_DRIVER_VERSION", "570; reboot"),
        ("GRID_DRIVER_URL", "https://example.org/driver.run"),
        ("GRID_DRIVER_SHA256", "A" * 64),
    ],
)
def test_a_setting_that_the_script_would_refuse_is_refused_at_once(name: str, value: str) -> None:
    """Not after a quarter of an hour, on a machine."""
    with pytest.raises(settings.SettingsInvalid, match=name):
        settings.load({**SETTINGS, name: value})


OWN_VERSIONS = {
    "driverVersion": "595.71.05",
    "containerToolkitVersion": "1.19.1",
    "dockerVersion": "29.3.1",
}


def test_an_image_has_the_versions_of_its_request() -> None:
    """Advice to name another driver version can be followed; the record says what is inside."""
    request = {
        "mode": "image-only",
        "requestId": "own",
        "image": an_image(gpu=True, **OWN_VERSIONS),
    }
    build = World().build(request)

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["driverVersion"] == "595.71.05"
    assert build["image"]["toolkitVersion"] == "1.19.1"
    assert build["image"]["dockerVersion"] == "29.3.1"


@pytest.mark.parametrize(
    ("field", "version", "words"),
    [
        ("driverVersion", "580.126.20", "CVE-2026-24187"),
        ("driverVersion", "580.126.20", "580.159.03"),
        ("driverVersion", "570.211.01", "branch 570 has no version without it"),
        ("driverVersion", "470.1.1", "branch 470 has no version without it"),
        ("containerToolkitVersion", "1.17.8", "CVE-2026-24260"),
        ("dockerVersion", "28.5.2", "CVE-2026-34040"),
    ],
)
def test_a_version_with_a_known_escape_stops_a_build(field: str, version: str, words: str) -> None:
    """Before a machine is paid for; the blocker names the vulnerability and the way out."""
    world = World()
    image = an_image(gpu=True, **{field: version})
    build = world.build({"mode": "image-only", "requestId": "old", "image": image})

    assert build["error"]["code"] == "Blocked", build["error"]
    assert build["error"]["details"][0]["field"] == f"image.{field}"
    assert words in build["error"]["message"]
    assert world.resources("virtualMachines") == []


def test_what_is_installed_by_default_is_above_every_floor() -> None:
    """A floor that is raised makes this test fail until the catalogue follows."""
    defaults = version_floors.default_versions()
    assert [version_floors.below_floor(name, version) for name, version in defaults.items()] == [
        None,
        None,
        None,
    ]


def test_a_driver_branch_newer_than_all_floors_is_accepted() -> None:
    """A branch that began after the vulnerability was mended has no floor."""
    assert version_floors.below_floor("driver", "610.43.02") is None
