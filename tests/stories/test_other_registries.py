"""Registries that batch-prep does not make: in another group, with identities that exist, several
of them, and with users whose passwords are in Key Vault.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.azure_simulator import core
from local.azure_simulator.container_registry import registries
from tests.stories.test_own_secrets import IDENTITY, VALUE, put, vault
from tests.world import World, a_pool, a_request, an_image, image_only
from triggers import builds

Json = dict[str, Any]
__all__ = ["vault"]
SUBSCRIPTION = f"/subscriptions/{core.LOCAL_SUBSCRIPTION}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/team"
TEAM = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/team"
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
APP = "teamregistry1.azurecr.io/app:1"
BUSYBOX = "docker.io/library/busybox:1.36"


def registry_id(name: str) -> str:
    return f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/{name}"


@pytest.fixture
def team(world: World) -> World:
    """Two registries in another group, and an identity that may pull from both."""
    put(world, GROUP, {})
    put(world, TEAM, {})
    identity = world.azure.store.find(TEAM)
    assert identity is not None
    for name in ("teamregistry1", "teamregistry2"):
        url = f"https://azure{registry_id(name)}?api-version=2025-04-01"
        body = {"location": "swedencentral", "sku": {"name": "Standard"}, "properties": {}}
        world.azure.dispatch("PUT", url, body)
        world.engine.advance(900)
        world.azure.settle()
        made = world.azure.store.find(registry_id(name))
        assert made is not None
        registries.push(world.azure, made, "app", "1", f"sha256:{'a' * 64}")
        role = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{ACR_PULL}"
        principal = identity.properties["principalId"]
        properties = {"roleDefinitionId": role, "principalId": principal}
        properties["principalType"] = "ServicePrincipal"
        put(
            world,
            f"{registry_id(name)}/providers/Microsoft.Authorization/roleAssignments/t",
            properties,
        )
    return world


def assignments(world: World) -> int:
    return len(list(world.azure.store.of_type("Microsoft.Authorization/roleAssignments")))


def test_an_identity_that_exists_pulls_and_gets_no_role(team: World) -> None:
    """Where the app may assign none: neither an identity nor an assignment is made."""
    before = assignments(team)
    registry = {"name": "teamregistry1", "resourceGroup": "team", "identity": TEAM}
    image = an_image(registry=registry, containerImages=[APP])
    build = team.build(a_request(image=image, pools=[a_pool("dev", verify=True)]))

    assert build["state"] == "succeeded", build["error"]
    assert assignments(team) == before
    identities = team.azure.store.of_type("Microsoft.ManagedIdentity/userAssignedIdentities")
    assert [each.id for each in identities] == [TEAM]
    assert build["image"]["pullIdentityId"] == TEAM


def test_a_registry_of_another_group_gets_the_role(team: World) -> None:
    """The identity is made in the group of the image."""
    registry = {"name": "teamregistry1", "resourceGroup": "team"}
    build = team.build(image_only(registry=registry, containerImages=[APP]))

    assert build["state"] == "succeeded", build["error"]
    assert "/resourceGroups/images/" in build["image"]["pullIdentityId"]


def test_several_registries_are_pulled_from(team: World) -> None:
    """Builder and nodes sign in to each with its identity."""
    other = APP.replace("1.azure", "2.azure")
    asked = [{"loginServer": f"teamregistry{n}.azurecr.io", "identity": TEAM} for n in (1, 2)]
    image = an_image(registries=asked, containerImages=[APP, other])
    build = team.build(a_request(image=image, pools=[a_pool("dev", verify=True)]))

    assert build["state"] == "succeeded", build["error"]
    pool = team.services.azure.batch.pool.get("images", "mybatch12345", "dev").as_dict()
    machine = pool["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
    servers = [
        r["registryServer"] for r in machine["containerConfiguration"]["containerRegistries"]
    ]
    assert servers == ["teamregistry1.azurecr.io", "teamregistry2.azurecr.io"]


def with_user(secret: str = "deploy") -> Json:
    """A request that pulls as a user, whose password is in Key Vault."""
    address = f"https://keys.vault.azure.net/secrets/{secret}"
    credentials = {"username": "me", "password": address}
    user = {"loginServer": "docker.io", "credentials": credentials}
    return an_image(registries=[user], identity=IDENTITY, containerImages=[BUSYBOX])


def test_a_users_password_never_passes_the_app(vault: World) -> None:
    """Nodes get the image with the system; they could not sign in."""
    build = vault.build(a_request(image=with_user(), pools=[a_pool("dev")]))

    assert build["state"] == "succeeded", build["error"]
    assert VALUE not in json.dumps(vault.table_service.dump(), default=str)
    pool = vault.services.azure.batch.pool.get("images", "mybatch12345", "dev").as_dict()
    machine = pool["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
    assert not machine["containerConfiguration"].get("containerImageNames")


def test_a_password_that_is_not_there_ends_the_pull(vault: World) -> None:
    """Only the builder can see that."""
    error = vault.build({"mode": "image-only", "image": with_user("another")})["error"]
    assert (error["code"], error["azureCode"]) == ("ScriptFailed", "SECRET")
    assert "secret for password from keys.vault.azure.net" in error["message"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"registries": [{"loginServer": "a.io"}]}, ("image.registries[0]", "Impossible")),
        (
            {
                "registries": [
                    {
                        "loginServer": "a.io",
                        "credentials": {
                            "username": "a",
                            "password": "https://keys.vault.azure.net/secrets/a",
                        },
                    }
                ]
            },
            ("image.registries[0].credentials", "Impossible"),
        ),
        (
            {"registries": [{"loginServer": "a.io", "identity": TEAM}] * 2},
            ("image.registries", "Impossible"),
        ),
        (
            {
                "registry": {"name": "reg12"},
                "registries": [{"loginServer": "Reg12.azurecr.io", "identity": TEAM}],
            },
            ("image.registries[0].loginServer", "Impossible"),
        ),
        (
            {
                "registries": [
                    {"loginServer": "a.io", "credentials": {"username": "a", "password": "p"}}
                ]
            },
            ("image.registries[0].credentials.password", "InvalidValue"),
        ),
        (
            {"registries": [{"loginServer": "a.io", "identity": TEAM}]},
            ("image.registries[0].identity", "IdentityNotFound"),
        ),
        (
            {"registry": {"name": "reg12", "identity": TEAM}},
            ("image.registry.identity", "IdentityNotFound"),
        ),
        (
            {"registry": {"name": "reg12", "resourceGroup": "team"}},
            ("image.registry.resourceGroup", "RegistryNotFound"),
        ),
    ],
)
def test_a_registry_that_cannot_be_used_stops_a_build(
    world: World, image: Json, expected: tuple[str, str]
) -> None:
    """Before anything is made."""
    answer = world.ask(builds.plan_build, image_only(**image))
    found = answer.body["blockers"] if answer.status == 200 else answer.body["error"]["details"]
    assert [(p["field"], p["code"]) for p in found] == [expected]


def test_the_setting_of_registries_holds_for_all_of_them() -> None:
    """Of Azure registries by name, of others by host."""
    world = World(own_settings={"ALLOWED_REGISTRIES": "team*"})
    asked = [{"loginServer": host, "identity": TEAM} for host in ("team1.azurecr.io", "nvcr.io")]
    answer = world.ask(builds.plan_build, image_only(registries=asked))
    found = [(p["field"], p["code"]) for p in answer.body["error"]["details"]]
    assert found == [("image.registries[1].loginServer", "NotAllowed")]
