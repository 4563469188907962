"""What happens to the script of a managed run command.

    Pending ─▶ Running ─▶ (ended, not yet reported) ─▶ Succeeded or Failed
       │          ├─ time-out: killed, Failed with exit code -1
       │          └─ machine restarted, stopped, deleted: lost, Unknown
       └─ waits for the guest agent to be Ready

With `asyncExecution` the operation ends when the script starts, else when it has reported. The
operation and `provisioningState` say Succeeded even where the script failed, unless
`treatFailureAsDeploymentFailure` asks otherwise (and the execution is synchronous).

Hidden state of a run: `view` (the instance view), `outcome` (how it ended), `phase` (waiting,
running, reporting, done).
"""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from local.azure_simulator import (
    arm,
    context,
    durations,
    key_vaults,
    model,
    output_blobs,
    resource_ids,
    store,
    times,
)
from local.azure_simulator.compute import placement, power
from local.azure_simulator.container_registry import pulls
from local.azure_simulator.machine import interface, scripts, steps

TYPE = "Microsoft.Compute/virtualMachines/runCommands"
TIMEOUT_SECONDS = 90 * 60
"""Used when none is given; the service's default is not documented."""
AGENT_WAIT_SECONDS = 20 * 60
"""How long a command waits for an agent that never reports."""
OUTPUT_BYTES_MAX = 4096
"""The handler returns the last 4 KB of each stream."""
LOOK_SECONDS = 5
"""How often a machine that really executes is asked for the outcome."""


def register(azure: context.Azure) -> None:
    report = durations.Duration(
        typical=7.5, source="the handler reports every 15 s", band=(0.1, 1.9)
    )
    azure.durations.add({"runCommands.report": report})
    azure.on(TYPE, "start", _start)
    azure.on(TYPE, "end", _end)
    azure.on(TYPE, "look", _look)
    azure.on(TYPE, "progress", _progress)
    azure.on(TYPE, "timeOut", _time_out)
    azure.on(TYPE, "report", _report)
    azure.on(TYPE, "agentMissing", _agent_missing)
    azure.on(placement.VM_TYPE, "agentCame", _start_waiting)
    azure.on(placement.VM_TYPE, "wentDown", _lose_all)


def begin(azure: context.Azure, run: store.Resource) -> store.Resource:
    """Hand the command to the machine's agent. Returns the operation of the PUT."""
    run.state.update(phase="waiting", outcome=None, number=run.state.get("number", 0) + 1)
    run.state["view"] = _view("Pending")
    azure.schedule(run, "start", azure.duration("runCommands.start", run))
    azure.schedule(run, "agentMissing", AGENT_WAIT_SECONDS)
    return azure.operations.begin("runCommands.start", run, is_open_ended=True, retry_after=(10,))


def kill(azure: context.Azure, run: store.Resource) -> None:
    """End the script without a trace; its children live on, as in a real machine."""
    if run.state["phase"] == "running":
        azure.machine.kill(_script_run(azure, run))
    run.cancel()
    run.state["phase"] = "done"


# --- the script's life ---------------------------------------------------------------------


def _start(azure: context.Azure, run: store.Resource, data: model.JsonObject) -> None:
    vm = _machine_of(azure, run)
    if not vm.state["agent"]:
        return  # `agentCame` will start it
    run.cancel()
    run.state.update(phase="running", began=azure.now)
    run.state["view"] = _view("Running", startTime=times.text(azure.machine_now))
    azure.schedule(run, "timeOut", int(run.properties["timeoutInSeconds"]))
    if run.properties["asyncExecution"]:
        _end_operation(azure, run, None)
    if why := output_blobs.refusal(azure, vm, run.properties):
        _stop(azure, run, output_blobs.NO_BLOB, why)
        return
    script = _script(run)
    names = [scripts.step_of(script), *steps.parts_of(script)]
    run.state["fault"] = azure.faults.on_script(names, run)
    _go_on(azure, run, azure.machine.run(_script_run(azure, run)))


def _look(azure: context.Azure, run: store.Resource, data: model.JsonObject) -> None:
    _go_on(azure, run, azure.machine.look(_script_run(azure, run)))


def _go_on(azure: context.Azure, run: store.Resource, outcome: interface.Outcome | None) -> None:
    """Wait for the known end, or look again later."""
    if outcome is None:
        until_now = max(0.0, azure.clock.now() - azure.now)
        azure.schedule(run, "look", until_now + LOOK_SECONDS)
        return
    run.state["outcome"] = dataclasses.asdict(outcome)
    slowness = azure.faults.slowness("runCommands.run", run)
    for item in outcome.meanwhile:
        azure.schedule(run, "progress", item.after_seconds * slowness, {"changes": item.changes})
    azure.schedule(run, "end", outcome.seconds * slowness)


