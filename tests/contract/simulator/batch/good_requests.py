"""A good request for every body that the simulator reads, in a world that has all they refer to."""

from __future__ import annotations

import dataclasses
from typing import Any

from azure_sandbox import GROUP, LOCATION, definition_body, run_body
from batch_sandbox import (
    ACCOUNT,
    HOST,
    BatchSandbox,
    containers_of,
    pool_body,
    reference,
    start_task,
)
from registry_requests import make_identity, make_registry, quick_build

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000001"
PROVIDERS = f"{SUBSCRIPTION}/providers"
BELOW = f"{SUBSCRIPTION}/resourceGroups/{GROUP}/providers"
IDENTITY = f"{BELOW}/Microsoft.ManagedIdentity/userAssignedIdentities/pull"
NETWORK, COMPUTE = f"{BELOW}/Microsoft.Network", f"{BELOW}/Microsoft.Compute"
IMAGES = f"{COMPUTE}/galleries/gallery/images"
REGISTRIES = f"{BELOW}/Microsoft.ContainerRegistry/registries"
ACCOUNTS = f"{BELOW}/Microsoft.Batch/batchAccounts"
SUBNET = f"{NETWORK}/virtualNetworks/net/subnets/build"
PLACED = {"location": LOCATION, "tags": {"build": "b1"}}
PAIRS = [{"name": "a", "value": "b"}]

TEMPLATE: dict[str, Any] = {
    "properties": {
        "mode": "Incremental",
        "parameters": {"prefix": {"value": "t"}},
        "template": {
            "parameters": {
                "prefix": {"type": "string"},
                "place": {"type": "string", "defaultValue": "[resourceGroup().location]"},
            },
            "variables": {"address": "[concat(parameters('prefix'), '-ip')]"},
            "resources": [
                {
                    "type": "Microsoft.Network/networkInterfaces",
                    "apiVersion": "2025-05-01",
                    "name": "[format('{0}-nic', parameters('prefix'))]",
                    "location": "[parameters('place')]",
                    "dependsOn": [
                        "[resourceId('Microsoft.Network/publicIPAddresses', variables('address'))]"
                    ],
                    "properties": {
                        "ipConfigurations": [
                            {"name": "ip", "properties": {"subnet": {"id": SUBNET}}}
                        ]
                    },
                },
                {
                    "type": "Microsoft.Network/publicIPAddresses",
                    "apiVersion": "2025-05-01",
                    "name": "[variables('address')]",
                    "location": "[parameters('place')]",
                    "sku": {"name": "Standard"},
                    "properties": {"publicIPAllocationMethod": "Static"},
                },
            ],
            "outputs": {"name": {"type": "string", "value": "[variables('address')]"}},
        },
    }
}

