"""The action run command (first version): one at a time, no exit code, last 4 KB of output.

A script that fails still "succeeds" here, as it does in Azure; without a `script` Azure runs a
sample script of its own and succeeds too.
"""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

from local.azure_simulator import arm, context, durations, model, operations, resource_ids, store
from local.azure_simulator.compute import placement, script_runs
from local.azure_simulator.machine import interface, scripts

TYPE = placement.VM_TYPE
_BODY = {"commandId!": str, "script": [str], "parameters": [{"name!": str, "value!": str}]}
TIMEOUT_SECONDS = 90 * 60
OUTPUT_BYTES_MAX = 4096


def register(azure: context.Azure) -> None:
    path = arm.path_of(TYPE) + "/runCommand"
    azure.route("POST", path, post, operation="runCommand.action")
    azure.operations.register(
        "runCommand.action",
        durations.Duration(typical=30, source="documented overhead of at least 20 s"),
        _ended,
        _failed,
    )


def post(azure: context.Azure, request: model.Request) -> model.Response:
    vm = arm.require(azure, resource_ids.without_action(request.resource_id))
    body = request.json(_BODY)
    if vm.state["power"] != "running":
        message = "The operation requires the VM to be running (or set to run)."
        model.refuse(409, "OperationNotAllowed", message)
    if vm.state.get("actionRunning"):
        model.refuse(
            409,
            "Conflict",
            "Run command extension execution is in progress. Please wait for completion before "
            "invoking a run command.",
        )
    vm.state["runs"] += 1
    outcome = _outcome(azure, vm, body)
    vm.state["actionRunning"] = True
    seconds = azure.duration("runCommand.action", vm) + min(outcome.seconds, TIMEOUT_SECONDS)
    data = {
        "stdout": outcome.stdout,
        "stderr": outcome.stderr,
        "changes": dict(outcome.changes),
    }
    operation = azure.operations.begin(
        "runCommand.action", vm, seconds=seconds, data=data, occupies=False, retry_after=(10,)
    )
    return operations.accepted(azure, request, operation)


def _outcome(azure: context.Azure, vm: store.Resource, body: model.JsonObject) -> interface.Outcome:
    if body.get("commandId") != "RunShellScript":
        return interface.Outcome(seconds=0)
    lines = body.get("script") or ['echo "This is a sample script with parameters $1 $2"']
    run = interface.ScriptRun(
        id=f"{vm.key}#action{vm.state['runs']}",
        script="\n".join(lines),
        environment={item["name"]: item["value"] for item in body.get("parameters") or []},
        vm=vm.state["machine"],
        pull=script_runs.pull_from(azure, vm, {}),
        fault=azure.faults.on_script([scripts.step_of("\n".join(lines))], vm),
    )
    return azure.machine.run(run) or interface.Outcome(seconds=0)


def _ended(azure: context.Azure, vm: store.Resource, operation: store.Resource) -> None:
    data = operation.state["data"]
    vm.state["actionRunning"] = False
    vm.state["machine"].update(data["changes"])
    stdout, stderr = (data[name][-OUTPUT_BYTES_MAX:] for name in ("stdout", "stderr"))
    message = f"Enable succeeded: \n[stdout]\n{stdout}\n[stderr]\n{stderr}"
    status = {
        "code": "ProvisioningState/succeeded",
        "level": "Info",
        "displayStatus": "Provisioning succeeded",
        "message": message,
    }
    operation.state["result"] = {"value": [status]}


def _failed(
    azure: context.Azure,
    vm: store.Resource,
    operation: store.Resource,
    error: model.JsonObject,
) -> None:
    vm.state["actionRunning"] = False
