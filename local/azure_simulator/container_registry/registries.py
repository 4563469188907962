"""Registries in Resource Manager: names are global, creation is an operation."""

from __future__ import annotations

import re

from local.azure_simulator import (
    arm,
    context,
    durations,
    model,
    resource_ids,
    resource_types,
    shapes,
    store,
    times,
)
from local.azure_simulator.container_registry import public_images
from local.azure_simulator.identity import user_identities

TYPE = "Microsoft.ContainerRegistry/registries"
IMAGE_TYPE = "simulator.registryImage"
NAME = re.compile(r"[A-Za-z0-9]{5,50}")
LEGACY, ABAC = "LegacyRegistryPermissions", "AbacRepositoryPermissions"
"""How a registry reads role assignments: https://aka.ms/acr/auth/abac"""
_SKUS = {"basic": 0.167, "standard": 0.667, "premium": 1.667}  # US dollars a day
_INCLUDED_BYTES = 10 * 1024**3  # of the tier Basic
_NAMES_OF_OTHERS = frozenset({"azure", "docker", "myregistry", "registry"})
_PROPERTIES = {
    "adminUserEnabled": bool,
    "anonymousPullEnabled": bool,
    "publicNetworkAccess": str,
    "roleAssignmentMode": str,
    "policies": dict,
}
_PATCHABLE = (
    "adminUserEnabled",
    "anonymousPullEnabled",
    "publicNetworkAccess",
    "policies",
    "roleAssignmentMode",
)


def register(azure: context.Azure) -> None:
    resource_types.register(
        azure,
        TYPE,
        "registries",
        put=put,
        write=durations.Duration(typical=10, source="estimate"),
        delete=durations.Duration(typical=15, source="estimate"),
        written=_succeed,
    )
    resource_types.register_reads(azure, TYPE + "/tasks")  # there are none
    path = arm.path_of(TYPE)
    check_path = f"/subscriptions/{{subscription}}/providers/{TYPE.partition('/')[0]}"
    azure.route("POST", check_path + "/checkNameAvailability", check_name)
    azure.route("PATCH", path, patch, operation="registries.update")
    azure.route("GET", path + "/listUsages", list_usages)


def check_name(azure: context.Azure, request: model.Request) -> model.Response:
    problem = _name_problem(azure, str(request.json().get("name", "")))
    document: model.JsonObject = {"nameAvailable": problem is None}
    if problem is not None:
        document["reason"], document["message"] = problem
    return model.json_response(200, document)


def put(azure: context.Azure, request: model.Request) -> model.Response:
    """201 (200 on an update) with Azure-AsyncOperation."""
    body, existing = arm.prepare_put(azure, request, _PROPERTIES)
    _check(azure, request, body, is_new=existing is None)
    user_identities.check_attached(azure, body)
    known = {} if existing is None else dict(existing.properties)
    registry = arm.file(azure, request, TYPE, body, existing)
    sku = str(body["sku"]["name"])
    registry.document["sku"] = {"name": sku.capitalize(), "tier": sku.capitalize()}
    registry.document["properties"] = {
        **_defaults(azure),
        **known,
        **(body.get("properties") or {}),
        "loginServer": f"{registry.name.lower()}.azurecr.io",
    }
    registry.cost_per_hour = _SKUS[sku.lower()] / 24
    return arm.start_write(azure, request, registry, "registries.write", created=existing is None)


def _defaults(azure: context.Azure) -> model.JsonObject:
    """https://github.com/Azure/azure-rest-api-specs, RegistryGet.json of 2025-11-01."""
    return {
        "adminUserEnabled": False,
        "anonymousPullEnabled": False,
        "publicNetworkAccess": "Enabled",
        "roleAssignmentMode": azure.setting("registryRoleAssignmentMode", LEGACY),
        "creationDate": times.zulu(azure.now),
        "policies": {
            "quarantinePolicy": {"status": "disabled"},
            "trustPolicy": {"type": "Notary", "status": "disabled"},
            "retentionPolicy": {
                "days": 7,
                "lastUpdatedTime": times.text(azure.now),
                "status": "disabled",
            },
            "exportPolicy": {"status": "enabled"},
            "azureADAuthenticationAsArmPolicy": {"status": "enabled"},
        },
        "encryption": {"status": "disabled"},
        "dataEndpointEnabled": False,
        "dataEndpointHostNames": [],
        "privateEndpointConnections": [],
        "networkRuleBypassOptions": "AzureServices",
        "networkRuleBypassAllowedForTasks": False,
        "zoneRedundancy": "Disabled",
    }


