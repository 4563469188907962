"""Roles: custom ones, and the few built-in ones that are worth naming here. Assignments may name
others by their GUID.

https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""

from __future__ import annotations

import re

from local.azure_simulator import arm, context, model, resource_ids, store

TYPE = "Microsoft.Authorization/roleDefinitions"
_COLLECTION = f"{{scope}}/providers/{TYPE}"
_NAME_FILTER = re.compile(r"roleName eq '(?P<name>[^']*)'", re.IGNORECASE)
_PROPERTIES = {
    "roleName!": str,
    "description": str,
    "type": str,
    "assignableScopes!": [str],
    "permissions!": [{"actions": [str], "dataActions": [str]}],
}
ROLES = {
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "User Access Administrator": "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    "Virtual Machine Contributor": "9980e02c-c2be-4d73-94e8-173b1dc7cf3c",
    "Managed Identity Operator": "f1a07417-d97a-45cb-824c-7a7467783830",
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
    "Container Registry Repository Reader": "b93aa761-3e63-49ed-ac28-beffa264f7ac",
    "Container Registry Repository Writer": "2a1e307c-b015-4ebd-883e-5b7698a07328",
    "Container Registry Repository Contributor": "2efddaa5-3f1f-4df3-97df-af3f13818f4c",
    "Azure Batch Data Contributor": "6aaa78f1-f7de-44ca-8722-c64a23943cae",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
}


def register(azure: context.Azure) -> None:
    azure.route("GET", f"/{_COLLECTION}", list_roles)
    azure.route("GET", f"/{_COLLECTION}/{{name}}", get)
    azure.route("GET", f"/providers/{TYPE}/{{name}}", get)
    azure.route("PUT", f"/{_COLLECTION}/{{name}}", put, operation="roleDefinitions.write")
    azure.route("DELETE", f"/{_COLLECTION}/{{name}}", delete, operation="roleDefinitions.delete")


def put(azure: context.Azure, request: model.Request) -> model.Response:
    """A custom role. Its name is unique in the tenant."""
    properties = request.json({"properties!": _PROPERTIES})["properties"]
    for other in azure.store.of_type(TYPE):
        is_other = not resource_ids.same(other.id, request.resource_id)
        if is_other and other.properties["roleName"] == properties["roleName"]:
            message = f"A role definition with the name '{properties['roleName']}' exists already."
            model.refuse(409, "RoleDefinitionWithSameNameExists", message)
    role = arm.file(azure, request, TYPE, {"properties": properties})
    return model.json_response(201, role.document)


def delete(azure: context.Azure, request: model.Request) -> model.Response:
    role = azure.store.find(request.resource_id)
    if role is None:
        return model.empty_response(204)
    azure.store.remove(role.id)
    return model.json_response(200, role.document)


def list_roles(azure: context.Azure, request: model.Request) -> model.Response:
    """All, or with `roleName eq 'x'` the one of that name."""
    custom: list[store.Resource] = list(azure.store.of_type(TYPE))
    found = _NAME_FILTER.fullmatch(request.query.get("$filter", "").strip())
    wanted = None if found is None else found["name"].lower()
    roles = [_shown(azure, name) for name in ROLES if wanted in {None, name.lower()}]
    roles += [
        role.document for role in custom if wanted in {None, role.properties["roleName"].lower()}
    ]
    return model.json_response(200, {"value": roles})


def get(azure: context.Azure, request: model.Request) -> model.Response:
    guid = request.parameters["name"].lower()
    for role in azure.store.of_type(TYPE):
        if role.name.lower() == guid:
            return model.json_response(200, role.document)
    for name, known in ROLES.items():
        if known == guid:
            return model.json_response(200, _shown(azure, name))
    message = f"The specified role definition with ID '{guid}' does not exist."
    raise model.Refusal(404, "RoleDefinitionDoesNotExist", message)


def _shown(azure: context.Azure, name: str) -> model.JsonObject:
    return {
        "id": f"/subscriptions/{azure.subscription}/providers/{TYPE}/{ROLES[name]}",
        "name": ROLES[name],
        "type": TYPE,
        "properties": {
            "roleName": name,
            "type": "BuiltInRole",
            "assignableScopes": ["/"],
            "permissions": [],
        },
    }
