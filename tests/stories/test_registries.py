"""Registries of both kinds: those whose images are opened by roles of the registry (AcrPull), and
those that only know roles of repositories.
"""

from __future__ import annotations

from typing import Any

import pytest

from local.azure_simulator import core, tokens
from local.azure_simulator.container_registry import registries
from tests.world import World, an_image, image_only

SUBSCRIPTION = f"/subscriptions/{core.LOCAL_SUBSCRIPTION}"
REGISTRY = (
    f"{SUBSCRIPTION}/resourceGroups/images/providers/Microsoft.ContainerRegistry/registries"
    "/imagesregistry1"
)
BUILD = {"source": "https://example.org/app.git#main", "image": "myapp:v1.0"}
READER = "b93aa761-3e63-49ed-ac28-beffa264f7ac"
WRITER = "2a1e307c-b015-4ebd-883e-5b7698a07328"
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"


def put(world: World, resource_id: str, body: dict[str, Any]) -> None:
    """Somebody else's request; it is done when this returns."""
    world.azure.dispatch("PUT", f"https://azure{resource_id}?api-version=2025-04-01", body)
    world.engine.advance(900)
    world.azure.settle()


def given_registry(world: World, mode: str = "AbacRepositoryPermissions") -> None:
    """A registry that was there before, with `app:1` in it."""
    put(world, f"{SUBSCRIPTION}/resourceGroups/images", {"location": "swedencentral"})
    properties = {"roleAssignmentMode": mode}
    body = {"location": "swedencentral", "sku": {"name": "Standard"}, "properties": properties}
    put(world, REGISTRY, body)
    made = world.azure.store.find(REGISTRY)
    assert made is not None
    registries.push(world.azure, made, "app", "1", f"sha256:{'a' * 64}")


def let_the_app_push(world: World) -> None:
    principal = tokens.object_id(world.azure, tokens.OWN_CLIENT_ID)
    role = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{WRITER}"
    properties = {
        "roleDefinitionId": role,
        "principalId": principal,
        "principalType": "ServicePrincipal",
    }
    name = f"{REGISTRY}/providers/Microsoft.Authorization/roleAssignments/app"
    put(world, name, {"properties": properties})


def roles(world: World) -> set[str]:
    """GUIDs of the roles that are assigned."""
    found = world.azure.store.of_type("Microsoft.Authorization/roleAssignments")
    return {item.properties["roleDefinitionId"].rpartition("/")[2] for item in found}


def test_a_new_registry_does_not_depend_on_azures_default(world: World) -> None:
    """Azure has announced that new registries will know roles of repositories only."""
    world.change_facts({"registryRoleAssignmentMode": "AbacRepositoryPermissions"})
    image = an_image(registry={"name": "imagesregistry1", "build": BUILD})

    build = world.build(image_only(**image))

    assert build["state"] == "succeeded", build["error"]
    made = world.azure.store.find(REGISTRY)
    assert made is not None
    assert made.properties["roleAssignmentMode"] == "LegacyRegistryPermissions"
    assert roles(world) == {ACR_PULL}


@pytest.mark.parametrize(
    ("mode", "role"),
    [("AbacRepositoryPermissions", READER), ("LegacyRegistryPermissions", ACR_PULL)],
)
def test_images_are_pulled_with_the_role_that_the_registry_honours(
    world: World, mode: str, role: str
) -> None:
    """A registry with roles of repositories ignores AcrPull."""
    given_registry(world, mode)
    image = an_image(
        registry={"name": "imagesregistry1"}, containerImages=["imagesregistry1.azurecr.io/app:1"]
    )

    build = world.build(image_only(**image))

    assert build["state"] == "succeeded", build["error"]
    assert roles(world) == {role}


def test_an_image_is_built_in_a_registry_with_roles_of_repositories(world: World) -> None:
    """The build logs in as the app, which somebody has let push."""
    given_registry(world)
    let_the_app_push(world)
    image = an_image(registry={"name": "imagesregistry1", "build": BUILD})

    build = world.build(image_only(**image))

    assert build["state"] == "succeeded", build["error"]


def test_a_build_that_may_not_push_says_which_role_it_needs(world: World) -> None:
    """Contributor and AcrPush do not help there."""
    given_registry(world)
    agreed = {**BUILD, "overwriteTag": True}  # else the checks would ask the registry, in vain

    build = world.build(image_only(registry={"name": "imagesregistry1", "build": agreed}))

    assert build["state"] == "failed"
    assert build["error"]["code"] == "ContainerBuildFailed"
    assert "Container Registry Repository Writer" in build["error"]["nextAction"]


def test_a_failed_build_leaves_no_role_on_a_registry_that_others_own(world: World) -> None:
    """The role of the app, which somebody else has assigned, stays."""
    given_registry(world)
    let_the_app_push(world)
    world.fault({"effect": "allocation", "operation": "virtualMachines.create", "times": 9})
    image = an_image(registry={"name": "imagesregistry1", "build": BUILD})
    build = world.build({**image_only(), "image": image})

    assert (build["state"], build["leftovers"]) == ("failed", [])
    assert world.resources("userAssignedIdentities") == []
    assert roles(world) == {WRITER}
