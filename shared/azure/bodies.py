"""Request bodies for images as plain JSON, from plans. Pure; each is reviewed in tests/golden."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared.azure import builder_disks
from shared.base import names
from shared.model.image_parts import BaseImage, RegistryPlan
from shared.model.image_request import SecurityType
from shared.model.plans import ImagePlan, ScriptPlan

Json = dict[str, Any]

_ADDRESS_SPACE = "10.20.0.0/24"  # not Docker's 172.17.0.0/16
_SUBNET = "10.20.0.0/25"


def resource_group(location: str, tags: dict[str, str]) -> Json:
    """A resource group."""
    return {"location": location, "tags": tags}


def public_ip(plan: ImagePlan) -> Json:
    """The NAT gateway's address; the builder itself has none."""
    return {
        "location": plan.location,
        "tags": plan.tags,
        "sku": {"name": "Standard"},
        "properties": {"publicIPAllocationMethod": "Static", "publicIPAddressVersion": "IPv4"},
    }


def nat_gateway(plan: ImagePlan, public_ip_id: str) -> Json:
    """The builder's way out."""
    return {
        "location": plan.location,
        "tags": plan.tags,
        "sku": {"name": "Standard"},
        "properties": {"publicIpAddresses": [{"id": public_ip_id}], "idleTimeoutInMinutes": 10},
    }


def network(plan: ImagePlan, nat_gateway_id: str | None) -> Json:
    """The builder's network. Outbound access is said explicitly: new subnets are private by
    default.
    """
    subnet: Json = {"addressPrefix": _SUBNET, "defaultOutboundAccess": nat_gateway_id is None}
    if nat_gateway_id:
        subnet["natGateway"] = {"id": nat_gateway_id}
    return {
        "location": plan.location,
        "tags": plan.tags,
        "properties": {
            "addressSpace": {"addressPrefixes": [_ADDRESS_SPACE]},
            "subnets": [{"name": "builder", "properties": subnet}],
        },
    }


def builder_vm(plan: ImagePlan, public_key: str) -> Json:
    """The VM that the image is made from: without public address and password, disk and card go
    with it.
    """
    assert plan.base is not None, "the base image is looked up before anything is made"
    base = plan.base
    body: Json = {
        "location": plan.location,
        "tags": plan.tags,
        "properties": {
            "hardwareProfile": {"vmSize": plan.size},
            "storageProfile": {
                "imageReference": _image_reference(base),
                **builder_disks.of(plan),
            },
            "osProfile": {
                "computerName": "builder",
                "adminUsername": names.BUILDER_USER,
                "linuxConfiguration": {
                    "disablePasswordAuthentication": True,
                    "provisionVMAgent": True,
                    "ssh": {
                        "publicKeys": [
                            {
                                "path": f"/home/{names.BUILDER_USER}/.ssh/authorized_keys",
                                "keyData": public_key,
                            }
                        ]
                    },
                },
            },
            "networkProfile": {
                "networkApiVersion": "2022-11-01",
                "networkInterfaceConfigurations": [_network_card(plan)],
            },
            "securityProfile": _security(plan),
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
        },
    }
    if plan.zone:
        body["zones"] = [plan.zone]
    if plan.spot:
        spot = {"priority": "Spot", "evictionPolicy": "Delete", "billingProfile": {"maxPrice": -1}}
        body["properties"] |= spot
    if base.purchase_plan:
        body["plan"] = base.purchase_plan
    if identity := _builder_identity(plan):
        body["identity"] = identity
    return body


def _image_reference(base: BaseImage) -> Json:
    if base.id is None:
        names_ = {"publisher": base.publisher, "offer": base.offer, "sku": base.sku}
        return {**names_, "version": base.version}
    return {names.image_reference_key(base.id): base.id}


def _builder_identity(plan: ImagePlan) -> Json | None:
    """Whom the builder acts as: to pull from the registry, to append its logs, and as the owner of
    the request wants.
    """
    others = (registry.identity for registry in plan.registries)
    named = (plan.pull_identity_id, plan.log_identity_id, plan.identity_id, *others)
    assigned = each_once(named)
    kinds = ["UserAssigned"] if assigned else []
    if plan.log_container and not plan.log_identity_id:  # of a build that 0.1.0 has begun
        kinds.insert(0, "SystemAssigned")
    if not kinds:
        return None
    identity: Json = {"type": ", ".join(kinds)}
    if assigned:
        identity["userAssignedIdentities"] = {i: {} for i in assigned}
    return identity


