"""Managed run commands and the action: when a script starts, how it ends, who learns of it."""

from typing import Any

import pytest
from azure_sandbox import GROUP, AzureSandbox, refused, result_line, run_body, step_script

SCRIPT = "#!/bin/bash\necho hello\n"


def start(world: AzureSandbox, name: str = "one", script: str = SCRIPT, **options: Any) -> Any:
    """Begin a command and wait for its operation only."""
    begin = world.compute.virtual_machine_run_commands.begin_create_or_update
    return begin(GROUP, "builder", name, run_body(script, **options)).result()


def begin(world: AzureSandbox, name: str = "one", script: str = SCRIPT, **options: Any) -> None:
    """Begin a command and do not wait."""
    commands = world.compute.virtual_machine_run_commands
    body = run_body(script, **options)
    commands.begin_create_or_update(GROUP, "builder", name, body, polling=False)


def test_an_asynchronous_command_only_starts(world: AzureSandbox) -> None:
    """Its operation ends when the script runs; the script's end shows in the instance view."""
    world.make_vm()
    command = start(world)

    assert command.provisioning_state == "Succeeded"
    assert world.run_view("one").execution_state == "Running"
    view = world.await_run("one")
    assert (view.execution_state, view.exit_code) == ("Succeeded", 0)
    assert view.end_time > view.start_time


def test_a_synchronous_command_ends_with_its_script(world: AzureSandbox) -> None:
    """The operation lasts as long."""
    world.make_vm()
    start(world, asynchronous=False)

    assert world.run_view("one").execution_state == "Succeeded"


def test_results_are_shown_on_request_only(world: AzureSandbox) -> None:
    """Without expand=instanceView there is none."""
    world.make_vm()
    start(world)
    commands = world.compute.virtual_machine_run_commands

    assert commands.get_by_virtual_machine(GROUP, "builder", "one").instance_view is None
    assert [item.name for item in commands.list_by_virtual_machine(GROUP, "builder")] == ["one"]


def test_the_end_shows_before_the_result(make_world) -> None:
    """A recording has executionState Running with an endTime: wait for a terminal state."""
    world = make_world(throttled=False)
    world.make_vm()
    start(world)
    seen = set()
    for _ in range(400):
        view = world.run_view("one")
        seen.add((view.execution_state, view.end_time is not None))
        world.wait(1)
        if view.execution_state == "Succeeded":
            break

    assert ("Running", True) in seen


def test_a_failed_script_is_a_successful_operation(world: AzureSandbox) -> None:
    """The truth is in the instance view."""
    world.make_vm()
    world.add_fault(effect="script", exitCode=3)

    command = start(world, asynchronous=False)

    view = world.run_view("one")
    assert command.provisioning_state == "Succeeded"
    assert (view.execution_state, view.exit_code) == ("Failed", 3)
    assert view.execution_message == "command terminated with exit status=3"


def test_a_failed_script_can_be_made_to_fail_the_operation(world: AzureSandbox) -> None:
    """treatFailureAsDeploymentFailure, for synchronous commands."""
    world.make_vm()
    world.add_fault(effect="script", exitCode=3)
    body = run_body(SCRIPT, asynchronous=False)
    body["properties"]["treatFailureAsDeploymentFailure"] = True
    begin = world.compute.virtual_machine_run_commands.begin_create_or_update

    error = refused(begin, GROUP, "builder", "one", body)

    assert (error.status_code, error.error.code) == (200, "VMExtensionProvisioningError")


def test_a_timeout_kills_the_script(world: AzureSandbox) -> None:
    """Failed with -1, never TimedOut, and no output."""
    world.make_vm()

    view = world.run("one", SCRIPT, timeout=5)

    assert (view.execution_state, view.exit_code) == ("Failed", -1)
    assert view.execution_message == "command terminated with exit status=-1"
    assert view.output == ""


def test_a_killed_script_leaves_no_changes(world: AzureSandbox) -> None:
    """A Docker installation that was killed has not happened."""
    world.make_vm()

    world.run("one", step_script("docker"), timeout=5)

    assert world.azure.store.find(world.vm_id()).state["machine"]["docker"] == ""


def test_the_same_body_again_is_no_new_run(world: AzureSandbox) -> None:
    """Names per attempt make retries harmless."""
    world.make_vm()
    first = world.run("one", SCRIPT)

    again = world.send("PUT", run_path(world), run_body(SCRIPT, asynchronous=True, timeout=3600))

    assert again.status == 200
    assert world.run_view("one").start_time == first.start_time