def patch(azure: context.Azure, request: model.Request) -> model.Response:
    registry = arm.require(azure, request.resource_id)
    body = request.json(shapes.resource(_PROPERTIES))
    given = body.get("properties") or {}
    _check_mode(given)
    registry.properties.update({name: given[name] for name in _PATCHABLE if name in given})
    if "tags" in body:
        registry.document["tags"] = body["tags"]
    return model.json_response(200, registry.document)


def list_usages(azure: context.Azure, request: model.Request) -> model.Response:
    """How much its images take, of what the tier includes."""
    registry = arm.require(azure, request.resource_id.rpartition("/")[0])
    taken = sum(int(image.document["sizeBytes"]) for image in images(azure, registry))
    size = {"name": "Size", "limit": _INCLUDED_BYTES, "currentValue": taken, "unit": "Bytes"}
    return model.json_response(200, {"value": [size]})


def find_by_login_server(azure: context.Azure, host: str) -> store.Resource | None:
    """The registry that answers at this host, once it is made."""
    for registry in azure.store.of_type(TYPE):
        if registry.properties["loginServer"] == host.lower() and is_ready(registry):
            return registry
    return None


def is_ready(registry: store.Resource) -> bool:
    return registry.properties["provisioningState"] in {"Succeeded", "Updating"}


def push(
    azure: context.Azure, registry: store.Resource, repository: str, tag: str, digest: str
) -> store.Resource:
    """Put an image into the registry; the tag moves to it if it was there before."""
    size = (150 + int(digest[-2:], 16) * 4) * public_images.MEBIBYTE
    document = {"repository": repository, "tag": tag, "digest": digest, "sizeBytes": size}
    image = store.Resource(
        id=image_id(registry, repository, tag), type=IMAGE_TYPE, document=document
    )
    return azure.store.add(image)


def image_id(registry: store.Resource, repository: str, tag: str) -> str:
    return f"{registry.id}/images/{repository.replace('/', '%2F')}:{tag}"


def images(azure: context.Azure, registry: store.Resource) -> list[store.Resource]:
    return azure.store.children(registry.id, IMAGE_TYPE)


def _succeed(azure: context.Azure, registry: store.Resource, operation: store.Resource) -> None:
    arm.succeed(azure, registry, operation)
    registry.properties["status"] = {
        "displayStatus": "Ready",
        "message": "The registry is ready.",
        "timestamp": times.zulu(azure.now),
    }


def _check(
    azure: context.Azure, request: model.Request, body: model.JsonObject, *, is_new: bool
) -> None:
    sku = str((body.get("sku") or {}).get("name", ""))
    if sku.lower() not in _SKUS:
        model.refuse(400, "InvalidSku", f"The SKU '{sku}' is not one of Basic, Standard, Premium.")
    properties = body.get("properties") or {}
    _check_mode(properties)
    if properties.get("anonymousPullEnabled") and sku.lower() == "basic":
        message = "Anonymous pull is only supported for Standard and Premium registries."
        model.refuse(400, "AnonymousPullNotSupported", message)
    problem = _name_problem(azure, resource_ids.name(request.resource_id)) if is_new else None
    if problem is not None:
        reason, message = problem
        status = 400 if reason == "Invalid" else 409
        model.refuse(status, "InvalidResourceName" if status == 400 else "AlreadyInUse", message)


def _check_mode(properties: model.JsonObject) -> None:
    mode = properties.get("roleAssignmentMode", LEGACY)
    if mode not in {LEGACY, ABAC}:
        message = f"The role assignment mode '{mode}' is not one of {LEGACY}, {ABAC}."
        model.refuse(400, "InvalidParameter", message, target="roleAssignmentMode")


def _name_problem(azure: context.Azure, name: str) -> tuple[str, str] | None:
    """(reason, message) why no new registry can have this name; None if one can."""
    if not NAME.fullmatch(name):
        return "Invalid", (
            "Registry names may contain alpha numeric characters only and must be between 5 and 50 "
            "characters."
        )
    taken = {registry.name.lower() for registry in azure.store.of_type(TYPE)} | _NAMES_OF_OTHERS
    if name.lower() in taken:
        return "AlreadyExists", f"The registry {name} is already in use."
    return None
