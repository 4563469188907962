"""A container image that needs a newer driver than the image has: known before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from local.azure_simulator.container_registry import registries
from local.azure_simulator.container_registry.public_images import PUBLIC_REGISTRIES
from tests.world import World, image_only
from triggers import builds

NEWER = "docker.io/nvidia/cuda:13.1.0-base-ubuntu24.04"
CHECKSUM = "0a" * 32


def warnings(world: World, *images: str, **image: Any) -> list[dict[str, Any]]:
    """What the build of an image with these container images warns of."""
    request = image_only(gpu=True, containerImages=list(images), **image)
    build = world.build(request)
    assert build["state"] == "succeeded", build["error"]
    found: list[dict[str, Any]] = build["warnings"]
    return found


def test_a_container_image_that_needs_a_newer_driver_is_found(world: World) -> None:
    """The warning names the driver that suffices."""
    (warning,) = warnings(world, "docker.io/nvidia/cuda:12.8.0-base-ubuntu24.04", NEWER)

    assert (warning["code"], warning["field"]) == ("CudaTooNew", "image.containerImages[1]")
    assert f"{NEWER} requires CUDA 13.1" in warning["message"]
    assert "driver 580.173.02 has CUDA 13.0" in warning["message"]
    assert "set image.driverVersion to 595.71.05" in warning["message"]


def test_the_named_driver_suffices(world: World) -> None:
    """The build with it has nothing to warn of."""
    assert warnings(world, NEWER, driverVersion="595.71.05") == []


def test_of_a_grid_driver_its_settings_are_named() -> None:
    """The app knows the file of few versions: with the version alone the build would be refused."""
    world = World(own_settings={"GRID_DRIVER_SHA256": CHECKSUM})
    grid = {"builderVmSize": "Standard_NV36ads_A10_v5"}
    (warning,) = warnings(world, NEWER, **grid)
    advice = warning["message"]
    assert "driver 570.211.01 has CUDA 12.8" in advice
    assert "set image.driverVersion and the setting GRID_DRIVER_VERSION to 590.44.01" in advice

    own = {
        "GRID_DRIVER_VERSION": "590.44.01",
        "GRID_DRIVER_URL": "https://download.microsoft.com/download/x/grid-azure.run",
        "GRID_DRIVER_SHA256": CHECKSUM,
    }
    assert all(name in advice for name in own)
    world = World(own_settings=own)
    assert warnings(world, NEWER, driverVersion="590.44.01", **grid) == []


def test_an_image_of_an_azure_registry_is_read_as_the_app(world: World) -> None:
    """With the app's identity, if it may."""
    path = "resourceGroups/images/providers/Microsoft.ContainerRegistry/registries/mine12345"
    world.as_owner("PUT", "resourceGroups/images", {"location": "swedencentral"}, "2024-03-01")
    body = {"location": "swedencentral", "sku": {"name": "Standard"}}
    world.as_owner("PUT", path, body, "2023-07-01")
    world.engine.advance(60)
    world.azure.settle()
    registry = registries.find_by_login_server(world.azure, "mine12345.azurecr.io")
    assert registry is not None
    registries.push(world.azure, registry, "team/cuda", "13.2", f"sha256:{'ab' * 32}")

    request = image_only(gpu=True, containerImages=["mine12345.azurecr.io/team/cuda:13.2"])
    plan = world.ask(builds.plan_build, request).body

    assert [w["code"] for w in plan["warnings"]] == ["CudaTooNew"]


@pytest.mark.parametrize("path", ["/v2/nvidia/cuda/manifests", "/token", "/v2/nvidia/cuda/blobs"])
@pytest.mark.parametrize("fault", [{"effect": "status", "status": 429}, {"effect": "drop"}])
def test_a_registry_that_does_not_answer_stops_no_build(
    world: World, path: str, fault: dict[str, Any]
) -> None:
    """The requirement is not known then."""
    world.fault({**fault, "path": path})
    assert warnings(world, NEWER) == []


@pytest.mark.parametrize("registry", PUBLIC_REGISTRIES)
def test_a_mirror_answers_for_every_public_registry(registry: str) -> None:
    """The registries themselves are not asked."""
    world = World(own_settings={"PUBLIC_REGISTRIES_ENDPOINT": "https://mirror.example.org"})
    request = image_only(gpu=True, containerImages=[f"{registry}/nvidia/cuda:13.2.0-base"])
    world.ask(builds.plan_build, request)

    asked = [each["url"] for each in world.ledger() if "/v2/" in each["url"]]
    assert asked
    assert all(url.startswith("https://mirror.example.org/v2/") for url in asked)


def test_another_registry_is_not_asked(world: World) -> None:
    """A request cannot make the app send requests anywhere."""
    request = image_only(gpu=True, containerImages=["registry.example.org/team/cuda:13.2"])
    world.ask(builds.plan_build, request)

    assert not [each for each in world.ledger() if "registry.example.org" in each["url"]]


def test_the_driver_of_a_refresh_is_that_of_its_base(world: World) -> None:
    """It is kept, so it decides, and not the newest that a build would install."""
    first = world.build(image_only(gpu=True, driverVersion="595.71.05"))
    assert first["state"] == "succeeded", first["error"]
    base = {"id": first["image"]["imageId"]}
    build = world.build(image_only("r2", base=base, containerImages=[NEWER]))

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["driverVersion"] == "595.71.05"
    assert "CudaTooNew" not in [warning["code"] for warning in build["warnings"]]