def test_another_body_under_the_same_name_starts_anew(world: AzureSandbox) -> None:
    """And kills what ran."""
    world.make_vm()
    first = world.run("one", SCRIPT)

    second = world.run("one", SCRIPT + "echo again\n")

    assert second.start_time > first.end_time


def test_a_patch_with_another_parameter_starts_anew(world: AzureSandbox) -> None:
    """PATCH keeps the rest of the definition."""
    world.make_vm()
    first = world.run("one", SCRIPT)
    change = {"properties": {"parameters": [{"name": "A", "value": "1"}]}}

    commands = world.compute.virtual_machine_run_commands
    commands.begin_update(GROUP, "builder", "one", change).result()

    assert world.await_run("one").start_time > first.end_time


def test_deleting_a_command_kills_its_script(world: AzureSandbox) -> None:
    """That is how a script is cancelled."""
    world.make_vm()
    start(world, "docker", step_script("docker"))

    world.compute.virtual_machine_run_commands.begin_delete(GROUP, "builder", "docker").result()
    world.wait(600)

    assert world.azure.store.find(world.vm_id()).state["machine"]["docker"] == ""


def test_deleting_an_absent_command_is_success(world: AzureSandbox) -> None:
    """204."""
    world.make_vm()

    world.compute.virtual_machine_run_commands.begin_delete(GROUP, "builder", "none").result()


@pytest.mark.parametrize(
    ("action", "state"),
    [("restart", "Unknown"), ("power_off", "Unknown"), ("deallocate", "Unknown")],
)
def test_a_machine_that_goes_down_loses_its_runs(
    world: AzureSandbox, action: str, state: str
) -> None:
    """They are not resumed and never report."""
    world.make_vm()
    start(world, "docker", step_script("docker"))

    getattr(world.compute.virtual_machines, f"begin_{action}")(GROUP, "builder").result()
    world.wait(600)

    assert world.run_view("docker").execution_state == state
    assert world.azure.store.find(world.vm_id()).state["machine"]["docker"] == ""


def test_a_command_waits_for_the_agent(world: AzureSandbox) -> None:
    """Sent during a restart, it starts when the agent is ready."""
    world.make_vm()
    world.compute.virtual_machines.begin_restart(GROUP, "builder", polling=False)

    view = world.run("one", SCRIPT)

    assert view.execution_state == "Succeeded"


def test_without_an_agent_a_command_fails_in_the_end(world: AzureSandbox) -> None:
    """A machine that reaches nobody: the operation says so after twenty minutes."""
    world.make_network(outbound=False)
    machines = world.compute.virtual_machines
    machines.begin_create_or_update(GROUP, "builder", world.vm_body()).result()
    before = world.now()

    error = refused(start, world)

    assert error.error.code == "VMAgentStatusCommunicationError"
    assert world.now() - before >= 1200


@pytest.mark.parametrize("write", ["put", "delete"])
def test_commands_need_a_running_machine(world: AzureSandbox, write: str) -> None:
    """409, with the words about extensions."""
    world.make_vm()
    start(world)
    world.compute.virtual_machines.begin_deallocate(GROUP, "builder").result()
    commands = world.compute.virtual_machine_run_commands

    error = (
        refused(start, world, "two")
        if write == "put"
        else refused(commands.begin_delete, GROUP, "builder", "one")
    )

    assert (error.status_code, error.error.code) == (409, "OperationNotAllowed")
    assert "when the VM is not running" in error.error.message


def test_commands_run_side_by_side(world: AzureSandbox) -> None:
    """Driver and preloading do not wait for each other."""
    world.make_vm()
    start(world, "one")
    start(world, "two")

    assert world.run_view("one").execution_state == "Running"
    assert world.run_view("two").execution_state == "Running"


def test_a_machine_holds_25_commands(make_world) -> None:
    """Finished ones are to be deleted."""
    world = make_world(throttled=False)
    world.make_vm()
    for number in range(25):
        begin(world, f"c{number}")

    assert refused(start, world, "c25").status_code == 409


@pytest.mark.parametrize(
    "properties",
    [
        {"source": {}},
        {"source": {"script": "x", "scriptUri": "https://example.org/x"}},
        {"source": {"script": "#" * (64 * 1024 + 1)}},
        {"source": {"script": "x"}, "timeoutInSeconds": 0},
    ],
    ids=["no source", "two sources", "long script", "no time"],
)
def test_a_wrong_definition_is_refused(world: AzureSandbox, properties: dict[str, Any]) -> None:
    """400 InvalidParameter."""
    world.make_vm()
    body = {"location": "swedencentral", "properties": properties}

    answer = world.send("PUT", run_path(world), body)

    assert (answer.status, answer.json()["error"]["code"]) == (400, "InvalidParameter")


