"""Machines with Arm64 processors: which image they boot, and what Azure does not have for them."""

from typing import Any

import pytest
from azure_sandbox import GROUP, LOCATION, UBUNTU, AzureSandbox, refused, run_body

STANDARD = [{"name": "SecurityType", "value": "Standard"}]
ARM = {"image": {**UBUNTU, "sku": "server-arm64"}, "size": "Standard_D4ps_v6"}


@pytest.fixture
def arm(world: AzureSandbox) -> AzureSandbox:
    """The world with a builder of Arm64."""
    world.make_vm(**ARM)
    return world


@pytest.mark.parametrize("part", ["image", "size"])
def test_size_and_image_have_one_architecture(world: AzureSandbox, part: str) -> None:
    """In both directions; the words are Azure's."""
    error = refused(world.make_vm, **{part: ARM[part]})

    assert (error.status_code, error.error.code) == (400, "BadRequest")
    assert "only supports a CPU Architecture of" in error.error.message


def test_managed_run_commands_have_no_extension_for_it(arm: AzureSandbox) -> None:
    """It is not published for Arm64; that of the action is."""
    commands = arm.compute.virtual_machine_run_commands
    body = run_body("#!/bin/bash\necho hello\n")
    error = refused(commands.begin_create_or_update, GROUP, "builder", "one", body)

    assert (error.status_code, error.error.code) == (404, "ExtensionNotFoundForCPUArchitecture")
    action = {"commandId": "RunShellScript", "script": ["echo hello"]}
    arm.compute.virtual_machines.begin_run_command(GROUP, "builder", action).result()


def test_it_makes_gallery_versions_and_no_managed_images(arm: AzureSandbox) -> None:
    """Of a definition that says its architecture."""
    arm.generalize()
    features = [{"name": "DiskControllerTypes", "value": "SCSI, NVMe"}]
    arm.make_definition(architecture="Arm64", features=[*STANDARD, *features])
    assert arm.make_version().provisioning_state == "Succeeded"

    properties = {"sourceVirtualMachine": {"id": arm.vm_id()}, "hyperVGeneration": "V2"}
    body: dict[str, Any] = {"location": LOCATION, "properties": properties}
    error = refused(arm.compute.images.begin_create_or_update, GROUP, "managed", body)
    assert (error.status_code, error.error.code) == (409, "OperationNotAllowed")
    assert "CPU Architecture 'Arm64' is not supported" in error.error.message


def test_the_architecture_of_a_definition_is_that_of_its_versions(arm: AzureSandbox) -> None:
    """An x64 definition takes no Arm64 machine."""
    arm.generalize()
    arm.make_definition()

    assert "different architecture ['Arm64']" in refused(arm.make_version).error.message
