"""NAT gateways: Standard only, with Standard public addresses."""

from __future__ import annotations

from local.azure_simulator import arm, context, durations, model, resource_types, shapes, store
from local.azure_simulator.network import writing

TYPE = "Microsoft.Network/natGateways"
_PROPERTIES = {"publicIpAddresses": [shapes.REFERENCE]}
COST_PER_HOUR = 0.045
"""US dollars, without data."""


def register(azure: context.Azure) -> None:
    resource_types.register(
        azure,
        TYPE,
        "natGateways",
        put=put,
        write=durations.Duration(typical=15, source="recorded Retry-After 10"),
        delete=durations.Duration(typical=15, source="estimate"),
        written=writing.finish,
        check_delete=_check_delete,
        delete_retry_after=(10,),
    )


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = writing.require_put(azure, request, _PROPERTIES)
    if body.get("sku", {}).get("name") not in {"Standard", "StandardV2"}:
        message = f"NAT gateway {request.resource_id} must have the sku Standard."
        model.refuse(400, "InvalidRequestFormat", message, target="sku")
    addresses = [item["id"] for item in body.get("properties", {}).get("publicIpAddresses", [])]
    for address_id in addresses:
        _check_address(azure, request.resource_id, address_id, body["location"])
    gateway = arm.file(azure, request, TYPE, body, existing)
    gateway.cost_per_hour = COST_PER_HOUR
    writing.set_uses(gateway, *addresses)
    return writing.start(
        azure,
        request,
        gateway,
        "natGateways.write",
        created=existing is None,
        retry_after=(10,),
    )


def _check_address(azure: context.Azure, gateway_id: str, address_id: str, location: str) -> None:
    """The exact code of this refusal is not documented."""
    address = writing.check_reference(azure, address_id, gateway_id, location)
    if address is not None and address.document.get("sku", {}).get("name") != "Standard":
        message = f"NAT gateway {gateway_id} cannot use the non-Standard public IP {address_id}."
        model.refuse(400, "NatGatewayPublicIpSkuMismatch", message)


def _check_delete(azure: context.Azure, gateway: store.Resource) -> None:
    """The exact code of this refusal is not documented."""
    message = "NAT gateway {name} cannot be deleted because it is in use by {user}."
    writing.check_unused(azure, gateway, "InUseNatGatewayCannotBeDeleted", message)
