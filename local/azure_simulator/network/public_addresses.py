"""Public IP addresses."""

from __future__ import annotations

from local.azure_simulator import arm, context, durations, model, resource_types, store
from local.azure_simulator.network import writing

TYPE = "Microsoft.Network/publicIPAddresses"
COST_PER_HOUR = 0.005
"""Standard static address, US dollars."""
_DEFAULTS = {
    "publicIPAddressVersion": "IPv4",
    "publicIPAllocationMethod": "Dynamic",
    "idleTimeoutInMinutes": 4,
    "ipTags": [],
    "ddosSettings": {"protectionMode": "VirtualNetworkInherited"},
}


def register(azure: context.Azure) -> None:
    resource_types.register(
        azure,
        TYPE,
        "publicIPAddresses",
        put=put,
        write=durations.Duration(typical=4, source="recorded Retry-After 1"),
        delete=durations.Duration(typical=10, source="estimate"),
        written=_finish,
        check_delete=_check_delete,
        delete_retry_after=(10,),
    )


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = writing.require_put(azure, request, {"publicIPAllocationMethod": str})
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
    address.document["sku"] = {"name": "Basic", "tier": "Regional", **body.get("sku", {})}
    address.document["properties"] = {**_DEFAULTS, **address.properties}
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
