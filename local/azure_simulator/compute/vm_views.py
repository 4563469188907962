"""How a virtual machine is shown: its document, and its instance view."""

from __future__ import annotations

from local.azure_simulator import context, model, store, times
from local.azure_simulator.compute import power as power_changes

_POWER_TEXT = {
    "starting": "VM starting",
    "running": "VM running",
    "stopping": "VM stopping",
    "stopped": "VM stopped",
    "deallocating": "VM deallocating",
    "deallocated": "VM deallocated",
}


def show(azure: context.Azure, vm: store.Resource, request: model.Request) -> model.JsonObject:
    """The document; with `$expand=instanceView` (any case) the view inside it."""
    if request.query.get("$expand", "").lower() != "instanceview":
        return vm.document
    properties = {**vm.properties, "instanceView": instance_view(azure, vm)}
    return {**vm.document, "properties": properties}


def instance_view(azure: context.Azure, vm: store.Resource) -> model.JsonObject:
    power_changes.look_inside(azure, vm)
    statuses = [_provisioning_status(azure, vm)]
    if vm.state["generalized"]:
        generalized = {"code": "OSState/generalized", "displayStatus": "VM generalized"}
        statuses.append({**generalized, "level": "Info"})
    power = vm.state["power"]
    if power in _POWER_TEXT:
        text = _POWER_TEXT[power]
        statuses.append({"code": f"PowerState/{power}", "level": "Info", "displayStatus": text})
    view: model.JsonObject = {"statuses": statuses, "hyperVGeneration": vm.state["generation"]}
    if power == "running":
        view["computerName"] = vm.properties["osProfile"]["computerName"]
        view["vmAgent"] = _agent(azure, vm)
    if vm.properties.get("diagnosticsProfile"):
        view["bootDiagnostics"] = {}
    return view


def _provisioning_status(azure: context.Azure, vm: store.Resource) -> model.JsonObject:
    state = vm.properties["provisioningState"]
    status = {
        "code": f"ProvisioningState/{state.lower()}",
        "level": "Info",
        "displayStatus": f"Provisioning {state.lower()}",
        "time": times.text(azure.now),
    }
    problem = vm.state.get("problem")
    if state == "Failed" and problem:
        status["code"] = f"ProvisioningState/failed/{problem['code']}"
        status["level"] = "Error"
        status["message"] = problem["message"]
    return status


def _agent(azure: context.Azure, vm: store.Resource) -> model.JsonObject:
    is_ready = vm.state["agent"]
    ready = (
        "ProvisioningState/succeeded",
        "Ready",
        "GuestAgent is running and processing the extensions.",
    )
    unready = (
        "ProvisioningState/Unavailable",
        "Not Ready",
        "VM status blob is found but not yet populated.",
    )
    code, text, message = ready if is_ready else unready
    status = {
        "code": code,
        "level": "Info" if is_ready else "Warning",
        "displayStatus": text,
        "message": message,
        "time": times.text(azure.machine_now),
    }
    return {
        "vmAgentVersion": "2.13.1.1" if is_ready else "Unknown",
        "statuses": [status],
        "extensionHandlers": [],
    }
