"""What was acknowledged is kept, whenever the process dies."""

import pathlib
from typing import Any

import pytest
from azure.core.exceptions import ServiceResponseError
from azure_sandbox import GROUP, AzureSandbox, refused, run_body, step_script

from local.azure_simulator import times


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "azure.sqlite"


def reopened(
    make_world: Any, world: AzureSandbox, path: pathlib.Path, after: float = 0
) -> AzureSandbox:
    """A new process over what the old one left; the old one was never closed."""
    return make_world(start=world.now() + after, path=path)


def test_resources_survive(make_world, path: pathlib.Path) -> None:
    """All of them, as they were."""
    world = make_world(path=path)
    world.make_vm()
    before = world.listed()

    world = reopened(make_world, world, path)

    assert world.listed() == before
    assert world.agent() == "Ready"


def test_deleted_resources_stay_deleted(make_world, path: pathlib.Path) -> None:
    """Rows go with them."""
    world = make_world(path=path)
    world.make_vm()
    world.compute.virtual_machines.begin_delete(GROUP, "builder").result()

    world = reopened(make_world, world, path)

    assert set(world.listed()) == {GROUP, "net"}


def test_an_operation_goes_on_where_it_was(make_world, path: pathlib.Path) -> None:
    """Its URL still answers; its end comes when it was due."""
    world = make_world(path=path)
    world.make_network()
    created = world.send("PUT", f"{world.vm_id()}?api-version=2026-04-01", world.vm_body())
    url = created.headers["Azure-AsyncOperation"]

    world = reopened(make_world, world, path)
    running = world.send("GET", url).json()["status"]
    world.wait(300)

    assert running == "InProgress"
    assert world.send("GET", url).json()["status"] == "Succeeded"


def test_time_passes_while_nobody_looks(make_world, path: pathlib.Path) -> None:
    """What was due meanwhile has happened at its own time, one thing after the other."""
    world = make_world(path=path, duration_band=(1, 1))
    world.make_network()
    world.send("PUT", f"{world.vm_id()}?api-version=2026-04-01", world.vm_body())

    world = reopened(make_world, world, path, after=3600)

    assert world.agent() == "Ready"
    (operation,) = (
        item.document
        for item in world.azure.store.of_type("simulator.operation")
        if item.state["operation"] == "virtualMachines.create"
    )
    taken = times.seconds(operation["endTime"]) - times.seconds(operation["startTime"])
    assert taken == 150


def test_a_running_script_goes_on(make_world, path: pathlib.Path) -> None:
    """And reports."""
    world = make_world(path=path)
    world.make_vm()
    begin = world.compute.virtual_machine_run_commands.begin_create_or_update
    begin(GROUP, "builder", "docker", run_body(step_script("docker"))).result()

    world = reopened(make_world, world, path)

    assert world.await_run("docker").execution_state == "Succeeded"
    assert world.azure.store.find(world.vm_id()).state["machine"]["docker"]


def test_tokens_stay_valid(make_world, path: pathlib.Path) -> None:
    """Clients keep theirs for hours."""
    world = make_world(path=path)
    url = "/subscriptions/00000000-0000-0000-0000-000000000001?api-version=2022-12-01"
    issued = world.send(
        "GET",
        "/msi/token?resource=https://management.azure.com/",
        token=None,
        X_IDENTITY_HEADER="s",
    ).json()["access_token"]

    world = reopened(make_world, world, path)

    assert world.send("GET", url, token=issued).status == 200


def test_faults_settings_and_ledger_survive(make_world, path: pathlib.Path) -> None:
    """A fault that has struck once has struck once."""
    world = make_world(path=path)
    world.make_group()
    world.add_fault(effect="throttle", times=2)
    world.set(**{"quota:cores": 7})
    refused(world.resources.resource_groups.get, GROUP)
    lines = world.ledger()

    world = reopened(make_world, world, path)

    (fault,) = world.azure.faults.list()
    assert fault["struck"] == 1
    assert world.azure.setting("quota:cores") == 7
    assert world.ledger() == lines


def test_a_fault_of_a_file_is_added_once(make_world, path: pathlib.Path) -> None:
    """Starting again must not let it strike again."""
    world = make_world(path=path)
    world.make_group()
    fault = {"id": "file-1", "effect": "throttle"}
    world.azure.faults.add_once(fault)
    refused(world.resources.resource_groups.get, GROUP)

    world = reopened(make_world, world, path)
    world.azure.faults.add_once(fault)

    assert world.resources.resource_groups.get(GROUP).name == GROUP


def test_durations_do_not_depend_on_a_restart(make_world, tmp_path: pathlib.Path) -> None:
    """Occasions are counted on, not from the beginning."""

    def total(restarts: bool) -> float:
        file = tmp_path / f"{restarts}.sqlite"
        world = make_world(path=file)
        world.make_vm()
        for _ in range(3):
            if restarts:
                world = reopened(make_world, world, file)
            world.compute.virtual_machines.begin_restart(
                GROUP, "builder", polling_interval=1
            ).result()
            world.wait(60)
        return world.now()

    assert total(restarts=True) == total(restarts=False)


def test_a_dropped_answer_was_kept(make_world, path: pathlib.Path) -> None:
    """Dropped after the effect: the effect is on disk."""
    world = make_world(path=path)
    world.add_fault(effect="drop", when="after")
    with pytest.raises(ServiceResponseError):
        world.make_group()

    world = reopened(make_world, world, path)

    assert set(world.listed()) == {GROUP}