def _network_card(plan: ImagePlan) -> Json:
    return {
        "name": names.network_card(plan.build_id),
        "properties": {
            "primary": True,
            "deleteOption": "Delete",
            "ipConfigurations": [
                {
                    "name": "builder",
                    "properties": {"primary": True, "subnet": {"id": plan.subnet_id}},
                }
            ],
        },
    }


def _security(plan: ImagePlan) -> Json:
    if plan.security_type is SecurityType.STANDARD:
        return {"securityType": "Standard"}
    settings = {"secureBootEnabled": plan.secure_boot, "vTpmEnabled": plan.v_tpm}
    return {"securityType": plan.security_type.value, "uefiSettings": settings}


def each_once(ids: Iterable[str | None]) -> list[str]:
    """The ids, each in the case in which it comes first: Azure takes an identity only once."""
    found: dict[str, str] = {}
    for id_ in ids:
        if id_:
            found.setdefault(id_.lower(), id_)
    return list(found.values())


def user_assigned(*identity_ids: str) -> Json:
    """The `identity` of a resource that may act as these user-assigned identities."""
    return {"type": "UserAssigned", "userAssignedIdentities": {id_: {} for id_ in identity_ids}}


def run_command(
    plan: ScriptPlan, script: str, name: str, protected: dict[str, str] | None = None
) -> Json:
    """A script for the builder. Every value is a named parameter: none becomes shell text. Azure
    encrypts those that are `protected`, and shows them in no answer.
    """
    properties: Json = {
        "source": {"script": script},
        "parameters": _parameters(plan.parameters),
        "asyncExecution": True,
        "timeoutInSeconds": plan.timeout_minutes * 60,
        "treatFailureAsDeploymentFailure": False,
    }
    if protected:
        properties["protectedParameters"] = _parameters(protected)
    if plan.image.log_container:
        blobs = (plan.image.log_container, plan.image.build_id, name)
        client = plan.image.log_identity_client_id
        writer = {"clientId": client} if client else {}  # none: the builder's own, as above
        properties |= {
            "outputBlobUri": names.script_output(*blobs),
            "errorBlobUri": names.script_log(*blobs),
            "outputBlobManagedIdentity": writer,
            "errorBlobManagedIdentity": writer,
        }
    return {"location": plan.image.location, "tags": plan.image.tags, "properties": properties}


def _parameters(values: dict[str, str]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in values.items() if value]


def registry(plan: RegistryPlan) -> Json:
    """A container registry without an admin user, which honours AcrPull, be Azure's default what it
    may.
    """
    return {
        "location": plan.location,
        "tags": lasting(plan.tags),
        "sku": {"name": "Standard"},
        "properties": {
            "adminUserEnabled": False,
            "anonymousPullEnabled": False,
            "publicNetworkAccess": "Enabled",
            "roleAssignmentMode": "LegacyRegistryPermissions",
        },
    }


def registry_build(
    plan: RegistryPlan, source: str, timeout_minutes: int, *, as_caller: bool = False
) -> Json:
    """A quick build inside the registry: from git, or from an uploaded context. It logs in to the
    registry as the app where it has no access of its own.
    """
    login = {"credentials": {"sourceRegistry": {"identity": "[caller]"}}} if as_caller else {}
    given = [
        {"name": name, "value": value, "isSecret": False}
        for name, value in plan.build_arguments.items()
    ]
    arguments = {"arguments": given} if given else {}
    return {
        "type": "DockerBuildRequest",
        "imageNames": [plan.build_image],
        "isPushEnabled": True,
        "noCache": False,
        "dockerFilePath": plan.dockerfile,
        "platform": {"os": "Linux", "architecture": "amd64"},
        "sourceLocation": source,
        "timeout": timeout_minutes * 60,
        "agentConfiguration": {"cpu": 2},
        **arguments,
        **login,
    }


def lasting(tags: dict[str, str]) -> dict[str, str]:
    """The tags of what outlives its build: without the expiry, so that no sweep takes it."""
    return {key: value for key, value in tags.items() if key != names.TAG_EXPIRES}