def test_output_is_cut_to_its_last_4_kib(world: AzureSandbox) -> None:
    """A result line at the end survives."""
    world.make_vm()
    world.add_fault(effect="script", exitCode=0, stdout="x" * 5000 + "the end")

    view = world.run("one", SCRIPT)

    assert len(view.output) == 4096
    assert view.output.endswith("the end")


def test_protected_parameters_reach_the_script_and_nobody_else(world: AzureSandbox) -> None:
    """They are not returned, and still part of the definition."""
    world.make_vm()
    body = run_body(step_script("prepare"))
    body["properties"]["protectedParameters"] = [{"name": "BUILDER_USER", "value": "builder"}]
    body["properties"]["parameters"] = []

    answer = world.send("PUT", run_path(world), body)
    view = world.await_run("one")

    assert b"protectedParameters" not in answer.body
    assert b"protectedParameters" not in world.send("GET", run_path(world)).body
    assert result_line(view.output)["ok"] is True


def test_empty_parameters_are_dropped(world: AzureSandbox) -> None:
    """A script under set -u sees them as unset."""
    world.make_vm()

    view = world.run("one", '#!/bin/bash\nset -u\necho "$NAME"\n', NAME="")

    assert (view.execution_state, view.exit_code) == ("Failed", 1)
    assert "NAME: unbound variable" in view.error


def test_an_async_operation_never_waits_for_the_script(world: AzureSandbox) -> None:
    """Polling the operation of a long script ends soon."""
    world.make_vm()
    before = world.now()
    start(world, "driver", step_script("driver"), DRIVER_KIND="grid")

    assert world.now() - before < 60


def test_a_rewritten_command_is_the_new_one_only(world: AzureSandbox) -> None:
    """The old script is killed in the middle; what it would have done does not happen."""
    world.make_vm()
    start(world, "one", step_script("docker"))
    before = world.run_view("one").start_time

    rewritten = world.send("PUT", run_path(world), run_body(SCRIPT))
    view = world.await_run("one")
    world.wait(600)

    assert (rewritten.status, rewritten.json()["properties"]["provisioningState"]) == (
        200,
        "Updating",
    )
    assert view.start_time > before
    assert world.azure.store.find(world.vm_id()).state["machine"]["docker"] == ""


def test_a_rewritten_start_ends_its_operation(world: AzureSandbox) -> None:
    """Whoever polls the first PUT learns that another came."""
    world.make_vm()
    first = world.send("PUT", run_path(world), run_body(SCRIPT))
    world.send("PUT", run_path(world), run_body(SCRIPT + "#\n"))

    assert world.send("GET", first.headers["Azure-AsyncOperation"]).json()["status"] == "Canceled"


def test_a_deleted_start_ends_its_operation(world: AzureSandbox) -> None:
    """The same for a deletion."""
    world.make_vm()
    first = world.send("PUT", run_path(world), run_body(SCRIPT))
    world.send("DELETE", run_path(world))

    assert world.send("GET", first.headers["Azure-AsyncOperation"]).json()["status"] == "Canceled"


def test_a_command_has_its_defaults(world: AzureSandbox) -> None:
    """Synchronous, and a limit of some length."""
    world.make_vm()
    body = {"location": "swedencentral", "properties": {"source": {"script": SCRIPT}}}

    properties = world.send("PUT", run_path(world), body).json()["properties"]

    assert (properties["asyncExecution"], properties["timeoutInSeconds"]) == (False, 5400)


def test_commands_belong_to_a_machine(world: AzureSandbox) -> None:
    """404 for one that is not there, when deleting as well."""
    world.make_group()
    commands = world.compute.virtual_machine_run_commands

    errors = [
        refused(commands.begin_delete, GROUP, "builder", "one"),
        refused(start, world),
    ]

    assert [error.error.code for error in errors] == ["ResourceNotFound", "ParentResourceNotFound"]


def test_a_long_script_is_not_mistaken_for_a_missing_agent(make_world) -> None:
    """The patience with the agent ends when the script starts."""
    world = make_world(duration_band=(1, 1), throttled=False)
    world.make_vm()
    world.add_fault(operation="runCommands.run", effect="slow", factor=20)

    assert world.run("one", SCRIPT).execution_state == "Succeeded"


def test_a_finished_script_is_not_timed_out_later(world: AzureSandbox) -> None:
    """Its limit ends with it."""
    world.make_vm()
    world.run("one", SCRIPT, timeout=300)
    world.wait(600)

    assert world.run_view("one").execution_state == "Succeeded"


def run_path(world: AzureSandbox) -> str:
    return f"{world.vm_id()}/runCommands/one?api-version=2026-04-01"
