"""Public IP addresses."""

from __future__ import annotations

from local.azure_simulator import arm, context, model, store
from local.azure_simulator.network import writing

TYPE = "Microsoft.Network/publicIPAddresses"
COST_PER_HOUR = 0.005
"""Standard static address, US dollars."""


def register(azure: context.Azure) -> None:
    arm.register_reads(azure, TYPE)
    azure.route("PUT", arm.path_of(TYPE), put, operation="publicIPAddresses.write")
    azure.route(
        "DELETE",
        arm.path_of(TYPE),
        arm.delete("publicIPAddresses.delete", check=_check_delete, retry_after=(10,)),
        operation="publicIPAddresses.delete",
    )
    azure.operations.register("publicIPAddresses.write", _finish)
    azure.operations.register("publicIPAddresses.delete", arm.vanish)


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = writing.require_put(azure, request)
    properties = body.get("properties", {})
    is_standard = body.get("sku", {}).get("name") == "Standard"
    if is_standard and properties.get("publicIPAllocationMethod") == "Dynamic":
        model.refuse(
            400,
            "StandardSkuPublicIPAddressesMustBeStatic",
            f"Standard sku publicIp {request.resource_id} must have AllocationMethod set to "
            "Static.",
        )
    address = arm.file(azure, request, TYPE, body, existing)
    address.cost_per_hour = COST_PER_HOUR
    return writing.start(
        azure,
        request,
        address,
        "publicIPAddresses.write",
        created=existing is None,
        retry_after=(1,),
    )


def _finish(azure: context.Azure, address: store.Resource, operation: store.Resource) -> None:
    digest = azure.durations.chance("address", address.key)
    address.properties["ipAddress"] = f"20.{int(digest * 240)}.{int(digest * 1e5) % 250}.10"
    writing.finish(azure, address, operation)


def _check_delete(azure: context.Azure, address: store.Resource) -> None:
    message = (
        "Public IP address {name} can not be deleted since it is still allocated to resource "
        "{user}. In order to delete the public IP, disassociate/detach the Public IP address from "
        "the resource."
    )
    writing.check_unused(azure, address, "PublicIPAddressCannotBeDeleted", message)
