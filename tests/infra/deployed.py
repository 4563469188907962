"""The template deployed into the simulator, as far as its types of resources go."""

from __future__ import annotations

import json
from pathlib import Path

from local.azure_simulator.core import LOCAL_SUBSCRIPTION, Simulator
from local.azure_simulator.identity import authorization
from local.azure_simulator.resource_ids import type_of
from tests.infra import template
from tests.world import World

SUBSCRIPTION = f"/subscriptions/{LOCAL_SUBSCRIPTION}"
GROUP = "batch-images-rg"  # `buildResourceGroups` of infra/main.bicepparam
NETWORK_GROUP = "team-network-rg"  # `networkResourceGroups` of everything.bicepparam
# Published types hold these (`make conformance`), and nothing of the app sends a request to them.
NOT_SIMULATED = {
    "Microsoft.DurableTask/schedulers",
    "Microsoft.DurableTask/schedulers/taskHubs",
    "Microsoft.Insights/actionGroups",
    "Microsoft.Insights/components",
    "Microsoft.Insights/scheduledQueryRules",
    "Microsoft.Insights/workbooks",
    "Microsoft.Network/privateDnsZones",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    "Microsoft.Network/privateEndpoints",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    "Microsoft.OperationalInsights/workspaces",
    "Microsoft.Web/serverfarms",
    "Microsoft.Web/sites",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Web/sites/config",
}
_PROPAGATION_SECONDS = 900
_OUTPUTS = {
    "monitoring": {"connectionString": "InstrumentationKey=00000000-0000-0000-0000-00000000000a"},
    "scheduler": {"connectionString": "Endpoint=https://scheduler"},
}


def deploy(azure: Simulator, snapshot: Path) -> dict[str, str]:
    """Create what is not there; the settings of the app."""
    for name in (GROUP, NETWORK_GROUP):
        put(azure, f"{SUBSCRIPTION}/resourceGroups/{name}", {})
    first = {
        "Microsoft.Resources/resourceGroups",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
    }
    identities: dict[str, str] = {}
    for each in template.resources(snapshot, {}):
        if each.type in first:
            _create(azure, each)
            identities |= _ids(azure, each)
    outputs = {**_OUTPUTS, "identities": identities}
    rest = [each for each in template.resources(snapshot, outputs) if each.type not in first]
    for each in sorted(rest, key=lambda one: one.type.endswith("/roleAssignments")):
        if each.type not in NOT_SIMULATED and type_of_scope(each) not in NOT_SIMULATED:
            _create(azure, each)
    return template.settings(rest)


def type_of_scope(resource: template.Resource) -> str:
    """The type of what a role is assigned on; nothing for another resource."""
    scope, _, kind = resource.id.rpartition("/providers/Microsoft.Authorization/")
    return type_of(scope) if kind.startswith("roleAssignments") else ""


def world(snapshot: Path, roles: authorization.Assigned | None = None) -> World:
    """The app as the template deploys it, on an Azure that refuses what its roles do not permit."""
    roles = roles or authorization.Assigned()
    made = World(own_settings=lambda azure: deploy(azure, snapshot), authorization=roles)
    made.engine.advance(_PROPAGATION_SECONDS)
    return made


def put(azure: Simulator, resource_id: str, body: template.Json) -> template.Json:
    """Somebody else's request, with every right; what Azure shows then."""
    url = f"https://management.azure.com{resource_id}?api-version=2025-04-01"
    return dict(azure.dispatch("PUT", url, {"location": "swedencentral", **body}).json())


def make_subnet(azure: Simulator) -> str:
    """A subnet that somebody else owns; its id."""
    group = f"{SUBSCRIPTION}/resourceGroups/{NETWORK_GROUP}"
    network = f"{group}/providers/Microsoft.Network/virtualNetworks/team"
    subnet = {"name": "nodes", "properties": {"addressPrefix": "10.9.1.0/24"}}
    space = {"addressPrefixes": ["10.9.0.0/16"]}
    put(azure, network, {"properties": {"addressSpace": space, "subnets": [subnet]}})
    return f"{network}/subnets/nodes"


def _create(azure: Simulator, resource: template.Resource) -> None:
    answer = azure.dispatch("PUT", resource.url, resource.body)
    assert answer.status < 300, (resource.id, json.loads(answer.body))


def _ids(azure: Simulator, resource: template.Resource) -> dict[str, str]:
    """The outputs of modules/identities.bicep."""
    made = azure.store.find(resource.id)
    assert made is not None
    of = "logs" if "-logs-" in resource.name else "app"
    return {
        f"{of}ClientId": made.properties.get("clientId", ""),
        f"{of}PrincipalId": made.properties.get("principalId", ""),
    }
