"""Network security groups: they are kept, and filter nothing."""

from __future__ import annotations

from local.azure_simulator import arm, context, durations, model, resource_types, store
from local.azure_simulator.network import writing

TYPE = "Microsoft.Network/networkSecurityGroups"
_RULE = {"access!": str, "direction!": str, "priority!": int, "protocol!": str}
_PROPERTIES = {"securityRules": [{"name!": str, "properties!": _RULE}]}
# https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview
_DEFAULTS = (
    ("AllowVnetInBound", "Inbound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowAzureLoadBalancerInBound", "Inbound", 65001, "Allow", "AzureLoadBalancer", "*"),
    ("DenyAllInBound", "Inbound", 65500, "Deny", "*", "*"),
    ("AllowVnetOutBound", "Outbound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowInternetOutBound", "Outbound", 65001, "Allow", "*", "Internet"),
    ("DenyAllOutBound", "Outbound", 65500, "Deny", "*", "*"),
)


def register(azure: context.Azure) -> None:
    resource_types.register(
        azure,
        TYPE,
        "networkSecurityGroups",
        put=put,
        write=durations.Duration(typical=3, source="estimate"),
        delete=durations.Duration(typical=10, source="estimate"),
        written=writing.finish,
        check_delete=_check_delete,
        delete_retry_after=(10,),
    )


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = writing.require_put(azure, request, _PROPERTIES)
    group = arm.file(azure, request, TYPE, body, existing)
    group.properties.setdefault("securityRules", [])
    group.properties["defaultSecurityRules"] = [_default_rule(*rule) for rule in _DEFAULTS]
    for kind in ("securityRules", "defaultSecurityRules"):
        for rule in group.properties[kind]:
            rule["id"] = f"{group.id}/{kind}/{rule['name']}"
            rule["type"] = f"{TYPE}/{kind}"
            rule["properties"]["provisioningState"] = "Succeeded"
    return writing.start(
        azure, request, group, "networkSecurityGroups.write", created=existing is None
    )


def _default_rule(
    name: str, direction: str, priority: int, access: str, source: str, destination: str
) -> model.JsonObject:
    properties = {
        "direction": direction,
        "priority": priority,
        "access": access,
        "protocol": "*",
        "sourceAddressPrefix": source,
        "sourcePortRange": "*",
        "destinationAddressPrefix": destination,
        "destinationPortRange": "*",
    }
    return {"name": name, "properties": properties}


def _check_delete(azure: context.Azure, group: store.Resource) -> None:
    message = (
        "Network security group {name} cannot be deleted because it is in use by the following "
        "resources: {user}. In order to delete the Network security group, remove the association "
        "with the resource(s)."
    )
    writing.check_unused(azure, group, "InUseNetworkSecurityGroupCannotBeDeleted", message)