def _progress(azure: context.Azure, run: store.Resource, data: model.JsonObject) -> None:
    """A part of the script is done."""
    _machine_of(azure, run).state["machine"].update(data["changes"])


def _end(azure: context.Azure, run: store.Resource, data: model.JsonObject) -> None:
    """The script is over; its result travels. Meanwhile the view may say Running with an end."""
    vm = _machine_of(azure, run)
    outcome = run.state["outcome"]
    if outcome["crashes"]:
        power.write_console(vm, "[ 1042.7] Kernel panic - not syncing: Fatal exception")
        power.stop_from_inside(azure, vm)
        return
    run.cancel("timeOut")
    vm.state["machine"].update(outcome["changes"])
    schedule_later(azure, vm, outcome["later"])
    run.state["phase"] = "reporting"
    run.state["view"]["endTime"] = times.text(azure.machine_now)
    azure.schedule(run, "report", azure.duration("runCommands.report", run))


def _time_out(azure: context.Azure, run: store.Resource, data: model.JsonObject) -> None:
    azure.machine.kill(_script_run(azure, run))
    _stop(azure, run, -1)


def _stop(azure: context.Azure, run: store.Resource, exit_code: int, why: str = "") -> None:
    """Report a run whose script has not ended by itself."""
    run.cancel()
    run.state["outcome"] = {"exit_code": exit_code, "stdout": "", "stderr": why}
    run.state["phase"] = "reporting"
    run.state["view"]["endTime"] = times.text(azure.machine_now)
    azure.schedule(run, "report", azure.duration("runCommands.report", run))


def _report(azure: context.Azure, run: store.Resource, data: model.JsonObject) -> None:
    outcome = run.state["outcome"]
    exit_code = outcome["exit_code"]
    state = "Succeeded" if exit_code == 0 else "Failed"
    message = "" if exit_code == 0 else f"command terminated with exit status={exit_code}"
    if exit_code == output_blobs.NO_BLOB:
        message = outcome["stderr"]
    run.state["phase"] = "done"
    run.state["view"].update(
        executionState=state,
        executionMessage=message,
        exitCode=exit_code,
        output=_tail(outcome["stdout"]),
        error=_tail(outcome["stderr"]),
        **_how(azure, run),
    )
    if exit_code != output_blobs.NO_BLOB:
        output_blobs.write(azure, run.properties, outcome["stdout"], outcome["stderr"])
    if not run.properties["asyncExecution"]:
        _end_operation(azure, run, _failure(run, message) if exit_code else None)


def _how(azure: context.Azure, run: store.Resource) -> model.JsonObject:
    """How real a run was that left no result line, which would say it. Azure has no such fields."""
    system = azure.machine.stand_in(_machine_of(azure, run).state["machine"])
    return {"standIn": system} if system else {"scripted": True}


def _failure(run: store.Resource, message: str) -> model.JsonObject | None:
    if not run.properties.get("treatFailureAsDeploymentFailure"):
        return None
    text = (
        f"VM has reported a failure when processing extension '{run.name}'. Error message: "
        f'"{message}".'
    )
    return model.error_object("VMExtensionProvisioningError", text)


# --- the machine around it -----------------------------------------------------------------


def _start_waiting(azure: context.Azure, vm: store.Resource, data: model.JsonObject) -> None:
    for run in azure.store.children(vm.id, TYPE):
        is_late = not any(item["event"] == "start" for item in run.due)
        if run.state["phase"] == "waiting" and is_late:
            azure.schedule(run, "start", 1)


def _lose_all(azure: context.Azure, vm: store.Resource, data: model.JsonObject) -> None:
    """Runs that had started are lost and never report; those that wait go on waiting."""
    for run in azure.store.children(vm.id, TYPE):
        if run.state["phase"] in {"running", "reporting"}:
            kill(azure, run)
            run.state["view"].update(executionState="Unknown")
            error = model.error_object(
                "VMExtensionProvisioningError", f"The VM stopped while '{run.name}' was running."
            )
            _end_operation(azure, run, error)


