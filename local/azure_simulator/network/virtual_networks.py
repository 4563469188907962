"""Virtual networks, with their subnets inline.

New subnets are private since network API 2025-07-01: without `"defaultOutboundAccess": true` or a
NAT gateway nothing in them reaches the internet.
"""

from __future__ import annotations

from local.azure_simulator import arm, context, durations, model, resource_types, store
from local.azure_simulator.network import subnets, writing

TYPE = "Microsoft.Network/virtualNetworks"
_PROPERTIES = {
    "addressSpace": {"addressPrefixes": [str]},
    "subnets": [{"name!": str, "properties": subnets.PROPERTIES}],
}


def register(azure: context.Azure) -> None:
    resource_types.register(
        azure,
        TYPE,
        "virtualNetworks",
        put=put,
        write=durations.Duration(typical=6, source="recorded Retry-After 3, then 10"),
        delete=durations.Duration(typical=12, source="estimate"),
        written=_finish,
        check_delete=_check_delete,
        delete_retry_after=(10,),
    )


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = writing.require_put(azure, request, _PROPERTIES)
    properties = body.get("properties", {})
    prefixes = properties.get("addressSpace", {}).get("addressPrefixes", [])
    if not prefixes:
        message = f"Address space of virtual network {request.resource_id} is empty."
        model.refuse(400, "InvalidRequestFormat", message, target="addressSpace")
    wanted = properties.get("subnets", [])
    for subnet in wanted:
        subnets.check(azure, request.resource_id, subnet, prefixes, body["location"])
    if existing is not None:
        _check_removed(azure, existing, wanted)
    known = (
        {}
        if existing is None
        else {item["name"].lower(): item for item in existing.properties["subnets"]}
    )
    network = arm.file(azure, request, TYPE, body, existing)
    network.properties["subnets"] = [
        subnets.completed(network, item, request, known.get(item["name"].lower()))
        for item in wanted
    ]
    network.properties.setdefault("enableDdosProtection", False)
    subnets.note_uses(network)
    return writing.start(
        azure,
        request,
        network,
        "virtualNetworks.write",
        created=existing is None,
        retry_after=(3, 10),
    )


def _finish(azure: context.Azure, network: store.Resource, operation: store.Resource) -> None:
    writing.finish(azure, network, operation)
    for subnet in network.properties["subnets"]:
        subnet["properties"]["provisioningState"] = "Succeeded"
        subnet["etag"] = network.document["etag"]


def _check_removed(
    azure: context.Azure, network: store.Resource, wanted: list[model.JsonObject]
) -> None:
    """A PUT without a subnet removes it, which must not be in use."""
    kept = {item["name"].lower() for item in wanted}
    for subnet in network.properties.get("subnets", []):
        if subnet["name"].lower() not in kept:
            subnets.check_unused(azure, subnet["id"])


def _check_delete(azure: context.Azure, network: store.Resource) -> None:
    writing.check_idle(azure, network)
    for subnet in network.properties.get("subnets", []):
        subnets.check_unused(azure, subnet["id"])
