"""Network interfaces: written by PUT, or created inline with a virtual machine."""

from __future__ import annotations

import ipaddress

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
from local.azure_simulator.network import subnets, writing

TYPE = "Microsoft.Network/networkInterfaces"
_CONFIGURATION = {"subnet": shapes.REFERENCE, "publicIPAddress": shapes.REFERENCE}
PROPERTIES = {
    "ipConfigurations": [{"name!": str, "properties!": _CONFIGURATION}],
    "networkSecurityGroup": shapes.REFERENCE,
}


def register(azure: context.Azure) -> None:
    resource_types.register(
        azure,
        TYPE,
        "networkInterfaces",
        put=put,
        write=durations.Duration(typical=1, source="recorded as finished at once"),
        delete=durations.Duration(typical=10, source="estimate"),
        written=writing.finish,
        check_delete=_check_delete,
        delete_retry_after=(10,),
    )


def put(azure: context.Azure, request: model.Request) -> model.Response:
    """201 and already Succeeded, with the operation's header all the same."""
    body, existing = writing.require_put(azure, request, PROPERTIES)
    check_configurations(azure, request.resource_id, body, existing)
    interface = arm.file(azure, request, TYPE, body, existing)
    complete(azure, interface)
    operation = azure.operations.begin("networkInterfaces.write", interface)
    return operations.put_started(azure, request, interface, operation, created=existing is None)


def create_inline(
    azure: context.Azure, interface_id: str, location: str, configuration: model.JsonObject
) -> store.Resource:
    """The interface that a virtual machine brings with it, at once."""
    document = {
        "id": interface_id,
        "name": resource_ids.name(interface_id),
        "type": TYPE,
        "location": location,
        "properties": dict(configuration.get("properties", {})),
    }
    interface = azure.store.add(store.Resource(id=interface_id, type=TYPE, document=document))
    complete(azure, interface)
    return interface


def complete(azure: context.Azure, interface: store.Resource) -> None:
    """Fill in what Azure decides, and note what the interface uses."""
    for index, configuration in enumerate(interface.properties.get("ipConfigurations", [])):
        configuration["id"] = f"{interface.id}/ipConfigurations/{configuration['name']}"
        properties = configuration["properties"]
        properties.setdefault("privateIPAddress", _address(azure, properties, index))
        properties["provisioningState"] = "Succeeded"
    used = [item for ids in _references(interface.document) for item in ids]
    used.append((interface.properties.get("networkSecurityGroup") or {}).get("id"))
    writing.set_uses(interface, *used)
    interface.properties["provisioningState"] = "Succeeded"
    writing.stamp(azure, interface)


def _address(azure: context.Azure, properties: model.JsonObject, index: int) -> str:
    """The first one in the subnet that nothing uses, as far as only these interfaces do."""
    subnet_id = (properties.get("subnet") or {}).get("id", "")
    subnet = subnets.find(azure, subnet_id)
    if subnet is None:
        return f"10.0.0.{4 + index}"
    network = ipaddress.ip_network(subnet["properties"]["addressPrefix"])
    return str(network[4 + index + len(writing.users_of(azure, subnet_id))])


def check_configurations(
    azure: context.Azure,
    interface_id: str,
    body: model.JsonObject,
    existing: store.Resource | None = None,
) -> None:
    """Subnets exist and have room; public addresses exist."""
    group = body.get("properties", {}).get("networkSecurityGroup") or {}
    writing.check_reference(azure, group.get("id"), interface_id, body.get("location") or "")
    already = existing.state.get("uses", []) if existing else []
    for subnet_id, address_id in _references(body):
        if subnet_id and resource_ids.key(subnet_id) not in already:
            subnets.check_room(azure, subnet_id, interface_id)
        location = body.get("location") or ""
        if address_id:
            writing.check_reference(azure, address_id, interface_id, location)


def has_outbound(azure: context.Azure, interface: store.Resource) -> bool:
    """By its own public address, or by what its subnet offers."""
    return any(
        bool(address_id) or (bool(subnet_id) and subnets.has_outbound(azure, subnet_id or ""))
        for subnet_id, address_id in _references(interface.document)
    )


def _references(document: model.JsonObject) -> list[tuple[str | None, str | None]]:
    """Subnet and public address of each IP configuration."""
    configurations = document.get("properties", {}).get("ipConfigurations", [])
    found = []
    for configuration in configurations:
        properties = configuration.get("properties", {})
        address = properties.get("publicIPAddress") or {}
        found.append(((properties.get("subnet") or {}).get("id"), address.get("id")))
    return found


def _check_delete(azure: context.Azure, interface: store.Resource) -> None:
    message = (
        "Network Interface {name} is used by existing resource {user}. In order to delete the "
        "network interface, it must be dissociated from the resource. To learn more, see "
        "aka.ms/deletenic."
    )
    writing.check_unused(azure, interface, "NicInUse", message)
