"""Any machine fits: one that really executes answers later, and is told what becomes of it."""

# ruff: noqa: ARG002 - the interface has more than this machine needs

from __future__ import annotations

from typing import Any

import pytest
from azure_sandbox import GROUP, AzureSandbox, refused, run_body

from local.azure_simulator import model
from local.azure_simulator.machine import interface


class SlowMachine:
    """A machine whose outcome is not known when a script starts."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.outcome: interface.Outcome | None = None
        self.seen = interface.Observation()

    def stand_in(self, vm: model.JsonObject) -> str:
        return ""

    def boot(self, vm: model.JsonObject) -> None:
        self.heard.append("boot")

    def shut_down(self, vm: model.JsonObject) -> None:
        self.heard.append("shut down")

    def observe(self, vm: model.JsonObject) -> interface.Observation:
        return self.seen

    def run(self, run: interface.ScriptRun) -> interface.Outcome | None:
        self.heard.append(f"run {dict(run.environment)}")
        return None

    def look(self, run: interface.ScriptRun) -> interface.Outcome | None:
        self.heard.append("look")
        return self.outcome

    def kill(self, run: interface.ScriptRun) -> None:
        self.heard.append("kill")

    def destroy(self, vm: model.JsonObject) -> None:
        self.heard.append("destroy")


@pytest.fixture
def machine() -> SlowMachine:
    return SlowMachine()


@pytest.fixture
def running(make_world: Any, machine: SlowMachine) -> AzureSandbox:
    """A world in which a script runs on that machine."""
    world: AzureSandbox = make_world(machine=machine, throttled=False)
    world.make_vm()
    commands = world.compute.virtual_machine_run_commands
    body = run_body("#!/bin/bash\n", A="1")
    commands.begin_create_or_update(GROUP, "builder", "one", body).result()
    return world


def test_the_machine_is_asked_until_it_knows(running: AzureSandbox, machine: SlowMachine) -> None:
    """Each request looks again; the outcome then travels as any other."""
    running.wait(600)
    assert running.run_view("one").execution_state == "Running"

    machine.outcome = interface.Outcome(seconds=0, exit_code=7, stdout="seven")
    view = running.await_run("one")

    assert (view.exit_code, view.output) == (7, "seven")
    assert machine.heard[:3] == ["boot", "run {'A': '1'}", "look"]


def test_a_long_silence_is_not_made_up_for(running: AzureSandbox, machine: SlowMachine) -> None:
    """One look after an hour, not one for each five seconds of it."""
    machine.heard.clear()
    running.wait(3000)
    running.run_view("one")

    assert machine.heard.count("look") <= 2


@pytest.mark.parametrize("end", ["delete the command", "delete the machine", "delete the group"])
def test_the_machine_learns_of_every_end(
    running: AzureSandbox, machine: SlowMachine, end: str
) -> None:
    """What really runs must really be ended."""
    match end:
        case "delete the command":
            running.compute.virtual_machine_run_commands.begin_delete(
                GROUP, "builder", "one"
            ).result()
        case "delete the machine":
            running.compute.virtual_machines.begin_delete(GROUP, "builder").result()
        case _:
            running.resources.resource_groups.begin_delete(GROUP).result()

    assert machine.heard[-1] == ("kill" if end == "delete the command" else "destroy")


def test_a_timeout_kills_what_really_runs(make_world: Any, machine: SlowMachine) -> None:
    """Not only its record."""
    world: AzureSandbox = make_world(machine=machine, throttled=False)
    world.make_vm()

    view = world.run("one", "#!/bin/bash\n", timeout=30)

    assert view.exit_code == -1
    assert "kill" in machine.heard


def test_a_machine_may_switch_itself_off(running: AzureSandbox, machine: SlowMachine) -> None:
    """As sealing does; who looks, learns of it, and reads its last words."""
    machine.seen = interface.Observation(console=("sealed",), is_off=True)

    assert running.codes()[-1] == "PowerState/stopped"
    assert running.run_view("one").execution_state == "Unknown"
    resource = running.azure.store.find(running.vm_id())
    assert resource is not None
    assert resource.state["console"][-1] == "sealed"


def test_whoever_acts_on_a_machine_looks_first(running: AzureSandbox, machine: SlowMachine) -> None:
    """One that switched itself off can be generalized at once, and not restarted."""
    machine.seen = interface.Observation(is_off=True)
    machines = running.compute.virtual_machines

    error = refused(machines.begin_restart, GROUP, "builder")
    machines.generalize(GROUP, "builder")

    assert "since the VM is stopped" in error.error.message
    assert "OSState/generalized" in running.codes()


def test_generalizing_looks_as_well(running: AzureSandbox, machine: SlowMachine) -> None:
    """Nobody had asked for the machine since."""
    machine.seen = interface.Observation(is_off=True)

    running.compute.virtual_machines.generalize(GROUP, "builder")


def test_power_from_outside_reaches_the_machine(
    running: AzureSandbox, machine: SlowMachine
) -> None:
    """Down, and up again."""
    machine.heard.clear()

    running.compute.virtual_machines.begin_restart(GROUP, "builder").result()

    assert [word for word in machine.heard if word != "look"] == ["kill", "shut down", "boot"]
