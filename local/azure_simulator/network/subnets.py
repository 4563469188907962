"""Subnets: they live inside their network's document and have routes of their own."""

from __future__ import annotations

import ipaddress
import json

from local.azure_simulator import arm, context, model, operations, resource_ids, shapes, store
from local.azure_simulator.network import writing

TYPE = "Microsoft.Network/virtualNetworks/subnets"
PROPERTIES = {
    "addressPrefix": str,
    "addressPrefixes": [str],
    "defaultOutboundAccess": bool,
    "natGateway": shapes.REFERENCE,
}
PRIVATE_SINCE = "2025-07-01"
"""https://learn.microsoft.com/azure/virtual-network/ip-services/default-outbound-access"""
RESERVED_ADDRESSES = 5
"""Azure keeps the first four addresses and the last of each subnet."""


def register(azure: context.Azure) -> None:
    collection = arm.path_of(TYPE).rpartition("/")[0]
    azure.route("GET", collection, list_subnets)
    azure.route("GET", arm.path_of(TYPE), get)
    azure.route("PUT", arm.path_of(TYPE), put, operation="subnets.write")
    azure.route("DELETE", arm.path_of(TYPE), delete, operation="subnets.delete")


def list_subnets(azure: context.Azure, request: model.Request) -> model.Response:
    network = arm.require(azure, resource_ids.without_action(request.resource_id))
    return model.json_response(200, {"value": network.properties["subnets"]})


def get(azure: context.Azure, request: model.Request) -> model.Response:
    subnet = find(azure, request.resource_id)
    if subnet is None:
        arm.require(azure, resource_ids.parent(request.resource_id))
        arm.refuse_not_found(request.resource_id)
    return model.json_response(200, subnet)


def put(azure: context.Azure, request: model.Request) -> model.Response:
    arm.check_writable(azure, request.resource_id)
    network = arm.require(azure, resource_ids.parent(request.resource_id))
    writing.check_idle(azure, network)
    wanted = {
        **request.json({"properties": PROPERTIES}),
        "name": resource_ids.name(request.resource_id),
    }
    prefixes = network.properties["addressSpace"]["addressPrefixes"]
    check(azure, network.id, wanted, prefixes, network.location)
    existing = find(azure, request.resource_id)
    others = [item for item in network.properties["subnets"] if item is not existing]
    network.properties["subnets"] = [*others, completed(network, wanted, request, existing)]
    note_uses(network)
    answer = writing.start(
        azure, request, network, "virtualNetworks.write", created=existing is None
    )
    shown = find(azure, request.resource_id)
    return model.json_response(answer.status, shown, answer.headers)


def delete(azure: context.Azure, request: model.Request) -> model.Response:
    subnet = find(azure, request.resource_id)
    if subnet is None:
        return model.empty_response(204)
    network = arm.require(azure, resource_ids.parent(request.resource_id))
    writing.check_idle(azure, network)
    check_unused(azure, request.resource_id)
    network.properties["subnets"].remove(subnet)
    note_uses(network)
    operation = azure.operations.begin("virtualNetworks.write", network, retry_after=(10,))
    return operations.accepted(azure, request, operation)


def find(azure: context.Azure, subnet_id: str) -> model.JsonObject | None:
    """The subnet's document inside its network, or None."""
    network = azure.store.find(resource_ids.parent(subnet_id))
    subnets = [] if network is None else network.properties.get("subnets", [])
    for subnet in subnets:
        if resource_ids.same(subnet["id"], subnet_id):
            found: model.JsonObject = subnet
            return found
    return None


def has_outbound(azure: context.Azure, subnet_id: str) -> bool:
    """Whether a machine without a public address reaches the internet from this subnet."""
    subnet = find(azure, subnet_id)
    properties = {"defaultOutboundAccess": False} if subnet is None else subnet["properties"]
    return bool(properties.get("natGateway") or properties.get("defaultOutboundAccess", True))


def check(
    azure: context.Azure,
    network_id: str,
    subnet: model.JsonObject,
    prefixes: list[str],
    location: str,
) -> None:
    """Refuses a subnet outside its network's addresses or with an unknown NAT gateway."""
    properties = subnet.get("properties", {})
    prefix = properties.get("addressPrefix") or (properties.get("addressPrefixes") or [""])[0]
    if not _is_within(prefix, prefixes):
        model.refuse(
            400,
            "NetcfgSubnetRangeOutsideVnet",
            f"Subnet '{subnet['name']}' is not valid because its IP address range is outside the "
            f"IP address range of virtual network '{resource_ids.name(network_id)}'.",
        )
    gateway = (properties.get("natGateway") or {}).get("id")
    writing.check_reference(azure, gateway, f"{network_id}/subnets/{subnet['name']}", location)


def check_room(azure: context.Azure, subnet_id: str, by: str) -> model.JsonObject:
    """The subnet, which must exist and have a free address for one more interface."""
    subnet = find(azure, subnet_id)
    if subnet is None:
        writing.refuse_reference(subnet_id, by)
    prefix = subnet["properties"]["addressPrefix"]
    free = ipaddress.ip_network(prefix).num_addresses - RESERVED_ADDRESSES
    if len(writing.users_of(azure, subnet_id)) >= free:
        model.refuse(
            400,
            "SubnetIsFull",
            f"Subnet {subnet['name']} with address prefix {prefix} does not have enough capacity "
            "for 1 IP addresses.",
        )
    return subnet


def check_unused(azure: context.Azure, subnet_id: str) -> None:
    users = writing.users_of(azure, subnet_id)
    if users:
        model.refuse(
            400,
            "InUseSubnetCannotBeDeleted",
            f"Subnet {resource_ids.name(subnet_id)} is in use by {users[0].id} and cannot be "
            "deleted. In order to delete the subnet, delete all the resources within the subnet. "
            "See aka.ms/deletesubnet.",
        )


def completed(
    network: store.Resource,
    subnet: model.JsonObject,
    request: model.Request,
    existing: model.JsonObject | None,
) -> model.JsonObject:
    """A subnet of a request as the network's document carries it.

    What says nothing of its outbound access is private since an API version, and open before it.
    """
    document: model.JsonObject = json.loads(json.dumps(subnet))
    document["id"] = f"{network.id}/subnets/{subnet['name']}"
    document["type"] = TYPE
    properties = document.setdefault("properties", {})
    properties.setdefault("addressPrefix", (properties.get("addressPrefixes") or [""])[0])
    known = (existing or {"properties": {}})["properties"]
    if "defaultOutboundAccess" in known:
        properties.setdefault("defaultOutboundAccess", known["defaultOutboundAccess"])
    elif existing is None and request.query.get("api-version", "") >= PRIVATE_SINCE:
        properties.setdefault("defaultOutboundAccess", False)
    properties["provisioningState"] = "Updating"
    return document


def note_uses(network: store.Resource) -> None:
    """A network uses the NAT gateways of its subnets."""
    found = [item["properties"].get("natGateway") for item in network.properties["subnets"]]
    writing.set_uses(network, *(gateway["id"] for gateway in found if gateway))


def _is_within(prefix: str, prefixes: list[str]) -> bool:
    try:
        inner = ipaddress.IPv4Network(prefix)
        return any(inner.subnet_of(ipaddress.IPv4Network(outer)) for outer in prefixes)
    except ValueError:
        return False
