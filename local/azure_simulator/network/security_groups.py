"""Network security groups: they are kept, and filter nothing."""

from __future__ import annotations

from local.azure_simulator import (
    arm,
    context,
    durations,
    model,
    operations,
    resource_ids,
    resource_types,
    store,
)
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
    path = arm.path_of(TYPE + "/securityRules")
    azure.route("GET", path.rpartition("/")[0], list_rules)
    azure.route("GET", path, get_rule)
    azure.route("PUT", path, put_rule, operation="securityRules.write")
    azure.route("DELETE", path, delete_rule, operation="securityRules.delete")


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = writing.require_put(azure, request, _PROPERTIES)
    group = arm.file(azure, request, TYPE, body, existing)
    group.properties.setdefault("securityRules", [])
    group.properties["defaultSecurityRules"] = [_default_rule(*rule) for rule in _DEFAULTS]
    for kind in ("securityRules", "defaultSecurityRules"):
        for rule in group.properties[kind]:
            _complete(group, kind, rule)
    return writing.start(
        azure, request, group, "networkSecurityGroups.write", created=existing is None
    )


# --- rules, which live inside their group's document ---------------------------------------


def list_rules(azure: context.Azure, request: model.Request) -> model.Response:
    group = arm.require(azure, resource_ids.without_action(request.resource_id))
    return model.json_response(200, {"value": group.properties["securityRules"]})


def get_rule(azure: context.Azure, request: model.Request) -> model.Response:
    group = arm.require(azure, resource_ids.parent(request.resource_id))
    rule = _find(group, request.parameters["name"])
    if rule is None:
        arm.refuse_not_found(request.resource_id)
    return model.json_response(200, rule)


def put_rule(azure: context.Azure, request: model.Request) -> model.Response:
    body = request.json({"properties!": _RULE})
    group = arm.require(azure, resource_ids.parent(request.resource_id))
    writing.check_idle(azure, group)
    name = request.parameters["name"]
    before = _find(group, name)
    rule = {"name": name, "properties": body["properties"]}
    _complete(group, "securityRules", rule)
    others = [item for item in group.properties["securityRules"] if item is not before]
    group.properties["securityRules"] = [*others, rule]
    answer = writing.start(
        azure, request, group, "networkSecurityGroups.write", created=before is None
    )
    return model.json_response(answer.status, rule, answer.headers)


def delete_rule(azure: context.Azure, request: model.Request) -> model.Response:
    group = arm.require(azure, resource_ids.parent(request.resource_id))
    rule = _find(group, request.parameters["name"])
    if rule is None:
        return model.empty_response(204)
    writing.check_idle(azure, group)
    group.properties["securityRules"].remove(rule)
    operation = azure.operations.begin("networkSecurityGroups.write", group, retry_after=(10,))
    return operations.accepted(azure, request, operation)


def _find(group: store.Resource, name: str) -> model.JsonObject | None:
    rules: list[model.JsonObject] = group.properties["securityRules"]
    return next((rule for rule in rules if rule["name"].lower() == name.lower()), None)


def _complete(group: store.Resource, kind: str, rule: model.JsonObject) -> None:
    rule["id"] = f"{group.id}/{kind}/{rule['name']}"
    rule["type"] = f"{TYPE}/{kind}"
    rule["properties"]["provisioningState"] = "Succeeded"


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
