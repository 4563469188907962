"""Managed run commands: the resource. What happens to its script is in `script_runs`.

The same name with the same body is no new run; another body kills the old run and starts anew.
Protected parameters never come back. Results are shown with `$expand=instanceView` only.
"""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

import hashlib
import json

from local.azure_simulator import (
    arm,
    context,
    durations,
    model,
    operations,
    resource_ids,
    resource_types,
    shapes,
    store,
)
from local.azure_simulator.compute import power, script_runs

TYPE = "Microsoft.Compute/virtualMachines/runCommands"
COMMANDS_MAX = 25
"""Run commands per machine; the documentation gives no figure, 25 has been reported."""
SCRIPT_BYTES_MAX = 64 * 1024
"""Inline scripts; the limit is not documented, longer ones go through scriptUri."""
_PARAMETERS = [{"name!": str, "value!": str}]
_PROPERTIES = {
    "source": {"script": str, "scriptUri": str, "commandId": str, "galleryScriptReferenceId": str},
    "parameters": _PARAMETERS,
    "protectedParameters": _PARAMETERS,
    "timeoutInSeconds": int,
    "asyncExecution": bool,
    "outputBlobUri": str,
    "errorBlobUri": str,
    "outputBlobManagedIdentity": {"clientId": str, "objectId": str},
    "errorBlobManagedIdentity": {"clientId": str, "objectId": str},
}
_SOURCES = ("script", "scriptUri", "commandId", "galleryScriptReferenceId")


def register(azure: context.Azure) -> None:
    resource_types.register_reads(azure, TYPE)
    azure.shows(TYPE, show)
    azure.route("PUT", arm.path_of(TYPE), put, operation="runCommands.start")
    azure.route("PATCH", arm.path_of(TYPE), patch, operation="runCommands.start")
    azure.route("DELETE", arm.path_of(TYPE), delete, operation="runCommands.delete")
    azure.operations.register(
        "runCommands.start",
        durations.Duration(typical=20, source="documented overhead of at least 20 s"),
        arm.succeed,
    )
    azure.operations.register(
        "runCommands.delete", durations.Duration(typical=12, source="estimate"), arm.vanish
    )


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = arm.prepare_put(azure, request, _PROPERTIES)
    return _write(azure, request, body, existing)


def patch(azure: context.Azure, request: model.Request) -> model.Response:
    existing = arm.require(azure, request.resource_id)
    change = request.json(shapes.resource(_PROPERTIES))
    properties = {**existing.state["requested"], **change.get("properties", {})}
    body = {"location": existing.location, "tags": existing.tags, "properties": properties}
    return _write(azure, request, body, existing)


def delete(azure: context.Azure, request: model.Request) -> model.Response:
    """Deleting a running command kills its script: that is how to cancel it."""
    run = azure.store.find(request.resource_id)
    if run is None:
        arm.require(azure, resource_ids.parent(request.resource_id))
        return model.empty_response(204)
    _check_machine(azure, run.id, "delete")
    operation = azure.operations.running(run)
    if operation is None or operation.state["operation"] != "runCommands.delete":
        azure.operations.preempt(run, "delete")
        script_runs.kill(azure, run)
        run.properties["provisioningState"] = "Deleting"
        operation = azure.operations.begin("runCommands.delete", run, retry_after=(10,))
    return operations.accepted(azure, request, operation)


def show(azure: context.Azure, run: store.Resource, request: model.Request) -> model.JsonObject:
    if request.query.get("$expand", "").lower() != "instanceview":
        return run.document
    properties = {**run.properties, "instanceView": run.state["view"]}
    return {**run.document, "properties": properties}


def _write(
    azure: context.Azure,
    request: model.Request,
    body: model.JsonObject,
    existing: store.Resource | None,
) -> model.Response:
    vm = _check_machine(azure, request.resource_id, "write")
    _check_architecture(vm)
    properties = body.get("properties", {})
    _check(properties)
    fingerprint = _fingerprint(properties)
    if existing is not None and existing.state["fingerprint"] == fingerprint:
        return model.json_response(200, existing.document)
    if existing is None and len(azure.store.children(vm.id, TYPE)) >= COMMANDS_MAX:
        message = f"VM '{vm.name}' already has the maximum of {COMMANDS_MAX} run commands."
        model.refuse(409, "OperationNotAllowed", message)
    if existing is not None:
        azure.operations.preempt(existing, "write")
        script_runs.kill(azure, existing)
    run = arm.file(azure, request, TYPE, body, existing)
    run.state.update(fingerprint=fingerprint, requested=json.loads(json.dumps(properties)))
    run.properties.pop("protectedParameters", None)
    run.properties.setdefault("asyncExecution", False)
    run.properties.setdefault("timeoutInSeconds", script_runs.TIMEOUT_SECONDS)
    run.properties["provisioningState"] = "Updating" if existing else "Creating"
    operation = script_runs.begin(azure, run)
    return operations.put_started(azure, request, run, operation, created=existing is None)


def _check_machine(azure: context.Azure, run_id: str, operation: str) -> store.Resource:
    vm = arm.require(azure, resource_ids.parent(run_id))
    power.check_not_deleting(vm, operation)
    if vm.state["power"] not in {"running", "starting", "creating"}:
        model.refuse(
            409,
            "OperationNotAllowed",
            "Cannot modify extensions in the VM when the VM is not running.",
        )
    return vm


def _check_architecture(vm: store.Resource) -> None:
    """The extension that runs them is published for x64 only, other than that of the action:
    https://learn.microsoft.com/azure/virtual-machines/linux/run-command-managed
    """
    if vm.state["architecture"] == "x64":
        return
    model.refuse(
        404,
        "ExtensionNotFoundForCPUArchitecture",
        "Extension with publisher 'Microsoft.CPlat.Core', type 'RunCommandHandlerLinux', and type "
        f"handler version '1.3' for CPU Architecture '{vm.state['architecture'].lower()}' was not "
        "found in the extension repository.",
    )


def _check(properties: model.JsonObject) -> None:
    source = properties.get("source") or {}
    given = [name for name in _SOURCES if source.get(name)]
    if len(given) != 1:
        message = f"Exactly one of {', '.join(_SOURCES)} must be given in 'source'."
        model.refuse(400, "InvalidParameter", message, target="source")
    script = source.get("script") or ""
    if len(script.encode()) > SCRIPT_BYTES_MAX:
        message = f"The script is longer than {SCRIPT_BYTES_MAX} bytes. Use scriptUri instead."
        model.refuse(400, "InvalidParameter", message, target="source.script")
    if int(properties.get("timeoutInSeconds", 1)) <= 0:
        message = "The value of parameter timeoutInSeconds is invalid."
        model.refuse(400, "InvalidParameter", message, target="timeoutInSeconds")


def _fingerprint(properties: model.JsonObject) -> str:
    text = json.dumps(properties, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
