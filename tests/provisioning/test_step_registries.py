"""More registries: each with its identity, or with a user whose password is in Key Vault."""

from __future__ import annotations

import json

import pytest
import step_machine

APP = "team.azurecr.io/app:1"
TOOL = "nvcr.io/nvidia/tool:1"
TEAM = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities/team"
)
CLIENT = "11111111-2222-3333-4444-555555555555"
IMDS = "http://169.254.169.254/metadata/identity/oauth2/token"
SECRET = "https://keys.vault.azure.net/secrets/nvcr"
PASSWORD = "hush-hush-4711"


@pytest.fixture
def world(machine: step_machine.Machine) -> step_machine.Machine:
    """A machine with Docker, and two registries that know it."""
    machine.has_docker()
    for image in (APP, TOOL):
        machine.offers_image(image)
    machine.serves(IMDS, json.dumps({"access_token": "the-token"}))
    machine.serves(
        "https://team.azurecr.io/oauth2/exchange", json.dumps({"refresh_token": "other"})
    )
    machine.serves(SECRET, json.dumps({"value": PASSWORD}))
    return machine


def test_an_identity_signs_in_to_its_registry(world: step_machine.Machine) -> None:
    """By its resource id: the machine may have several."""
    outcome = world.run_step("preload", IMAGES=APP, REGISTRIES=f"team.azurecr.io identity {TEAM}")

    assert outcome.exit_code == 0, outcome.log
    assert f"msi_res_id={TEAM}" in world.asked("curl")
    assert "client_id=" not in world.asked("curl")
    assert "--password-stdin team.azurecr.io" in world.asked("docker")


def test_a_users_password_comes_from_key_vault(world: step_machine.Machine) -> None:
    """It is in no argument, no file and no log."""
    line = f"nvcr.io vault $oauthtoken {SECRET}"
    outcome = world.run_step("preload", IMAGES=TOOL, REGISTRIES=line, VAULT_CLIENT_ID=CLIENT)

    assert outcome.exit_code == 0, outcome.log
    assert f"client_id={CLIENT}" in world.asked("curl")
    assert "--username $oauthtoken --password-stdin nvcr.io" in world.asked("docker")
    assert (world.home / "received/login").read_text() == PASSWORD
    texts = [p.read_text(errors="replace") for p in world.root.rglob("*") if p.is_file()]
    asked = world.asked("docker") + world.asked("curl")
    assert PASSWORD not in "".join(texts) + asked + outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    "line",
    [
        "nvcr.io",
        "nvcr.io identity team",
        "nvcr.io vault user",
        f"$(id) vault u {SECRET}",
        "a b c d",
    ],
)
def test_a_registry_that_cannot_be_meant_is_refused(world: step_machine.Machine, line: str) -> None:
    """Before anything happens."""
    assert world.run_step("preload", IMAGES=TOOL, REGISTRIES=line).exit_code == 11