def _agent_missing(azure: context.Azure, run: store.Resource, data: model.JsonObject) -> None:
    vm_name = resource_ids.name(resource_ids.parent(run.id))
    message = (
        f"VM '{vm_name}' has not reported status for VM agent or extensions. Verify that the OS is "
        "up and healthy, the VM has a running VM agent, and that it can establish outbound "
        "connections to Azure storage. Please refer to https://aka.ms/vmextensionlinuxtroubleshoot"
    )
    kill(azure, run)
    _end_operation(azure, run, model.error_object("VMAgentStatusCommunicationError", message))


def schedule_later(azure: context.Azure, vm: store.Resource, later: list[model.JsonObject]) -> None:
    """What the script set in motion happens to the machine by itself (`power`)."""
    for item in later:
        data = {
            "console": item["console"],
            "powersOff": item["powers_off"],
            "changes": item["changes"],
        }
        azure.schedule(vm, "guest", item["after_seconds"], data)


def _end_operation(
    azure: context.Azure, run: store.Resource, error: model.JsonObject | None
) -> None:
    operation = azure.operations.running(run)
    if operation is not None:
        azure.operations.end_now(operation, error)


# --- what the machine is given -------------------------------------------------------------


def _script_run(azure: context.Azure, run: store.Resource) -> interface.ScriptRun:
    """Named parameters become environment variables; empty values are dropped."""
    requested = run.state["requested"]
    given = [*(requested.get("parameters") or []), *(requested.get("protectedParameters") or [])]
    environment = {
        item["name"]: str(item["value"]) for item in given if item.get("name") and item.get("value")
    }
    vm = _machine_of(azure, run)
    return interface.ScriptRun(
        id=f"{run.key}#{run.state['number']}",
        script=_script(run),
        environment=environment,
        vm=vm.state["machine"],
        fault=run.state.get("fault"),
        spent=azure.now - run.state.get("began", azure.now),
        pull=pull_from(azure, vm, environment),
        read_secret=secrets_for(azure, vm, environment),
    )


def pull_from(
    azure: context.Azure, vm: store.Resource, environment: Mapping[str, str]
) -> interface.Pull:
    """Pulling from inside a machine: with the identity that was named, if the machine has it."""
    client_id = environment.get("IDENTITY_CLIENT_ID", "")
    attached = {
        resource_ids.key(item)
        for item in (vm.document.get("identity") or {}).get("userAssignedIdentities") or {}
    }
    identities = [
        item
        for item in pulls.identities_of_client(azure, client_id)
        if resource_ids.key(item) in attached and environment.get("REGISTRY_LOGIN_SERVER")
    ]
    others = _named_registries(environment)

    def pull(reference: str) -> interface.PulledImage:
        other = others.get(reference.partition("/")[0].lower())
        used = [other] if other and resource_ids.key(other) in attached else identities
        try:
            found = pulls.find(azure, reference, used)
        except pulls.PullError as error:
            is_login = isinstance(error, pulls.NotAuthorizedError)
            raise interface.PullRefused(str(error), is_login=is_login) from error
        return interface.PulledImage(digest=found.digest, size_bytes=found.size_bytes)

    return pull


def _named_registries(environment: Mapping[str, str]) -> dict[str, str]:
    """By host, the id of the identity that a script signs in with."""
    lines = [line.split() for line in environment.get("REGISTRIES", "").splitlines()]
    return {words[0].lower(): words[2] for words in lines if words[1] == "identity"}


def secrets_for(
    azure: context.Azure, vm: store.Resource, environment: Mapping[str, str]
) -> interface.ReadSecret:
    """Reading Key Vault from inside a machine: with the identity that was named, if it has it."""
    attached = (vm.document.get("identity") or {}).get("userAssignedIdentities") or {}
    client = environment.get("VAULT_CLIENT_ID") or environment.get("IDENTITY_CLIENT_ID", "")
    principals = [str(i["principalId"]) for i in attached.values() if i.get("clientId") == client]

    def read(address: str) -> str:
        return key_vaults.read(azure, principals, address)

    return read


def _script(run: store.Resource) -> str:
    return str((run.state["requested"].get("source") or {}).get("script") or "")


def _machine_of(azure: context.Azure, run: store.Resource) -> store.Resource:
    return arm.require(azure, resource_ids.parent(run.id))


def _view(state: str, **more: str) -> model.JsonObject:
    empty = {"executionMessage": "", "output": "", "error": "", "exitCode": 0, "statuses": []}
    return {"executionState": state, **empty, **more}


def _tail(text: str) -> str:
    return text.encode()[-OUTPUT_BYTES_MAX:].decode(errors="replace")