Requests = dict[str, tuple[str, str, dict[str, Any]]]
"""Method, path and body by a name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Good:
    """A request that succeeds."""

    method: str
    path: str
    body: dict[str, Any]


def make_everything() -> BatchSandbox:
    """A world in which each kind of resource exists."""
    world = BatchSandbox(throttled=False)
    world.make_sealed_vm(identity=make_identity(world).id)
    world.compute.virtual_machines.begin_create_or_update(GROUP, "vm", world.vm_body()).result()
    world.make_definition()
    world.make_version()
    world.make_account()
    world.make_pool(nodes=0)
    world.make_job()
    make_registry(world)
    rules = {"location": LOCATION, "properties": {}}
    world.network.network_security_groups.begin_create_or_update(GROUP, "rules", rules).result()
    return world


def of(world: BatchSandbox) -> dict[str, Good]:
    """All, with as many members as the simulator knows."""
    parts = (_basics(), _network(), _machines(world), _images(world), _registries(), _batch())
    return {
        name: Good(method=method, path=path, body=body)
        for part in (*parts, _service())
        for name, (method, path, body) in part.items()
    }


def _basics() -> Requests:
    role = {
        "roleDefinitionId": f"{PROVIDERS}/Microsoft.Authorization/roleDefinitions/r",
        "principalId": "p",
        "principalType": "ServicePrincipal",
    }
    deployment = f"{BELOW}/Microsoft.Resources/deployments/d"
    role_id = f"{BELOW}/Microsoft.Authorization/roleAssignments/r"
    return {
        "group": ("PUT", f"{SUBSCRIPTION}/resourceGroups/other", PLACED),
        "group tags": ("PATCH", f"{SUBSCRIPTION}/resourceGroups/{GROUP}", {"tags": {"a": "b"}}),
        "identity": ("PUT", f"{IDENTITY}2", PLACED),
        "role": ("PUT", role_id, {"properties": role}),
        "deployment": ("PUT", deployment, TEMPLATE),
        "validation": ("POST", f"{deployment}/validate", TEMPLATE),
    }


def _network() -> Requests:
    address = {"sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
    gateway = {
        "sku": {"name": "Standard"},
        "properties": {"publicIpAddresses": [{"id": f"{NETWORK}/publicIPAddresses/ip"}]},
    }
    network = {
        "addressSpace": {"addressPrefixes": ["10.21.0.0/24"]},
        "subnets": [{"name": "a", "properties": {"addressPrefix": "10.21.0.0/25"}}],
    }
    subnet = {"addressPrefix": "10.20.0.128/26", "defaultOutboundAccess": True}
    rule = {"access": "Allow", "direction": "Inbound", "priority": 100, "protocol": "Tcp"}
    filters = {"securityRules": [{"name": "ssh", "properties": rule}]}
    nic = {"ipConfigurations": [{"name": "ip", "properties": {"subnet": {"id": SUBNET}}}]}
    networks = f"{NETWORK}/virtualNetworks"
    return {
        "ip": ("PUT", f"{NETWORK}/publicIPAddresses/ip", {**PLACED, **address}),
        "nat": ("PUT", f"{NETWORK}/natGateways/nat", {**PLACED, **gateway}),
        "network": ("PUT", f"{networks}/other", {**PLACED, "properties": network}),
        "filters": ("PUT", f"{NETWORK}/networkSecurityGroups/g", {**PLACED, "properties": filters}),
        "filter": (
            "PUT",
            f"{NETWORK}/networkSecurityGroups/rules/securityRules/a",
            {"properties": rule},
        ),
        "subnet": ("PUT", f"{networks}/net/subnets/more", {"properties": subnet}),
        "nic": ("PUT", f"{NETWORK}/networkInterfaces/other", {**PLACED, "properties": nic}),
    }


def _machines(world: BatchSandbox) -> Requests:
    vm = f"{COMPUTE}/virtualMachines/vm"
    action = {"commandId": "RunShellScript", "script": ["true"], "parameters": PAIRS}
    image = {
        "sourceVirtualMachine": {"id": f"{COMPUTE}/virtualMachines/builder"},
        "hyperVGeneration": "V2",
    }
    return {
        "vm": ("PUT", f"{COMPUTE}/virtualMachines/other", world.vm_body(identity=IDENTITY)),
        "vm again": ("PUT", vm, world.vm_body()),
        "vm change": ("PATCH", vm, {"tags": {"a": "b"}}),
        "run": ("PUT", f"{vm}/runCommands/run", run_body("echo hello", NAME="value")),
        "run action": ("POST", f"{vm}/runCommand", action),
        "managed image": ("PUT", f"{COMPUTE}/images/other", {**PLACED, "properties": image}),
    }


def _images(world: BatchSandbox) -> Requests:
    identifier = {"publisher": "a", "offer": "b", "sku": "c"}
    definition = definition_body(features=PAIRS, identifier=identifier)
    version = world.version_body()
    described = {"properties": {"description": "a"}}
    gallery = {**PLACED, "properties": {}}
    return {
        "gallery": ("PUT", f"{COMPUTE}/galleries/other", gallery),
        "gallery change": ("PATCH", f"{COMPUTE}/galleries/gallery", {"properties": {}}),
        "definition": ("PUT", f"{IMAGES}/other", definition),
        "definition change": ("PATCH", f"{IMAGES}/image", described),
        "version": ("PUT", f"{IMAGES}/image/versions/1.0.1", version),
        "version again": ("PUT", f"{IMAGES}/image/versions/1.0.0", version),
        "version change": ("PATCH", f"{IMAGES}/image/versions/1.0.0", version),
    }


def _registries() -> Requests:
    registry = {"sku": {"name": "Basic"}, "properties": {"adminUserEnabled": False}, **PLACED}
    storage = {**PLACED, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}}
    check = f"{PROVIDERS}/Microsoft.ContainerRegistry/checkNameAvailability"
    return {
        "registry": ("PUT", f"{REGISTRIES}/other1", registry),
        "registry change": ("PATCH", f"{REGISTRIES}/myacr", registry),
        "registry name": ("POST", check, {"name": "a", "type": "b"}),
        "storage": ("PUT", f"{BELOW}/Microsoft.Storage/storageAccounts/logs", storage),
        "quick build": ("POST", f"{REGISTRIES}/myacr/scheduleRun", quick_build()),
    }


def _batch() -> Requests:
    account = {
        **PLACED,
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}},
        "properties": {"poolAllocationMode": "BatchService"},
    }
    pool = pool_body(
        nodes=0,
        identity=IDENTITY,
        start_task=start_task(NAME="value"),
        containers=containers_of("docker.io/library/busybox:1.36"),
        security={"securityType": "trustedLaunch", "uefiSettings": {"secureBootEnabled": True}},
        networkConfiguration={"subnetId": SUBNET},
        metadata=PAIRS,
    )
    name = {"name": "abc", "type": "Microsoft.Batch/batchAccounts"}
    check = f"{PROVIDERS}/Microsoft.Batch/locations/{LOCATION}/checkNameAvailability"
    pools = f"{ACCOUNTS}/{ACCOUNT}/pools"
    changes = {"metadata": PAIRS, "scaleSettings": {"fixedScale": {}}}
    return {
        "account": ("PUT", f"{ACCOUNTS}/other", account),
        "account change": ("PATCH", f"{ACCOUNTS}/{ACCOUNT}", {"tags": {"a": "b"}}),
        "keys": ("POST", f"{ACCOUNTS}/{ACCOUNT}/regenerateKeys", {"keyName": "Primary"}),
        "account name": ("POST", check, name),
        "pool": ("PUT", f"{pools}/other", pool),
        "pool again": ("PUT", f"{pools}/dev", pool),
        "pool change": ("PATCH", f"{pools}/dev", {"properties": changes}),
    }


def _service() -> Requests:
    pool, job_path = f"/{HOST}/pools/dev", f"/{HOST}/jobs/job"
    retries = {"constraints": {"maxTaskRetryCount": 1}}
    job = {"id": "new", "poolInfo": {"poolId": "dev"}, **retries}
    task = {
        "id": "new",
        "commandLine": "true",
        "containerSettings": {"imageName": "docker.io/library/busybox:1.36"},
        "environmentSettings": PAIRS,
        "userIdentity": {"autoUser": {"scope": "pool", "elevationLevel": "admin"}},
        **retries,
    }
    formula = {
        "autoScaleFormula": "$TargetDedicatedNodes=0;",
        "autoScaleEvaluationInterval": "PT15M",
    }
    new_pool = {
        "id": "fromService",
        "vmSize": "Standard_D4s_v5",
        "virtualMachineConfiguration": {
            "imageReference": reference(None),
            "nodeAgentSKUId": "batch.node.ubuntu 24.04",
        },
        "startTask": {"commandLine": "true", "environmentSettings": PAIRS},
        "enableInterNodeCommunication": True,
        "targetDedicatedNodes": "1",
        "metadata": PAIRS,
    }
    resize = {"targetDedicatedNodes": 1, "resizeTimeout": "PT15M"}
    return {
        "new pool": ("POST", f"/{HOST}/pools", new_pool),
        "new metadata": ("PATCH", pool, {"metadata": PAIRS, "startTask": {"commandLine": "true"}}),
        "other metadata": ("POST", f"{pool}/updateproperties", {"metadata": PAIRS}),
        "resize": ("POST", f"{pool}/resize", resize),
        "auto scale": ("POST", f"{pool}/enableautoscale", formula),
        "nodes": ("POST", f"{pool}/removenodes", {"nodeList": ["a"]}),
        "job": ("POST", f"/{HOST}/jobs", job),
        "job change": ("PATCH", job_path, retries),
        "job end": ("POST", f"{job_path}/terminate", {"terminateReason": "a"}),
        "task": ("POST", f"{job_path}/tasks", task),
        "tasks": ("POST", f"{job_path}/addtaskcollection", {"value": [task]}),
    }
