"""Secrets of the owner's steps: the builder reads them from Key Vault, and the app never does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.azure_simulator import core, key_vaults
from tests.stories.test_own_steps import a_step, with_steps
from tests.world import World
from triggers import builds

Json = dict[str, Any]
SUBSCRIPTION = f"/subscriptions/{core.LOCAL_SUBSCRIPTION}"
OPERATIONS = f"{SUBSCRIPTION}/resourceGroups/operations"
IDENTITY = f"{OPERATIONS}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/reader"
KEYS = f"{OPERATIONS}/providers/Microsoft.KeyVault/vaults/keys"
VALUE = "hush-hush"


def put(world: World, resource_id: str, properties: Json) -> None:
    """An administrator's request; it is done when this returns."""
    body = {"location": "swedencentral", "properties": properties}
    if "roleAssignments" in resource_id:
        body = {"properties": properties}
    world.azure.dispatch("PUT", f"https://azure{resource_id}?api-version=2025-05-01", body)
    world.engine.advance(900)
    world.azure.settle()


@pytest.fixture
def vault(world: World) -> World:
    """With a secret, and an identity that may read it."""
    put(world, OPERATIONS, {})
    put(world, IDENTITY, {})
    put(world, KEYS, {"enableRbacAuthorization": True})
    put(world, f"{KEYS}/secrets/deploy", {"value": VALUE})
    identity = world.azure.store.find(IDENTITY)
    assert identity is not None
    definition = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
    role = {
        "roleDefinitionId": f"{definition}/{key_vaults.SECRETS_USER}",
        "principalId": identity.properties["principalId"],
        "principalType": "ServicePrincipal",
    }
    put(world, f"{KEYS}/providers/Microsoft.Authorization/roleAssignments/reader", role)
    return world


def with_secret(name: str = "deploy", vault: str = "keys") -> Json:
    address = f"https://{vault}.vault.azure.net/secrets/{name}"
    return with_steps(a_step(secrets={"DEPLOY_KEY": address}), identity=IDENTITY)


def test_the_builder_reads_a_secret_as_the_identity_of_the_request(vault: World) -> None:
    """Beside the identities that it has anyway; the value goes past the app."""
    build = vault.build(with_secret())

    assert build["state"] == "succeeded", build["error"]
    assert VALUE not in json.dumps(vault.table_service.dump(), default=str)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (with_secret("another"), "error: 404"),
        (with_secret(vault="elsewhere"), "Could not resolve host: elsewhere.vault.azure.net"),
    ],
)
def test_a_secret_that_is_not_there_ends_the_step(vault: World, request_: Json, said: str) -> None:
    """Only the builder can see that: the app may not read the vault."""
    error = vault.build(request_)["error"]
    assert (error["code"], error["azureCode"]) == ("ScriptFailed", "SECRET")
    assert "'own_setup'" in error["message"]
    assert said in error["message"]
    assert "Key Vault Secrets User" in error["nextAction"]


def test_a_secret_that_no_variable_can_hold_ends_the_step(vault: World) -> None:
    """As one that cannot be read, and not as if the owner's script had failed."""
    put(vault, f"{KEYS}/secrets/binary", {"value": f"{VALUE}\0"})
    error = vault.build(with_secret("binary"))["error"]
    assert (error["code"], error["azureCode"]) == ("ScriptFailed", "SECRET")


def test_an_identity_without_the_role_is_refused_by_the_vault(vault: World) -> None:
    """The error names the role that it lacks."""
    for role in vault.azure.store.of_type("Microsoft.Authorization/roleAssignments"):
        vault.azure.store.remove(role.id)
    error = vault.build(with_secret())["error"]
    assert "error: 403" in error["message"]
    assert "Key Vault Secrets User" in error["nextAction"]


def test_an_identity_that_is_not_there_is_a_blocker(world: World) -> None:
    """Azure would refuse the builder VM, after the network was made."""
    build = world.build(with_secret())
    [problem] = build["error"]["details"]
    assert (problem["field"], problem["code"]) == ("image.identity", "IdentityNotFound")


@pytest.mark.parametrize(
    ("identity", "code"),
    [
        (IDENTITY.replace("operations", ".."), "InvalidName"),
        (IDENTITY.replace(core.LOCAL_SUBSCRIPTION, "another"), "OtherSubscription"),
        ("reader", "InvalidName"),
    ],
)
def test_an_identity_is_named_by_its_full_id(world: World, identity: str, code: str) -> None:
    """Of the app's own subscription."""
    answer = world.ask(builds.start_build, with_steps(identity=identity))
    [problem] = answer.body["error"]["details"]
    assert (problem["field"], problem["code"]) == ("image.identity", code)


def test_a_resumed_build_repeats_no_step_and_still_knows_the_identity(vault: World) -> None:
    """The builder was kept because a registry allowed no more pulls."""
    vault.fault({"effect": "script", "step": "preload", "exitCode": 26})
    secrets = {"DEPLOY_KEY": "https://keys.vault.azure.net/secrets/deploy"}
    steps = [a_step("early", when="before-docker"), a_step("late", secrets=secrets)]
    images = ["docker.io/library/busybox:1.36"]
    failed = vault.build(with_steps(*steps, identity=IDENTITY, containerImages=images))
    assert failed["resumable"], failed["error"]
    before = {step["name"]: step for step in failed["steps"]}
    assert "own_late" not in before

    build = vault.resume(failed["buildId"])

    assert build["state"] == "succeeded", build["error"]
    after = {step["name"]: step for step in build["steps"]}
    assert after["own_early"] == before["own_early"]
    assert after["own_late"]["state"] == "succeeded"
