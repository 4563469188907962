"""The action run command: the older way to run a script, which tells less."""

from typing import Any

import pytest
from azure_sandbox import GROUP, AzureSandbox, refused, step_script
from scripted_steps import inside


def act(world: AzureSandbox, **more: Any) -> Any:
    body = {"commandId": "RunShellScript", "script": ["echo hello"], **more}
    return world.compute.virtual_machines.begin_run_command(GROUP, "builder", body)


def test_the_action_tells_no_exit_code(world: AzureSandbox) -> None:
    """A script that fails has "succeeded"."""
    world.make_vm()
    world.add_fault(effect="script", exitCode=123, stdout="partly\n")

    (status,) = act(world).result().value

    assert status.code == "ProvisioningState/succeeded"
    assert status.message == "Enable succeeded: \n[stdout]\npartly\n\n[stderr]\n"


def test_the_action_runs_one_script_at_a_time(world: AzureSandbox) -> None:
    """409 Conflict; afterwards it is free again."""
    world.make_vm()
    body = {"commandId": "RunShellScript", "script": ["echo hello"]}
    machines = world.compute.virtual_machines
    machines.begin_run_command(GROUP, "builder", body, polling=False)

    error = refused(machines.begin_run_command, GROUP, "builder", body)

    assert (error.status_code, error.error.code) == (409, "Conflict")
    world.wait(600)
    act(world).result()


def test_the_action_without_a_script_succeeds_too(world: AzureSandbox) -> None:
    """Azure runs a sample of its own."""
    world.make_vm()

    assert act(world, script=None).result().value[0].code == "ProvisioningState/succeeded"


def test_the_action_really_changes_the_machine(world: AzureSandbox) -> None:
    """The same scripts, another way in."""
    world.make_vm()

    act(world, script=step_script("docker").splitlines()).result()

    assert world.azure.store.find(world.vm_id()).state["machine"]["docker"]


@pytest.mark.parametrize(
    ("line", "is_sealed", "user"),
    [
        ("waagent -deprovision+user -force", True, ""),
        ("sudo waagent -force -deprovision", True, "builder"),
        ("# waagent -deprovision+user", False, "builder"),
        ("waagent -version", False, "builder"),
    ],
)
def test_azure_s_agent_deprovisions(
    world: AzureSandbox, line: str, is_sealed: bool, user: str
) -> None:
    """The documented way to an image, whoever asks for it: within seconds, and nothing stops."""
    world.make_vm()
    began = world.now()

    act(world, script=["#!/bin/bash", line]).result()

    assert (inside(world)["sealed"], inside(world)["user"]) == (is_sealed, user)
    assert "PowerState/running" in world.codes()
    assert (world.now() - began < 90) == is_sealed


def test_the_action_s_extension_can_be_removed(world: AzureSandbox) -> None:
    """Another command id, which runs no script."""
    world.make_vm()
    script = step_script("docker").splitlines()

    act(world, commandId="RemoveRunCommandLinuxExtension", script=script).result()

    assert not world.azure.store.find(world.vm_id()).state["machine"]["docker"]


def test_the_action_needs_a_running_machine(world: AzureSandbox) -> None:
    """409."""
    world.make_vm()
    world.compute.virtual_machines.begin_deallocate(GROUP, "builder").result()

    assert refused(act, world).error.code == "OperationNotAllowed"


def test_a_failed_action_frees_the_machine(world: AzureSandbox) -> None:
    """The next one may run."""
    world.make_vm()
    world.add_fault(operation="runCommand.action", effect="allocation", code="VMAgentError")
    refused(act, world)

    act(world).result()
