"""Virtual machines: create, update, read. Power is in `power`, deletion in `vm_deletion`.

Hidden state of a machine:

| key | meaning |
|---|---|
| power | "", creating, starting, running, stopping, stopped, deallocating, deallocated |
| agent | whether the guest agent is Ready |
| generalized | whether it was marked so |
| machine | what is inside, see `machine.contents` |
| console | lines of the serial console |
| cores, family, isSpot, price | what it costs and counts against |
| requested, source | the body of its creation; what came of its image reference |
"""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

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
    times,
)
from local.azure_simulator.compute import data_disks, disks, placement, power, vm_checks, vm_views
from local.azure_simulator.data import locations
from local.azure_simulator.identity import user_identities
from local.azure_simulator.network import interfaces, writing

TYPE = placement.VM_TYPE
_OS_DEFAULTS = {"allowExtensionOperations": True, "requireGuestProvisionSignal": True}


def register(azure: context.Azure) -> None:
    resource_types.register_reads(azure, TYPE)
    azure.shows(TYPE, vm_views.show)
    azure.route("GET", arm.path_of(TYPE) + "/instanceView", get_instance_view)
    azure.route("PUT", arm.path_of(TYPE), put, operation="virtualMachines.create")
    azure.route("PATCH", arm.path_of(TYPE), patch, operation="virtualMachines.update")
    azure.operations.register(
        "virtualMachines.create",
        durations.Duration(typical=150, source="recorded exchange with the service"),
        _created,
        _failed,
    )
    azure.operations.register(
        "virtualMachines.update", durations.Duration(typical=10, source="estimate"), arm.succeed
    )


def get_instance_view(azure: context.Azure, request: model.Request) -> model.Response:
    vm = arm.require(azure, resource_ids.without_action(request.resource_id))
    return model.json_response(200, vm_views.instance_view(azure, vm))


def put(azure: context.Azure, request: model.Request) -> model.Response:
    """201 for a new machine; 200 for an update, which the same body is too."""
    body, existing = arm.prepare_put(azure, request, vm_checks.PROPERTIES)
    if existing is not None:
        return _update(azure, request, existing, body)
    checked = vm_checks.check_new(azure, request.resource_id, body)
    vm = arm.file(azure, request, TYPE, _without_secrets(body))
    vm.state.update(
        {
            "power": "creating",
            "label": "creating",
            "agent": False,
            "generalized": False,
            "machine": checked.source.contents,
            "console": [],
            "cores": checked.size.cores,
            "family": checked.size.family,
            "isSpot": checked.is_spot,
            "price": checked.size.price_per_hour * (0.3 if checked.is_spot else 1),
            "diskGb": checked.disk_gb,
            "generation": checked.source.generation,
            "architecture": checked.source.architecture,
            "diskControllers": checked.size.disk_controllers,
            "plan": checked.source.plan,
            "requested": _without_secrets(body),
            "runs": 0,
        }
    )
    _furnish_machine(azure, vm, has_gpu=checked.size.gpus > 0)
    _complete_document(azure, vm, exact_version=checked.source.exact_version)
    operation = azure.operations.begin(
        "virtualMachines.create", vm, error=checked.plan_problem, retry_after=(10, 50)
    )
    return operations.put_started(azure, request, vm, operation, created=True)


def patch(azure: context.Azure, request: model.Request) -> model.Response:
    vm = arm.require(azure, request.resource_id)
    return _update(azure, request, vm, request.json(shapes.resource(vm_checks.PROPERTIES)))


def _update(
    azure: context.Azure, request: model.Request, vm: store.Resource, body: model.JsonObject
) -> model.Response:
    power.check_not_deleting(vm, "update")
    vm_checks.check_unchanged(vm, body)
    _check_resize(azure, vm, body)
    running = azure.operations.running(vm)
    if running is not None and running.state["operation"] != "virtualMachines.create":
        power.refuse_conflict()
    _merge(vm.document, _without_secrets(body), keep=("id", "name", "type", "location"))
    _complete_document(azure, vm)
    operation = running
    if operation is None and not vm.state["power"]:
        vm.properties["provisioningState"] = (
            "Creating"  # what failed to be allocated is tried again
        )
        operation = azure.operations.begin("virtualMachines.create", vm, retry_after=(10, 50))
    elif operation is None:
        vm.properties["provisioningState"] = "Updating"
        operation = azure.operations.begin("virtualMachines.update", vm, retry_after=(10,))
    return operations.put_started(azure, request, vm, operation, created=False)


def _check_resize(azure: context.Azure, vm: store.Resource, body: model.JsonObject) -> None:
    wanted = body.get("properties", {}).get("hardwareProfile", {}).get("vmSize")
    if not wanted or wanted.lower() == vm.properties["hardwareProfile"]["vmSize"].lower():
        return
    size = placement.require_size(wanted, vm.location)
    placement.check_available(azure, size, vm.location)
    freed = vm.state["cores"] if vm.state["family"] == size.family else 0
    placement.check_quota(azure, size, vm.location, is_spot=vm.state["isSpot"], freed=freed)
    vm.state.update(cores=size.cores, family=size.family, price=size.price_per_hour)
    vm.state["machine"]["hasGpu"] = size.gpus > 0


