"""Managed images: the older way to keep a generalized machine."""

from __future__ import annotations

from local.azure_simulator import arm, context, durations, model, resource_types, shapes, store
from local.azure_simulator.compute import data_disks, placement

TYPE = "Microsoft.Compute/images"
_PROPERTIES = {"sourceVirtualMachine": shapes.REFERENCE, "hyperVGeneration": str}
_COST_PER_GB_HOUR = 0.05 / 730
"""Standard storage, US dollars."""


def register(azure: context.Azure) -> None:
    resource_types.register(
        azure,
        TYPE,
        "images",
        put=put,
        write=durations.Duration(typical=60, source="estimate"),
        delete=durations.Duration(typical=10, source="estimate"),
        delete_retry_after=(10,),
    )
    azure.on(TYPE, "vanish", _vanish)


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = arm.prepare_put(azure, request, _PROPERTIES)
    source = (body.get("properties", {}).get("sourceVirtualMachine") or {}).get("id", "")
    vm = _require_source(azure, source)
    generation = body["properties"].get("hyperVGeneration", "V1")
    if generation != vm.state["generation"]:
        message = (
            f"The hyperVGeneration '{generation}' of the image does not match that of the source "
            f"virtual machine, '{vm.state['generation']}'."
        )
        model.refuse(400, "InvalidParameter", message, target="hyperVGeneration")
    image = arm.file(azure, request, TYPE, body, existing)
    image.properties["hyperVGeneration"] = generation
    _capture(azure, image, vm)
    return arm.start_write(
        azure, request, image, "images.write", created=existing is None, retry_after=(10,)
    )


def _require_source(azure: context.Azure, source: str) -> store.Resource:
    vm = azure.store.find(source) if source else None
    if vm is None or not vm.is_type(placement.VM_TYPE):
        message = f"The source virtual machine '{source}' was not found."
        model.refuse(404, "NotFound", message, target="sourceVirtualMachine")
    security = (vm.properties.get("securityProfile") or {}).get("securityType")
    if security == "TrustedLaunch":
        model.refuse(
            409,
            "OperationNotAllowed",
            "Creation of managed images are not supported for virtual machine with TrustedLaunch "
            "security type.",
        )
    # Recorded: https://github.com/hashicorp/packer-plugin-azure/issues/366
    if vm.state["architecture"] != "x64":
        message = (
            "Creating an image with sourceVirtualMachine source that has CPU Architecture "
            f"'{vm.state['architecture']}' is not supported. Please select a source resource with "
            "a supported CPU Architecture: 'x64'."
        )
        model.refuse(409, "OperationNotAllowed", message)
    if not vm.state["generalized"]:
        message = (
            f"Operation 'CreateImage' is not allowed on VM '{vm.name}' since it is not generalized."
        )
        model.refuse(409, "OperationNotAllowed", message)
    return vm


def _vanish(azure: context.Azure, image: store.Resource, data: model.JsonObject) -> None:  # noqa: ARG001
    azure.machine.discard(image.state["contents"])


def _capture(azure: context.Azure, image: store.Resource, vm: store.Resource) -> None:
    if "contents" in image.state:
        azure.machine.discard(image.state["contents"])
    image.state.update(
        contents=azure.machine.capture(vm.state["machine"]),
        diskGb=vm.state["diskGb"],
        plan=vm.state["plan"],
    )
    image.cost_per_hour = vm.state["diskGb"] * _COST_PER_GB_HOUR
    image.properties["storageProfile"] = {
        "osDisk": {"osType": "Linux", "osState": "Generalized", "diskSizeGB": vm.state["diskGb"]}
    }
    if of_data := data_disks.of(image.state["contents"]):
        image.properties["storageProfile"]["dataDisks"] = [
            {"lun": d["lun"], "diskSizeGB": d["sizeInGB"], "caching": d["hostCaching"]}
            for d in of_data
        ]
