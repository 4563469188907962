"""The power of a virtual machine: actions, the guest's own doings, what each state costs.

creating ─▶ running ─▶ stopped ─▶ deallocated          CHANGES is the table of actions;
               ▲   └──────────────────▶ │              the guest may stop by itself
               └── starting ◀───────────┘
"""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

import dataclasses
from typing import NoReturn

from local.azure_simulator import arm, context, durations, model, operations, resource_ids, store
from local.azure_simulator.compute import placement
from local.azure_simulator.network import interfaces

TYPE = placement.VM_TYPE


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One action: from which states, through which state, to which."""

    allowed: frozenset[str]
    during: str
    then: str
    takes: durations.Duration
    retry_after: tuple[int, ...] = (10,)


_ON = frozenset({"running", "starting"})
_OFF = frozenset({"stopped", "deallocated"})
_ANY = _ON | _OFF | {"stopping", "deallocating", ""}

CHANGES = {
    "start": Change(
        allowed=_ON | _OFF,
        during="starting",
        then="running",
        takes=durations.Duration(typical=40, source="estimate"),
    ),
    "restart": Change(
        allowed=_ON,
        during="starting",
        then="running",
        takes=durations.Duration(typical=35, source="estimate"),
    ),
    "powerOff": Change(
        allowed=_ON | {"stopped"},
        during="stopping",
        then="stopped",
        takes=durations.Duration(typical=25, source="estimate"),
    ),
    "deallocate": Change(
        allowed=_ANY,
        during="deallocating",
        then="deallocated",
        takes=durations.Duration(typical=45, source="recorded Retry-After 36"),
        retry_after=(36,),
    ),
}
_PAID = _ON | {"stopped", "stopping"}
"""A machine that only its guest switched off still costs; deallocation ends that."""


def register(azure: context.Azure) -> None:
    for action, change in CHANGES.items():
        path = f"{arm.path_of(TYPE)}/{action}"
        azure.route("POST", path, act, operation=f"virtualMachines.{action}")
        azure.operations.register(f"virtualMachines.{action}", change.takes, _acted, _failed)
    azure.route("POST", arm.path_of(TYPE) + "/generalize", generalize)
    azure.on(TYPE, "agentReady", _agent_ready)
    azure.on(TYPE, "guest", _guest_event)
    ready = durations.Duration(typical=20, source="estimate, after running")
    azure.durations.add({"virtualMachines.agentReady": ready})


def act(azure: context.Azure, request: model.Request) -> model.Response:
    """202 with both headers; the same action under way is joined, another is a conflict."""
    vm = arm.require(azure, resource_ids.without_action(request.resource_id))
    look_inside(azure, vm)
    wanted = resource_ids.name(request.path).lower()
    action = next(name for name in CHANGES if name.lower() == wanted)
    check_not_deleting(vm, action)
    running = azure.operations.running(vm)
    if running is not None and running.state["operation"] != f"virtualMachines.{action}":
        refuse_conflict()
    if running is None:
        _check_allowed(vm, action)
        running = _begin(azure, vm, action)
    return operations.accepted(azure, request, running)


def generalize(azure: context.Azure, request: model.Request) -> model.Response:
    """200 at once; only marks the machine. Repeating it changes nothing."""
    vm = arm.require(azure, resource_ids.without_action(request.resource_id))
    check_not_deleting(vm, "generalize")
    look_inside(azure, vm)
    if vm.state["power"] not in _OFF:
        model.refuse(
            409,
            "OperationNotAllowed",
            f"Operation 'generalize' is not allowed on VM '{vm.name}' since the VM is "
            f"{vm.state['power'] or 'not created'}. Stop or deallocate it first.",
        )
    vm.state["generalized"] = True
    return model.empty_response(200)


def _check_allowed(vm: store.Resource, action: str) -> None:
    if vm.state["generalized"] and action in {"start", "restart"}:
        message = (
            f"Operation '{action}' is not allowed on VM '{vm.name}' since the VM is generalized."
        )
        model.refuse(409, "OperationNotAllowed", message)
    if vm.state["power"] not in CHANGES[action].allowed:
        model.refuse(
            409,
            "OperationNotAllowed",
            f"Operation '{action}' is not allowed on VM '{vm.name}' since the VM is "
            f"{vm.state['power']}.",
        )


def _begin(azure: context.Azure, vm: store.Resource, action: str) -> store.Resource:
    change = CHANGES[action]
    vm.properties["provisioningState"] = "Updating"
    if not (action == "start" and vm.state["power"] == "running"):
        go_down(azure, vm)
        set_power(vm, change.during)
    return azure.operations.begin(
        f"virtualMachines.{action}", vm, data={"action": action}, retry_after=change.retry_after
    )


def _acted(azure: context.Azure, vm: store.Resource, operation: store.Resource) -> None:
    change = CHANGES[operation.state["data"]["action"]]
    vm.properties["provisioningState"] = "Succeeded"
    was_running = vm.state["power"] == "running"
    if change.then == "running" and not was_running:
        boot(azure, vm)
    else:
        set_power(vm, change.then)


def _failed(
    azure: context.Azure, vm: store.Resource, operation: store.Resource, error: model.JsonObject
) -> None:
    """A machine that found no place to start is not placed: it stays deallocated."""
    operations.mark_failed(azure, vm, operation, error)
    if operation.state["data"]["action"] == "start" and vm.state["power"] == "starting":
        set_power(vm, "deallocated")


def set_power(vm: store.Resource, power: str) -> None:
    vm.state["power"] = power
    vm.state["label"] = power or "failed"
    vm.cost_per_hour = vm.state["price"] if power in _PAID else 0.0


def boot(azure: context.Azure, vm: store.Resource) -> None:
    """The machine runs; its agent is ready some seconds later, if it reaches the internet."""
    set_power(vm, "running")
    azure.machine.boot(vm.state["machine"])
    write_console(vm, f"[    0.000000] Linux version {vm.state['machine']['kernel']}")
    write_console(vm, f"{vm.properties['osProfile']['computerName']} login:")
    references = vm.properties["networkProfile"]["networkInterfaces"]
    found = [azure.store.find(reference["id"]) for reference in references]
    if any(item is not None and interfaces.has_outbound(azure, item) for item in found):
        azure.schedule(vm, "agentReady", azure.duration("virtualMachines.agentReady", vm))


def go_down(azure: context.Azure, vm: store.Resource) -> None:
    """The guest ends: no agent, no pending doings, and every running script is lost."""
    vm.state["agent"] = False
    vm.cancel("agentReady")
    vm.cancel("guest")
    azure.emit(vm, "wentDown")
    azure.machine.shut_down(vm.state["machine"])


def look_inside(azure: context.Azure, vm: store.Resource) -> None:
    """Learn what a machine that really executes has done by itself."""
    if vm.state["power"] == "running":
        seen = azure.machine.observe(vm.state["machine"])
        vm.state["console"].extend(seen.console)
        if seen.is_off:
            stop_from_inside(azure, vm)


def write_console(vm: store.Resource, line: str) -> None:
    vm.state["console"].append(line)


def check_not_deleting(vm: store.Resource, operation: str) -> None:
    if vm.properties["provisioningState"] == "Deleting":
        model.refuse(
            409,
            "OperationNotAllowed",
            f"Operation '{operation}' is not allowed on VM '{vm.name}' since the VM is marked for "
            "deletion. You can only retry the Delete operation (or wait for an ongoing one to "
            "complete).",
        )


def refuse_conflict() -> NoReturn:
    model.refuse(
        409,
        "Conflict",
        "The request failed due to conflict with a concurrent request. To resolve it, please refer "
        "to https://aka.ms/activitylog to get more details on the conflicting requests.",
    )


def _agent_ready(azure: context.Azure, vm: store.Resource, data: model.JsonObject) -> None:
    vm.state["agent"] = True
    azure.emit(vm, "agentCame")


def _guest_event(azure: context.Azure, vm: store.Resource, data: model.JsonObject) -> None:
    """What a script left behind: a console line, changes inside, switching itself off."""
    if data["console"]:
        write_console(vm, data["console"])
    vm.state["machine"].update(data["changes"])
    if data["powersOff"]:
        stop_from_inside(azure, vm)


def stop_from_inside(azure: context.Azure, vm: store.Resource) -> None:
    """Power off by the guest: stopped, and still paid for."""
    go_down(azure, vm)
    set_power(vm, "stopped")