# --- how a creation ends -------------------------------------------------------------------


def _created(azure: context.Azure, vm: store.Resource, operation: store.Resource) -> None:
    _create_disk(azure, vm)
    vm.properties["provisioningState"] = "Succeeded"
    power.boot(azure, vm)


def _failed(
    azure: context.Azure,
    vm: store.Resource,
    operation: store.Resource,
    error: model.JsonObject,
) -> None:
    """Nothing was allocated; except that a machine whose OS did not come up runs, and costs."""
    vm.properties["provisioningState"] = "Failed"
    vm.state["problem"] = error
    if error["code"].startswith(("OSProvisioning", "VMStart")):
        _create_disk(azure, vm)
        power.set_power(vm, "running")
    else:
        power.set_power(vm, "")


def _name_disk(azure: context.Azure, vm: store.Resource) -> None:
    disk = vm.properties["storageProfile"]["osDisk"]
    disk["osType"] = "Linux"
    if not disk.get("name"):
        disk["name"] = f"{vm.name}_OsDisk_1_{azure.new_guid('disk', vm.key).replace('-', '')}"


def _create_disk(azure: context.Azure, vm: store.Resource) -> None:
    _name_disk(azure, vm)  # a machine of an older state has none yet
    disk = vm.properties["storageProfile"]["osDisk"]
    name = disk["name"]
    group = resource_ids.group_id(vm.id)
    disk_id = f"{group}/providers/{disks.TYPE}/{name}"
    kind = (disk.get("managedDisk") or {}).get("storageAccountType", "Premium_LRS")
    if not disk.get("diffDiskSettings"):
        disks.create(azure, vm, disk_id, vm.state["diskGb"], kind)
    disk.update(
        diskSizeGB=vm.state["diskGb"],
        managedDisk={**(disk.get("managedDisk") or {}), "storageAccountType": kind, "id": disk_id},
    )
    disk.setdefault("deleteOption", "Detach")
    data_disks.create(azure, vm)


# --- documents -----------------------------------------------------------------------------


def _furnish_machine(azure: context.Azure, vm: store.Resource, *, has_gpu: bool) -> None:
    """What the new machine adds to what its image contains."""
    inside = vm.state["machine"]
    inside["user"] = vm.properties["osProfile"]["adminUsername"]
    inside["hasGpu"] = has_gpu
    inside["sealed"] = False
    inside["diskGb"] = vm.state["diskGb"]
    data_disks.attach(vm)
    attached = (vm.document.get("identity") or {}).get("userAssignedIdentities") or {}
    inside["identityIds"] = list(attached)
    inside["identities"] = [user_identities.client_id(azure, item) for item in attached]


def _complete_document(
    azure: context.Azure, vm: store.Resource, exact_version: str | None = None
) -> None:
    properties = vm.properties
    properties.setdefault("vmId", azure.new_guid("vm", vm.key))
    properties.setdefault("timeCreated", times.text(azure.now))
    properties.setdefault("provisioningState", "Creating")
    for name, value in _OS_DEFAULTS.items():
        properties["osProfile"].setdefault(name, value)
    _name_disk(azure, vm)
    vm.document["location"] = locations.canonical(vm.location)
    identity = user_identities.shown(azure, vm.document)
    if identity is not None:
        vm.document["identity"] = identity
    if exact_version is not None:
        properties["storageProfile"]["imageReference"]["exactVersion"] = exact_version
    _create_interfaces(azure, vm)


def _create_interfaces(azure: context.Azure, vm: store.Resource) -> None:
    """Turn inline configurations into interfaces of their own."""
    profile = vm.properties["networkProfile"]
    inline = profile.pop("networkInterfaceConfigurations", [])
    references = profile.setdefault("networkInterfaces", [])
    for configuration in [] if references else inline:
        name = f"{configuration['name']}-{azure.new_guid('interface', vm.key)[:8]}"
        interface_id = f"{resource_ids.group_id(vm.id)}/providers/{interfaces.TYPE}/{name}"
        interfaces.create_inline(azure, interface_id, vm.location, configuration)
        given = configuration["properties"]
        chosen = {"primary": given.get("primary", True)}
        chosen["deleteOption"] = given.get("deleteOption", "Detach")
        references.append({"id": interface_id, "properties": chosen})
    writing.set_uses(vm, *(item["id"] for item in references))


def _without_secrets(body: model.JsonObject) -> model.JsonObject:
    """A copy of the body without what Azure never gives back."""
    document: model.JsonObject = json.loads(json.dumps(body))
    profile = document.get("properties", {}).get("osProfile", {})
    for secret in ("adminPassword", "customData"):
        profile.pop(secret, None)
    document.get("properties", {}).pop("userData", None)
    return document


def _merge(document: model.JsonObject, change: model.JsonObject, keep: tuple[str, ...]) -> None:
    """Lay the change over the document: objects merge, everything else is replaced."""
    for name, value in change.items():
        if name in keep:
            continue
        if isinstance(value, dict) and isinstance(document.get(name), dict) and name != "tags":
            _merge(document[name], value, keep=())
        else:
            document[name] = value
