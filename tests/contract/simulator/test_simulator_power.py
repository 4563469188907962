"""Power, cost, generalizing, and the serial console."""

import pytest
from azure_sandbox import GROUP, AzureSandbox, refused


def do(world: AzureSandbox, action: str) -> None:
    getattr(world.compute.virtual_machines, f"begin_{action}")(GROUP, "builder").result()


@pytest.mark.parametrize(
    ("actions", "power", "is_paid"),
    [
        ([], "running", True),
        (["restart"], "running", True),
        (["power_off"], "stopped", True),
        (["power_off", "start"], "running", True),
        (["deallocate"], "deallocated", False),
        (["deallocate", "start"], "running", True),
        (["power_off", "deallocate"], "deallocated", False),
        (["deallocate", "deallocate"], "deallocated", False),
    ],
)
def test_power_and_cost_follow_the_actions(
    world: AzureSandbox, actions: list[str], power: str, is_paid: bool
) -> None:
    """Stopped still costs; only deallocation ends that."""
    world.make_vm()
    for action in actions:
        do(world, action)

    assert world.codes()[-1] == f"PowerState/{power}"
    assert (world.listed()["builder"]["costPerHour"] > 0) == is_paid


@pytest.mark.parametrize(
    ("action", "during"),
    [
        ("restart", "starting"),
        ("power_off", "stopping"),
        ("deallocate", "deallocating"),
    ],
)
def test_an_action_shows_while_it_lasts(world: AzureSandbox, action: str, during: str) -> None:
    """Polling sees the state in between."""
    world.make_vm()

    getattr(world.compute.virtual_machines, f"begin_{action}")(GROUP, "builder", polling=False)

    assert world.codes() == ["ProvisioningState/updating", f"PowerState/{during}"]


def test_a_restart_takes_the_agent_down_and_up(world: AzureSandbox) -> None:
    """Whoever sends a script right after a restart waits for it."""
    world.make_vm()
    do(world, "restart")
    world.wait(1)
    before = world.agent()
    world.wait(60)

    assert (before, world.agent()) == ("Not Ready", "Ready")


def test_an_agent_on_its_way_is_forgotten_with_its_boot(make_world) -> None:
    """A restart before it was ready begins its start anew."""
    world = make_world(duration_band=(1, 1), throttled=False)
    world.make_network()
    machines = world.compute.virtual_machines
    machines.begin_create_or_update(GROUP, "builder", world.vm_body(), polling=False)
    world.wait(155)  # runs; its agent would be ready in 15 seconds
    machines.begin_restart(GROUP, "builder", polling=False)
    world.wait(40)

    assert world.codes()[-1] == "PowerState/running"
    assert world.agent() == "Not Ready"


def test_a_deallocated_machine_has_no_agent(world: AzureSandbox) -> None:
    """The instance view leaves it out."""
    world.make_vm()
    do(world, "deallocate")

    assert world.agent() is None


@pytest.mark.parametrize("action", ["restart", "power_off"])
def test_a_deallocated_machine_cannot_be(world: AzureSandbox, action: str) -> None:
    """409 OperationNotAllowed names the state."""
    world.make_vm()
    do(world, "deallocate")

    error = refused(do, world, action)

    assert (error.status_code, error.error.code) == (409, "OperationNotAllowed")
    assert "since the VM is deallocated" in error.error.message


def test_one_action_at_a_time(world: AzureSandbox) -> None:
    """Another one meanwhile is a conflict; the same one joins."""
    world.make_vm()
    machines = world.compute.virtual_machines
    machines.begin_power_off(GROUP, "builder", polling=False)

    error = refused(machines.begin_restart, GROUP, "builder")
    machines.begin_power_off(GROUP, "builder").result()

    assert (error.status_code, error.error.code) == (409, "Conflict")
    assert world.codes()[-1] == "PowerState/stopped"


def test_an_update_during_an_action_is_a_conflict(world: AzureSandbox) -> None:
    """Writes on one machine come one after the other."""
    world.make_vm()
    machines = world.compute.virtual_machines
    machines.begin_power_off(GROUP, "builder", polling=False)

    error = refused(machines.begin_update, GROUP, "builder", {"tags": {}})

    assert error.error.code == "Conflict"


def test_starting_a_running_machine_changes_nothing(world: AzureSandbox) -> None:
    """Its agent stays ready."""
    world.make_vm()
    do(world, "start")

    assert world.agent() == "Ready"


# --- generalize ----------------------------------------------------------------------------


def test_a_running_machine_cannot_be_generalized(world: AzureSandbox) -> None:
    """409; first it must be off."""
    world.make_vm()

    error = refused(world.compute.virtual_machines.generalize, GROUP, "builder")

    assert (error.status_code, error.error.code) == (409, "OperationNotAllowed")


@pytest.mark.parametrize("action", ["power_off", "deallocate"])
def test_a_machine_that_is_off_can_be_generalized_again_and_again(
    world: AzureSandbox, action: str
) -> None:
    """No operation; repeating it is harmless."""
    world.make_vm()
    do(world, action)
    for _ in range(2):
        world.compute.virtual_machines.generalize(GROUP, "builder")

    assert "OSState/generalized" in world.codes()


def test_a_generalized_machine_never_starts_again(world: AzureSandbox) -> None:
    """Kept builders stay deallocated."""
    world.make_vm()
    world.generalize()

    error = refused(do, world, "start")

    assert "since the VM is generalized" in error.error.message


# --- console -------------------------------------------------------------------------------


def test_the_serial_console_is_read_without_credentials(world: AzureSandbox) -> None:
    """Signed URLs under the same host."""
    world.make_vm()
    machines = world.compute.virtual_machines

    data = machines.retrieve_boot_diagnostics_data(GROUP, "builder")
    answer = world.send("GET", data.serial_console_log_blob_uri, token=None)

    assert answer.status == 200
    assert answer.body.startswith(b"[    0.000000] Linux version 6.")
    assert b"builder login:" in answer.body
    assert data.console_screenshot_blob_uri != data.serial_console_log_blob_uri


def test_a_forged_or_old_link_is_refused(world: AzureSandbox) -> None:
    """403, as blob storage does."""
    world.make_vm()
    data = world.compute.virtual_machines.retrieve_boot_diagnostics_data(GROUP, "builder")
    link = data.serial_console_log_blob_uri

    assert world.send("GET", link[:-4] + "0000", token=None).status == 403
    world.wait(3 * 3600)
    assert world.send("GET", link, token=None).status == 403


def test_the_console_of_a_lost_machine_is_gone(world: AzureSandbox) -> None:
    """404 behind a link that is still valid."""
    world.make_vm()
    machines = world.compute.virtual_machines
    data = machines.retrieve_boot_diagnostics_data(GROUP, "builder")
    machines.begin_delete(GROUP, "builder").result()

    assert world.send("GET", data.serial_console_log_blob_uri, token=None).status == 404


def test_boot_diagnostics_must_be_enabled(world: AzureSandbox) -> None:
    """A machine created without it has no console to read."""
    world.make_network()
    body = world.vm_body()
    del body["properties"]["diagnosticsProfile"]
    machines = world.compute.virtual_machines
    machines.begin_create_or_update(GROUP, "builder", body).result()

    error = refused(machines.retrieve_boot_diagnostics_data, GROUP, "builder")

    assert error.error.code == "OperationNotAllowed"
